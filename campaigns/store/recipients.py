"""Recipients on their way in: staged with COPY, then written in one statement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg.rows import class_row

from campaigns.domain.recipients import Recipient, RowProblem
from campaigns.domain.zones import find_zones
from campaigns.store.database import Connection, query

# Between the variables of a staged row, where no variable has it: control characters are refused. An array would cost
# the client more than all the rest of a row.
_SEPARATOR = "\x1f"
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

    row_number: int
    column_name: str
    reason: str


def import_rows(
    connection: Connection, campaign_id: int, rows: Iterable[tuple[int, Recipient | RowProblem]]
) -> ImportCounts:
    """Add numbered rows to a campaign that no runner can complete meanwhile. Memory stays flat; what `rows` raises
    leaves nothing behind.
    """
    # The file sets the pace here, and its size how long the INSERT takes.
    connection.execute("SET LOCAL statement_timeout = 0")
    connection.execute(query("stage_recipients"))
    good_count = rejected_count = 0
    with connection.cursor() as cursor, cursor.copy(query("copy_recipients")) as copy:
        for row_number, row in rows:
            if isinstance(row, Recipient):
                good_count += 1
                zones = ZONE_SEPARATOR.join(find_zones(row.phone)) or None
                copy.write_row((row_number, row.phone, zones, _SEPARATOR.join(row.variables), None, None))
            else:
                rejected_count += 1
                copy.write_row((row_number, None, None, None, row.column, row.reason))
    parameters = {"campaign_id": campaign_id, "separator": _SEPARATOR}
    if good_count:
        connection.execute(query("insert_zones"), parameters)
    recipient_count = connection.execute(query("insert_recipients"), parameters).rowcount if good_count else 0
    if rejected_count:
        connection.execute(query("insert_import_errors"), parameters)
    connection.execute("DROP TABLE staged_recipients")
    counts = ImportCounts(recipient_count, good_count - recipient_count, rejected_count)
    connection.execute(
        query("count_recipients"),
        {
            "campaign_id": campaign_id,
            "recipient_count": counts.recipient_count,
            "duplicate_count": counts.duplicate_count,
            "rejected_count": counts.rejected_count,
        },
    )
    return counts


def list_import_errors(connection: Connection, campaign_id: int, *, limit: int) -> list[ImportErrorRow]:
    """Return the first rejected rows of a campaign, in the order of their file."""
    parameters = {"campaign_id": campaign_id, "limit": limit}
    with connection.cursor(row_factory=class_row(ImportErrorRow)) as cursor:
        return cursor.execute(query("list_import_errors"), parameters).fetchall()


def load_zones(connection: Connection, campaign_id: int) -> dict[int, tuple[str, ...]]:
    """Return where the people of a campaign may be: the time zones by the `zone_id` of their messages."""
    rows = connection.execute("SELECT id, names FROM campaign_zones WHERE campaign_id = %s", (campaign_id,))
    return {row[0]: tuple(row[1].split(ZONE_SEPARATOR)) for row in rows}
