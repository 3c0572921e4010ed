"""Queries about suppressions, about answers that may be opt-outs, and about confirmations of opt-outs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from psycopg.rows import class_row

from campaigns.domain.failures import STOPPED_MARKETING
from campaigns.domain.optout.recognition import Source
from campaigns.store.database import Connection, allow_long_statements, query
from campaigns.store.events import ANSWER_SECONDS, SKEW_SECONDS

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
    return [SuppressionChange(key, Source(source), new, old) for key, source, new, old in rows]


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


@dataclass(frozen=True, slots=True)
class StopReply:
    """A confirmation to send: the sending number, the recipient's phone, and the time of the opt-out."""

    phone_number_id: str
    phone: str
    received_at: dt.datetime


@dataclass(frozen=True, slots=True)
class TakenReply:
    """A confirmation that this process has taken.

    `account_id`, `token`: None if no active account has the sending number.

    `is_open`: the person wrote less than a day ago, so Meta still accepts free text.
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
    """Delete and return the oldest confirmation. The caller commits before it sends the confirmation, so the
    confirmation is sent at most once.
    """
    row = connection.execute(query("take_stop_reply")).fetchone()
    return TakenReply(*row) if row else None
