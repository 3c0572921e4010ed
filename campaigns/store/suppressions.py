"""People who must not be messaged, answers that wait for a decision, and confirmations of opt-outs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

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
    return {row[0] for row in connection.execute(query("find_suppressed"), {"recipient_keys": list(recipient_keys)})}


def stream_suppressions(connection: Connection, source: Source | None = None) -> Iterator[SuppressionRow]:
    """Yield active suppressions, the newest first, while the transaction is open."""
    allow_long_statements(connection)
    connection.execute(query("await_file"))
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
    rows = connection.execute(query("find_said"), {"recipient_keys": sorted(recipient_keys)})
    return [SuppressionEvent(key, Source(source), active, at, detail) for key, source, active, at, detail in rows]


def find_answered(connection: Connection, wamids: Sequence[str]) -> dict[str, AnsweredMessage]:
    """Return the messages with these wamids; those that are unknown, or erased, are left out."""
    rows = connection.execute(query("find_answered"), {"wamids": list(wamids)}).fetchall() if wamids else []
    return {wamid: AnsweredMessage(message_id, phone) for wamid, message_id, phone in rows}


class Decision(StrEnum):
    ACCEPTED = "accepted"  # it was an opt-out
    DISMISSED = "dismissed"  # it was none


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that may be an opt-out. `digest` identifies the inbound message: a copy of it opens no second review.

    `recipient_key` is a user id if no number is known. `source` and `detail` are those of the suppression that an
    accepted answer becomes; `message_id` is the campaign message that was answered, None: none of ours.
    """

    recipient_key: str
    digest: bytes
    source: str
    detail: str
    text: str
    said_at: dt.datetime
    phone_number_id: str
    message_id: int | None


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """A person whose answers wait for a decision. `id` is that of the first answer; `text` has one answer per line.

    `account`: the name or the id of the number that received the answer; `campaign_id`: that of the answered message.
    """

    id: int
    recipient_key: str
    text: str
    first_said_at: dt.datetime
    said_at: dt.datetime
    answer_count: int
    account: str
    campaign_id: int | None


@dataclass(frozen=True, slots=True)
class DecidedAnswer:
    """An answer that was undecided until now."""

    id: int
    recipient_key: str
    source: str
    said_at: dt.datetime
    detail: str
    opened_at: dt.datetime


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """The state of one answer: `decision` and `decided_at` are None while it waits."""

    id: int
    recipient_key: str
    decision: str | None
    decided_at: dt.datetime | None


def open_reviews(connection: Connection, answers: Sequence[Answer]) -> list[tuple[int, str]]:
    """Store answers that were not stored before; return (id, recipient key) of each."""
    if not answers:
        return []
    parameters = {
        "recipient_keys": [each.recipient_key for each in answers],
        "answers": [each.digest for each in answers],
        "sources": [each.source for each in answers],
        "details": [each.detail for each in answers],
        "texts": [each.text for each in answers],
        "said_at": [each.said_at for each in answers],
        "phone_number_ids": [each.phone_number_id for each in answers],
        "message_ids": [each.message_id for each in answers],
    }
    return [(row[0], row[1]) for row in connection.execute(query("open_reviews"), parameters)]


def move_reviews(connection: Connection, moves: Mapping[str, str]) -> None:
    """Move undecided answers to the current key of their person: from a user id or a previous number to a number."""
    if moves:
        connection.execute(query("move_reviews"), {"old": list(moves), "new": list(moves.values())})


def decide_reviews(connection: Connection, recipient_keys: Collection[str], decision: Decision) -> list[DecidedAnswer]:
    """Decide about all undecided answers of these people; return these answers."""
    parameters = {"decision": str(decision), "recipient_keys": sorted(recipient_keys)}
    with connection.cursor(row_factory=class_row(DecidedAnswer)) as cursor:
        return cursor.execute(query("decide_reviews"), parameters).fetchall()


def as_optouts(decided: Iterable[DecidedAnswer]) -> list[SuppressionEvent]:
    """Convert accepted answers to opt-outs."""
    return [
        SuppressionEvent(each.recipient_key, Source(each.source), is_active=True, at=each.said_at, detail=each.detail)
        for each in decided
    ]


def find_reviews(connection: Connection, ids: Sequence[int]) -> dict[int, ReviewFacts]:
    """Return the states of these answers, by id; unknown ones are left out."""
    rows = connection.execute(query("find_reviews"), {"review_ids": list(ids)})
    return {row[0]: ReviewFacts(*row) for row in rows}


def list_reviews(connection: Connection) -> list[ReviewRow]:
    with connection.cursor(row_factory=class_row(ReviewRow)) as cursor:
        return cursor.execute(query("list_reviews")).fetchall()


def count_reviews(connection: Connection) -> tuple[int, float]:
    """Return the number of people who wait for a decision, and the age of the oldest answer in seconds."""
    row = connection.execute(query("count_reviews")).fetchone()
    assert row is not None
    return row[0], row[1]


def report_reviews(connection: Connection) -> tuple[int, dt.datetime] | None:
    """Return the number of people who wait, and since when, if a report is due now; the report is noted."""
    row = connection.execute(query("report_reviews")).fetchone()
    return None if row is None else (row[0], row[1])


def lock_campaigns_to(connection: Connection, recipient_keys: Collection[str]) -> list[int]:
    """Lock the unfinished campaigns with a message to these people, so that they do not end; return their ids."""
    rows = connection.execute(query("lock_campaigns_to"), {"recipient_keys": sorted(recipient_keys)})
    return [row[0] for row in rows]


def restore_held(
    connection: Connection, recipient_keys: Collection[str], campaign_ids: Sequence[int]
) -> tuple[int, list[int]]:
    """Make messages pending again that were skipped because an answer waited.

    Return their number, and the ids of the campaigns to enqueue.

    The caller holds the locks on the campaigns, and has dismissed the answers.
    """
    parameters = {"recipient_keys": sorted(recipient_keys), "campaign_ids": list(campaign_ids)}
    rows = connection.execute(query("restore_held"), parameters).fetchall()
    restored = {"campaign_ids": sorted({row[1] for row in rows})}
    woken = connection.execute(query("wake_restored"), restored).fetchall() if rows else []
    return len(rows), sorted(row[0] for row in woken)


def count_held(connection: Connection, recipient_keys: Collection[str], *, since: dt.datetime) -> int:
    """Count the messages to these people that were skipped for an answer, in campaigns that ended after `since`."""
    parameters = {"recipient_keys": sorted(recipient_keys), "since": since}
    row = connection.execute(query("count_held"), parameters).fetchone()
    return int(row[0]) if row else 0


def explain_held(connection: Connection, recipient_keys: Collection[str]) -> None:
    """Clear the reason of messages that were skipped for an answer, because no decision will bring them back."""
    if recipient_keys:
        connection.execute(query("explain_held"), {"recipient_keys": sorted(recipient_keys)})


@dataclass(frozen=True, slots=True)
class StopReply:
    """Whom to answer (in E.164), from which of our numbers, and when the opt-out was written."""

    phone_number_id: str
    phone: str
    received_at: dt.datetime


@dataclass(frozen=True, slots=True)
class TakenReply:
    """A reply that is this process's to send. `account_id` and `token` are None where no active account has its number;
    `is_open`: Meta still takes free text to that person.
    """

    id: int
    phone_number_id: str
    phone: str
    is_open: bool
    account_id: int | None
    token: bytes | None


def add_stop_replies(connection: Connection, replies: Sequence[StopReply]) -> None:
    if not replies:
        return
    parameters = {
        "phone_number_ids": [reply.phone_number_id for reply in replies],
        "phones": [reply.phone for reply in replies],
        "received_at": [reply.received_at for reply in replies],
    }
    connection.execute(query("add_stop_replies"), parameters)


def take_stop_reply(connection: Connection) -> TakenReply | None:
    """Take the oldest reply; commit before sending it. It is gone then, whatever becomes of it."""
    row = connection.execute(query("take_stop_reply")).fetchone()
    return TakenReply(*row) if row else None
