"""The people who must not be messaged: one row per person and source, the newest event wins.

An opt-out under a user id has a row under that id too, beside the rows of the person's numbers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from campaigns.domain.optout.recognition import Source
from campaigns.store.database import Connection, allow_long_statements, query

_FETCH_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class SuppressionEvent:
    """What a source says of a person at a time (None: now): an opt-out (`is_active`), or the end of its own."""

    recipient_key: str
    source: Source
    is_active: bool
    at: dt.datetime | None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class SuppressionChange:
    """A row that an event has changed. `was_active`: this source had suppressed the person before."""

    recipient_key: str
    source: Source
    is_active: bool
    was_active: bool


@dataclass(frozen=True, slots=True)
class SuppressionRow:
    """An active suppression."""

    recipient_key: str
    source: str
    at: dt.datetime
    detail: str | None


@dataclass(frozen=True, slots=True)
class AnsweredMessage:
    """A message of ours that a person answered, and the phone it went to."""

    id: int
    phone: str


def write_suppressions(connection: Connection, said: Sequence[SuppressionEvent]) -> list[SuppressionChange]:
    """Write events, each only where it is newer than what its source has said; return what changed."""
    if not said:
        return []
    parameters = {
        "recipient_keys": [each.recipient_key for each in said],
        "sources": [str(each.source) for each in said],
        "are_active": [each.is_active for each in said],
        "at": [each.at for each in said],
        "details": [each.detail for each in said],
    }
    rows = connection.execute(query("write_suppressions"), parameters)
    return [SuppressionChange(key, Source(source), new, old) for key, source, new, old in rows]


def suppress_refusing(connection: Connection, refused_at: Mapping[int, dt.datetime]) -> None:
    """Note that the people of these messages (id: when Meta said so) do not want more: 131050."""
    if not refused_at:
        return
    rows = connection.execute(query("find_recipient_keys"), {"message_ids": sorted(refused_at)}).fetchall()
    said = [
        SuppressionEvent(key, Source.META, is_active=True, at=refused_at[id_], detail="131050") for id_, key in rows
    ]
    write_suppressions(connection, said)


def lift_suppressions(connection: Connection, recipient_keys: Sequence[str]) -> set[str]:
    """Lift every source of people who are suppressed, by a person's word; return whose."""
    parameters = {"recipient_keys": sorted(set(recipient_keys)), "sources": [str(source) for source in Source]}
    return {row[0] for row in connection.execute(query("lift_suppressions"), parameters)}


def find_suppressed(connection: Connection, recipient_keys: Sequence[str]) -> set[str]:
    """Return who of these people is suppressed."""
    statement = "SELECT DISTINCT recipient_key FROM suppressions WHERE recipient_key = ANY (%s) AND is_active"
    return {row[0] for row in connection.execute(statement, (list(recipient_keys),))}


def stream_suppressions(connection: Connection, source: Source | None = None) -> Iterator[SuppressionRow]:
    """Yield active suppressions, the newest first, while the transaction is open."""
    allow_long_statements(connection)
    connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    parameters = {"source": None if source is None else str(source)}
    with connection.cursor("suppressions", row_factory=class_row(SuppressionRow)) as cursor:
        cursor.itersize = _FETCH_ROWS
        yield from cursor.execute(query("list_suppressions"), parameters)


def count_suppressions(connection: Connection, source: Source | None = None) -> int:
    """Return how many rows `stream_suppressions` has."""
    parameters = {"source": None if source is None else str(source)}
    row = connection.execute(query("count_suppressions"), parameters).fetchone()
    return int(row[0]) if row else 0


def find_said(connection: Connection, recipient_keys: Collection[str]) -> list[SuppressionEvent]:
    """Return the newest event of each source for these people or user ids, including suppressions that are over."""
    statement = (
        "SELECT recipient_key, source, is_active, at, detail FROM suppressions WHERE recipient_key = ANY (%s)"
        " ORDER BY recipient_key, source"
    )
    rows = connection.execute(statement, (sorted(recipient_keys),))
    return [SuppressionEvent(key, Source(source), active, at, detail) for key, source, active, at, detail in rows]


def find_answered(connection: Connection, wamids: Sequence[str]) -> dict[str, AnsweredMessage]:
    """Return the messages with these wamids; those that are unknown, or erased, are left out."""
    statement = "SELECT wamid, id, phone FROM messages WHERE wamid = ANY (%s) AND phone IS NOT NULL"
    rows = connection.execute(statement, (list(wamids),)).fetchall() if wamids else []
    return {wamid: AnsweredMessage(message_id, phone) for wamid, message_id, phone in rows}
