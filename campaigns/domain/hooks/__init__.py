"""The events that other programs get, and how a POST is signed."""
