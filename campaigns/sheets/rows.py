"""Reads rows from files as spreadsheets save them: CSV in any usual encoding and with any delimiter, workbooks."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import os
import re
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO

import python_calamine as calamine

from campaigns.domain.recipients import Cell, RecipientsError, RowProblem
from campaigns.sheets.locales import FormatError, find_regional
from campaigns.sheets.xlsx import ADVICE, MAX_ROWS, Place, measure_xlsx, read_xlsx

_BLOCK_BYTES = 1_000_000  # also the longest line: a block without a line end is no CSV
_REPORT_ROWS = 5_000
_WORKBOOK_BYTES = 2_000_000_000
_TOO_MANY_ROWS = 3  # the exit code of a probe
_LANGUAGE = "en"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What XLSX and ODS begin with, and what old XLS and files with a password do.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_LONE_BYTES = re.compile("[\udc80-\udcff]")  # as surrogateescape decodes what is not UTF-8
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)  # which Excel reads, and shows to nobody
_DELIMITERS = ",;\t|"

Report = Callable[[float], None]
Row = Sequence[str] | RowProblem


@dataclass(frozen=True, slots=True)
class Sheet:
    """`rows` come with the number that a spreadsheet shows: the first is row 1. `sha256` is that of the whole file."""

    sha256: bytes
    rows: Iterator[tuple[int, Row]]


@contextmanager
def open_sheet(path: Path, *, report: Report, language: str = _LANGUAGE) -> Iterator[Sheet]:
    """Open a file and find out what it is. `report` is told now and then which part of it has been read, 0 to 1.

    Numbers and dates of a workbook are read as Excel shows them in `language`, such as pt_BR; phones are independent.
    A CSV file is read twice: a byte that is not UTF-8 in its last row decides about the first. Memory stays flat; a
    workbook is held whole for a moment, 120 bytes for each cell: docs/decisions/0016 and 0029.
    Raises RecipientsError, OSError.
    """
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise RecipientsError("is not a file on a disk, save it first: it is read twice")
        if before.st_size == 0:
            raise RecipientsError("the file is empty, its first row must name the columns")
        is_workbook = file.read(4).startswith(_WORKBOOKS)
        sha256, encoding = _examine(file, is_text=not is_workbook)
        file.seek(0)
        rows = (
            _read_workbook(path, file, language, report)
            if is_workbook
            else _read_csv(file, encoding, before.st_size, report)
        )
        yield Sheet(sha256, rows)
        after = os.fstat(file.fileno())
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise RecipientsError("the file was changed while it was read, try again")
        report(1.0)


def _examine(file: BinaryIO, *, is_text: bool) -> tuple[bytes, str]:
    """Return the digest of a file and its encoding: what its mark says, else UTF-8 if it is, else cp1252.

    A file in which whole UTF-8 characters outnumber broken ones is UTF-8 with damage: as cp1252 each good name in it
    would be garbled.
    """
    file.seek(0)
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    encoding = ""
    broken_count = whole_count = 0
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
        if not is_text:
            continue
        encoding = encoding or next((name for bom, name in _BOMS if block.startswith(bom)), "utf-8")
        if len(block) == _BLOCK_BYTES and b"\n" not in block and b"\r" not in block:
            raise RecipientsError(f"a line of it is longer than {_BLOCK_BYTES:,} bytes, so it is no CSV file")
        text = decoder.decode(block)
        if not text.isascii():
            broken = len(_LONE_BYTES.findall(text))
            broken_count += broken
            whole_count += len(text) - len(text.encode("ascii", "ignore")) - broken
    broken_count += len(decoder.decode(b"", final=True))
    is_cp1252 = encoding == "utf-8" and broken_count > 0 and broken_count >= whole_count
    return digest.digest(), "cp1252" if is_cp1252 else encoding


def _read_csv(file: BinaryIO, encoding: str, size: int, report: Report) -> Iterator[tuple[int, Row]]:
    text = io.TextIOWrapper(file, encoding, errors="replace", newline="")
    first = text.readline()
    stated = _SEPARATOR_LINE.fullmatch(first.strip())
    delimiter = stated[1] if stated else _guess_delimiter(first)
    lines = text if stated else _chain(first, text)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    row_number = 0
    while True:
        row_number += 1
        if row_number % _REPORT_ROWS == 0:
            report(min(file.tell() / size, 1.0))
        try:
            row: Row = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            row = _explain_csv(row_number, error)
        yield row_number, row
    text.detach()


def _chain(first: str, others: Iterator[str]) -> Iterator[str]:
    yield first
    yield from others


def _guess_delimiter(line: str) -> str:
    """Return what stands most often between the names of the columns; quoted names may have all of them in it."""
    bare = re.sub(r'"[^"]*"', "", line)
    return max(_DELIMITERS, key=bare.count)


def _explain_csv(row_number: int, error: csv.Error) -> RowProblem:
    """Return what is wrong with one row, or raise RecipientsError when nobody can tell where the next one begins."""
    text = str(error)
    if "field limit" in text:
        limit = csv.field_size_limit()
        raise RecipientsError(f"row {row_number} has a cell of more than {limit:,} characters: is a quote not closed?")
    if "unexpected end" in text:
        raise RecipientsError(f"row {row_number} opens a quote that is never closed")
    return RowProblem("a cell", "goes on behind its closing quote")


def _read_workbook(path: Path, file: BinaryIO, language: str, report: Report) -> Iterator[tuple[int, Row]]:
    unpacked = measure_xlsx(file)
    _demand_room(path, unpacked or 0)
    file.seek(0)
    if unpacked is not None:
        yield from read_xlsx(file, language, report)
        return
    try:
        with calamine.CalamineWorkbook.from_object(file) as workbook:
            sheet = workbook.get_sheet_by_name(_first_sheet(workbook))
            first = sheet.start[1] if sheet.start else 0
            for row_number, row in enumerate(sheet.iter_rows(), start=1):
                if row_number % _REPORT_ROWS == 0:
                    report(row_number / sheet.total_height)
                places = (Place(sheet.name, row_number, column) for column in count(first))
                yield (
                    row_number,
                    [_read_value(value, place, language) for value, place in zip(row, places, strict=False)],
                )
    except calamine.PasswordError:
        raise RecipientsError("the workbook has a password, save it without one") from None
    except calamine.CalamineError as error:
        raise RecipientsError(
            f"it is not a workbook that can be read, save it as XLSX or CSV UTF-8 ({error})"
        ) from None


def _demand_room(path: Path, unpacked: int) -> None:
    """Read a workbook in a process of little memory first: one that is a bomb, or has a cell far away from all others,
    ends the process that reads it, without an error that could be caught.
    """
    command = [sys.executable, "-c", f"from {__name__} import probe; probe({os.fspath(path.absolute())!r})"]
    quiet = subprocess.DEVNULL
    exit_code = 0
    if unpacked <= _WORKBOOK_BYTES:
        exit_code = subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, check=False).returncode  # noqa: S603
    if exit_code == _TOO_MANY_ROWS:
        raise RecipientsError(f"the sheet has more than {MAX_ROWS:,} rows, which no sheet of Excel has")
    if exit_code or unpacked > _WORKBOOK_BYTES:
        raise RecipientsError(
            f"the workbook takes more than {_WORKBOOK_BYTES // 10**9} GB to read: is a cell far away from the others? "
            "Save it as CSV UTF-8"
        )


def probe(path: str) -> None:
    """Read the sheet of a workbook, and end with this process if that takes too much. What else is wrong is passed."""
    resource.setrlimit(resource.RLIMIT_AS, (_WORKBOOK_BYTES, _WORKBOOK_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(calamine.CalamineError, RecipientsError, OSError), calamine.CalamineWorkbook.from_path(path) as book:
        if book.get_sheet_by_name(_first_sheet(book)).total_height > MAX_ROWS:
            sys.exit(_TOO_MANY_ROWS)


def _first_sheet(workbook: calamine.CalamineWorkbook) -> str:
    """Return the name of the first sheet that a person sees."""
    for sheet in workbook.sheets_metadata:
        if sheet.typ == calamine.SheetTypeEnum.WorkSheet and sheet.visible == calamine.SheetVisibleEnum.Visible:
            return sheet.name
    raise RecipientsError("the workbook has no sheet with rows")


def _read_value(value: object, place: Place, language: str) -> str:
    """Return a cell of an ODS, XLS or XLSB workbook. The number formats of these files are not read."""
    match value:
        case str():
            return value
        case bool():
            try:
                return Cell(find_regional(language).boolean(value))
            except FormatError as error:
                return Cell(str(value), problem=f"in {place} is TRUE or FALSE, {error}: {ADVICE}")
        case int() | float() if float(value).is_integer():
            text = digits = str(int(value))
        case _:
            text, digits = str(value), ""
    problem = f"in {place} is a number or a date, and how it is shown is read from XLSX only: save the workbook as XLSX"
    return Cell(text, digits=digits, problem=problem)
