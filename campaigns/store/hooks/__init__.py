"""Hooks, and the outbox of their events."""
