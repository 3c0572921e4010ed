"""Escapes control characters, so that a text from outside changes no other text of an output.

A terminal obeys the control characters of ASCII (C0) and of Latin-1 (C1), and each escape sequence begins with such a
character. Bidi characters (for text from right to left) reorder a line. A line separator begins a new line, so a name
with a line separator could forge a whole line of an output.
"""

from __future__ import annotations

import re

# C0, DEL, C1; the marks, embeddings, overrides and isolates of bidi; line and paragraph separator; lone surrogates.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# Postgres has no text and no JSON with these characters: NUL, lone surrogates.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NAMES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape_controls(text: str, *, keeps: str = "") -> str:
    r"""Return `text` with escapes such as \x1b or \u202e in place of the control characters that are not in `keeps`."""
    return _CONTROLS.sub(lambda match: match[0] if match[0] in keeps else _escape(match[0]), text)


def escape_unstorable(text: str) -> str:
    r"""Return `text` with escapes such as \x00 in place of the characters that Postgres cannot store."""
    return _UNSTORABLE.sub(lambda match: _escape(match[0]), text)


def escape_in_json(text: str) -> str:
    r"""Return JSON text with \u escapes for control characters except line feeds. The JSON value stays the same."""
    return _CONTROLS.sub(lambda match: match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}", text)


def _escape(character: str) -> str:
    code = ord(character)
    if character in _NAMES:
        return _NAMES[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004  two digits, or four
