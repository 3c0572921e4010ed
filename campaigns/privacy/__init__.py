"""Erasure, retention, forgotten people, and the confirmation of opt-outs."""
