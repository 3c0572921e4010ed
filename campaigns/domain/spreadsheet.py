"""What a cell of an export must not begin with: a spreadsheet would take it for a formula and run it."""

from __future__ import annotations

# The last four are the wide forms of = + - @ that an East Asian keyboard writes: Excel takes them for the same.
_FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def make_safe(text: str) -> str:
    """Return `text`, with an apostrophe before it where a spreadsheet would calculate it; spaces do not hide that."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text
