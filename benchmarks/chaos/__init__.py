"""Runs a whole installation under a seeded random schedule of faults, and counts the messages that each person got."""
