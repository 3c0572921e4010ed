"""Finds why campaigns are not sent, and what is missing in a setup."""
