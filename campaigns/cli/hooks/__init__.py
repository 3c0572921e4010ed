"""The command for hooks."""
