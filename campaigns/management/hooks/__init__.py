"""Hooks: addresses of other programs that get a POST for each event."""
