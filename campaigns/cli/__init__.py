"""The command `revoada`; `root.py` has the root command.

Each subcommand parses its arguments, calls one use case, and formats the result.
"""
