"""Walks through the commands of `revoada`, and imports the module of each command on the way."""

from campaigns.cli.root import LazyCommand


def enter(group, word):
    """The command of a group that has this name."""
    command = group.commands[word]
    return command.load() if isinstance(command, LazyCommand) else command
