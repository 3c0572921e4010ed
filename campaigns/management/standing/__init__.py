"""Standing campaigns, to which programs post single messages."""
