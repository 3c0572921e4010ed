"""Passes stored webhooks on to other programs, in the role `events`."""
