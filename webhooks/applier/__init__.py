"""Applies stored webhooks: reads them, matches them with messages, and writes their effects."""
