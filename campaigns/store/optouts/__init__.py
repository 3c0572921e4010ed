"""Suppressions of people, answers that wait for a decision, and confirmations of opt-outs."""
