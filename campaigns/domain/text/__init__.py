"""Normalizes texts from outside, recognises cells without a value, and reads the ends of links."""
