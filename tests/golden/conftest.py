"""The command with its fixtures, for the golden files of what it prints."""

from tests.cli.conftest import house, people, revoada

__all__ = ["house", "people", "revoada"]
