"""Recognises dates that no calendar has, and dates with a time that a program has added."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain

from campaigns.domain.text.normal import fold, standardize

# A date of digits with a year of four digits, also within a text. A day and a month may stand in either order.
_DAY_FIRST = re.compile(r"(?<![\w/.-])([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4})(?![\w/-]|\.[0-9])")
_YEAR_FIRST = re.compile(r"(?<![\w/.-])([0-9]{4})([/.-])([0-9]{1,2})\2([0-9]{1,2})(?![0-9/-]|\.[0-9])")
# A date with a year of two digits. Only the whole cell counts, and only in a column of dates, because codes such as
# 30-00-20 have the same form.
_SHORT_YEAR = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{2})(?: .*)?")
# A date with the name of its month: "31 de abril de 2026", "30 February", "February 30, 2026".
_NAMED_DAY_FIRST = re.compile(r"([0-9]{1,2}) ?(?:o|st|nd|rd|th)? (?:de )?([a-z]{3,10})(?: (?:de )?([0-9]{4}))?")
_NAMED_MONTH_FIRST = re.compile(r"([a-z]{3,10}) ([0-9]{1,2})(?:st|nd|rd|th)?(?: ([0-9]{4}))?")
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan janeiro january ene enero", "fev fevereiro feb february febrero", "mar marco march marzo",
            "abr abril apr april", "mai maio may mayo", "jun junho june junio", "jul julho july julio",
            "ago agosto aug august", "set setembro sep sept september septiembre setiembre",
            "out outubro oct october octubre", "nov novembro november noviembre",
            "dez dezembro dec december dic diciembre",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
# Nearly all texts with a number have none of these, so the longer searches are spared.
_SEPARATED = re.compile(r"[0-9][/.-][0-9]")
_MONTH_START = re.compile("|".join(sorted({name[:3] for name in _MONTHS})), re.IGNORECASE)
# What programs write for the number 0 in a cell with the format of a date, or for a date that is missing.
_ZERO_DATES = frozenset({dt.date(1, 1, 1), dt.date(1899, 12, 30), dt.date(1899, 12, 31)})
_LEAP_YEAR = _CENTURY = 2000
_MOST_DAYS = 31
_MIDNIGHT = re.compile(
    r"(?:[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{2,4}|[0-9]{4}[/.-][0-9]{1,2}[/.-][0-9]{1,2}),?[ T]"
    r"(?:0?0:00(?::00(?:[.,]0+)?)?|12:00(?::00)? ?[Aa]\.?[Mm]\.?) ?(?:Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
# The form of ISO 8601 with a T between the date and the time, which programs write and people do not.
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:Z|[+-][0-9:]{2,6})?"
)

# A sign in place of a date, and a date that only programs write. A number such as 10 may be the day of each month.
_NO_DATE = re.compile(r"0+|[^\W\d_]|(?:19|20)[0-9]{6}")


def find_impossible_date(text: str, *, has_dates: bool) -> str | None:
    """Return the first date of a text that no calendar has, such as 30/02/2026 or 00/01/1900; else None.

    A date with the name of its month, or with a year of two digits, must be the whole text. `has_dates`: the text
    stands in a column of dates, so that a year may have two digits.
    """
    if not any(map(str.isdigit, text)):  # nearly every value
        return None
    plain = standardize(text)
    if _SEPARATED.search(plain) is None:
        return plain if _is_impossible_by_name(plain) else None
    for found in _DAY_FIRST.finditer(plain):
        one, other, year = int(found[1]), int(found[3]), int(found[4])
        if not _exists([(year, other, one), (year, one, other)]):
            return found[0]
    for found in _YEAR_FIRST.finditer(plain):
        if not _exists([(int(found[1]), int(found[3]), int(found[4]))]):
            return found[0]
    if has_dates and (short := _SHORT_YEAR.fullmatch(plain)):
        one, other, year = int(short[1]), int(short[3]), int(short[4])
        years = (1900 + year, 2000 + year)
        if not _exists(chain.from_iterable(((each, other, one), (each, one, other)) for each in years)):
            return plain
    return plain if _is_impossible_by_name(plain) else None


def has_time_of_program(text: str) -> bool:
    """Tell whether a text is a date with the time 00:00, or a time stamp in the form of ISO 8601 with a T."""
    if not text[:1].isdigit() or ":" not in text:
        return False
    plain = standardize(text)
    return _MIDNIGHT.fullmatch(plain) is not None or _TIMESTAMP.fullmatch(plain) is not None


def is_named_date(text: str) -> bool:
    """Tell whether a text is a date with the name of its month, such as "31 de dezembro"."""
    return read_named_date(text) is not None


def _is_impossible_by_name(text: str) -> bool:
    if (date := read_named_date(text)) is None:
        return False
    year, month, day = date
    return not _exists([(_LEAP_YEAR if year is None else year, month, day)])


def read_named_date(text: str) -> tuple[int | None, int, int] | None:
    """Return year, month and day of a date with the name of its month, also of a date that no calendar has.

    The year is None if the text has none.
    """
    if _MONTH_START.search(text) is None:
        return None
    words = fold(text)
    if found := _NAMED_DAY_FIRST.fullmatch(words):
        day, name, year = found.groups()
    elif found := _NAMED_MONTH_FIRST.fullmatch(words):
        name, day, year = found.groups()
    else:
        return None
    month = _MONTHS.get(name)
    if month is None or (year is None and int(day) > _MOST_DAYS):  # "Mar 40" may be a street and its number
        return None
    return int(year) if year else None, month, int(day)


def _exists(dates: Iterable[tuple[int, int, int]]) -> bool:
    """Tell whether one of these dates (year, month, day) is in the calendar, and is not the date of the number 0."""
    for year, month, day in dates:
        try:
            if dt.date(year, month, day) not in _ZERO_DATES:
                return True
        except ValueError:
            pass
    return False


@lru_cache(10_000)
def read_date(text: str) -> dt.date | None:
    """Return the date of a whole text that has a year. The day stands first, unless that is impossible."""
    plain = standardize(text)
    if found := _DAY_FIRST.fullmatch(plain) or _SHORT_YEAR.fullmatch(plain):
        one, other, year = int(found[1]), int(found[3]), int(found[4])
        year += _CENTURY if year < _CENTURY else 0
        return _make_date(year, other, one) or _make_date(year, one, other)
    if found := _YEAR_FIRST.fullmatch(plain):
        return _make_date(int(found[1]), int(found[3]), int(found[4]))
    named = read_named_date(plain)
    return None if named is None or named[0] is None else _make_date(named[0], *named[1:])


def _make_date(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


class LatestDate:
    """The latest date of a column, while its rows are read.

    `date`: None if the column has no date, or a cell that is no date. `row_number` and `shown`: its row and its text.
    """

    def __init__(self) -> None:
        self.date: dt.date | None = None
        self.row_number, self.shown = 0, ""
        self._has_others = False

    def add(self, row_number: int, cell: str) -> None:
        date = None if self._has_others else read_date(cell)
        if date is None:
            self._has_others, self.date = True, None
        elif self.date is None or date > self.date:
            self.date, self.row_number, self.shown = date, row_number, cell.strip()


def is_past(date: dt.date, today: dt.date) -> bool:
    """Tell whether a date is past in all time zones, which it is if it is past by two days."""
    return date < today - dt.timedelta(days=1)


def is_no_date(text: str) -> bool:
    """Tell whether a cell of a column of dates is a sign for no date, such as 0 and x, or 20261201 from a program."""
    plain = text.strip()
    return _NO_DATE.fullmatch(plain) is not None
