"""The sender: campaigns run all at once, each in its own context."""
