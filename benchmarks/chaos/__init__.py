"""Revoada whole, under a seeded random schedule of faults; the far end counts what every person got."""
