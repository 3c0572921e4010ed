"""Applies stored webhook bodies: parses them, finds the messages that they report on, and writes their effects."""
