"""Shows dates and times as Excel does.

Excel stores a date and a time as one serial number: the number of days since the end of 1899. The fraction of the
number is the time of day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import partial

from campaigns.sheets.format_code import Token, count_places
from campaigns.sheets.locales import FormatError, Regional

_DAY_SECONDS = 86_400
_LAST_DAY = 2_958_465  # 31 December 9999
_LEAP_DAY = 60  # 29 February 1900, which exists in Excel but not in the calendar
_EPOCH = dt.date(1899, 12, 30).toordinal()
_DAYS_TO_1904 = 1462
_NOON = 12
_LONGEST_NUMBER = 2  # dd is a number, ddd a name
_SHORT_NAME = 3
_INITIAL = 5  # mmmmm is one letter
_ELAPSED_UNITS = {"h": 3600, "m": 60, "s": 1}

_CONTEXT = Context(prec=40, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class _Moment:
    """The date and the time in a cell.

    `day` is the number of the day in the workbook, counted from 1900 or 1904. `serial` is the number of the same day,
    counted from 1900. `second` is the number of seconds since midnight. `fraction` has the digits of the decimal places
    of the second.
    """

    day: int
    serial: int
    second: int
    fraction: str

    @property
    def hour(self) -> int:
        return self.second // 3600

    @property
    def minute(self) -> int:
        return self.second // 60 % 60

    @property
    def weekday(self) -> int:
        return self.serial % 7

    @property
    def date(self) -> dt.date:
        """The date. Raises FormatError for day 0 and for 29 February 1900, which do not exist in the calendar."""
        if self.serial in {0, _LEAP_DAY}:
            raise FormatError("which shows a date, and the value of the cell is no date")
        return dt.date.fromordinal(_EPOCH + self.serial + (self.serial < _LEAP_DAY))


_Part = Callable[[_Moment], str]


def compile_date(tokens: Sequence[Token], regional: Regional, *, is_1904: bool) -> Callable[[Decimal], str]:
    """Return a function that shows a serial number as a date or a time.

    The returned function rounds seconds to the digits that the format shows, and does not round other units. It raises
    FormatError for a number that Excel does not show. `compile_date` itself raises FormatError for an unknown format.
    """
    if any(token.kind == "slash" for token in tokens):
        separator = Token("quoted", regional.date_separator)
        tokens = [separator if token.kind == "slash" else token for token in tokens]
    tokens, places = _join_fraction(tokens)
    parts = list(_list_parts(tokens, regional))
    offset = _DAYS_TO_1904 if is_1904 else 0
    unit = Decimal(1).scaleb(-places)

    def render(number: Decimal) -> str:
        if number < 0:
            raise FormatError("which shows a date or a time, and the value of the cell is negative")
        seconds = (min(number, Decimal(_LAST_DAY + 1)) * _DAY_SECONDS).quantize(unit, context=_CONTEXT)
        whole, _, fraction = f"{seconds:f}".partition(".")
        day, second = divmod(int(whole), _DAY_SECONDS)
        if day + offset > _LAST_DAY:
            raise FormatError("which shows a date, and the value of the cell is beyond the year 9999")
        moment = _Moment(day, day + offset, second, fraction)
        return "".join(part(moment) for part in parts)

    return render


def _join_fraction(tokens: Sequence[Token]) -> tuple[list[Token], int]:
    """Join a point behind the seconds, and the zeros behind the point, into one token.

    Return all tokens, and the number of zeros.
    """
    joined: list[Token] = []
    places = 0
    for position, token in enumerate(tokens):
        is_behind_seconds = position > 0 and _is_time(tokens[position - 1], "s")
        if token.kind == "point" and is_behind_seconds and count_places(tokens[position + 1 : position + 2]):
            joined.append(Token("fraction", ""))
        elif token.kind != "digit":
            joined.append(token)
        elif joined and joined[-1].kind == "fraction":
            joined[-1] = Token("fraction", joined[-1].text + token.text)
            places = len(joined[-1].text)
        else:
            raise FormatError("which has digits between the parts of a date")
    return joined, places


def _is_time(token: Token, letter: str) -> bool:
    return token.kind in {"date", "elapsed"} and token.text[0].lower() == letter


def _list_parts(tokens: Sequence[Token], regional: Regional) -> Iterator[_Part]:
    """Yield, for each token, the function that shows the token.

    The letter m means minutes if it follows hours or precedes seconds; otherwise it means months.
    """
    timed = [token for token in tokens if token.kind in {"date", "elapsed"}]
    has_noon = any(token.kind == "ampm" for token in tokens)
    if has_noon and not regional.has_am_pm:
        raise FormatError(f"which shows AM or PM, and what Excel writes for them in {regional.language} is not known")
    has_day = any(_is_time(token, "d") and len(token.text) <= _LONGEST_NUMBER for token in timed)
    place = 0
    for token in tokens:
        if token.kind in {"date", "elapsed"}:
            place += 1
        letter, width = token.text[:1].lower(), len(token.text)
        if token.kind == "fraction":
            yield partial(_show_fraction, regional.decimal)
        elif token.kind == "ampm":
            yield partial(_show_noon, width // 2)
        elif token.kind == "elapsed":
            yield partial(_show_elapsed, letter, width)
        elif token.kind != "date":
            yield partial(_show_literal, token.literal)
        elif letter in "yd" or (letter == "m" and not _is_minute(timed, place - 1)):
            yield partial(_DATES[letter], regional, width, has_day)
        else:
            yield partial(_show_time, letter, min(width, _LONGEST_NUMBER), has_noon)


def _is_minute(timed: Sequence[Token], place: int) -> bool:
    if len(timed[place].text) > _LONGEST_NUMBER:
        return False
    return any(_is_time(token, "h") for token in timed[max(place - 1, 0) : place]) or any(
        _is_time(token, "s") for token in timed[place + 1 : place + 2]
    )


def _show_literal(text: str, _moment: _Moment) -> str:
    return text


def _show_fraction(decimal: str, moment: _Moment) -> str:
    return decimal + moment.fraction


def _show_noon(width: int, moment: _Moment) -> str:
    return ("PM" if moment.hour >= _NOON else "AM")[:width]


def _show_elapsed(letter: str, width: int, moment: _Moment) -> str:
    return f"{(moment.day * _DAY_SECONDS + moment.second) // _ELAPSED_UNITS[letter]:0{width}}"


def _show_time(letter: str, width: int, has_noon: bool, moment: _Moment) -> str:  # noqa: FBT001
    match letter:
        case "h":
            number = (moment.hour % _NOON or _NOON) if has_noon else moment.hour
        case "m":
            number = moment.minute
        case _:
            number = moment.second % 60
    return f"{number:0{width}}"


def _show_year(_regional: Regional, width: int, _has_day: bool, moment: _Moment) -> str:  # noqa: FBT001
    year = moment.date.year
    return f"{year:04}" if width > _LONGEST_NUMBER else f"{year % 100:02}"


def _show_day(regional: Regional, width: int, _has_day: bool, moment: _Moment) -> str:  # noqa: FBT001
    if width <= _LONGEST_NUMBER:
        return f"{moment.date.day:0{width}}"
    return regional.weekday(moment.weekday, is_short=width == _SHORT_NAME)


def _show_month(regional: Regional, width: int, has_day: bool, moment: _Moment) -> str:  # noqa: FBT001
    month = moment.date.month
    if width <= _LONGEST_NUMBER:
        return f"{month:0{width}}"
    name = regional.month(month, is_short=width == _SHORT_NAME, is_alone=not has_day)
    return name[0] if width == _INITIAL else name


_DATES: dict[str, Callable[[Regional, int, bool, _Moment], str]] = {"y": _show_year, "m": _show_month, "d": _show_day}
