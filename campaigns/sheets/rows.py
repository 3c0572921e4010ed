"""Reads the rows of the files that spreadsheet programs save: XLSX workbooks, and CSV files.

A CSV file is in UTF-8, UTF-16, UTF-32 or cp1252. Its delimiter is a comma, a semicolon, a tab or |.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, TextIO

from campaigns.domain.recipients import RecipientsError, RowProblem, names_phone
from campaigns.domain.statement import Entry, Field, Kind
from campaigns.domain.text.code_pages import find_other_page, list_contexts
from campaigns.sheets import xlsx
from campaigns.sheets.package import Report, unknown_format
from campaigns.sheets.xlsx import Hidden, HiddenChoice, open_xlsx

_BLOCK_BYTES = 1_000_000  # also the limit of a line's length, because a block without a line end is no CSV
_REPORT_ROWS = 5_000
_LANGUAGE = "en"
_ZIP = b"PK\x03\x04"  # the first bytes of an XLSX or ODS workbook
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"  # the first bytes of XLS, DOC and PPT files, and of an XLSX workbook with a password
# The names of the streams in such a file, which is a small file system with names in UTF-16.
_OLE_FORMATS = {"WordDocument": "DOC", "PowerPoint Document": "PPT"}
_OTHER_FORMATS = {
    b"%PDF": "PDF", b"\x1f\x8b": "gzip", b"{\\rtf": "RTF", b"7z\xbc\xaf": "7z", b"Rar!": "RAR", b"PK\x05\x06": "ZIP",
    b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"RIFF": "RIFF", b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF", b"SQLite format 3": "SQLite", b"PAR1": "Parquet", b"BEGIN:VCARD": "vCard",
    b"MIME-Version:": "MHTML", b"ID;PWXL": "SYLK",
}  # fmt: skip
_BITMAP = re.compile(rb"BM.{4}\x00\x00\x00\x00", re.DOTALL)
_JSON = re.compile(rb"(?:\{\s*[\"}]|\[\s*[\[{])")
_PAGE = re.compile(
    rb"<(?:!doctype|!--|\?xml|html|head|meta|style|body|table|div|center|span|font|p|br|script|title|link|svg)[\s/>]",
    re.IGNORECASE,
)
_BYTE_ORDER_MARK = re.compile(rb"\xef\xbb\xbf")
_FIRST_BYTES = 200
_CONTROLS = re.compile("[\x00-\x08\x0e-\x19\x1b-\x1f]")  # characters that no program writes into a CSV file
_MOST_CONTROLS = 0.05  # of the characters of a text; a file of random bytes has twice as many
_LONE_BYTES = re.compile("[\udc80-\udcff]")  # characters to which surrogateescape decodes bytes that are not UTF-8
_LATIN_LETTERS = re.compile("[á-ÿ]")  # letters whose two bytes in UTF-8 are an improbable pair of characters in cp1252
_NEXT_TO_LETTER = re.compile(r"(?<=[^\W\d_])[^\x00-\x7f]")
# What a text in cp850 or mac_roman becomes in cp1252: signs at letters, and letters of the wrong case.
_ODD_CHARACTERS = re.compile(
    r"(?<=[^\W\d_])[‚ƒ„†‡ˆ‰‹¡¢£¤¥¦§¨¬¯´µ¶¸¿\ufffd]"  # noqa: RUF001
    r"|(?<=[^\W\d_])[€“”•˜™›«»©®°±·×÷](?=[^\W\d_])"  # noqa: RUF001
    r"|(?<=[a-zß-öø-ÿ])[À-ÖØ-ÞŠŒŽŸ]"
    r"|(?<=[A-Z])[à-öø-ÿ](?=[A-Z])"
)
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
# á in cp850 and cp437 is a non-breaking space in cp1252. Between words, such a space seldom follows a consonant.
_SPACE_IN_WORD = re.compile(r"(?<=[b-df-hj-np-tv-zB-DF-HJ-NP-TV-Z])\xa0(?=[a-z\xdf-\xff])(?!(?:d[aeiou]s?|e|y)\b)")
_WORD_END = re.compile(r'[^ \t\r\n,;|"]{1,30}\Z')  # a non-breaking space may stand in place of a letter
_WORD_START = re.compile(r'[^ \t\r\n,;|"]{1,30}')
_SEPARATOR_LINE = re.compile(
    r'"?sep=([,;\t|])"?', re.IGNORECASE
)  # a first line that names the delimiter; Excel does not show this line
_DELIMITERS = ",;\t|"
_TOP_LINES = 30  # the lines from which the delimiter is guessed

Row = Sequence[str] | RowProblem


@dataclass(frozen=True, slots=True)
class WindowsText:
    """A sign that a CSV file was read as cp1252, the encoding of Windows, because it is not in UTF-8.

    `word`: the first word with a character outside ASCII, in this line; or the first word that looks wrong, if
    `is_doubtful`.
    """

    line: int
    word: str
    is_doubtful: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """An open file. `sha256`: the digest of the whole file.

    `rows`: pairs of a row and its number, which is the number that a spreadsheet program shows. `hidden`: the hidden
    rows and columns found so far; complete when all rows are read. `delimiter`: the delimiter of a CSV file, "" for a
    workbook. `windows_text`: None for a workbook and for a file in an encoding that is certain. `hidden_sheets`: the
    names of the hidden sheets of a workbook that have rows and are not read. `name`: the sheet of a workbook.
    `comments`: by row of a workbook, the texts of the comments on its cells.
    """

    sha256: bytes
    rows: Iterator[tuple[int, Row]]
    hidden: Hidden
    delimiter: str = ""
    windows_text: WindowsText | None = None
    hidden_sheets: Sequence[str] = ()
    name: str = ""
    comments: Mapping[int, str] = field(default_factory=dict)


@contextmanager
def open_sheet(
    path: Path,
    *,
    report: Report,
    language: str = _LANGUAGE,
    name: str | None = None,
    hidden: HiddenChoice = HiddenChoice.REFUSE,
) -> Iterator[Sheet]:
    """Open a file and detect its format.

    `name`: the name of the sheet to read; None: the only visible sheet that has cells. `hidden`: what happens to the
    hidden rows and columns. Both arguments are for workbooks only. `report`: a function that is called from time to
    time with the fraction read so far (0 to 1).

    Numbers and dates of a workbook are read as Excel shows them in `language`, such as pt_BR; phones do not depend on
    the language. A CSV file is read twice, because even a byte in its last row may show that the file is not in UTF-8.
    The memory for a CSV file does not depend on the size of the file. The texts of a workbook that cells share are held
    in memory (docs/decisions/0045). Raises RecipientsError, OSError.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise RecipientsError("no_plain_file", "is not a file on a disk, save it first: it is read twice")
        if before.st_size == 0:
            raise RecipientsError("file_empty", "the file is empty, its first row must name the columns")
        is_workbook = _is_workbook(file)
        sha256, encoding, windows_text = _examine(file, is_text=not is_workbook)
        file.seek(0)
        if is_workbook:
            opened = open_xlsx(file, language, report, sheet=name, hidden=hidden)
            with _name_sheet(opened.name):
                yield Sheet(
                    sha256,
                    opened.rows,
                    opened.hidden,
                    hidden_sheets=opened.hidden_sheets,
                    name=opened.name,
                    comments=opened.comments,
                )
        elif name is not None:
            raise RecipientsError(
                "sheets_none", "a CSV file has no sheets: leave out {sheet}", sheet=Entry(Field.SHEET)
            )
        else:
            text = io.TextIOWrapper(file, encoding, errors="replace", newline="")
            lines, delimiter = _find_delimiter(text)
            rows = _read_csv(lines, delimiter, lambda: report(min(file.tell() / before.st_size, 1.0)))
            yield Sheet(sha256, rows, Hidden(), delimiter, windows_text)
            text.detach()
        after = os.fstat(file.fileno())
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise RecipientsError(
                "file_changed", "the file was changed while it was read, try again", kind=Kind.CONFLICT
            )
        report(1.0)


def list_sheets(path: Path) -> list[str]:
    """Return the names of the visible sheets with cells; [] for a CSV file. Raises RecipientsError, OSError."""
    with path.open("rb") as file:
        return xlsx.list_sheets(file) if _is_workbook(file) else []


@contextmanager
def _name_sheet(name: str) -> Iterator[None]:
    """Add the name of the sheet to a RecipientsError that is raised while the sheet is read."""
    try:
        yield
    except RecipientsError as error:
        error.sheet = name
        raise


def _open_at_once(path: str, flags: int) -> int:
    """Open a file with the flag O_NONBLOCK. Without this flag, opening a pipe would wait for a writer of the pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _is_workbook(file: BinaryIO) -> bool:
    """Tell by the first bytes of a file whether the file is a workbook.

    Raises RecipientsError if the file is certainly neither a workbook that can be read nor a CSV file.
    """
    first = file.read(_FIRST_BYTES)
    if first.startswith(_OLD_OFFICE):
        raise _explain_old_office(first + file.read(_BLOCK_BYTES))
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        first = first.decode("utf-16", "ignore").encode()
    start = _BYTE_ORDER_MARK.sub(b"", first, count=1).lstrip()
    for mark, name in _OTHER_FORMATS.items():
        if start.startswith(mark):
            raise unknown_format(name)
    if _BITMAP.match(start):
        raise unknown_format("BMP")
    if _JSON.match(start):
        raise unknown_format("JSON")
    if _PAGE.match(start):  # many programs write HTML into files with the extension of a workbook
        raise unknown_format("HTML or XML")
    return first.startswith(_ZIP)


def _explain_old_office(content: bytes) -> RecipientsError:
    for stream, name in _OLE_FORMATS.items():
        if stream.encode("utf-16-le") in content:
            return unknown_format(name)
    return RecipientsError(
        "workbook_old",
        "it is a workbook of the old format XLS, or it has a password: save it as XLSX without a password",
    )


def _examine(file: BinaryIO, *, is_text: bool) -> tuple[bytes, str, WindowsText | None]:
    """Return a file's digest and encoding: by its first bytes, else UTF-8 if the file is valid UTF-8, else cp1252.

    A file with more valid than invalid UTF-8 characters counts as damaged UTF-8. If the file were read as cp1252, each
    name with valid characters outside ASCII would be garbled. Raises RecipientsError for a file that is neither.
    """
    file.seek(0)
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    encoding = ""
    other = _OtherText()
    broken_count = whole_count = 0
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
        if not is_text:
            continue
        if not encoding:
            encoding = json.detect_encoding(block)
            _demand_text(block.decode(encoding, "replace"))
        if len(block) == _BLOCK_BYTES and b"\n" not in block and b"\r" not in block:
            raise RecipientsError(
                "line_too_long", "a line of it is longer than {most:,} bytes, so it is no CSV file", most=_BLOCK_BYTES
            )
        text = decoder.decode(block)
        if not text.isascii():
            broken = len(_LONE_BYTES.findall(text))
            broken_count += broken
            whole_count += len(text) - len(text.encode("ascii", "ignore")) - broken
        other.add(text)
    broken_count += len(decoder.decode(b"", final=True))
    if encoding != "utf-8" or broken_count == 0 or broken_count < whole_count:
        return digest.digest(), encoding, None
    return digest.digest(), "cp1252", other.demand_cp1252()


def _demand_text(text: str) -> None:
    """Raise RecipientsError if the beginning of a file has many characters that belong to no text."""
    if len(_CONTROLS.findall(text)) > _MOST_CONTROLS * len(text):
        raise RecipientsError(
            "file_not_text",
            "it is neither a workbook nor a text file, so it has no rows: save the list as XLSX or CSV UTF-8",
        )


class _OtherText:
    """Collects the signs that a file, which is not in UTF-8, is not in cp1252 either."""

    def __init__(self) -> None:
        self._line = 1
        self._utf8_line = self._odd_line = 0
        self._odd_count = self._letter_count = 0
        self._word: WindowsText | None = None
        self._contexts: dict[str, WindowsText] = {}

    def add(self, text: str) -> None:
        """Add a part of the file, which is decoded as UTF-8 with surrogateescape."""
        if not text.isascii():
            self._utf8_line = self._utf8_line or self._find_line(text, _LATIN_LETTERS.search(text))
            content = text.encode("utf-8", "surrogateescape")
            shown = content.decode("cp1252", "replace")
            self._add_contexts(content.decode("latin-1"), shown)
            self._odd_line = self._odd_line or self._find_line(shown, _ODD_CHARACTERS.search(shown))
            if self._word is None or not self._word.is_doubtful:
                self._word = (
                    self._find_word(shown, _ODD_CHARACTERS, is_doubtful=True)
                    or self._find_word(shown, _SPACE_IN_WORD, is_doubtful=True)
                    or self._word
                )
            self._word = self._word or self._find_word(shown, _BEYOND_ASCII, is_doubtful=False)
            self._odd_count += len(_ODD_CHARACTERS.findall(shown))
            self._letter_count += len(_NEXT_TO_LETTER.findall(shown))
        self._line += _count_lines(text)

    def demand_cp1252(self) -> WindowsText | None:
        """Return the first doubtful word of the file, read in cp1252, else the first word outside ASCII.

        Raises RecipientsError if a part of the file is in UTF-8, or if most accents would be garbled in cp1252.
        """
        if self._utf8_line:
            raise RecipientsError(
                "encoding_mixed",
                "it mixes two encodings: line {line} is in UTF-8, and other lines are not; open the list in the"
                " program that it comes from, and save it as CSV UTF-8",
                line=self._utf8_line,
            )
        page = find_other_page(self._contexts)
        first = (
            None if page is None else min((self._contexts[each] for each in page.contexts), key=lambda each: each.line)
        )
        if 2 * self._odd_count > self._letter_count or (page is not None and (page.is_certain or self._odd_count)):
            wrong = first or self._word
            raise RecipientsError(
                "encoding_unknown",
                "its accents are in the encoding of another system (look at line {line}, which has {word}): export it"
                " again as XLSX or CSV UTF-8 from the program that wrote it",
                line=wrong.line if wrong else self._odd_line,
                word=wrong.word if wrong else "",
            )
        return self._word if self._word is not None and self._word.is_doubtful else first or self._word

    def _add_contexts(self, content: str, shown: str) -> None:
        """Add the first word with each new context. `content`: each character is a byte of `shown`."""
        for context in list_contexts(content) - self._contexts.keys():
            position = f" {content} ".find(context)
            self._contexts[context] = self._read_word(shown, position, is_doubtful=True)

    def _find_word(self, text: str, pattern: re.Pattern[str], *, is_doubtful: bool) -> WindowsText | None:
        match = pattern.search(text)
        return None if match is None else self._read_word(text, match.start(), is_doubtful=is_doubtful)

    def _read_word(self, text: str, position: int, *, is_doubtful: bool) -> WindowsText:
        before = _WORD_END.search(text[:position])
        after = _WORD_START.match(text, position)
        word = (before[0] if before else "") + (after[0] if after else "")
        return WindowsText(self._line + _count_lines(text[:position]), word, is_doubtful)

    def _find_line(self, text: str, match: re.Match[str] | None) -> int:
        return self._line + _count_lines(text[: match.start()]) if match else 0


def _count_lines(text: str) -> int:
    """Return the number of line ends. Programs for old Macs end a line by a carriage return only."""
    return text.count("\n") or text.count("\r")


def _find_delimiter(text: TextIO) -> tuple[Iterator[str], str]:
    """Return the lines of a CSV file, without a line that names the delimiter, and the delimiter."""
    first = text.readline()
    if stated := _SEPARATOR_LINE.fullmatch(first.strip()):
        return text, stated[1]
    top = [first, *islice(text, _TOP_LINES)]
    return chain(top, text), _guess_delimiter(top)


def _guess_delimiter(top: Sequence[str]) -> str:
    """Return the delimiter that splits most rows at the top of a file, because a title above the header has none.

    If two delimiters split as many rows, a row with a usual name for the column of the phones decides, then the number
    of columns in the first row.
    """

    def score(delimiter: str) -> tuple[int, bool, int]:
        rows = _split(top, delimiter)
        several = [row for row in rows if len(row) > 1]
        return len(several), any(map(names_phone, chain.from_iterable(several))), len(rows[0]) if rows else 0

    return max(_DELIMITERS, key=score)


def _split(top: Sequence[str], delimiter: str) -> list[list[str]]:
    rows = []
    with suppress(csv.Error):
        for row in csv.reader(top, delimiter=delimiter):
            rows.append(row)  # noqa: PERF402 - the rows before an error count
    return rows


def _read_csv(lines: Iterator[str], delimiter: str, report: Callable[[], None]) -> Iterator[tuple[int, Row]]:
    read: list[str] = []  # the lines of the row that is read now
    rows = csv.reader(_record(lines, read), delimiter=delimiter, strict=True)
    row_number = 0
    while True:
        row_number += 1
        read.clear()
        if row_number % _REPORT_ROWS == 0:
            report()
        try:
            row: Row = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            row = _explain_csv(row_number, error, "".join(read), delimiter)
        yield row_number, row


def _record(lines: Iterator[str], read: list[str]) -> Iterator[str]:
    for line in lines:
        read.append(line)
        yield line


def _explain_csv(row_number: int, error: csv.Error, text: str, delimiter: str) -> RowProblem:
    """Return the problem of one row, or raise RecipientsError if the beginning of the next row cannot be found."""
    reason = str(error)
    if "field limit" in reason:
        raise RecipientsError(
            "cell_too_long",
            "row {row} has a cell of more than {most:,} characters: is a quote not closed?",
            row=row_number,
            most=csv.field_size_limit(),
        )
    if "unexpected end" in reason:
        raise RecipientsError("quote_not_closed", "row {row} opens a quote that is never closed", row=row_number)
    if '"' in _find_rest(text, delimiter):
        raise RecipientsError(
            "quotes_unclear",
            "row {row} has quotes that do not match, so the beginning of the next row is not certain: write each quote"
            " inside a cell twice, or save the list as XLSX",
            row=row_number,
        )
    return RowProblem("a cell", "goes on behind its closing quote")


def _find_rest(text: str, delimiter: str) -> str:
    """Return the text behind the first closing quote of a row that neither a delimiter nor the end of a line follows.

    A quote behind that place may open a cell, and the cell may contain the line end behind which `csv` goes on.
    """
    end = re.escape(delimiter)
    quoted = '"(?:[^"]|"")*+"'
    found = re.match(f'(?:(?:{quoted}|[^"{end}][^{end}]*+|){end})*+{quoted}', text)
    return text[found.end() :] if found else text
