"""Shows a number as Excel does. A number format (ECMA-376 part 1, 18.8.31) is compiled once for many cells.

The result differs from a cell on a screen in two ways. First, the width of the cell is ignored, so padding at the ends
is left out, and no number becomes ####. Second, in the format General a whole number of up to 15 digits keeps all its
digits, as in Excel's formula bar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

from campaigns.sheets.date_format import compile_date
from campaigns.sheets.format_code import Token, count_places, read_condition, split_code
from campaigns.sheets.fraction_format import compile_fraction
from campaigns.sheets.locales import FormatError, Regional, find_lcid, find_regional

_GENERAL_WIDTH = 11
_WHOLE_DIGITS = 15
# The format General shows a number below this power of ten with an exponent, if the number would otherwise lose digits.
_SMALLEST = -4
_GENERAL_PLACES = 5  # decimal places of a mantissa
_LONGEST_CODE = 255
_MAX_SECTIONS = 4  # for positive numbers, negative numbers, zero and texts

_CONTEXT = Context(prec=400, rounding=ROUND_HALF_UP)
_BLANKS = {"0": "0", "#": "", "?": " "}  # the text that a place shows if the number has no digit for the place

_Render = Callable[[Decimal], str]
_Condition = Callable[[Decimal], bool]


@dataclass(frozen=True, slots=True)
class _Section:
    """A section of a format. `sign`: the text before a negative number; None: unknown, because versions of Excel
    differ.
    """

    applies: _Condition
    sign: str | None
    render: _Render


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A number format, compiled for the regional settings of one language."""

    sections: Sequence[_Section]
    text: Sequence[Token] | None

    def show(self, value: float) -> str:
        """Return a number as Excel shows it. Raises FormatError if it is not known what Excel shows."""
        number = _CONTEXT.create_decimal(f"{value:.15g}")  # Excel keeps 15 digits of a number
        section = next((section for section in self.sections if section.applies(number)), None)
        if section is None:
            raise FormatError("which has no form for this number")
        try:
            shown = section.render(number).strip(" ")
        except InvalidOperation:  # the number has more digits than _CONTEXT keeps
            raise FormatError("which shows more digits than a message takes") from None
        if number >= 0:
            return shown
        if section.sign is None:
            raise FormatError("which shows negative numbers by a condition")
        return section.sign + shown

    def show_text(self, text: str) -> str:
        """Return a text as Excel shows it. A number format may add characters to the text, or hide the text."""
        if self.text is None:
            return text
        return "".join(text if token.kind == "text" else token.literal for token in self.text)


def compile_format(code: str, regional: Regional, *, is_1904: bool = False) -> NumberFormat:
    """Compile a format code. `is_1904`: the workbook counts days from 1904. Raises FormatError."""
    if len(code) > _LONGEST_CODE:
        raise FormatError("which is longer than Excel allows")
    sections = list(split_code(code or "General"))
    if len(sections) > _MAX_SECTIONS:
        raise FormatError("which has more than four sections")
    text = None
    if len(sections) == _MAX_SECTIONS or any(token.kind == "text" for token in sections[-1]):
        text = sections.pop()
        sections = sections or [text]  # the only section is for texts and shows numbers in the format General
    renders = [_compile_section(section, regional, is_1904=is_1904) for section in sections]
    conditions = [_find_condition(section) for section in sections]
    choose = _choose_by_condition if any(conditions) else _choose_by_sign
    return NumberFormat(choose(renders, conditions), text)


def _choose_by_sign(renders: Sequence[_Render], _conditions: object) -> list[_Section]:
    """Return the sections in the order in which they are tried. A number is shown by the first section that applies."""
    match renders:
        case [only]:
            return [_Section(_always, "-", only)]
        case [other, negative]:
            return [_Section(_is_negative, "", negative), _Section(_always, "", other)]
        case _:
            positive, negative, zero = renders
            return [
                _Section(_is_positive, "", positive),
                _Section(_is_negative, "", negative),
                _Section(_always, "", zero),
            ]


def _choose_by_condition(renders: Sequence[_Render], conditions: Sequence[_Condition | None]) -> list[_Section]:
    """Return the sections in the order in which they are tried. If there are three sections and the second section has
    no condition, the second section is for negative numbers.
    """
    sections = [
        _Section(condition or _always, None, render) for condition, render in zip(conditions, renders, strict=True)
    ]
    if len(sections) == _MAX_SECTIONS - 1 and conditions[1] is None:
        sections[1] = _Section(_is_negative, "", renders[1])
    return sections


def _always(_number: Decimal) -> bool:
    return True


def _is_positive(number: Decimal) -> bool:
    return number > 0


def _is_negative(number: Decimal) -> bool:
    return number < 0


def _find_condition(tokens: Sequence[Token]) -> _Condition | None:
    for token in tokens:
        if token.kind == "condition" and (found := read_condition(token.text)):
            comparison, limit = found
            return _COMPARISONS[comparison](Decimal(limit))
    return None


_COMPARISONS: dict[str, Callable[[Decimal], _Condition]] = {
    "<": lambda limit: lambda number: number < limit,
    ">": lambda limit: lambda number: number > limit,
    "=": lambda limit: lambda number: number == limit,
    "<=": lambda limit: lambda number: number <= limit,
    ">=": lambda limit: lambda number: number >= limit,
    "<>": lambda limit: lambda number: number != limit,
}


def _compile_section(tokens: Sequence[Token], regional: Regional, *, is_1904: bool) -> _Render:
    for token in tokens:
        if token.kind == "language":
            regional = regional.with_names_of(find_regional(find_lcid(token.text)))
        elif token.kind in {"sysdate", "systime"}:
            tokens = next(split_code(regional.long_date if token.kind == "sysdate" else regional.time))
            break
    kinds = {token.kind for token in tokens}
    if kinds & {"date", "elapsed", "ampm"}:
        return compile_date(tokens, regional, is_1904=is_1904)
    if kinds & {"general", "text"}:
        return _compile_general(tokens, regional)
    if "slash" in kinds and _is_fraction(tokens):
        return compile_fraction(tokens)
    if "digit" in kinds:
        return _compile_number(tokens, regional)
    text = "".join(token.literal for token in tokens)
    return lambda _number: text


def _compile_general(tokens: Sequence[Token], regional: Regional) -> _Render:
    def render(number: Decimal) -> str:
        shown = _show_general(abs(number), regional)
        return "".join(shown if token.kind in {"general", "text"} else token.literal for token in tokens)

    return render


def _show_general(number: Decimal, regional: Regional) -> str:
    """Return a number as the format General shows it: at most 11 characters, or at most 6 digits and an exponent."""
    if number == 0:
        return "0"
    magnitude = number.adjusted()
    if magnitude < _WHOLE_DIGITS and number == number.to_integral_value():
        return f"{number:.0f}"
    rounded = _round(number, max(_GENERAL_WIDTH - 2 - max(magnitude, 0), 0))
    if magnitude < _GENERAL_WIDTH and (magnitude >= _SMALLEST or rounded == number):
        return _show_decimal(rounded, regional)
    mantissa, exponent = _scale(number, 1, _GENERAL_PLACES)
    return f"{_show_decimal(mantissa, regional)}E{exponent:+03d}"


def _show_decimal(number: Decimal, regional: Regional) -> str:
    """Return a number without the zeros at the end of its decimal places."""
    whole, _, fraction = f"{number:f}".partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}{regional.decimal}{fraction}" if fraction else whole


def _round(number: Decimal, places: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-places), context=_CONTEXT)


def _scale(number: Decimal, width: int, places: int) -> tuple[Decimal, int]:
    """Return the mantissa and the exponent of a number; the exponent is a multiple of `width`."""
    if number == 0:
        return number, 0
    exponent = number.adjusted() // width * width
    mantissa = _round(number.scaleb(-exponent, _CONTEXT), places)
    if mantissa.adjusted() >= width:
        exponent += width
        mantissa = _round(number.scaleb(-exponent, _CONTEXT), places)
    return mantissa, exponent


def _compile_number(tokens: Sequence[Token], regional: Regional) -> _Render:
    """Compile a section that has places for digits. Other tokens may stand between the places."""
    whole, fraction, exponent = _take_apart(tokens)
    groups, thousands = _read_commas(whole, fraction)
    shift = 2 * sum(token.kind == "percent" for token in tokens) - 3 * thousands
    width, places = count_places(whole), count_places(fraction)
    separator = regional.group if groups else ""
    point = regional.decimal if fraction else ""
    power_sign = "+" if exponent and exponent[0].text.endswith("+") else ""

    def render(number: Decimal) -> str:
        scaled, power = abs(number).scaleb(shift, _CONTEXT), 0
        if exponent:
            scaled, power = _scale(scaled, max(width, 1), places)
        integer, _, decimals = f"{_round(scaled, places):f}".partition(".")
        shown = _fill_whole(whole, integer.lstrip("0"), separator, regional.groups)
        if fraction:
            shown += point + _fill_fraction(fraction[1:], decimals)
        if exponent:
            power_digits = _fill_whole(exponent[1:], str(abs(power)).lstrip("0"), "", regional.groups)
            shown += "E" + ("-" if power < 0 else power_sign) + power_digits
        return shown

    return render


def _take_apart(tokens: Sequence[Token]) -> tuple[list[Token], list[Token], list[Token]]:
    """Split tokens into three lists: before the decimal point, from the point on, and from the exponent on.

    Raises FormatError.
    """
    parts: tuple[list[Token], list[Token], list[Token]] = ([], [], [])
    starts = {"point": 1, "exponent": 2}
    current = 0
    for token in tokens:
        if token.kind in starts:
            if starts[token.kind] <= current:
                raise FormatError(f"which has a second {token.text} behind the first")
            current = starts[token.kind]
        parts[current].append(token)
    if not count_places(parts[0]):
        parts[0].append(Token("digit", "#"))
    return parts


def _is_fraction(tokens: Sequence[Token]) -> bool:
    slash = next(position for position, token in enumerate(tokens) if token.kind == "slash")
    return _has_digits(tokens[:slash]) and _has_digits(tokens[slash:])


def _has_digits(tokens: Sequence[Token]) -> bool:
    return any(token.kind == "digit" or token.text.isdigit() for token in tokens)


def _read_commas(whole: Sequence[Token], fraction: Sequence[Token]) -> tuple[bool, int]:
    """Return whether a comma between places groups the digits, and the number of commas behind the last place.

    Each comma behind the last place divides the number by a thousand.
    """
    groups, thousands = False, 0
    for tokens in (whole, fraction):
        places = [position for position, token in enumerate(tokens) if token.kind == "digit"]
        commas = [position for position, token in enumerate(tokens) if token.kind == "comma"]
        thousands += sum(position > places[-1] for position in commas) if places else 0
        groups = groups or (tokens is whole and any(places[0] < position < places[-1] for position in commas))
    return groups, thousands


def _fill_whole(tokens: Sequence[Token], digits: str, separator: str, groups: tuple[int, int]) -> str:
    """Put digits into their places from the right; the leftmost place takes all remaining digits."""
    places = count_places(tokens)
    shown: list[str] = []  # in the order from right to left
    count = 0
    for token in reversed(tokens):
        if token.kind == "comma":
            continue
        if token.kind != "digit":
            shown.append(token.literal)
            continue
        places -= 1
        taken = digits[-1:] if places else digits
        digits = digits[: len(digits) - len(taken)]
        for digit in reversed(taken or _BLANKS[token.text]):
            if separator and count >= groups[0] and (count - groups[0]) % groups[1] == 0:
                shown.append(" " if digit == " " else separator)
            shown.append(digit)
            count += 1
    return "".join(reversed(shown))


def _fill_fraction(tokens: Sequence[Token], digits: str) -> str:
    """Put digits into their places from the left. For zeros at the end, a place # shows nothing and ? shows a space."""
    kinds = [token.text for token in tokens if token.kind == "digit"]
    known = max(len(digits.rstrip("0")), max((place for place, kind in enumerate(kinds, 1) if kind == "0"), default=0))
    shown, place = "", 0
    for token in tokens:
        if token.kind == "digit":
            shown += digits[place] if place < known else _BLANKS[token.text]
            place += 1
        elif token.kind != "comma":
            shown += token.literal
    return shown
