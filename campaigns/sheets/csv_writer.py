"""Writes the rows of all CSV files, of commands and of downloads. A spreadsheet takes no cell for a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import BinaryIO

from campaigns.domain.controls import escape_controls

# The last four are = + - @ in the wide forms of an East Asian keyboard. Excel treats them like = + - @.
_FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
# A phone gets no apostrophe, so that other programs can read it. A spreadsheet does not calculate a + with digits.
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")


def write_csv(
    file: BinaryIO,
    columns: Sequence[str],
    pages: Iterable[Sequence[Sequence[object]]],
    *,
    delimiter: str,
    report: Callable[[int], None] = lambda _count: None,
) -> int:
    """Write the names of columns and all rows, in UTF-8 with a byte order mark; return the number of rows.

    `report` is called after each page, with the number of rows of the page.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=False)
    writer = csv.writer(text, delimiter=delimiter)
    row_count = 0
    try:
        writer.writerow(map(_write_cell, columns))
        for page in pages:
            writer.writerows(map(_write_cell, row) for row in page)
            row_count += len(page)
            report(len(page))
        text.flush()
    finally:
        text.detach()
    return row_count


def stream_csv(
    columns: Sequence[str], pages: Iterable[Sequence[Sequence[object]]], *, delimiter: str = ","
) -> Iterator[bytes]:
    """Yield a file as `write_csv` writes it, page by page, for a download."""
    for number, page in enumerate(chain([[columns]], pages)):
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=delimiter).writerows(map(_write_cell, row) for row in page)
        yield text.getvalue().encode("utf-8-sig" if number == 0 else "utf-8")


def _write_cell(value: object) -> str:
    """Return the text of a cell.

    If a spreadsheet would take a text for a formula, an apostrophe is put before the text. Spaces before the formula
    make no difference. Control characters are escaped, except tabs and line feeds, which `csv` quotes. A number gets no
    apostrophe, even if it is below 0.
    """
    text = str(value)
    is_formula = isinstance(value, str) and text.lstrip(" ").startswith(_FORMULA_STARTS) and not _PHONE.fullmatch(text)
    return escape_controls(f"'{text}" if is_formula else text, keeps="\n\t")
