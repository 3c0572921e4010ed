"""Finds dates whose day and month stand in another order than people read in the language of a template."""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache
from typing import NamedTuple

from babel import Locale, UnknownLocaleError

from campaigns.domain.text.normal import standardize

_DATE = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})\2(?:[0-9]{4}|[0-9]{2})(?:,?[ T].*)?")
_FIRST_DAY = dt.date(1899, 12, 30)  # the day 0 of Excel, for all dates since March 1900
_LAST_NUMBER = 73050  # the last day of the year 2099
_MONTHS = 12
# Templates in these languages go to countries with both orders.
_BOTH_ORDERS = frozenset({"en", "fil"})


class OtherOrder(NamedTuple):
    """The dates of a column that stand in another order than the language of the template has.

    `cell_count`: the dates that certainly do. `row_number` and `shown`: the first. `is_month_first`: their order.
    """

    cell_count: int
    row_number: int
    shown: str
    is_month_first: bool


def reads_month_first(language: str) -> bool | None:
    """Tell whether people who read a language, such as en_US, write the month before the day.

    None: both orders are usual, or the year stands first.
    """
    if language in _BOTH_ORDERS:
        return None
    try:
        pattern = Locale.parse(language).date_formats["short"].pattern
    except (UnknownLocaleError, ValueError):
        return None
    return {"M": True, "d": False}.get(pattern[:1])


class DateOrders:
    """The orders of the dates of a column, while its rows are read.

    `is_month_first`: the order of the language of the template.
    """

    def __init__(self, *, is_month_first: bool) -> None:
        self._expected = is_month_first
        self._count = self._row_number = 0
        self._shown = ""

    def add(self, row_number: int, cell: str, serial: str) -> None:
        """Add a cell. `serial`: the number by which a workbook stores the date, "" for a text."""
        order = _read_order(cell, serial)
        if order is None or order is self._expected:
            return
        self._count += 1
        if self._count == 1:
            self._row_number, self._shown = row_number, cell.strip()

    def find(self) -> OtherOrder | None:
        if not self._count:
            return None
        return OtherOrder(self._count, self._row_number, self._shown, not self._expected)


@lru_cache(10_000)
def _read_order(cell: str, serial: str) -> bool | None:
    """Tell whether a date begins with the month; None if this is not certain.

    The number of a date in a workbook tells the order of each date, and a text tells it if one number is no month.
    """
    found = _DATE.fullmatch(standardize(cell))
    if found is None:
        return None
    first, second = int(found[1]), int(found[3])
    if serial.isdecimal() and int(serial) <= _LAST_NUMBER:
        date = _FIRST_DAY + dt.timedelta(days=int(serial))
        if first != second and (first, second) in {(date.day, date.month), (date.month, date.day)}:
            return first == date.month
    if (first > _MONTHS) is (second > _MONTHS):
        return None
    return second > _MONTHS
