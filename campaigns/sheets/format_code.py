"""Reads the code of a number format, such as `"R$" #,##0.00;[Red]-0`: its sections, and the tokens in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from campaigns.sheets.locales import FormatError

_TOKEN = re.compile(
    r"""
    "(?P<quoted>[^"]*)"? | \\(?P<escaped>.) | _(?P<space>.) | \*(?P<fill>.) | \[(?P<bracket>[^\]]*)\]
    | (?P<section>;) | (?P<general>General) | (?P<ampm>AM/PM|A/P) | (?P<exponent>E[+-])
    | (?P<date>y+|m+|d+|h+|s+) | (?P<digit>[0\#?]) | (?P<point>\.) | (?P<comma>,) | (?P<percent>%) | (?P<text>@)
    | (?P<slash>/) | (?P<calendar>[abeg]+) | (?P<literal>.)
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_COLOR = re.compile(r"black|blue|cyan|green|magenta|red|white|yellow|color ?\d+", re.IGNORECASE)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?(?:E[+-]?\d+)?)", re.IGNORECASE)
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
_CURRENCY = re.compile(r"\$([^-]*)(?:-(.+))?", re.DOTALL)
_SYSTEM_DATES = frozenset({"f800", "x-sysdate"})
_SYSTEM_TIMES = frozenset({"f400", "x-systime"})


class Token(NamedTuple):
    """A token of a format code. Unless the token was a bracket, `kind` is the name of a group of `_TOKEN`.

    A bracket becomes a token of the kind condition ([>=100]), elapsed ([h]), language ([$-416]), quoted (a currency
    symbol), sysdate (the computer's long date) or systime (the computer's time). A color in brackets makes no token.
    """

    kind: str
    text: str

    @property
    def literal(self) -> str:
        """The text that a token adds to the result. Padding becomes a space, and so does a character that fills the
        cell.
        """
        match self.kind:
            case "space" | "fill":
                return " "
            case "condition" | "language":
                return ""
            case _:
                return self.text


def split_code(code: str) -> Iterator[list[Token]]:
    """Yield the tokens of each section. Raises FormatError for a token that cannot be shown as text."""
    tokens: list[Token] = []
    for match in _TOKEN.finditer(code):
        kind = match.lastgroup or ""
        text = match[kind]
        if kind == "section":
            yield tokens
            tokens = []
        elif kind == "bracket":
            tokens += _read_bracket(text)
        elif kind == "calendar":
            raise FormatError(f"which has {text} in it, a part of another calendar")
        elif kind == "fill" and text != " ":
            raise FormatError(f"which fills the width of the cell with {text}")
        elif kind == "fill" and tokens and tokens[-1].literal.endswith(" "):
            continue
        else:
            tokens.append(Token(kind, text))
    yield tokens


def read_condition(text: str) -> tuple[str, str] | None:
    """Return the comparison and the limit of a condition such as >=100; None if the text is no condition."""
    match = _CONDITION.fullmatch(text)
    return (match[1], match[2]) if match else None


def count_places(tokens: Sequence[Token]) -> int:
    return sum(token.kind == "digit" for token in tokens)


def _read_bracket(text: str) -> list[Token]:
    if _COLOR.fullmatch(text):
        return []
    if _CONDITION.fullmatch(text):
        return [Token("condition", text)]
    if _ELAPSED.fullmatch(text):
        return [Token("elapsed", text.lower())]
    currency = _CURRENCY.fullmatch(text)
    if currency is None:
        raise FormatError(f"which has [{text[:20]}] in it")
    symbol, language = currency[1], (currency[2] or "").lower()
    if language in _SYSTEM_DATES:
        return [Token("sysdate", "")]
    if language in _SYSTEM_TIMES:
        return [Token("systime", "")]
    return [Token("quoted", symbol)] if symbol or not language else [Token("language", language)]
