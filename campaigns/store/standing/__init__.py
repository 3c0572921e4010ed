"""Standing campaigns, and the keys of posted messages."""
