"""The parts of an XLSX workbook, which is a ZIP archive of XML files, and the limits for their sizes.

A small archive can hold parts that take all memory when they are unpacked. So a part that is held in memory as a whole
has a limit for its size. Of all other parts, only one element at a time is held in memory.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import IO
from xml.etree.ElementTree import Element, fromstring, iterparse

from campaigns.domain.recipients import RecipientsError

MAX_ROWS = 1_048_576  # of a sheet
MAX_COLUMNS = 16_384  # of a sheet
_MAX_TEXTS = 10_000_000  # the maximum number of texts that the cells of a workbook share

# The limits are far above the sizes in workbooks of a million rows.
_PART_BYTES = 20_000_000  # of a part that is held in memory
_SHEET_BYTES = 2_000_000_000
_TEXTS_BYTES = 500_000_000
_ELEMENT_BYTES = 20_000_000  # of one row, or one text
_ELEMENT_EVENTS = 1_000_000  # of one row, or one text; each element inside has two events, its start and its end

_BLOCK_BYTES = 1_000_000
_SHORTEST_ROW = len("<row/>")
_OVERLAYS = frozenset({"mergeCell", "conditionalFormatting"})
_ROWS_BEGIN = re.compile(rb"<(?:[\w.-]+:)?sheetData(?:\s[^<>/]*)?>")
_ROWS_END = re.compile(rb"</(?:[\w.-]+:)?sheetData\s*>")
_LONGEST_TAG = 200  # of the tags of `sheetData`, with the prefix for their namespace
_ROW = re.compile(rb"<(?:[\w.-]+:)?row[\s/>]")  # the tag may have a prefix for its namespace

_MIME_TYPE_PATH = "mimetype"  # the first file of ODS, ODT and other OpenDocument files
_MAIN_PART = "officeDocument"
_ROOT_RELATIONS = "_rels/.rels"  # the part that every file of Office has
_OTHER_DOCUMENTS = {"word/": "DOCX", "ppt/": "PPTX"}  # by the folder of the main part

Report = Callable[[float], None]


def name_of(element: Element) -> str:
    """Return a tag without its namespace (two namespaces are in use)."""
    return element.tag.rpartition("}")[2]


class Package:
    """The parts of a workbook, and their references to each other. Case in paths is ignored, as in Excel."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._infos = {info.filename.replace("\\", "/").lower(): info for info in archive.infolist()}

    def find_main(self) -> str:
        """Return the path of the main part.

        Raises RecipientsError for an archive that is no XLSX workbook, and LookupError if there is no main part.
        """
        if _MIME_TYPE_PATH in self._infos and b"opendocument" in (kind := self._read(_MIME_TYPE_PATH)):
            raise unknown_format("ODS" if b"spreadsheet" in kind else "ODF")
        if any(path.endswith(".iwa") for path in self._infos):
            raise unknown_format("Numbers")
        if _ROOT_RELATIONS not in self._infos:
            raise unknown_format("ZIP")
        main = next((path for kind, path in self.list_related("").values() if kind == _MAIN_PART), None)
        if main is None:
            raise LookupError(f"it has no {_MAIN_PART}")
        if main.endswith(".bin"):
            raise unknown_format("XLSB")
        for folder, name in _OTHER_DOCUMENTS.items():
            if main.startswith(folder):
                raise unknown_format(name)
        return main

    def parse(self, path: str) -> Element:
        return fromstring(self._read(path))  # noqa: S314 - expat limits the expansion of entities

    def list_related(self, path: str) -> dict[str, tuple[str, str]]:
        """Return, by id, the kind and the path of each part to which the part at `path` refers.

        The kind is the last segment of a URI. The other segments are ignored, because two forms of the URI are in use.
        """
        folder, name = posixpath.split(path)
        root = self.parse(posixpath.join(folder, "_rels", f"{name}.rels"))
        return {
            each.get("Id", ""): (
                each.get("Type", "").rpartition("/")[2],
                posixpath.normpath(posixpath.join("/", folder, each.get("Target", ""))).lstrip("/"),
            )
            for each in root
        }

    def list_comments(self, sheet: str) -> Iterator[tuple[str, Element]]:
        """Yield the comments of the sheet at a path: the reference of the cell, such as B2, and the comment."""
        folder, name = posixpath.split(sheet)
        if posixpath.join(folder, "_rels", f"{name}.rels").lower() not in self._infos:
            return
        for kind, path in self.list_related(sheet).values():
            if kind == "comments":
                for comment in self.parse(path).iter():
                    if name_of(comment) == "comment":
                        yield comment.get("ref", ""), comment

    def iterate_texts(self, path: str) -> Iterator[Element]:
        """Yield the texts that cells share. Raises RecipientsError if the texts take too much memory."""
        for number, element in enumerate(self._iterate(path, "sst", {"si"}, most_bytes=_TEXTS_BYTES)):
            if number == _MAX_TEXTS:
                raise too_large()
            yield element

    def iterate_sheet(self, path: str, report: Report = lambda _part: None) -> Iterator[Element]:
        """Yield the element `cols` of a sheet, if the sheet has one, then the rows. Raises RecipientsError."""
        return self._iterate(path, "sheetData", {"cols", "row"}, most_bytes=_SHEET_BYTES, report=report)

    def iterate_overlays(self, path: str) -> Iterator[Element]:
        """Yield the elements behind the rows that change how cells are shown: `mergeCell`, `conditionalFormatting`.

        The rows are not parsed for this purpose, because most of the time of an import would go there.
        """
        with self._open(path, _SHEET_BYTES) as opened:
            part = _Gauge(_OutsideRows(opened), self._infos[path.lower()].file_size, lambda _part: None)
            parents: list[Element] = []
            overlay_depth = count = 0  # `count`: the starts and ends within the element that is read now
            for event, element in iterparse(part, ("start", "end")):  # noqa: S314
                count += 1
                if count > _ELEMENT_EVENTS:
                    raise too_large()
                if event == "start":
                    parents.append(element)
                    if not overlay_depth and name_of(element) in _OVERLAYS:
                        overlay_depth = len(parents)
                    continue
                if overlay_depth == len(parents):
                    yield element
                    overlay_depth = 0
                parents.pop()
                if parents and not overlay_depth:
                    parents[-1].clear()
                    count = part.byte_count = 0

    def demand_possible_rows(self, path: str) -> None:
        """Raise RecipientsError if a sheet has more rows than Excel allows.

        The count takes a fraction of the time that reading the rows takes.
        """
        if self._infos[path.lower()].file_size <= MAX_ROWS * _SHORTEST_ROW:
            return
        count = 0
        with self._open(path, _SHEET_BYTES) as part:
            while block := part.read(_BLOCK_BYTES):
                count += len(_ROW.findall(block))
                if count > MAX_ROWS:
                    raise too_many_rows()

    def _iterate(
        self,
        path: str,
        within: str,
        names: set[str],
        *,
        most_bytes: int,
        report: Report = lambda _part: None,
    ) -> Iterator[Element]:
        """Yield elements one by one, until the element `within` ends.

        These elements are freed when the next element is requested.
        """
        ends = tuple(f"}}{name}" for name in (*names, within))
        parent: Element | None = None  # the root until the element `within` begins
        count = 0  # the number of starts and ends within the element that is read now
        with self._open(path, most_bytes) as opened:
            part = _Gauge(opened, self._infos[path.lower()].file_size, report)
            for event, element in iterparse(part, ("start", "end")):  # noqa: S314
                parent = element if parent is None else parent
                if not element.tag.endswith(ends):
                    count += 1
                    if count > _ELEMENT_EVENTS:
                        raise too_large()
                elif event == "start":
                    parent = element if name_of(element) == within else parent
                elif name_of(element) == within:
                    return
                else:
                    yield element
                    count = part.byte_count = 0
                    parent.clear()

    def _read(self, path: str) -> bytes:
        with self._open(path, _PART_BYTES) as part:
            return part.read()

    def _open(self, path: str, most_bytes: int) -> IO[bytes]:
        info = self._infos[path.lower()]
        if info.file_size > most_bytes:  # zipfile never unpacks more than this size
            raise too_large()
        return self._archive.open(info)


class _OutsideRows:
    """Reads a sheet without its rows: all before the rows, then all behind them. Raises ValueError for UTF-16."""

    def __init__(self, part: IO[bytes]) -> None:
        self._blocks = self._read_blocks(part)

    def read(self, _size: int = -1, /) -> bytes:
        return next(self._blocks, b"")

    def _read_blocks(self, part: IO[bytes]) -> Iterator[bytes]:
        text = part.read(_BLOCK_BYTES)
        if b"\0" in text:
            raise ValueError("a sheet of it is not in UTF-8")
        while (begin := _ROWS_BEGIN.search(text)) is None:
            block = part.read(_BLOCK_BYTES)
            if not block:
                yield text
                return
            if len(text) > _LONGEST_TAG:  # an empty block would be the end of the part
                yield text[:-_LONGEST_TAG]
            text = text[-_LONGEST_TAG:] + block
        yield text[: begin.end()]
        text = text[begin.end() :]
        while (end := _ROWS_END.search(text)) is None:
            block = part.read(_BLOCK_BYTES)
            if not block:
                return
            text = text[-_LONGEST_TAG:] + block
        yield text[end.start() :]
        while block := part.read(_BLOCK_BYTES):
            yield block


class _Gauge:
    """Reads a part, and reports the fraction read so far. `byte_count`: the bytes read since the last whole element."""

    def __init__(self, part: IO[bytes] | _OutsideRows, size: int, report: Report) -> None:
        self._part, self._size, self._report = part, size, report
        self._total = 0
        self.byte_count = 0

    def read(self, size: int = -1, /) -> bytes:
        block = self._part.read(size)
        self.byte_count += len(block)
        if self.byte_count > _ELEMENT_BYTES:
            raise too_large()
        before, self._total = self._total, self._total + len(block)
        if before // _BLOCK_BYTES < self._total // _BLOCK_BYTES:
            self._report(min(self._total / self._size, 1.0))
        return block


def is_set(element: Element, attribute: str) -> bool:
    return element.get(attribute) in {"1", "true"}


def unknown_format(name: str) -> RecipientsError:
    text = "it is a file of the format {format}, which is not read: save the list as XLSX or CSV UTF-8"
    return RecipientsError("format_not_read", text, format=name)


def unreadable_workbook() -> RecipientsError:
    return RecipientsError("workbook_unreadable", "it is not a workbook that can be read, save it as XLSX or CSV UTF-8")


def too_large() -> RecipientsError:
    return RecipientsError(
        "workbook_too_large",
        "the workbook takes too much memory to read: copy the list to a new workbook, or save it as CSV UTF-8",
    )


def too_many_rows() -> RecipientsError:
    text = "the sheet has more than {most:,} rows, which no sheet of Excel has"
    return RecipientsError("rows_too_many", text, most=MAX_ROWS)
