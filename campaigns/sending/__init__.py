"""Sends campaigns in time slices, and finds the campaigns that are due for a slice."""
