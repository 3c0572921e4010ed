"""The command `prices`, and the texts about costs that other commands print."""
