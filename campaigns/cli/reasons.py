"""Writes reasons that are stored as English texts in the language of the command."""

from __future__ import annotations

from campaigns.cli.hints import write_value
from campaigns.domain.text import reasons
from campaigns.language import current


def translate_column(column: str, reason: str) -> str:
    """Return the name of the column of a rejected row; a column without a name has its number in words."""
    return reasons.translate_column(column, reason, current())


def translate_reason(reason: str) -> str:
    """Return a reason in the language of the command. A reason of an unknown form stays as it is."""
    return reasons.translate_reason(reason, current(), write_value)
