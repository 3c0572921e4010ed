"""Reads phone numbers, tells which of them belong to one person, and finds their time zones."""
