"""Reads the first visible sheet of an XLSX workbook, each cell as Excel shows it (ECMA-376 part 1, chapter 18).

One row is held in memory at a time, beside the texts that cells share and the number formats. campaigns/sheets/rows.py
checks the memory that a workbook needs before it is read.
"""

from __future__ import annotations

import datetime as dt
import math
import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from string import digits
from typing import IO, BinaryIO
from xml.etree.ElementTree import Element, ParseError, fromstring, iterparse

from campaigns.domain.recipients import Cell, RecipientsError, RowProblem
from campaigns.sheets.locales import FormatError, Regional, find_regional
from campaigns.sheets.number_format import NumberFormat, compile_format

MAX_ROWS = 1_048_576  # of a sheet, and columns
ADVICE = "choose another format, or format it as text and type what people shall read"
_MAX_COLUMNS = 16_384
_REPORT_ROWS = 5_000
_KEPT_NUMBERS = 10_000  # the columns of a list often repeat numbers
_SHOWN_LENGTH = 60  # of a number format in a sentence

_NO_RESULT = "is a formula without a stored result: open the workbook in Excel, save it, and import it again"
_MAIN_PART = "officeDocument"
_EPOCH = dt.datetime(1899, 12, 30)  # noqa: DTZ001 - cells have no zone
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_LETTERS = re.compile("[A-Z]{1,3}")
_PLAIN_NAME = re.compile(r"[^\W\d]\w*")

_TEXTS = frozenset({"s", "str", "inlineStr"})  # shared, the result of a formula, in the cell

# The errors that the libraries raise for a file that is damaged, or is no package.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, ParseError, NotImplementedError, EOFError, LookupError, RuntimeError, ValueError,
)  # fmt: skip


def measure_xlsx(file: BinaryIO) -> int | None:
    """Return how many bytes an XLSX workbook unpacks to, None for another file; XLSB and ODS are ZIP files, too."""
    try:
        with zipfile.ZipFile(file) as archive:
            main = _Package(archive).find_path("", _MAIN_PART)
            return None if main.endswith(".bin") else sum(info.file_size for info in archive.infolist())
    except _BROKEN:
        return None


def read_xlsx(
    file: BinaryIO, language: str, report: Callable[[float], None]
) -> Iterator[tuple[int, list[str] | RowProblem]]:
    """Yield (row number, row) for rows that have cells; `language` selects the regional settings.

    A cell that holds no text is a `Cell`. Raises RecipientsError.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            package = _Package(archive)
            book = _open_book(package, find_regional(language))
            yield from _read_rows(package, book, report)
    except RecipientsError:
        raise
    except _BROKEN as error:
        raise RecipientsError(
            f"it is not a workbook that can be read, save it as XLSX or CSV UTF-8 ({error})"
        ) from None


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a cell, as text for a sentence; `column` counts from 0."""

    sheet: str
    row: int
    column: int

    def __str__(self) -> str:
        sheet = self.sheet if _PLAIN_NAME.fullmatch(self.sheet) else f"'{self.sheet}'"
        letters, column = "", self.column
        while column >= 0:
            letters = chr(ord("A") + column % 26) + letters
            column = column // 26 - 1
        return f"{sheet}!{letters}{self.row}"


class _Package:
    """The parts of a workbook, and their references to each other. Case in paths is ignored, as in Excel."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._infos = {info.filename.replace("\\", "/").lower(): info for info in archive.infolist()}

    def open(self, path: str) -> IO[bytes]:
        return self._archive.open(self._infos[path.lower()])

    def size(self, path: str) -> int:
        return self._infos[path.lower()].file_size

    def parse(self, path: str) -> Element:
        with self.open(path) as part:
            return fromstring(part.read())  # noqa: S314 - expat ends the expansion of entities

    def list_related(self, path: str) -> dict[str, tuple[str, str]]:
        """Return kind and path of the parts that a part names, by id. The kind is the end of a URI with two forms."""
        folder, name = posixpath.split(path)
        root = self.parse(posixpath.join(folder, "_rels", f"{name}.rels"))
        return {
            each.get("Id", ""): (
                each.get("Type", "").rpartition("/")[2],
                posixpath.normpath(posixpath.join("/", folder, each.get("Target", ""))).lstrip("/"),
            )
            for each in root
        }

    def find_path(self, path: str, kind: str) -> str:
        """Return the path of a related part of that kind. Raises LookupError."""
        for each, target in self.list_related(path).values():
            if each == kind:
                return target
        raise LookupError(f"it has no {kind}")


class _Formats:
    """The number formats of the cell styles."""

    def __init__(self, styles: Element | None, regional: Regional, *, is_1904: bool) -> None:
        self._regional = regional
        self._is_1904 = is_1904
        groups = {_name(group): group for group in styles} if styles is not None else {}
        self._codes = {int(each.get("numFmtId", "0")): each.get("formatCode", "") for each in groups.get("numFmts", ())}
        self._numbers = [int(each.get("numFmtId", "0")) for each in groups.get("cellXfs", ())] or [0]
        self._compiled: dict[int, NumberFormat | FormatError] = {}
        self.show = lru_cache(_KEPT_NUMBERS)(self._show)

    def _show(self, style: int, number: float) -> str:
        return self.find(style).show(number)

    def find(self, style: int) -> NumberFormat:
        """Return the number format of a style, which is compiled once. Raises FormatError."""
        number = self._numbers[style]
        if number not in self._compiled:
            try:
                self._compiled[number] = compile_format(self._find_code(number), self._regional, is_1904=self._is_1904)
            except FormatError as error:
                self._compiled[number] = error
        found = self._compiled[number]
        if isinstance(found, FormatError):
            raise found
        return found

    def name(self, style: int) -> str:
        """Return the format for a sentence."""
        number = self._numbers[style]
        return self._codes.get(number, f"{number} of Excel")[:_SHOWN_LENGTH]

    def _find_code(self, number: int) -> str:
        code = self._codes.get(number)
        if code is None:
            code = self._regional.built_in(number)
        if code is None:
            raise FormatError("which is another one on each computer")
        return code


@dataclass(frozen=True, slots=True)
class _Book:
    """The sheet to read, and the data that its cells refer to. `is_stale`: Excel will recalculate the formulas."""

    path: str
    sheet: str
    texts: list[str]
    formats: _Formats
    regional: Regional
    is_stale: bool


def _open_book(package: _Package, regional: Regional) -> _Book:
    main = package.find_path("", _MAIN_PART)
    root, related = package.parse(main), package.list_related(main)
    parts = {_name(each): each for each in root}
    by_kind = dict(related.values())
    path, sheet = _find_sheet(parts["sheets"], related)
    styles = package.parse(by_kind["styles"]) if "styles" in by_kind else None
    is_1904 = _is_true(parts, "workbookPr", "date1904")
    return _Book(
        path,
        sheet,
        list(_read_texts(package, by_kind["sharedStrings"])) if "sharedStrings" in by_kind else [],
        _Formats(styles, regional, is_1904=is_1904),
        regional,
        _is_true(parts, "calcPr", "fullCalcOnLoad"),
    )


def _find_sheet(sheets: Element, related: dict[str, tuple[str, str]]) -> tuple[str, str]:
    """Return path and name of the first visible sheet."""
    for sheet in sheets:
        key = next((value for name, value in sheet.attrib.items() if name.endswith("}id")), "")
        kind, path = related.get(key, ("", ""))
        if kind == "worksheet" and sheet.get("state", "visible") == "visible":
            return path, sheet.get("name", "")
    raise RecipientsError("the workbook has no sheet with rows")


def _is_true(parts: dict[str, Element], part: str, attribute: str) -> bool:
    return part in parts and parts[part].get(attribute) in {"1", "true"}


def _name(element: Element) -> str:
    """Return a tag without its namespace (two namespaces are in use)."""
    return element.tag.rpartition("}")[2]


def _read_texts(package: _Package, path: str) -> Iterator[str]:
    with package.open(path) as part:
        for _, element in iterparse(part):  # noqa: S314
            if element.tag.endswith("}si"):
                yield _join_text(element)
                element.clear()


def _join_text(element: Element) -> str:
    """Return a text without its formats and phonetic signs."""
    text = ""
    for child in element:
        if _name(child) == "t":
            text += child.text or ""
        elif _name(child) == "r":
            text += "".join(each.text or "" for each in child if _name(each) == "t")
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _read_rows(
    package: _Package, book: _Book, report: Callable[[float], None]
) -> Iterator[tuple[int, list[str] | RowProblem]]:
    """Yield rows padded to the width of the widest row so far. They begin at the column of the sheet's first text."""
    size = package.size(book.path)
    number = width = 0
    first: int | None = None
    with package.open(book.path) as part:
        for _, element in iterparse(part):  # noqa: S314
            if not element.tag.endswith("}row"):
                continue
            previous, number = number, int(element.get("r") or number + 1)
            if number <= previous:
                raise ValueError(f"row {number} follows row {previous}")
            if number > MAX_ROWS:
                raise RecipientsError(f"the sheet has more than {MAX_ROWS:,} rows, which no sheet of Excel has")
            cells = _read_row(element, number, book)
            width = max(width, len(cells))
            if first is None:
                first = next((column for column, cell in enumerate(cells) if cell.strip()), None)
            if first and any(cells[:first]):
                yield number, RowProblem("a cell", "stands left of the first column of the header")
            else:
                yield number, (cells + [""] * (width - len(cells)))[first or 0 :]
            if number // _REPORT_ROWS > previous // _REPORT_ROWS:
                report(min(part.tell() / size, 1.0))
            element.clear()


def _read_row(row: Element, number: int, book: _Book) -> list[str]:
    cells: list[str] = []
    for element in row:
        reference = element.get("r")
        column = len(cells) if reference is None else _read_column(reference.rstrip(digits))
        if not len(cells) <= column < _MAX_COLUMNS:
            raise ValueError(f"a cell of row {number} is not where it belongs")
        cells += [""] * (column - len(cells))
        cell = _read_cell(element, book)
        if isinstance(cell, Cell) and cell.problem:
            cell.problem = f"in {Place(book.sheet, number, column)} {cell.problem}"
        cells.append(cell)
    return cells


@cache
def _read_column(letters: str) -> int:
    if not _LETTERS.fullmatch(letters):
        raise ValueError(f"{letters} is no column")
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1


def _read_cell(element: Element, book: _Book) -> str:
    """Return a cell as Excel shows it; if that is not known, its value with the reason."""
    kind, style = element.get("t", "n"), int(element.get("s", "0"))
    value, text, is_formula = "", "", False
    for child in element:
        if child.tag.endswith("}v"):
            value = child.text or ""
        elif child.tag.endswith("}f"):
            is_formula = True
        elif child.tag.endswith("}is"):
            text = _join_text(child)
    if kind in _TEXTS:
        if kind != "inlineStr":
            text = book.texts[int(value)] if kind == "s" and value else value
        return _show_text(text, style, book)
    if is_formula and (not value or (book.is_stale and value == "0")):
        return Cell(value or "=", problem=_NO_RESULT)
    return _show_value(kind, value, style, book) if value else ""


def _show_text(text: str, style: int, book: _Book) -> str:
    try:
        return book.formats.find(style).show_text(text)
    except FormatError:  # of numbers
        return text


def _show_value(kind: str, value: str, style: int, book: _Book) -> Cell:
    if kind == "e":
        return Cell(value, problem=f"is the error {value[:_SHOWN_LENGTH]}: correct it in the workbook")
    whole = ""
    try:
        if kind == "b":
            return Cell(book.regional.boolean(value in {"1", "true"}))
        number = _read_number(kind, value)
        if number.is_integer():
            whole = str(int(number))
        return Cell(book.formats.show(style, number), digits=whole)
    except FormatError as error:
        form = "is TRUE or FALSE" if kind == "b" else f"has the number format {book.formats.name(style)}"
        return Cell(value, digits=whole, problem=f"{form}, {error}: {ADVICE}")
    except ValueError:
        return Cell(value, problem="is said to be a number, and is none: type it again")


def _read_number(kind: str, value: str) -> float:
    """Return a number, or the serial number of a date in ISO form. Raises ValueError."""
    if kind == "d":
        return (dt.datetime.fromisoformat(value).replace(tzinfo=None) - _EPOCH) / dt.timedelta(days=1)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number
