"""Reads a recipients file in one pass: rows in, recipients and rejected rows out, the memory stays flat."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from campaigns.domain.filling import Filling
from campaigns.domain.recipients import Recipient, RecipientsError, RowProblem, read_header, read_row
from campaigns.store.database import Connection
from campaigns.store.recipients import ImportCounts, import_rows

_MAX_LINE_BYTES = 1_000_000
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def import_recipients(connection: Connection, campaign_id: int, path: Path, *, filling: Filling) -> ImportCounts:
    """Add the recipients of a UTF-8 CSV file to a campaign, in the order of the file.

    Raises RecipientsError, with the place, when the file as a whole cannot be read; single rows that are wrong are
    kept as import errors.
    """
    try:
        with path.open("rb") as file:
            rows = _read_rows(file, filling)
            return import_rows(connection, campaign_id, rows)
    except RecipientsError as error:
        raise RecipientsError(f"{path}: {error}.") from None


def _read_rows(file: BinaryIO, filling: Filling) -> Iterator[tuple[int, Recipient | RowProblem]]:
    """Yield each row with the number that a spreadsheet shows: the header is row 1; blank ones are skipped."""
    rows = csv.reader(_read_lines(file), strict=True)
    check = filling.make_check()
    row_number = 1
    has_rows = False
    try:
        header = next(rows, None)
        if header is None:
            raise RecipientsError("the file is empty, its first row must name the columns")
        columns = read_header(header, filling.names)
        row_number = 2
        for cells in rows:
            if (row := read_row(columns, cells, check)) is not None:
                has_rows = True
                yield row_number, row
            row_number += 1
    except csv.Error as error:
        raise RecipientsError(f"row {row_number} {_explain_csv(error)}") from None
    if not has_rows:
        raise RecipientsError("there is no row below the header")


def _read_lines(file: BinaryIO) -> Iterator[str]:
    line_number = 0
    while line := file.readline(_MAX_LINE_BYTES):
        line_number += 1
        if line_number == 1:
            if line.startswith(_UTF16):
                raise RecipientsError("the file is UTF-16, save it as CSV UTF-8")
            line = line.removeprefix(_BOM)
        if len(line) >= _MAX_LINE_BYTES:
            raise RecipientsError(f"line {line_number} is longer than {_MAX_LINE_BYTES:,} bytes")
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = line[error.start]
            raise RecipientsError(
                f"line {line_number} is not UTF-8 (byte 0x{byte:02X} at position {error.start + 1}), "
                "save the file as CSV UTF-8"
            ) from None


def _explain_csv(error: csv.Error) -> str:
    text = str(error)
    if "field limit" in text:
        return f"has a cell of more than {csv.field_size_limit():,} characters: is a quote not closed?"
    if "unexpected end" in text:
        return "opens a quote that is never closed"
    if "new-line character" in text:
        return "ends with a carriage return alone: save the file with normal line ends"
    return f"is not CSV: {text}"
