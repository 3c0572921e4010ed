"""Reads a sheet of an XLSX workbook, each cell as Excel shows it (ECMA-376 part 1, chapter 18).

The reader holds one row in memory at a time, besides the number formats and the texts that cells share.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, lru_cache
from itertools import islice
from string import ascii_uppercase, digits
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError

from campaigns.domain.recipients import Cell, RecipientsError, list_names
from campaigns.domain.statement import Count, Entry, Field, Sentence, list_sentences
from campaigns.domain.text.missing import find_error
from campaigns.sheets.colours import ColouredRows, RowColours, read_colours
from campaigns.sheets.locales import FormatError, Regional, find_regional
from campaigns.sheets.number_format import NumberFormat, compile_format
from campaigns.sheets.package import (
    MAX_COLUMNS,
    MAX_ROWS,
    Package,
    Report,
    is_set,
    name_of,
    too_large,
    too_many_rows,
    unreadable_workbook,
)

ADVICE = "choose another format, or format it as text and type what people shall read"
_KEPT_NUMBERS = 10_000  # the size of the cache of shown numbers; the columns of a list often repeat numbers
_SHOWN_ROWS = 10  # the most rows that a message lists
_SHOWN_LENGTH = 60  # the longest part of a number format that a message quotes

_NO_RESULT = "is a formula without a stored result: open the workbook in Excel, save it, and import it again"
_UNDER_MERGED = "is hidden under merged cells: unmerge the cells in the workbook"
_CONDITIONAL = "has a conditional format, which may show another number: delete the condition in the workbook"
_MAX_OVERLAYS = 1_000_000
_MAX_ROW_OVERLAYS = 500  # the most merged cells and conditions that one row may have
_MAX_MARKS = 100_000_000  # the most cells of a sheet that are compared with merged cells and conditions
_RANGE = re.compile(r"\$?([A-Z]{1,3})?\$?([0-9]{1,7})?(:)?\$?([A-Z]{1,3})?\$?([0-9]{1,7})?")
_EPOCH = dt.datetime(1899, 12, 30)  # noqa: DTZ001 - cells have no zone
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_LETTERS = re.compile("[A-Z]{1,3}")
_LETTERS_OF_COLUMNS = ascii_uppercase + "$"
_PLAIN_NAME = re.compile(r"[^\W\d]\w*")

# The types of cells with a text: a text that cells share, a text that a formula returns, a text that the cell contains.
_TEXTS = frozenset({"s", "str", "inlineStr"})

# The errors that the libraries raise for a file that is damaged, or is no workbook.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, ParseError, NotImplementedError, EOFError, LookupError, RuntimeError, ValueError,
)  # fmt: skip


class HiddenChoice(StrEnum):
    """What happens to rows and columns that are hidden or filtered away, and to rows struck through or in a colour."""

    REFUSE = "refuse"  # the workbook is refused if such rows or columns have texts
    INCLUDE = "include"  # such rows and columns are read like all others
    SKIP = "skip"  # such rows and columns are not read


@dataclass(slots=True)
class Hidden:
    """The hidden rows and columns with texts that were found so far.

    `columns`: by the letters of a hidden column, the first text in the column. `struck_count` and `struck_row`: the
    number of rows in which a text is struck through, and the first such row. `colours`: the colours of the other rows;
    the reader of the list knows its columns, so it finds the rows that are marked by a colour: `coloured`.
    """

    row_count: int = 0
    first_row: int = 0
    columns: dict[str, str] = field(default_factory=dict)
    struck_count: int = 0
    struck_row: int = 0
    colours: RowColours = field(default_factory=RowColours)
    coloured: ColouredRows | None = None


@dataclass(frozen=True, slots=True)
class OpenSheet:
    """An open sheet. `rows`: (row number, row) of each row that has cells.

    `hidden`: the hidden rows and columns found so far; complete when all rows are read. `hidden_sheets`: the names of
    other sheets that have rows and that the workbook hides. `comments`: by row, the texts of the comments on its cells.
    """

    name: str
    rows: Iterator[tuple[int, list[str]]]
    hidden: Hidden
    hidden_sheets: list[str]
    comments: dict[int, str]


def open_xlsx(
    file: BinaryIO, language: str, report: Report, *, sheet: str | None = None, hidden: HiddenChoice
) -> OpenSheet:
    """Open a sheet of a workbook. `sheet`: the name of the sheet; None: the only visible sheet that has cells.

    `language` selects the regional settings. A cell that holds no text is a `Cell`. Raises RecipientsError.
    """
    found = Hidden()
    with _refuse_broken():
        package = Package(zipfile.ZipFile(file))
        book = _open_book(package, find_regional(language), sheet)
        package.demand_possible_rows(book.path)
        hidden_sheets = [name for name in book.hidden_sheets if _has_cells(package, book.hidden_sheets[name])]
        comments = _read_comments(package, book.path)
    return OpenSheet(book.sheet, _read_sheet(package, book, report, hidden, found), found, hidden_sheets, comments)


def _read_comments(package: Package, path: str) -> dict[int, str]:
    """Return the comments of a sheet by row. Excel writes the name of the author into a line of its own above."""
    found: dict[int, str] = {}
    for reference, comment in package.list_comments(path):
        text = "".join(each.text or "" for each in comment.iter() if name_of(each) == "t")
        author, end, rest = text.partition(":\n")
        text = rest if end and "\n" not in author else text
        if (row := reference.lstrip(_LETTERS_OF_COLUMNS)).isdecimal():
            found[int(row)] = f"{found[int(row)]}\n{text}" if int(row) in found else text
    return found


def list_sheets(file: BinaryIO) -> list[str]:
    """Return the names of the visible sheets of a workbook that have cells, in their order. Raises RecipientsError."""
    with _refuse_broken():
        package = Package(zipfile.ZipFile(file))
        main = package.find_main()
        parts = {name_of(each): each for each in package.parse(main)}
        visible, _hidden = _list_sheets(parts["sheets"], package.list_related(main))
        return [name for name in visible if _has_cells(package, visible[name])]


def _read_sheet(
    package: Package, book: _Book, report: Report, choice: HiddenChoice, hidden: Hidden
) -> Iterator[tuple[int, list[str]]]:
    with _refuse_broken():
        yield from _read_rows(package, book, report, choice, hidden)
    if choice is HiddenChoice.REFUSE and hidden.struck_count:
        raise _struck_rows(hidden)
    if choice is HiddenChoice.REFUSE and (hidden.row_count or hidden.columns):
        raise _hidden_cells(hidden)


@contextmanager
def _refuse_broken() -> Iterator[None]:
    """Turn an error that a damaged file causes in the libraries into a RecipientsError."""
    try:
        yield
    except RecipientsError:
        raise
    except _BROKEN:
        raise unreadable_workbook() from None


def _no_sheet() -> RecipientsError:
    return RecipientsError("sheet_missing", "the workbook has no visible sheet with rows")


def _hidden_cells(hidden: Hidden) -> RecipientsError:
    """Return the error about hidden rows and columns. The error names a column by its letters, as Excel does."""
    columns = [f"{letters} ({text[:_SHOWN_LENGTH]})" for letters, text in hidden.columns.items()]
    return RecipientsError(
        "cells_hidden",
        (
            "the sheet hides {rows} (the first is row {first_row}; a filter hides rows as well): leave them out with"
            " {skip}, or read them like the others with {include}"
        )
        if not columns
        else (
            "the sheet hides columns ({columns}): leave them out with {skip}, or read them like the others with"
            " {include}"
        )
        if not hidden.row_count
        else (
            "the sheet hides {rows} (the first is row {first_row}; a filter hides rows as well) and columns"
            " ({columns}): leave all of them out with {skip}, or read them like the others with {include}"
        ),
        rows=Count(hidden.row_count, "row"),
        first_row=hidden.first_row,
        columns=columns,
        skip=Entry(Field.HIDDEN, HiddenChoice.SKIP.value),
        include=Entry(Field.HIDDEN, HiddenChoice.INCLUDE.value),
    )


def _struck_rows(hidden: Hidden) -> RecipientsError:
    """Return the error about rows that are struck through. One answer is for these rows and for hidden cells."""
    return RecipientsError(
        "rows_struck",
        (
            "in {rows} of the sheet a text is struck through (the first is row {first_row}): leave these rows out with"
            " {skip}, or read them like the others with {include}"
        )
        if not hidden.row_count and not hidden.columns
        else (
            "in {rows} of the sheet a text is struck through (the first is row {first_row}), and the sheet also hides"
            " rows or columns: leave all of them out with {skip}, or read all of them like the others with {include}"
        ),
        rows=Count(hidden.struck_count, "row"),
        first_row=hidden.struck_row,
        skip=Entry(Field.HIDDEN, HiddenChoice.SKIP.value),
        include=Entry(Field.HIDDEN, HiddenChoice.INCLUDE.value),
    )


def refuse_coloured(found: ColouredRows, choice: HiddenChoice) -> RecipientsError | None:
    """Return the error about rows that are marked by a colour, or None if a person has decided about them.

    If most rows have a colour, and the others have none, it is not certain which of them the person wants to leave out.
    """
    if choice is HiddenChoice.INCLUDE or (choice is HiddenChoice.SKIP and not found.is_most_coloured):
        return None
    listed = [Sentence("row {row:,}", row=row) for row in found.rows[:_SHOWN_ROWS]]
    return RecipientsError(
        "rows_coloured",
        (
            "in {rows} of the sheet the colour is another one than in most rows ({listed}): leave these rows out with"
            " {skip}, or read them like the others with {include}"
        )
        if not found.is_most_coloured
        else (
            "most rows of the sheet have a colour, which is missing in {rows} ({listed}): delete the rows that must get"
            " no message, or read all rows with {include}"
        ),
        rows=Count(len(found.rows), "row"),
        listed=Sentence("{listed}, …" if len(found.rows) > _SHOWN_ROWS else "{listed}", listed=list_sentences(listed)),
        skip=Entry(Field.HIDDEN, HiddenChoice.SKIP.value),
        include=Entry(Field.HIDDEN, HiddenChoice.INCLUDE.value),
    )


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a cell, which `str` writes as Excel does (Sheet1!B2). `column` counts from 0."""

    sheet: str
    row: int
    column: int

    def __str__(self) -> str:
        sheet = self.sheet if _PLAIN_NAME.fullmatch(self.sheet) else f"'{self.sheet}'"
        return f"{sheet}!{_write_column(self.column)}{self.row}"


def _write_column(column: int) -> str:
    letters = ""
    while column >= 0:
        letters = chr(ord("A") + column % 26) + letters
        column = column // 26 - 1
    return letters


@dataclass(frozen=True, slots=True)
class _Overlay:
    """Cells that Excel does not show as their own number formats say. Rows count from 1, columns from 0.

    `is_merged`: Excel shows only the first of these cells. Else a condition changes the number format of the cells.
    """

    top: int
    left: int
    bottom: int
    right: int
    is_merged: bool

    def cover(self, row: int, column: int) -> bool:
        if not (self.top <= row <= self.bottom and self.left <= column <= self.right):
            return False
        return not self.is_merged or (row, column) != (self.top, self.left)


def _list_overlays(package: Package, path: str, formats: _Formats) -> list[_Overlay]:
    """Return the merged cells, and the cells whose number a condition changes or hides, from the top down."""
    found: list[_Overlay] = []
    for element in package.iterate_overlays(path):
        is_merged = name_of(element) == "mergeCell"
        if is_merged or any(map(formats.changes_number, element)):
            found += [_read_range(each, is_merged=is_merged) for each in _list_ranges(element)]
        if len(found) > _MAX_OVERLAYS:
            raise too_large()
    return sorted(found, key=lambda each: each.top)


def _list_ranges(element: Element) -> list[str]:
    """Return the references of the cells to which an element applies.

    A condition in an extension of the sheet (x14) has them in an element of its own.
    """
    inner = next((each.text for each in element if name_of(each) == "sqref"), None)
    return (element.get("ref") or element.get("sqref") or inner or "").split()


def _read_range(reference: str, *, is_merged: bool) -> _Overlay:
    """Return the cells of a reference such as B2:C9, B2, B:C or 2:9. Raises ValueError."""
    match = _RANGE.fullmatch(reference)
    if match is None:
        raise ValueError(f"{reference} is no range of cells")
    left, top, colon, right, bottom = match.groups()
    if colon is None:
        right, bottom = left, top
    return _Overlay(
        int(top or 1),
        _read_column(left) if left else 0,
        int(bottom or MAX_ROWS),
        _read_column(right) if right else MAX_COLUMNS,
        is_merged,
    )


class _Overlays:
    """Finds the overlays of a row. The rows are requested in ascending order."""

    def __init__(self, overlays: list[_Overlay]) -> None:
        self._waiting = overlays[::-1]
        self._current: list[_Overlay] = []
        self._mark_count = 0

    def mark(self, number: int, cells: list[str], sheet: str) -> None:
        """Give each cell that Excel does not show as such its problem."""
        while self._waiting and self._waiting[-1].top <= number:
            self._current.append(self._waiting.pop())
        self._current = [each for each in self._current if each.bottom >= number]
        if len(self._current) > _MAX_ROW_OVERLAYS:
            raise RecipientsError(
                "overlays_too_many",
                "row {row} has more than {most} merged cells and conditional formats: copy the values of the list to a"
                " new workbook, or save it as CSV UTF-8",
                row=number,
                most=_MAX_ROW_OVERLAYS,
            )
        for overlay in self._current:
            columns = range(overlay.left, min(overlay.right + 1, len(cells)))
            self._mark_count += 1 + len(columns)
            if self._mark_count > _MAX_MARKS:
                raise RecipientsError(
                    "overlays_too_many",
                    "the sheet has too many merged cells and conditional formats for its rows: copy the values of the"
                    " list to a new workbook, or save it as CSV UTF-8",
                )
            for column in columns:
                cell = cells[column]
                if not cell.strip() or not overlay.cover(number, column):
                    continue
                place = Place(sheet, number, column)
                if overlay.is_merged:
                    cells[column] = Cell(cell, problem=f"in {place} {_UNDER_MERGED}")
                elif isinstance(cell, Cell) and not cell.problem:
                    cell.problem = f"in {place} {_CONDITIONAL}"


class _Formats:
    """The number formats of the cell styles. `struck`: the styles whose texts are struck through. `colours`: see
    `read_colours`.
    """

    def __init__(self, styles: Element | None, regional: Regional, *, is_1904: bool) -> None:
        self._regional = regional
        self._is_1904 = is_1904
        groups = {name_of(group): group for group in styles} if styles is not None else {}
        self._codes = {int(each.get("numFmtId", "0")): each.get("formatCode", "") for each in groups.get("numFmts", ())}
        self._numbers = [int(each.get("numFmtId", "0")) for each in groups.get("cellXfs", ())] or [0]
        fonts = {str(index) for index, each in enumerate(groups.get("fonts", ())) if any(map(_is_strike, each))}
        self.struck = frozenset(
            str(index) for index, each in enumerate(groups.get("cellXfs", ())) if each.get("fontId") in fonts
        )
        self.colours = read_colours(groups)
        self._number_rules = {
            str(index)
            for index, each in enumerate(groups.get("dxfs", ()))
            if any(name_of(child) == "numFmt" for child in each)
        }
        self._compiled: dict[int, NumberFormat | FormatError] = {}
        self.show = lru_cache(_KEPT_NUMBERS)(self._show)

    def _show(self, style: int, number: float) -> str:
        return self.find(style).show(number)

    def find(self, style: int) -> NumberFormat:
        """Return the number format of a style. Each number format is compiled only once. Raises FormatError."""
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

    def changes_number(self, rule: Element) -> bool:
        """Tell whether a rule of a conditional format changes a number, or hides it behind a bar or an icon.

        The rule names a style of the workbook, or contains a style of its own (x14).
        """
        return rule.get("dxfId") in self._number_rules or any(
            name_of(each) == "numFmt" or each.get("showValue") in {"0", "false"} for each in rule.iter()
        )

    def name(self, style: int) -> str:
        """Return the code of a style's format, or the number of a built-in format, for use in a message."""
        number = self._numbers[style]
        return self._codes.get(number, f"{number} of Excel")[:_SHOWN_LENGTH]

    def _find_code(self, number: int) -> str:
        code = self._codes.get(number)
        if code is None:
            code = self._regional.built_in(number)
        if code is None:
            raise FormatError("which is another one on each computer")
        return code


def _is_strike(part: Element) -> bool:
    return name_of(part) == "strike" and part.get("val", "1") not in {"0", "false"}


@dataclass(frozen=True, slots=True)
class _Book:
    """The sheet to read, and the data to which its cells refer.

    `hidden_sheets`: by name, the paths of the other sheets that the workbook hides. `is_stale`: the stored results of
    formulas may be outdated.
    """

    path: str
    sheet: str
    hidden_sheets: dict[str, str]
    texts: list[str]
    formats: _Formats
    regional: Regional
    is_stale: bool


def _open_book(package: Package, regional: Regional, wanted: str | None) -> _Book:
    main = package.find_main()
    root, related = package.parse(main), package.list_related(main)
    parts = {name_of(each): each for each in root}
    by_kind = dict(related.values())
    visible, hidden = _list_sheets(parts["sheets"], related)
    path, sheet = _find_sheet(package, visible, hidden, wanted)
    styles = package.parse(by_kind["styles"]) if "styles" in by_kind else None
    is_1904 = _is_true(parts, "workbookPr", "date1904")
    return _Book(
        path,
        sheet,
        {name: each for name, each in hidden.items() if name != sheet},
        [_join_text(each) for each in package.iterate_texts(by_kind["sharedStrings"])]
        if "sharedStrings" in by_kind
        else [],
        _Formats(styles, regional, is_1904=is_1904),
        regional,
        _is_true(parts, "calcPr", "fullCalcOnLoad"),
    )


def _list_sheets(sheets: Element, related: dict[str, tuple[str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the paths of the visible sheets and of the hidden sheets, by name. A sheet of a chart has no rows."""
    visible: dict[str, str] = {}
    hidden: dict[str, str] = {}
    for sheet in sheets:
        key = next((value for name, value in sheet.attrib.items() if name.endswith("}id")), "")
        kind, path = related.get(key, ("", ""))
        if kind == "worksheet":
            shown = visible if sheet.get("state", "visible") == "visible" else hidden
            shown[sheet.get("name", "")] = path
    return visible, hidden


def _find_sheet(
    package: Package, visible: dict[str, str], hidden: dict[str, str], wanted: str | None
) -> tuple[str, str]:
    """Return the path and the name of the sheet to read. A sheet that a person names may be hidden."""
    paths = visible | hidden
    if wanted is not None:
        named = next((name for name in paths if name.strip().casefold() == wanted.strip().casefold()), None)
        if named is None:
            text = "the workbook has no sheet {sheet!r}, its sheets are {sheets}"
            raise RecipientsError("sheet_unknown", text, sheet=wanted, sheets=list_names([*paths]))
        return paths[named], named
    filled = [name for name in visible if len(visible) == 1 or _has_cells(package, paths[name])]
    if len(filled) > 1:
        raise RecipientsError(
            "sheet_unclear",
            "the workbook has {count} sheets with rows ({sheets}): choose one of them with {sheet}",
            count=len(filled),
            sheets=list_names(filled),
            sheet=Entry(Field.SHEET),
        )
    if not filled:
        raise _no_sheet()
    return paths[filled[0]], filled[0]


def _has_cells(package: Package, path: str) -> bool:
    package.demand_possible_rows(path)
    rows = (each for each in package.iterate_sheet(path) if name_of(each) == "row")
    return any(len(cell) for row in islice(rows, MAX_ROWS) for cell in row)


def _is_true(parts: dict[str, Element], part: str, attribute: str) -> bool:
    return part in parts and is_set(parts[part], attribute)


def _join_text(element: Element) -> str:
    """Return a text without its formats and phonetic signs."""
    text = ""
    for child in element:
        if name_of(child) == "t":
            text += child.text or ""
        elif name_of(child) == "r":
            text += "".join(each.text or "" for each in child if name_of(each) == "t")
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _read_rows(
    package: Package, book: _Book, report: Report, choice: HiddenChoice, hidden: Hidden
) -> Iterator[tuple[int, list[str]]]:
    """Yield rows from column A on, padded to the width of the widest row so far."""
    number = width = 0
    hidden_columns: list[int] = []
    overlays = _Overlays(_list_overlays(package, book.path, book.formats))
    for element in package.iterate_sheet(book.path, report):
        if name_of(element) != "row":
            hidden_columns = _list_hidden(element)
            continue
        previous, number = number, int(element.get("r") or number + 1)
        if number <= previous:
            raise ValueError(f"row {number} follows row {previous}")
        if number > MAX_ROWS:
            raise too_many_rows()
        cells = _read_row(element, number, book)
        overlays.mark(number, cells, book.sheet)
        if _is_left_out(element, number, cells, book, hidden) and choice is HiddenChoice.SKIP:
            continue
        if book.formats.colours and any(cells):
            hidden.colours.add(number, _list_colours(element, book.formats.colours))
        for column in hidden_columns[: bisect_left(hidden_columns, len(cells))]:
            if text := cells[column].strip():
                hidden.columns.setdefault(_write_column(column), text)
                cells[column] = "" if choice is HiddenChoice.SKIP else cells[column]
        width = max(width, len(cells))
        yield number, cells + [""] * (width - len(cells))


def _is_left_out(element: Element, number: int, cells: list[str], book: _Book, hidden: Hidden) -> bool:
    """Tell whether a row is hidden or struck through, and add it to `hidden`."""
    if _is_hidden(element, "ht") and any(map(str.strip, cells)):
        hidden.row_count += 1
        hidden.first_row = hidden.first_row or number
        return True
    if not book.formats.struck or not _is_struck(element, book.formats.struck):
        return False
    hidden.struck_count += 1
    hidden.struck_row = hidden.struck_row or number
    return True


def _is_hidden(element: Element, size: str) -> bool:
    """Tell whether a row or a column is hidden. `size`: the attribute with its height or width, which may be 0."""
    return is_set(element, "hidden") or float(element.get(size, "1")) == 0


def _is_struck(row: Element, struck: AbstractSet[str]) -> bool:
    """Tell whether a cell of a row has a content that is struck through."""
    return any(len(cell) and cell.get("s") in struck for cell in row)


def _list_colours(row: Element, colours: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Yield the position of each cell with a content, with its colour."""
    column = -1
    for cell in row:
        reference = cell.get("r")
        column = column + 1 if reference is None else _read_column(reference.rstrip(digits))
        if len(cell):
            yield column, colours.get(cell.get("s", "0"), "")


def _list_hidden(columns: Element) -> list[int]:
    """Return the numbers of the hidden columns (from 0) in the element `cols`, in ascending order."""
    hidden: set[int] = set()
    for each in columns:
        if _is_hidden(each, "width"):
            hidden.update(range(int(each.get("min", "1")) - 1, min(int(each.get("max", "1")), MAX_COLUMNS)))
    return sorted(hidden)


def _read_row(row: Element, number: int, book: _Book) -> list[str]:
    cells: list[str] = []
    for element in row:
        reference = element.get("r")
        column = len(cells) if reference is None else _read_column(reference.rstrip(digits))
        if not len(cells) <= column < MAX_COLUMNS:
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
    """Return a cell as Excel shows it. If it is not known what Excel shows, return the cell's value with a problem."""
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
    except FormatError:  # the number format is unknown, so the text is not changed
        return text


def _show_value(kind: str, value: str, style: int, book: _Book) -> Cell:
    if kind == "e":
        if error := find_error(value):
            return Cell(value, problem=f"is the error {error}: correct it in the workbook")
        return Cell(value, problem="is an error: correct it in the workbook")
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
