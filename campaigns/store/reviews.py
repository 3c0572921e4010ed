"""Answers that may be opt-outs: each waits for a person's decision, and until then its author gets no marketing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from psycopg.rows import class_row

from campaigns.domain.optout.recognition import Source
from campaigns.store.database import Connection, query
from campaigns.store.suppressions import SuppressionEvent


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
    statement = "SELECT id, recipient_key, decision, decided_at FROM optout_reviews WHERE id = ANY (%s)"
    rows = connection.execute(statement, (list(ids),))
    return {row[0]: ReviewFacts(*row) for row in rows}


def list_reviews(connection: Connection) -> list[ReviewRow]:
    with connection.cursor(row_factory=class_row(ReviewRow)) as cursor:
        return cursor.execute(query("list_reviews")).fetchall()


def count_reviews(connection: Connection) -> tuple[int, float]:
    """Return the number of people who wait for a decision, and the age of the oldest answer in seconds."""
    statement = (
        "SELECT count(DISTINCT recipient_key),"
        " coalesce(extract(epoch FROM clock_timestamp() - min(opened_at)), 0)::float8"
        " FROM optout_reviews WHERE decided_at IS NULL"
    )
    row = connection.execute(statement).fetchone()
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
