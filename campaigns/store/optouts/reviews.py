"""Queries about answers that may be opt-outs, and about the messages that wait for a decision about them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from psycopg.rows import class_row

from campaigns.domain.optout.recognition import Source
from campaigns.store.database import Connection, query
from campaigns.store.optouts.suppressions import SuppressionEvent


class Decision(StrEnum):
    ACCEPTED = "accepted"  # the answer is an opt-out
    DISMISSED = "dismissed"  # the answer is not an opt-out


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that may be an opt-out. `digest` identifies the inbound message, so a copy of the message opens no
    second review.

    `recipient_key`: the key of the author's number, or the author's user id if no number is known. `source`, `detail`:
    the source and the detail of the suppression, if the answer is accepted. `message_id`: the campaign message that was
    answered; None if no campaign message was answered.
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
    """A person whose answers wait for a decision. `id`: the id of the newest answer. `text`: all answers, one per line.

    `account`: the name of the account that received the last answer, or its phone number id. `campaign_id`: the
    campaign of the last answered message.
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
    """An answer that was decided just now."""

    id: int
    recipient_key: str
    source: str
    said_at: dt.datetime
    detail: str
    opened_at: dt.datetime


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """The state of one answer. `decision` and `decided_at` are None while the answer waits for a decision."""

    id: int
    recipient_key: str
    decision: str | None
    decided_at: dt.datetime | None


def open_reviews(connection: Connection, answers: Sequence[Answer]) -> list[tuple[int, str]]:
    """Open a review for each answer that was not stored before; return (id, recipient key) of each opened review."""
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
    """Give undecided answers the current key of their author. `moves`: the new key by user id or previous number."""
    if moves:
        connection.execute(query("move_reviews"), {"old": list(moves), "new": list(moves.values())})


def decide_reviews(connection: Connection, recipient_keys: Collection[str], decision: Decision) -> list[DecidedAnswer]:
    """Decide all undecided answers of these people; return the answers."""
    parameters = {"decision": str(decision), "recipient_keys": sorted(recipient_keys)}
    with connection.cursor(row_factory=class_row(DecidedAnswer)) as cursor:
        return cursor.execute(query("decide_reviews"), parameters).fetchall()


def make_optouts(decided: Iterable[DecidedAnswer]) -> list[SuppressionEvent]:
    """Convert accepted answers to opt-outs."""
    return [
        SuppressionEvent(each.recipient_key, Source(each.source), is_active=True, at=each.said_at, detail=each.detail)
        for each in decided
    ]


def find_reviews(connection: Connection, ids: Sequence[int]) -> dict[int, ReviewFacts]:
    """Return the state of each of these answers by id. Unknown ids are left out."""
    rows = connection.execute(query("find_reviews"), {"review_ids": list(ids)})
    return {row[0]: ReviewFacts(*row) for row in rows}


def count_overdue_answers(connection: Connection, *, days: int) -> int:
    """Return the number of undecided answers whose text is older than `days`."""
    row = connection.execute(query("count_overdue_answers"), {"days": days}).fetchone()
    assert row is not None
    return int(row[0])


def erase_overdue_answers(connection: Connection, *, days: int) -> int:
    """Erase the texts of undecided answers that are older than `days`; return their number."""
    return connection.execute(query("erase_overdue_answers"), {"days": days}).rowcount


def list_reviews(connection: Connection) -> list[ReviewRow]:
    with connection.cursor(row_factory=class_row(ReviewRow)) as cursor:
        return cursor.execute(query("list_reviews")).fetchall()


def has_open_review(connection: Connection, recipient_keys: Collection[str]) -> bool:
    """Tell whether an answer of these people waits for a decision."""
    row = connection.execute(query("has_open_review"), {"recipient_keys": sorted(recipient_keys)}).fetchone()
    return bool(row and row[0])


def count_restorable(connection: Connection, review_ids: Sequence[int]) -> tuple[int, int]:
    """Return the number of people who wrote these undecided answers, and the number of their skipped messages that
    become pending again if the answers are dismissed.
    """
    row = connection.execute(query("count_restorable"), {"review_ids": list(review_ids)}).fetchone()
    assert row is not None
    return row[0], row[1]


def count_reviews(connection: Connection) -> tuple[int, float]:
    """Return the number of people whose answers wait for a decision, and the age of the oldest answer in seconds."""
    row = connection.execute(query("count_reviews")).fetchone()
    assert row is not None
    return row[0], row[1]


def report_reviews(connection: Connection) -> tuple[int, dt.datetime] | None:
    """If an alert about undecided answers is due, record the alert; else return None.

    Returns the number of people with undecided answers, and the time of the oldest of these answers.
    """
    row = connection.execute(query("report_reviews")).fetchone()
    return None if row is None else (row[0], row[1])


def lock_campaigns_to(connection: Connection, recipient_keys: Collection[str]) -> list[int]:
    """Lock unfinished campaigns with messages to these people, so that the campaigns do not end; return their ids."""
    rows = connection.execute(query("lock_campaigns_to"), {"recipient_keys": sorted(recipient_keys)})
    return [row[0] for row in rows]


def restore_skipped_for_review(
    connection: Connection, recipient_keys: Collection[str], campaign_ids: Sequence[int]
) -> tuple[int, list[int]]:
    """Make messages pending again that were skipped because an answer waited for review.

    Returns the number of these messages, and the ids of the campaigns to enqueue. The caller has locked the campaigns
    and dismissed the answers.
    """
    parameters = {"recipient_keys": sorted(recipient_keys), "campaign_ids": list(campaign_ids)}
    rows = connection.execute(query("restore_skipped_for_review"), parameters).fetchall()
    restored = {"campaign_ids": sorted({row[1] for row in rows})}
    woken = connection.execute(query("wake_restored"), restored).fetchall() if rows else []
    return len(rows), sorted(row[0] for row in woken)


def count_skipped_for_review(connection: Connection, recipient_keys: Collection[str], *, since: dt.datetime) -> int:
    """Count the messages to these people that were skipped for a review, in campaigns that ended after `since`."""
    parameters = {"recipient_keys": sorted(recipient_keys), "since": since}
    row = connection.execute(query("count_skipped_for_review"), parameters).fetchone()
    return int(row[0]) if row else 0


def clear_review_reason(connection: Connection, recipient_keys: Collection[str]) -> None:
    """Clear the reason of messages that were skipped for a review. The messages stay skipped."""
    if recipient_keys:
        connection.execute(query("clear_review_reason"), {"recipient_keys": sorted(recipient_keys)})
