"""Writes the rejected rows of a file to another file, with the reasons, so that a person can correct them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from campaigns.domain.controls import escape_controls
from campaigns.domain.recipients import RowProblem
from campaigns.domain.statement import deferred
from campaigns.domain.text.reasons import translate_column, translate_reason
from campaigns.language import ENGLISH, Translation
from campaigns.management.recipients import Imported, Reading
from campaigns.sheets.csv_writer import stream_csv, write_csv
from campaigns.sheets.rows import Row, open_sheet
from campaigns.store.database import Connection, Database
from campaigns.store.recipients import ImportErrorRow, page_import_errors

SHOWN_ROWS = 100
_PAGE = 5_000
_LIST, _ROW = deferred("list"), deferred("row in the list")
_COLUMN, _REASON = deferred("column"), deferred("what is wrong")


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A rejected row of a file. `reason`: in English. `cell`: the beginning of the cell that is wrong."""

    row_number: int
    column_name: str
    reason: str
    cell: str


def write_rejected(
    connection: Connection,
    campaign_id: int,
    path: Path,
    imported: Imported,
    reading: Reading,
    *,
    after: int,
    file: BinaryIO,
    language: Translation,
) -> list[RejectedRow]:
    """Write the rejected rows of an import to a CSV file; return the first of them.

    `path`: the file that was imported. `after`: the id of the last import error before this import. `language`: the
    language of the reasons in the file.
    """
    shown: list[RejectedRow] = []
    positions = {name: position for position, name in reversed([*enumerate(imported.names)])}
    width = len(imported.names)

    def write_pages() -> Iterator[list[Sequence[object]]]:
        with open_sheet(
            path, language=imported.language, report=reading.report, name=reading.sheet, hidden=reading.hidden
        ) as sheet:
            for page in _page_errors(connection, campaign_id, after=after):
                yield [write(error, _find(sheet.rows, error.row_number)) for error in page]

    def write(error: ImportErrorRow, cells: Row) -> Sequence[object]:
        texts = [] if isinstance(cells, RowProblem) else [str(cell) for cell in cells]
        if len(shown) < SHOWN_ROWS:
            shown.append(_show(error, texts, positions))
        return [
            *[*texts, *[""] * (width - len(texts))][:width],
            error.row_number,
            translate_column(error.column_name, error.reason, language),
            translate_reason(error.reason, language),
        ]

    columns = [*imported.names, *(language.translate(name) for name in (_ROW, _COLUMN, _REASON))]
    write_csv(file, columns, write_pages(), delimiter=_find_delimiter(language))
    return shown


def stream_rejected(database: Database, campaign_id: int, language: Translation) -> Iterator[bytes]:
    """Yield a CSV file of the rejected rows of all lists of a campaign, without their cells, page by page.

    The lists may be deleted by now. `language`: that of the reasons.
    """

    def read_pages() -> Iterator[list[Sequence[object]]]:
        after = 0
        while page := database.run(page_import_errors, campaign_id, is_rejected=True, after=after, limit=_PAGE):
            yield [
                (
                    error.file_name,
                    error.row_number,
                    translate_column(error.column_name, error.reason, language),
                    translate_reason(error.reason, language),
                )
                for _id, error in page
            ]
            after = page[-1][0]

    columns = [language.translate(name) for name in (_LIST, _ROW, _COLUMN, _REASON)]
    return stream_csv(columns, read_pages(), delimiter=_find_delimiter(language))


def _find_delimiter(language: Translation) -> str:
    return "," if language.name == ENGLISH else ";"


def _page_errors(connection: Connection, campaign_id: int, *, after: int) -> Iterator[list[ImportErrorRow]]:
    while page := page_import_errors(connection, campaign_id, is_rejected=True, after=after, limit=_PAGE):
        yield [error for _, error in page]
        after = page[-1][0]


def _find(rows: Iterator[tuple[int, Row]], row_number: int) -> Row:
    """Return the row with this number; the rows before it are passed over. Errors and rows have the same order."""
    return next((row for number, row in rows if number == row_number), [])


def _show(error: ImportErrorRow, texts: Sequence[str], positions: Mapping[str, int]) -> RejectedRow:
    position = positions.get(error.column_name)
    cell = texts[position] if position is not None and position < len(texts) else ""
    shown = cell if len(cell) <= _SHOWN_LENGTH else f"{cell[:_SHOWN_LENGTH]}…"
    return RejectedRow(error.row_number, error.column_name, error.reason, escape_controls(shown, keeps="\n\t"))


_SHOWN_LENGTH = 100
