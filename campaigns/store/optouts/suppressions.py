"""Queries about suppressions, and about the messages that people answered with an opt-out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from campaigns.domain.failures import STOPPED_MARKETING
from campaigns.domain.optout.recognition import Source
from campaigns.store.database import Connection, allow_long_statements, query
from campaigns.store.events import ANSWER_SECONDS, SKEW_SECONDS
from campaigns.store.hooks.outbox import write_optouts

_FETCH_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class SuppressionEvent:
    """The start (`is_active`) or the end of a person's opt-out by one source. `at`: the time of this event; None means
    now.
    """

    recipient_key: str
    source: Source
    is_active: bool
    at: dt.datetime | None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class SuppressionChange:
    """A suppression that an event has changed. `was_active`: the source had suppressed the person before."""

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
    """A campaign message that a person has answered, and the phone of the person."""

    id: int
    phone: str


@dataclass(frozen=True, slots=True)
class AnsweredCampaign:
    """The campaign whose message a person answered with an opt-out."""

    id: int
    name: str


# The sources of opt-outs with which people answer messages.
_ANSWERS = frozenset({Source.WORD, Source.BUTTON})


def find_answered_campaigns(
    connection: Connection, optouts: Iterable[SuppressionEvent | SuppressionRow]
) -> dict[tuple[str, str], AnsweredCampaign]:
    """Return the campaigns whose messages these opt-outs answered, where known, by person and source."""
    answers = [(each, each.at) for each in optouts if each.source in _ANSWERS and each.at is not None]
    if not answers:
        return {}
    parameters = {
        "recipient_keys": [each.recipient_key for each, _ in answers],
        "said_at": [at for _, at in answers],
        "answer_seconds": ANSWER_SECONDS,
        "skew_seconds": SKEW_SECONDS,
    }
    rows = connection.execute(query("find_answered_campaigns"), parameters).fetchall()
    found = {(key, at): AnsweredCampaign(id_, name) for key, at, id_, name in rows}
    return {
        (each.recipient_key, str(each.source)): found[each.recipient_key, at]
        for each, at in answers
        if (each.recipient_key, at) in found
    }


def write_suppressions(connection: Connection, said: Sequence[SuppressionEvent]) -> list[SuppressionChange]:
    """Write events that are newer than the last event of the same source; return the changes."""
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
    changes = [SuppressionChange(key, Source(source), new, old) for key, source, new, old in rows]
    # A list that the company itself has imported is no news to it. A key without + is a user id, which is no phone.
    begun = [each for each in changes if each.is_active and not each.was_active and each.source is not Source.IMPORT]
    write_optouts(connection, [(each.recipient_key, each.source) for each in begun if each.recipient_key[:1] == "+"])
    return changes


def suppress_refusing(connection: Connection, refused_at: Mapping[int, dt.datetime]) -> None:
    """Suppress the people who refused messages. `refused_at`: by message id, the time at which Meta reported the
    refusal.
    """
    if not refused_at:
        return
    rows = connection.execute(query("find_recipient_keys"), {"message_ids": sorted(refused_at)}).fetchall()
    detail = str(STOPPED_MARKETING.code)
    said = [SuppressionEvent(key, Source.META, is_active=True, at=refused_at[id_], detail=detail) for id_, key in rows]
    write_suppressions(connection, said)


def lift_suppressions(connection: Connection, recipient_keys: Sequence[str]) -> set[str]:
    """End all suppressions of these people, by the decision of an operator; return the people who were suppressed."""
    parameters = {"recipient_keys": sorted(set(recipient_keys)), "sources": [str(source) for source in Source]}
    return {row[0] for row in connection.execute(query("lift_suppressions"), parameters)}


def find_suppressed(connection: Connection, recipient_keys: Sequence[str]) -> set[str]:
    """Return the people in `recipient_keys` who are suppressed."""
    return {row[0] for row in connection.execute(query("find_suppressed"), {"recipient_keys": list(recipient_keys)})}


def stream_suppressions(connection: Connection, source: Source | None = None) -> Iterator[SuppressionRow]:
    """Yield active suppressions, the newest first, while the transaction is open."""
    allow_long_statements(connection)
    connection.execute(query("allow_idle_transaction"))
    parameters = {"source": None if source is None else str(source)}
    with connection.cursor("suppressions", row_factory=class_row(SuppressionRow)) as cursor:
        cursor.itersize = _FETCH_ROWS
        yield from cursor.execute(query("list_suppressions"), parameters)


def page_suppressions(
    connection: Connection,
    *,
    sources: Sequence[Source],
    pattern: str | None,
    before: tuple[dt.datetime, str, str] | None,
    limit: int,
) -> list[SuppressionRow]:
    """Return at most `limit` active suppressions, the newest first.

    `before`: the time, the person and the source of the suppression that the page follows; None: the first page.
    `pattern`: for LIKE on the key of the person.
    """
    at, recipient_key, source = before or ("infinity", "", "")
    parameters = {
        "sources": [str(each) for each in sources],
        "pattern": pattern,
        "at": at,
        "recipient_key": recipient_key,
        "source": source,
        "limit": limit,
    }
    with connection.cursor(row_factory=class_row(SuppressionRow)) as cursor:
        return cursor.execute(query("page_suppressions"), parameters).fetchall()


def count_suppressions(connection: Connection, source: Source | None = None) -> int:
    """Return the number of rows that `stream_suppressions` yields."""
    parameters = {"source": None if source is None else str(source)}
    row = connection.execute(query("count_suppressions"), parameters).fetchone()
    return int(row[0]) if row else 0


def find_suppression_events(connection: Connection, recipient_keys: Collection[str]) -> list[SuppressionEvent]:
    """Return the last event of each source for these people or user ids, including ended suppressions."""
    rows = connection.execute(query("find_suppression_events"), {"recipient_keys": sorted(recipient_keys)})
    return [SuppressionEvent(key, Source(source), active, at, detail) for key, source, active, at, detail in rows]


def find_answered_messages(connection: Connection, wamids: Sequence[str]) -> dict[str, AnsweredMessage]:
    """Return the messages with these wamids, without erased messages."""
    rows = connection.execute(query("find_answered_messages"), {"wamids": list(wamids)}).fetchall() if wamids else []
    return {wamid: AnsweredMessage(message_id, phone) for wamid, message_id, phone in rows}
