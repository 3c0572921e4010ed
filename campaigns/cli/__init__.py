"""The command `revoada`: each command parses, calls one use case, and formats. It starts in `root.py`."""
