"""The command `forward`."""
