"""Webhook bodies: stored as received, taken in sets, parked or set aside, deleted once applied."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from campaigns.store.database import Connection, query

KEEP_SECONDS = 8 * 24 * 3600.0  # one day longer than Meta repeats a webhook
_MAX_EVENTS = 500
# Some thousands of statuses: larger sets are no cheaper, and hold the runners' tallies for longer.
_MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A body to apply. `status` is stored or unmatched; `attempts` counts this one."""

    id: int
    status: str
    attempts: int
    body: bytes


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """A body that holds one piece. `status` is unmatched (tried again) or set_aside (for a person)."""

    status: str
    reason: str
    body: bytes


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """A message that evidence speaks of. `is_since_activation`: sent since its account's last activation.

    `is_recovered`: sent before a restore was recovered from, which may have forgotten what followed.
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


def insert_events(connection: Connection, bodies: Sequence[bytes]) -> None:
    connection.execute(query("insert_events"), {"bodies": list(bodies)})


def newest_event_id(connection: Connection) -> int:
    """Return the id of the newest body that waits to be applied for the first time, 0 if none does."""
    row = connection.execute(query("newest_event_id")).fetchone()
    assert row is not None
    return int(row[0])


def count_unapplied(connection: Connection, *, up_to: int) -> int:
    """Count the bodies up to this id that are not applied yet."""
    row = connection.execute(query("count_unapplied"), {"newest_id": up_to}).fetchone()
    assert row is not None
    return int(row[0])


def take_events(connection: Connection, *, retry_seconds: float) -> list[StoredEvent]:
    """Take due bodies, in the order in which they came; commit before parsing them."""
    parameters = {"limit": _MAX_EVENTS, "max_bytes": _MAX_BYTES, "retry_seconds": retry_seconds}
    rows = connection.execute(query("take_events"), parameters).fetchall()
    return sorted((StoredEvent(*row) for row in rows), key=lambda event: event.id)


def park_events(connection: Connection, parked: Iterable[ParkedEvent], *, retry_seconds: float) -> None:
    pieces = list(parked)
    if not pieces:
        return
    parameters = {
        "statuses": [piece.status for piece in pieces],
        "reasons": [piece.reason for piece in pieces],
        "bodies": [piece.body for piece in pieces],
        "retry_seconds": retry_seconds,
        "keep_seconds": KEEP_SECONDS,
    }
    connection.execute(query("park_events"), parameters)


def set_aside_event(connection: Connection, event_id: int, *, reason: str) -> None:
    """Keep a whole body for a person, untouched."""
    parameters = {"event_id": event_id, "reason": reason, "keep_seconds": KEEP_SECONDS}
    connection.execute(query("set_aside_event"), parameters)


def delete_events(connection: Connection, ids: Sequence[int]) -> None:
    connection.execute(query("delete_events"), {"ids": list(ids)})


def expire_events(connection: Connection) -> int:
    """Delete what was kept long enough; return how many unmatched ones were among it."""
    return sum(row[0] == "unmatched" for row in connection.execute(query("expire_events")))


def find_messages(connection: Connection, ids: Sequence[int], wamids: Sequence[str]) -> list[FoundMessage]:
    parameters = {"ids": list(ids), "wamids": list(wamids)}
    return [FoundMessage(*row) for row in connection.execute(query("find_messages"), parameters)]


def lock_campaigns(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, str]:
    """Keep campaigns from completing until the end of the transaction; return the status of each."""
    parameters = {"campaign_ids": sorted(campaign_ids)}
    return {row[0]: row[1] for row in connection.execute(query("lock_campaigns_of"), parameters)}


def usable_accounts_of(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, set[int]]:
    """Return the accounts that may send for each campaign."""
    accounts: dict[int, set[int]] = {campaign_id: set() for campaign_id in campaign_ids}
    for campaign_id, account_id in connection.execute(
        query("usable_accounts_of"), {"campaign_ids": list(campaign_ids)}
    ):
        accounts[campaign_id].add(account_id)
    return accounts


def judge_template(
    connection: Connection,
    waba_id: str,
    name: str,
    language: str,
    *,
    status: str,
    at: dt.datetime | None,
    retry_seconds: float,
) -> list[int]:
    """Write what Meta says of a template; return its ids, none if it is not ours or a newer event is known."""
    parameters = {
        "waba_id": waba_id,
        "name": name,
        "language": language,
        "status": status,
        "at": at,
        "retry_seconds": retry_seconds,
    }
    return sorted(row[0] for row in connection.execute(query("judge_template"), parameters))


def describe_template(
    connection: Connection,
    waba_id: str,
    name: str,
    language: str,
    *,
    quality: str | None = None,
    category: str | None = None,
    at: dt.datetime | None,
) -> None:
    """Write what else Meta says of a template; None: nothing was said. `at`: when, by Meta's clock; None: now."""
    parameters = {
        "waba_id": waba_id,
        "name": name,
        "language": language,
        "quality": quality,
        "category": category,
        "at": at,
    }
    connection.execute(query("describe_template"), parameters)


def wake_template_campaigns(connection: Connection, template_ids: Sequence[int]) -> list[int]:
    """Let campaigns that wait for these templates go on; return those to be rung."""
    rows = connection.execute(query("wake_template_campaigns"), {"template_ids": list(template_ids)})
    return sorted(row[0] for row in rows)


def note_reported(
    connection: Connection, *, phone_number_id: str, waba_id: str, details: Mapping[str, Any]
) -> list[int]:
    """Keep an event with the accounts that it concerns; return their ids."""
    parameters = {"phone_number_id": phone_number_id, "waba_id": waba_id, "details": Jsonb(dict(details))}
    return [row[0] for row in connection.execute(query("note_reported"), parameters)]
