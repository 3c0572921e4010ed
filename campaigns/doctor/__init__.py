"""Why something does not move, and what is missing in a set-up."""
