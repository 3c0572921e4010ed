"""Reads a recipients file into a campaign: rows in, recipients and rejected rows out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from campaigns.domain.filling import Filling
from campaigns.domain.phone.number import make_phone_reader
from campaigns.domain.recipients import (
    Choice,
    Columns,
    Recipient,
    RecipientsError,
    RowProblem,
    read_header,
    read_row,
)
from campaigns.sheets.rows import Report, Row, open_sheet
from campaigns.store import recipients as store
from campaigns.store.database import Connection, Database

DEFAULT_REGION = "BR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a file is read: `region` is that of phones without a country code, `report` is told how far it is."""

    choice: Choice = field(default_factory=Choice)
    region: str = DEFAULT_REGION
    report: Report = lambda _part: None


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file: its rows, and the columns that nothing was taken from."""

    counts: store.ImportCounts
    ignored: list[str]


def import_recipients(
    connection: Connection, campaign_id: int, path: Path, *, filling: Filling, reading: Reading
) -> Imported:
    """Add the recipients of a CSV or XLSX file to a campaign, in the order of the file.

    Raises RecipientsError, with the place, when the file as a whole cannot be read; single rows that are wrong are
    kept as import errors.
    """
    store.await_file(connection)
    try:
        with open_sheet(path, language=filling.template.language, report=reading.report) as sheet:
            columns = _read_columns(sheet.rows, filling.names, reading.choice)
            rows = _read_rows(sheet.rows, columns, filling, reading.region)
            store.stage_rows(connection, rows)
    except RecipientsError as error:
        raise RecipientsError(f"{path}: {error}.") from None
    counts = store.write_staged(connection, campaign_id, file_name=path.name, file_sha256=sheet.sha256)
    return Imported(counts, columns.ignored)


def find_overlaps(database: Database, campaign_id: int, *, days: int) -> list[store.Overlap]:
    """Return the other campaigns, alive or of the last `days`, that have people or a file of this one."""
    return database.run(store.find_overlaps, campaign_id, days=days)


def _read_columns(rows: Iterator[tuple[int, Row]], variables: list[str], choice: Choice) -> Columns:
    _, header = next(rows, (1, ()))
    if isinstance(header, RowProblem):
        raise RecipientsError(f"row 1: {header.column} {header.reason}")
    return read_header(header, variables, choice)


def _read_rows(
    rows: Iterator[tuple[int, Row]], columns: Columns, filling: Filling, region: str
) -> Iterator[tuple[int, Recipient | RowProblem]]:
    """Yield what each row is; blank ones are skipped."""
    check, read_phone = filling.make_check(), make_phone_reader(region)
    has_rows = False
    for row_number, cells in rows:
        row = cells if isinstance(cells, RowProblem) else read_row(columns, cells, check, read_phone)
        if row is not None:
            has_rows = True
            yield row_number, row
    if not has_rows:
        raise RecipientsError("there is no row below the header")
