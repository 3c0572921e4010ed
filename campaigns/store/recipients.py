"""Recipients on their way in: staged with COPY, then written in one statement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from psycopg.rows import class_row

from campaigns.domain.pacing import Window
from campaigns.domain.phone.person import recipient_key
from campaigns.domain.phone.zones import ZoneGate, find_zones
from campaigns.domain.recipients import Recipient, RowProblem
from campaigns.store.database import Connection, allow_long_statements, query, read_clock

# Between the variables of a staged row, where no variable has it: control characters are refused. An array would cost
# the client more than all the rest of a row.
_SEPARATOR = "\x1f"
_COPY_ROWS = 1000  # sent at once
_FETCH_ROWS = 10_000
# Between the time zones of a phone.
ZONE_SEPARATOR = ","


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """What became of the rows of a file. `recipient_count` is also the number of new messages."""

    recipient_count: int
    duplicate_count: int
    rejected_count: int


@dataclass(frozen=True, slots=True)
class ImportErrorRow:
    """A rejected row. `row_number` is the one that a spreadsheet shows: the header is row 1."""

    file_name: str
    row_number: int
    column_name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Overlap:
    """Another campaign with `shared_count` of the `people_count` people of one, or with `has_same_file`.

    `at`: when it was made (a draft), starts (a scheduled one), has ended, or else began; None: it has not begun.
    """

    campaign_id: int
    name: str
    status: str
    at: dt.datetime | None
    server_now: dt.datetime
    shared_count: int
    people_count: int
    has_same_file: bool


def await_file(connection: Connection) -> None:
    """Let this transaction wait for a file, and for what is done with all of it, as long as it takes."""
    allow_long_statements(connection)
    connection.execute(query("await_file"))


def stage_rows(connection: Connection, rows: Iterable[tuple[int, Recipient | RowProblem]]) -> None:
    """Take numbered rows to the server. Memory stays flat; what `rows` raises leaves nothing behind."""
    connection.execute(query("stage_recipients"))
    lines: list[str] = []
    with connection.cursor() as cursor, cursor.copy(query("copy_recipients")) as copy:
        for row_number, row in rows:
            lines.append(_to_line(row_number, row))
            if len(lines) >= _COPY_ROWS:
                copy.write("".join(lines))
                lines.clear()
        copy.write("".join(lines))


def write_staged(connection: Connection, campaign_id: int, *, file_name: str, file_sha256: bytes) -> ImportCounts:
    """Make messages and import errors of the staged rows, for a campaign that no runner can complete meanwhile."""
    file = {"campaign_id": campaign_id, "file_name": file_name}
    connection.execute(query("insert_import"), file | {"file_sha256": file_sha256})
    rejected_count = connection.execute(query("insert_import_errors"), file).rowcount
    parameters = {"campaign_id": campaign_id, "separator": _SEPARATOR}
    connection.execute(query("insert_zones"), parameters)
    recipient_count = connection.execute(query("insert_recipients"), parameters).rowcount
    staged = connection.execute(query("count_staged")).fetchone()
    connection.execute(query("drop_staged"))
    assert staged is not None
    counts = ImportCounts(recipient_count, staged[0] - rejected_count - recipient_count, rejected_count)
    connection.execute(
        query("count_recipients"),
        {
            "campaign_id": campaign_id,
            "recipient_count": counts.recipient_count,
            "duplicate_count": counts.duplicate_count,
            "rejected_count": counts.rejected_count,
        },
    )
    # Without it a claim reads and sorts all that is left of the list, until autovacuum comes by a minute later. Who
    # analyzes already is not waited for.
    connection.execute(query("analyze_messages"))
    return counts


def find_overlaps(connection: Connection, campaign_id: int, *, days: int) -> list[Overlap]:
    """Return the other campaigns, alive or of the last `days`, that have people or a file of this one."""
    await_file(connection)
    parameters = {"campaign_id": campaign_id, "days": days}
    with connection.cursor(row_factory=class_row(Overlap)) as cursor:
        return cursor.execute(query("find_overlaps"), parameters).fetchall()


def list_import_errors(connection: Connection, campaign_id: int, *, limit: int, skip: int = 0) -> list[ImportErrorRow]:
    """Return rejected rows of a campaign, in the order of its files."""
    parameters = {"campaign_id": campaign_id, "limit": limit, "skip": skip}
    with connection.cursor(row_factory=class_row(ImportErrorRow)) as cursor:
        return cursor.execute(query("list_import_errors"), parameters).fetchall()


def stream_import_errors(connection: Connection, campaign_id: int) -> Iterator[ImportErrorRow]:
    """Yield all rejected rows of a campaign, in the order of its files, while the transaction is open."""
    await_file(connection)
    parameters = {"campaign_id": campaign_id, "limit": None, "skip": 0}
    with connection.cursor("import_errors", row_factory=class_row(ImportErrorRow)) as cursor:
        cursor.itersize = _FETCH_ROWS
        yield from cursor.execute(query("list_import_errors"), parameters)


def _to_line(row_number: int, row: Recipient | RowProblem) -> str:
    r"""Return a row as COPY reads it: tabs between the values, \N for NULL. Half the time of psycopg's `write_row`."""
    if isinstance(row, RowProblem):
        return f"{row_number}\t\\N\t\\N\t\\N\t\\N\t\\N\t{_escape(row.column)}\t{_escape(row.reason)}\n"
    variables = _escape(_SEPARATOR.join(row.variables))
    consent = "\\N" if row.consent is None else _escape(row.consent)
    zones = ZONE_SEPARATOR.join(find_zones(row.phone)) or "\\N"
    return f"{row_number}\t{row.phone}\t{recipient_key(row.phone)}\t{zones}\t{variables}\t{consent}\t\\N\t\\N\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def load_zones(connection: Connection, campaign_id: int) -> dict[int, tuple[str, ...]]:
    """Return where the people of a campaign may be: the time zones by the `zone_id` of their messages."""
    rows = connection.execute(query("load_zones"), {"campaign_id": campaign_id})
    return {row[0]: tuple(row[1].split(ZONE_SEPARATOR)) for row in rows}


def count_never_open(connection: Connection, campaign_id: int, window: Window) -> int:
    """Return the number of pending messages to phones that may be in zones which never share an hour of the window."""
    now = read_clock(connection)
    zone_ids = ZoneGate(window, load_zones(connection, campaign_id)).never_open_ids(now)
    if not zone_ids:
        return 0
    allow_long_statements(connection)
    parameters = {"campaign_id": campaign_id, "zone_ids": sorted(zone_ids)}
    row = connection.execute(query("count_pending_in_zones"), parameters).fetchone()
    return int(row[0]) if row else 0
