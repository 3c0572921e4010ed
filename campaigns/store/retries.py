"""Failed and uncertain messages that a person sends again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg.rows import class_row

from campaigns.store.database import Connection, allow_long_statements, query


@dataclass(frozen=True, slots=True)
class FailedCount:
    """Failed messages of one code (None: Meta gave none). `waiting_count` of them may not be tried yet."""

    error_code: int | None
    title: str | None
    count: int
    waiting_count: int
    waits_until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class RetriedCount(FailedCount):
    """Messages of one code that one statement has put back; `last_id` is the highest of them."""

    last_id: int


@dataclass(frozen=True, slots=True)
class UncertainCount:
    """Uncertain messages of one reason: `count` may be sent again, the others stay as they are.

    `oldest_at`, `newest_at`: when the first and the last of all of them may have left.
    """

    error_code: int | None
    title: str
    count: int
    suppressed_count: int
    erased_count: int
    oldest_at: dt.datetime
    newest_at: dt.datetime


def count_failed(connection: Connection, campaign_id: int, later_seconds: Mapping[int, float]) -> list[FailedCount]:
    """Count a campaign's failed messages by code. `later_seconds`: how long after a failure codes must wait."""
    parameters = {"campaign_id": campaign_id, "codes": list(later_seconds), "later_seconds": [*later_seconds.values()]}
    # A look at a whole campaign takes longer than any statement of the send path may.
    allow_long_statements(connection)
    with connection.cursor(row_factory=class_row(FailedCount)) as cursor:
        return cursor.execute(query("count_failed"), parameters).fetchall()


def retry_messages(
    connection: Connection, campaign_id: int, later_seconds: Mapping[int, float], *, after: int, limit: int
) -> list[RetriedCount]:
    """Put failed messages with one of the codes (and its seconds to wait) back to pending, after this id.

    The caller holds the lock on the campaign. Fewer than `limit`: there are no more.
    """
    parameters = {
        "campaign_id": campaign_id,
        "codes": list(later_seconds),
        "later_seconds": list(later_seconds.values()),
        "after": after,
        "limit": limit,
    }
    allow_long_statements(connection)
    with connection.cursor(row_factory=class_row(RetriedCount)) as cursor:
        return cursor.execute(query("retry_messages"), parameters).fetchall()


def count_uncertain(connection: Connection, campaign_id: int) -> list[UncertainCount]:
    """Count a campaign's uncertain messages by reason."""
    allow_long_statements(connection)
    with connection.cursor(row_factory=class_row(UncertainCount)) as cursor:
        return cursor.execute(query("count_uncertain"), {"campaign_id": campaign_id}).fetchall()


def retry_uncertain(connection: Connection, campaign_id: int, *, after: int, limit: int) -> tuple[int, int]:
    """Put uncertain messages back to pending, after this id; return how many, and the id of the last of them.

    The caller holds the lock on the campaign. Fewer than `limit`: there are no more.
    """
    allow_long_statements(connection)
    row = connection.execute(
        query("retry_uncertain"), {"campaign_id": campaign_id, "after": after, "limit": limit}
    ).fetchone()
    assert row is not None
    return row[0], row[1] or after
