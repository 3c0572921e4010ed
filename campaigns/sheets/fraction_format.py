"""Shows a number as a fraction, such as 1 1/2, as Excel does with formats such as `# ?/?` and `# ??/16`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

from campaigns.sheets.format_code import Token, count_places
from campaigns.sheets.locales import FormatError

_LONGEST = 5  # the maximum number of digits of a denominator
_FOREIGN = frozenset({"slash", "point", "comma", "percent", "exponent"})  # tokens that no fraction has


def compile_fraction(tokens: Sequence[Token]) -> Callable[[Decimal], str]:
    """Return a function that shows the absolute value of a number as a fraction.

    A supported format has these parts: the places of a whole number (optional); a numerator of places `?`; a slash; and
    a denominator, which is places `?` or a number such as 16. Texts may stand before the numerator and after the
    denominator. Raises FormatError for any other format.
    """
    slash = next(position for position, token in enumerate(tokens) if token.kind == "slash")
    start = slash
    while start and _is_place(tokens[start - 1]):
        start -= 1
    end = slash + 1
    while end < len(tokens) and (_is_place(tokens[end]) or tokens[end].text.isdigit()):
        end += 1
    top, bottom = _join(tokens[start:slash]), _join(tokens[slash + 1 : end])
    before, after = tokens[:start], tokens[end:]
    places = [position for position, token in enumerate(before) if token.kind == "digit"]
    is_usual = {*top} == {"?"} and (bottom.isdigit() or {*bottom} == {"?"}) and not bottom.startswith("0")
    is_one_number = not places or places[-1] - places[0] + 1 == len(places)
    others = {token.kind for token in (*before, *after)}
    if not (is_usual and is_one_number and len(bottom) <= _LONGEST) or others & _FOREIGN or count_places(after):
        raise FormatError("which shows a fraction in an unusual form")

    def render(number: Decimal) -> str:
        exact = Fraction(float(abs(number)))  # Excel's 0.3 is a little less than 3/10, so `?/?` shows 2/7
        whole, rest = divmod(exact, 1) if places else (0, exact)
        if bottom.isdigit():
            denominator = int(bottom)
            numerator = math.floor(rest * denominator + Fraction(1, 2))
        else:
            numerator, denominator = _approximate(rest, 10 ** len(bottom) - 1)
        if places and numerator == denominator:
            whole, numerator = whole + 1, 0
        shown = f"{numerator:>{len(top)}}/{denominator:<{len(bottom)}}"
        if places and numerator == 0:
            shown = " " * len(shown)
        return _fill(before, whole, is_zero_shown=numerator == 0) + shown + "".join(each.literal for each in after)

    return render


def _is_place(token: Token) -> bool:
    return token.kind == "digit" and token.text == "?"


def _join(tokens: Sequence[Token]) -> str:
    return "".join(token.text for token in tokens)


def _approximate(number: Fraction, most: int) -> tuple[int, int]:
    """Return the last convergent of a number's continued fraction whose denominator is at most `most`.

    Excel shows this convergent, although another fraction may be nearer to the number.
    """
    (above, below), (numerator, denominator) = (0, 1), (1, 0)
    rest = number
    while True:
        term = math.floor(rest)
        above, numerator = numerator, term * numerator + above
        below, denominator = denominator, term * denominator + below
        if denominator > most:
            return above, below
        if rest == term:
            return numerator, denominator
        rest = 1 / (rest - term)


def _fill(tokens: Sequence[Token], whole: int, *, is_zero_shown: bool) -> str:
    """Return the texts before the numerator, with the whole number in its places."""
    width = sum(token.kind == "digit" for token in tokens)
    least = sum(token.text == "0" for token in tokens if token.kind == "digit")
    digits = f"{whole:0{least}}" if whole or least or is_zero_shown else ""
    shown = ""
    for token in tokens:
        if token.kind != "digit":
            shown += token.literal
        elif width:
            shown, width = shown + digits, 0
    return shown
