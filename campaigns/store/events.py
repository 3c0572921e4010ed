"""Stores, takes, defers, dead-letters and deletes webhook bodies, and writes the rows that webhooks change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.template import TemplateStatus
from campaigns.store.database import Connection, query
from campaigns.store.messages import write_array, write_ids

KEEP_SECONDS = 8 * 24 * 3600.0  # one day longer than Meta repeats a webhook
_MAX_EVENTS = 3_000
_MAX_BYTES = 2_000_000  # some 2,500 bodies of one status, or 4,000 statuses in large bodies
# A reply that quotes no known message answers a message only if the message was sent at most this long before.
ANSWER_SECONDS = 72 * 3600.0
# The time of a reply is from Meta's clock, in whole seconds; the time of a send is from the clock of Postgres. So a
# reply may seem to be older than the send that it answers, by at most this time.
SKEW_SECONDS = 60.0


class EventStatus(StrEnum):
    STORED = "stored"  # the body as received, which was not applied yet
    UNMATCHED = "unmatched"  # the body's message is not known yet; the body is tried again after growing waits
    SET_ASIDE = "set_aside"  # a dead letter: it cannot be applied, and is kept for an operator


# A look-up takes a third of the time of a call of EventStatus.
_STATUSES = {status.value: status for status in EventStatus}


@dataclass(slots=True)
class StoredEvent:
    """A webhook body to apply. Its status is stored or unmatched. `attempts` includes the current attempt.

    `received_at`: the time of receipt of the webhook, even if the body is only a piece of the webhook.
    """

    id: int
    status: EventStatus
    attempts: int
    received_at: dt.datetime
    body: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """Webhook bodies that were taken together, in the order of arrival.

    `take_id`: the row that counts as the first attempt of the new bodies; None if no body is new. `is_cut_off`: whether
    the take has as many bodies as a take may have, so that more bodies may be due. `at`: when they were taken. `since`:
    the next take of the same task may leave out bodies that were due before this time; None: it leaves out none.
    """

    bodies: list[StoredEvent]
    take_id: int | None
    is_cut_off: bool
    at: dt.datetime
    since: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class DeferredEvent:
    """A piece of a webhook, as a body of its own. The piece is unmatched or a dead letter.

    `received_at` is the time of receipt of the whole webhook.
    """

    status: EventStatus
    reason: str
    received_at: dt.datetime
    body: bytes


@dataclass(slots=True)
class FoundMessage:
    """A message to which evidence refers.

    `is_since_activation`: the message was claimed after the last activation of its account. `is_recovered`: the message
    was claimed before `revoada recover` ran, so the restored database may lack later sends of the message.
    """

    id: int
    wamid: str | None
    send_no: int
    attempts: int
    status: str
    campaign_id: int
    account_id: int | None
    refused_by: list[int] | None
    recipient_key: str | None
    phone_number_id: str | None
    waba_id: str | None
    is_since_activation: bool | None
    is_recovered: bool | None


@dataclass(frozen=True, slots=True)
class WrittenDetails:
    """A template whose quality or category a webhook has changed. An old value that was unknown is ""."""

    id: int
    old_quality: str
    quality: str
    old_category: str
    category: str


@dataclass(frozen=True, slots=True)
class WrittenBody:
    """A template whose body a webhook has changed."""

    id: int
    old_components: list[dict[str, Any]]
    components: list[dict[str, Any]]


def insert_events(connection: Connection, bodies: Sequence[bytes]) -> None:
    connection.execute(query("insert_events"), {"bodies": list(bodies)})


def insert_pieces(connection: Connection, pieces: Sequence[tuple[dt.datetime, bytes]]) -> None:
    """Store pieces of webhooks as bodies of their own, each with the time of receipt of its webhook."""
    parameters = {"times": [at for at, _ in pieces], "bodies": [body for _, body in pieces]}
    connection.execute(query("insert_pieces"), parameters)


def find_newest_event_id(connection: Connection) -> int:
    """Return the id of the newest body that was not applied yet; 0 if there is none."""
    row = connection.execute(query("find_newest_event_id")).fetchone()
    assert row is not None
    return int(row[0])


def count_unapplied(connection: Connection, *, up_to: int) -> int:
    """Return the number of bodies up to this id that were not applied yet."""
    row = connection.execute(query("count_unapplied"), {"newest_id": up_to}).fetchone()
    assert row is not None
    return int(row[0])


def take_events(
    connection: Connection,
    *,
    retry_seconds: float,
    done_id: int | None = None,
    since: dt.datetime | None = None,
) -> Taken:
    """Take due bodies. The caller commits before it parses the bodies.

    `done_id`: the `take_id` of bodies that are all applied. `since`: `Taken.since` of the take before.
    """
    parameters = {"limit": _MAX_EVENTS, "max_bytes": _MAX_BYTES, "retry_seconds": retry_seconds, "since": since}
    # One round trip, but separate statements: each one sees what was committed while the one before it waited.
    with connection.pipeline():
        connection.execute(query("limit_take"))
        connection.execute(query("lock_takes"))
        connection.execute(query("end_takes"), {"done_id": done_id})
        cursor = connection.execute(query("take_events"), parameters, binary=True)
        now = connection.execute(query("read_clock"))
    [at] = now.fetchone() or ()
    rows = sorted(cursor.fetchall())
    take_id = next((row[-1] for row in rows if row[-1] is not None), None)
    bodies = [StoredEvent(row[0], _STATUSES[row[1]], row[2], row[3], row[4]) for row in rows]
    is_suspect = any(each.attempts > 1 and each.status is EventStatus.STORED for each in bodies)  # it was taken alone
    is_large = len(bodies) >= _MAX_EVENTS or sum(len(each.body) for each in bodies) >= _MAX_BYTES
    # This take has all bodies that were due before its last body, unless a suspect was taken alone. A body may be
    # missing if its transaction was not committed yet, or if another process had taken it and died. The task that the
    # receiver enqueues after the commit takes such a body, or the next task of beat. Each task begins without `since`.
    last = bodies[-1] if bodies and not is_suspect else None
    since = last.received_at if last is not None and last.status is EventStatus.STORED else since
    return Taken(bodies, take_id, is_suspect or is_large, at, since)


def end_take(connection: Connection, take_id: int) -> None:
    """Delete a take whose bodies are all applied. `take_events` does this itself if another take follows."""
    connection.execute(query("end_takes"), {"done_id": take_id})


def give_back_events(connection: Connection, taken: Taken) -> None:
    """Undo the attempt of each body that is still stored. The time at which the body is due does not change."""
    connection.execute(query("give_back_take"), {"take_id": taken.take_id})
    bodies = taken.bodies
    parameters = {"ids": [each.id for each in bodies], "attempts": [each.attempts for each in bodies]}
    connection.execute(query("give_back_events"), parameters)


def defer_events(connection: Connection, deferred: Iterable[DeferredEvent], *, retry_seconds: float) -> None:
    pieces = list(deferred)
    if not pieces:
        return
    parameters = {
        "statuses": [piece.status for piece in pieces],
        "reasons": [piece.reason for piece in pieces],
        "times": [piece.received_at for piece in pieces],
        "bodies": [piece.body for piece in pieces],
        "retry_seconds": retry_seconds,
        "keep_seconds": KEEP_SECONDS,
    }
    connection.execute(query("defer_events"), parameters)


def dead_letter_event(connection: Connection, event_id: int, *, reason: str) -> None:
    """Make a whole body a dead letter for an operator. The body itself is not changed."""
    parameters = {"event_id": event_id, "reason": reason, "keep_seconds": KEEP_SECONDS}
    connection.execute(query("dead_letter_event"), parameters)


def delete_events(connection: Connection, ids: Sequence[int]) -> None:
    connection.execute(query("delete_events"), {"ids": write_ids(ids)})


def expire_events(connection: Connection) -> int:
    """Delete the bodies whose `expires_at` has passed; return how many of them were unmatched."""
    return sum(row[0] == EventStatus.UNMATCHED for row in connection.execute(query("expire_events")))


def find_messages(connection: Connection, ids: Sequence[int], wamids: Sequence[str]) -> list[FoundMessage]:
    parameters = {"ids": write_ids(ids), "wamids": list(wamids)}
    return [FoundMessage(*row) for row in connection.execute(query("find_messages"), parameters)]


@dataclass(frozen=True, slots=True)
class ReplyRow:
    """A reply of a person.

    `wamid`: the wamid of the quoted message; "" if the reply quotes no message. `recipient_keys`: the keys of the
    person's numbers.
    """

    wamid: str
    recipient_keys: Sequence[str]
    phone_number_id: str
    said_at: dt.datetime


def find_replied(connection: Connection, replies: Sequence[ReplyRow]) -> dict[int, int]:
    """Return the id of the message that each reply answers, by the position of the reply. Omit replies that answer no
    message.
    """
    parameters = {
        "wamids": [each.wamid for each in replies],
        "recipient_keys": [write_array(each.recipient_keys) or "{}" for each in replies],
        "phone_number_ids": [each.phone_number_id for each in replies],
        "said_at": [each.said_at for each in replies],
        "answer_seconds": ANSWER_SECONDS,
        "skew_seconds": SKEW_SECONDS,
    }
    return dict(connection.execute(query("find_replied"), parameters).fetchall())


def mark_replied(connection: Connection, times: Mapping[int, dt.datetime]) -> set[int]:
    """Write the times of first replies, by message id; return the ids of the messages that changed."""
    parameters = {"ids": sorted(times), "said_at": [times[message_id] for message_id in sorted(times)]}
    return {row[0] for row in connection.execute(query("mark_replied"), parameters)}


def lock_campaigns(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, CampaignStatus]:
    """Lock campaigns, so that they do not complete before the transaction ends; return the status of each campaign."""
    parameters = {"campaign_ids": sorted(campaign_ids)}
    return {row[0]: CampaignStatus(row[1]) for row in connection.execute(query("lock_campaigns_of"), parameters)}


def find_usable_accounts(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, set[int]]:
    """Return, for each campaign, the accounts that may send its messages."""
    accounts: dict[int, set[int]] = {campaign_id: set() for campaign_id in campaign_ids}
    for campaign_id, account_id in connection.execute(
        query("find_usable_accounts"), {"campaign_ids": list(campaign_ids)}
    ):
        accounts[campaign_id].add(account_id)
    return accounts


def write_template_status(
    connection: Connection,
    waba_id: str,
    name: str,
    language: str,
    *,
    status: TemplateStatus,
    at: dt.datetime | None,
    retry_seconds: float,
) -> dict[int, str]:
    """Write the status that a webhook reports for a template; return the old status of each changed row by the row's
    id.

    No row changes if the template is unknown, or if a newer status is known.
    """
    parameters = {
        "waba_id": waba_id,
        "name": name,
        "language": language,
        "status": status,
        "at": at,
        "retry_seconds": retry_seconds,
    }
    return dict(sorted(connection.execute(query("write_template_status"), parameters).fetchall()))


def write_template_details(
    connection: Connection,
    waba_id: str,
    name: str,
    language: str,
    *,
    quality: str | None = None,
    category: str | None = None,
    at: dt.datetime | None,
) -> list[WrittenDetails]:
    """Write the quality or the category that a webhook reports for a template; return the changed rows.

    `quality`, `category`: None if the webhook does not report the value. `at`: Meta's time of the report; None: now.
    """
    parameters = {
        "waba_id": waba_id,
        "name": name,
        "language": language,
        "quality": quality,
        "category": category,
        "at": at,
    }
    with connection.cursor(row_factory=class_row(WrittenDetails)) as cursor:
        return cursor.execute(query("write_template_details"), parameters).fetchall()


def write_template_body(
    connection: Connection, waba_id: str, name: str, language: str, *, body: str, at: dt.datetime | None
) -> list[WrittenBody]:
    """Write the body of a template that was edited at Meta; return the rows in which the body has changed."""
    parameters = {"waba_id": waba_id, "name": name, "language": language, "body": body, "at": at}
    with connection.cursor(row_factory=class_row(WrittenBody)) as cursor:
        return cursor.execute(query("write_template_body"), parameters).fetchall()


def find_template_campaigns(connection: Connection, waba_id: str, name: str, language: str) -> list[int]:
    """Return the unfinished campaigns that send this template by an account of the WABA."""
    parameters = {"waba_id": waba_id, "name": name, "language": language}
    return [row[0] for row in connection.execute(query("find_template_campaigns"), parameters)]


def wake_template_campaigns(connection: Connection, template_ids: Sequence[int]) -> list[int]:
    """End the wait of campaigns that wait for these templates; return the ids of the campaigns to enqueue."""
    rows = connection.execute(query("wake_template_campaigns"), {"template_ids": list(template_ids)})
    return sorted(row[0] for row in rows)


def add_reported_events(
    connection: Connection, *, phone_number_id: str, waba_id: str, details: Mapping[str, Any]
) -> list[int]:
    """Add an event to each account that the event concerns; return the ids of these accounts."""
    parameters = {"phone_number_id": phone_number_id, "waba_id": waba_id, "details": Jsonb(dict(details))}
    return [row[0] for row in connection.execute(query("add_reported_events"), parameters)]
