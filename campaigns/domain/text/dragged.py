"""Finds cells that grow by the same step from row to row, as if somebody had dragged one cell down in a spreadsheet.

The spreadsheet then does not repeat the cell: each phone, date or amount is one more than the one above it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from campaigns.domain.text.dates import read_date
from campaigns.domain.text.normal import standardize

_LEAST_CELLS = 5
# Fewer cells of a column of values may grow by chance, if the column has others.
_LEAST_PART = 10
_HAS_DIGIT = re.compile("[0-9]")
_SIGN = r"(?:[A-Z]{0,3}[$€£¥]|BRL|USD|EUR|GBP)"
_AMOUNT = re.compile(rf"({_SIGN})? ?([0-9][0-9.,' ]*?)(?:[.,]([0-9]{{1,2}}))? ?(%|{_SIGN})?")
_DAY = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})|([0-9]{1,2})/([0-9]{1,2})")
_CENTURY, _LEAST_YEAR = 2000, 100
_LEAP_YEAR = 2000  # the year of a date that has none


class DraggedCells(NamedTuple):
    """Cells one below the other that grow by the same step. `first` and `last`: their texts; phones are masked."""

    column: str
    cell_count: int
    first_row: int
    first: str
    last_row: int
    last: str


class _Row(NamedTuple):
    row_number: int
    number: int | None
    shown: str
    cells: Sequence[str]


class DraggedSearch:
    """Looks for such cells in one column, while the accepted rows of a list are read.

    Rows count only if a text without digits, such as the name of the person, differs from row to row. In a list that a
    program has made for a test, all people may have one name.
    """

    def __init__(self, position: int) -> None:
        self._position = position
        self._cell_count = self._run_count = self._length = self._step = 0
        self._last: _Row | None = None
        self._first: _Row | None = None
        self._longest: tuple[int, _Row, _Row] | None = None

    def add(self, row_number: int, number: int | None, shown: str, cells: Sequence[str]) -> None:
        """Add a row. `number`: its cell as a number, or None. `shown`: the text of the cell for a warning."""
        self._cell_count += 1
        last, self._last = self._last, _Row(row_number, number, shown, cells)
        step = 0 if last is None else _measure(last, self._last)
        if last is None or not step or (step == self._step and not self._are_others(last.cells, cells)):
            self._step = 0
            return
        if step != self._step:
            self._step, self._first, self._length = step, last, 1
        self._length += 1
        self._run_count += self._length == _LEAST_CELLS
        if self._first is not None and self._length >= max(_LEAST_CELLS, self._longest[0] if self._longest else 0):
            self._longest = (self._length, self._first, self._last)

    def _are_others(self, one: Sequence[str], other: Sequence[str]) -> bool:
        pairs = enumerate(zip(one, other, strict=False))
        return any(
            before != behind and position != self._position and _HAS_DIGIT.search(behind) is None
            for position, (before, behind) in pairs
        )

    def find_phones(self, column: str) -> DraggedCells | None:
        """Return the longest such cells, if the list has other phones, too.

        A list in which each phone is one more than the one above was made by a program, for a test.
        """
        if self._longest is None or self._longest[0] == self._cell_count:
            return None
        return self._describe(column, *self._longest)

    def find_values(self, column: str) -> DraggedCells | None:
        """Return the cells, if they are all cells of the column or the only such cells, and at least ten.

        Values that begin again and again, such as 10%, 20%, 30%, are no dragged cells.
        """
        if self._longest is None:
            return None
        length = self._longest[0]
        is_only = self._run_count == 1 and length >= _LEAST_PART
        return self._describe(column, *self._longest) if is_only or length == self._cell_count else None

    @staticmethod
    def _describe(column: str, length: int, first: _Row, last: _Row) -> DraggedCells:
        return DraggedCells(column, length, first.row_number, first.shown, last.row_number, last.shown)


def _measure(one: _Row, other: _Row) -> int:
    """Return by how much the number grows from one row of the sheet to the next; 0 if it does not, or not evenly."""
    if one.number is None or other.number is None:
        return 0
    step, rest = divmod(other.number - one.number, other.row_number - one.row_number)
    return 0 if rest else step


@lru_cache(20_000)
def read_number(cell: str, *, is_month_first: bool, takes_plain: bool) -> int | None:
    """Return the days of a date, or the hundredths of an amount or a percentage; None for another text.

    `takes_plain`: a whole number is an amount, because the text has a currency or a percent sign beside it. Else it may
    be the number of an order, which grows from row to row.
    """
    if not cell or _HAS_DIGIT.search(cell) is None:
        return None
    text = standardize(cell)
    if found := _DAY.fullmatch(text):
        one, _separator, other, year, short_one, short_other = found.groups()
        day, month = int(one or short_one), int(other or short_other)
        return _read_day(int(year or _LEAP_YEAR), *((day, month) if is_month_first else (month, day)))
    if found := _AMOUNT.fullmatch(text):
        sign, whole, decimals, sign_behind = found.groups()
        if not (sign or decimals or sign_behind or takes_plain):
            return None
        return int(re.sub("[^0-9]", "", whole)) * 100 + int((decimals or "").ljust(2, "0"))
    date = read_date(text)
    return None if date is None else date.toordinal()


def _read_day(year: int, month: int, day: int) -> int | None:
    try:
        return dt.date(year if year >= _LEAST_YEAR else year + _CENTURY, month, day).toordinal()
    except ValueError:
        return None
