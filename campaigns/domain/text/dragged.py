"""Finds cells that change by the same step from row to row, as if somebody had dragged one cell down in a spreadsheet.

The spreadsheet then does not repeat the cell: each phone, date or amount is one more than the one above it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from campaigns.domain.text.dates import read_date
from campaigns.domain.text.normal import standardize

_LEAST_CELLS = 5
# In a column that has other values, too, fewer such cells may stand there by chance.
_LEAST_PART = 10
# A step that is larger comes from a program, or from two phones that a person has chosen.
_MOST_PHONE_STEP = 10
_HAS_DIGIT = re.compile("[0-9]")
_SIGN = r"(?:[A-Z]{0,3}[$€£¥]|BRL|USD|EUR|GBP)"
_AMOUNT = re.compile(rf"({_SIGN})? ?([0-9][0-9.,' ]*?)(?:[.,]([0-9]{{1,2}}))? ?(%|{_SIGN})?")
_DAY = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})|([0-9]{1,2})/([0-9]{1,2})")
_CENTURY, _LEAST_YEAR = 2000, 100
_LEAP_YEAR = 2000  # the year of a date that has none


class DraggedCells(NamedTuple):
    """Cells one below the other that change by the same step. `first` and `last`: their texts; phones are masked."""

    column: str
    cell_count: int
    first_row: int
    first: str
    last_row: int
    last: str


# The number of a row, its cell as a number, the text of this cell for a warning, and all its cells. A plain tuple is
# fast enough for a million rows.
_Row = tuple[int, int | None, str, Sequence[str]]


class DraggedSearch:
    """Looks for such cells in one column, while the accepted rows of a list are read.

    Rows count only if a text without digits, such as the name of the person, differs in the first five from row to row.
    In a list that a program has made for a test, all people may have one name.
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
        last, self._last = self._last, (row_number, number, shown, cells)
        if last is None or number is None or last[1] is None:
            self._step = 0
            return
        step, rest = divmod(number - last[1], row_number - last[0])
        if rest or not step:
            self._step = 0
        elif step != self._step:
            self._step, self._first, self._length = step, last, 2
        elif self._length >= _LEAST_CELLS or self._are_others(last[3], cells):
            self._length += 1
            self._run_count += self._length == _LEAST_CELLS
            if self._length >= _LEAST_CELLS and (self._longest is None or self._length > self._longest[0]):
                assert self._first is not None
                self._longest = (self._length, self._first, self._last)
        else:
            self._step = 0

    def _are_others(self, one: Sequence[str], other: Sequence[str]) -> bool:
        pairs = enumerate(zip(one, other, strict=False))
        return any(
            before != behind and position != self._position and _HAS_DIGIT.search(behind) is None
            for position, (before, behind) in pairs
        )

    def find_phones(self, column: str) -> DraggedCells | None:
        """Return the longest such cells, if the step is small, and if the list has other phones, too.

        A list in which each phone is one more than the one above was made by a program, for a test.
        """
        if self._longest is None or self._longest[0] == self._cell_count:
            return None
        length, first, last = self._longest
        assert first[1] is not None
        assert last[1] is not None
        if abs(last[1] - first[1]) > _MOST_PHONE_STEP * (last[0] - first[0]):
            return None
        return self._describe(column, length, first, last)

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
        return DraggedCells(column, length, first[0], first[2], last[0], last[2])


def make_number_reader(*, is_month_first: bool, takes_plain: bool) -> Callable[[str], int | None]:
    """Return a function that reads a cell as the days of a date, or as the hundredths of an amount or a percentage.

    It returns None for another text. `takes_plain`: a whole number is an amount, because the text has a currency or a
    percent sign beside it. Else it may be the number of an order, which grows from row to row.
    """

    @lru_cache(20_000)
    def read(cell: str) -> int | None:
        if _HAS_DIGIT.search(cell) is None:
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

    return read


def _read_day(year: int, month: int, day: int) -> int | None:
    try:
        return dt.date(year if year >= _LEAST_YEAR else year + _CENTURY, month, day).toordinal()
    except ValueError:
        return None
