"""The command `revoada`: each command parses, calls one use case, and formats."""

from campaigns.cli.root import main

__all__ = ["main"]
