"""The outbox: events, each written in the transaction of its fact, and their deliveries to hooks.

Most events are written by triggers of the schema. This module writes the events of facts that no single row shows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import args_row, class_row
from psycopg.types.json import Jsonb

from campaigns.domain.hooks.events import DeliveryState, EventType
from campaigns.store.database import Connection, allow_long_statements, query

# An event is kept for this time, so a receiver can have it again.
EVENT_DAYS = 30
# A hook is disabled if no POST to it has succeeded for this time.
_FAILING_DAYS = 5
_MAX_ID = 2**63 - 1
_ERASED_TOGETHER = 10_000


@dataclass(frozen=True, slots=True)
class TakenHook:
    """A hook that this process delivers to, until `busy_until`. The secrets are encrypted.

    `server_time`: the clock of Postgres, in seconds since 1970.
    """

    url: str
    secret: bytes
    old_secret: bytes | None
    failing_since: dt.datetime | None
    busy_until: dt.datetime
    server_time: float


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """An event that a hook has to get. `try_count`: the tries so far. `webhook_id`: names the event to the receiver."""

    event_id: int
    try_count: int
    webhook_id: str
    type: str
    at: dt.datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Try:
    """The result of one POST. `wait_seconds`: until the next try; None: the event is delivered or given up."""

    delivery: DueDelivery
    is_success: bool
    wait_seconds: float | None
    status: int | None
    error: str | None
    answer: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event and its delivery to a hook. `status`, `error`, `answer` and `seconds` are those of the last try.

    `at`: the time of the fact. `webhook_id`: names the event to the receiver.
    """

    event_id: int
    webhook_id: str
    type: str
    at: dt.datetime
    data: dict[str, Any]
    try_count: int
    due_at: dt.datetime | None
    tried_at: dt.datetime | None
    delivered_at: dt.datetime | None
    status: int | None
    error: str | None
    answer: str | None
    seconds: float | None
    state: DeliveryState


def write_event(connection: Connection, event_type: EventType, data: Mapping[str, Any]) -> None:
    """Write an event in the transaction of its fact. `data`: ids as texts, and counts."""
    connection.execute(query("write_event"), {"type": event_type.value, "data": Jsonb(dict(data))})


def write_optouts(connection: Connection, said: Sequence[tuple[str, str]]) -> None:
    """Write an event for each (phone, source of the opt-out), if a hook wants such events."""
    if said:
        parameters = {"phones": [phone for phone, _ in said], "sources": [source for _, source in said]}
        connection.execute(query("write_optouts"), parameters)


def write_test_event(connection: Connection, hook_id: int) -> int:
    """Write an event that only this hook gets; return the id of the event."""
    row = connection.execute(query("write_test_event"), {"hook_id": hook_id}).fetchone()
    assert row is not None
    return int(row[0])


def plan_deliveries(connection: Connection, *, limit: int) -> int:
    """Plan the deliveries of at most `limit` new events; return the number of these events."""
    row = connection.execute(query("plan_deliveries"), {"limit": limit}).fetchone()
    assert row is not None
    return int(row[0])


def find_due_hooks(connection: Connection) -> list[int]:
    """Return the ids of the hooks that have due events, and to which no process delivers."""
    return [row[0] for row in connection.execute(query("find_due_hooks"))]


def take_hook(
    connection: Connection, hook_id: int, *, seconds: float, held: dt.datetime | None = None
) -> TakenHook | None:
    """Take a hook for `seconds`, or take it for longer; None if it is disabled or another process has it.

    `held`: the `busy_until` with which the caller has taken the hook before.
    """
    parameters = {"hook_id": hook_id, "seconds": seconds, "held": held}
    with connection.cursor(row_factory=args_row(TakenHook)) as cursor:
        return cursor.execute(query("take_hook"), parameters).fetchone()


def give_hook_back(connection: Connection, hook_id: int, held: dt.datetime) -> None:
    connection.execute(query("give_hook_back"), {"hook_id": hook_id, "held": held})


def list_due_deliveries(connection: Connection, hook_id: int, *, limit: int) -> list[DueDelivery]:
    """Return at most `limit` due deliveries to a hook, those that are due for longest first."""
    with connection.cursor(row_factory=args_row(DueDelivery)) as cursor:
        return cursor.execute(query("list_due_deliveries"), {"hook_id": hook_id, "limit": limit}).fetchall()


def write_tries(connection: Connection, hook_id: int, tries: Sequence[Try], *, is_gone: bool) -> str | None:
    """Write the results of a round of POSTs to a hook, and what they say about the hook.

    `is_gone`: the receiver said that it does not exist any more. Returns the reason if this call disabled the hook.
    """
    parameters = {
        "hook_id": hook_id,
        "event_ids": [each.delivery.event_id for each in tries],
        "try_counts": [each.delivery.try_count for each in tries],
        "are_successes": [each.is_success for each in tries],
        "wait_seconds": [each.wait_seconds for each in tries],
        "statuses": [each.status for each in tries],
        "errors": [each.error for each in tries],
        "answers": [each.answer for each in tries],
        "seconds": [each.seconds for each in tries],
    }
    connection.execute(query("write_tries"), parameters)
    if any(each.is_success for each in tries) and not is_gone:
        connection.execute(query("note_success"), {"hook_id": hook_id})
        return None
    return note_failure(connection, hook_id, is_gone=is_gone)


def note_failure(connection: Connection, hook_id: int, *, is_gone: bool = False) -> str | None:
    """Record that no event could be posted to a hook. `is_gone` and the returned value: as for `write_tries`."""
    failed = {"hook_id": hook_id, "is_gone": is_gone, "days": _FAILING_DAYS}
    row = connection.execute(query("note_hook_failure"), failed).fetchone()
    return None if row is None else row[0]


def list_deliveries(
    connection: Connection,
    hook_id: int,
    *,
    before: int | None = None,
    state: DeliveryState | None = None,
    limit: int,
) -> list[Delivery]:
    """Return at most `limit` deliveries to a hook, the newest event first. `before`: only events with a smaller id."""
    parameters = {
        "hook_id": hook_id,
        "before": _MAX_ID if before is None else before,
        "state": None if state is None else state.value,
        "limit": limit,
    }
    with connection.cursor(row_factory=class_row(Delivery)) as cursor:
        return cursor.execute(query("list_deliveries"), parameters).fetchall()


def resend_delivery(connection: Connection, hook_id: int, event_id: int) -> bool:
    """Make a delivery due now; return False if there is none."""
    return connection.execute(query("resend_delivery"), {"hook_id": hook_id, "event_id": event_id}).rowcount == 1


def replay_deliveries(
    connection: Connection, hook_id: int, *, from_id: int | None = None, from_time: dt.datetime | None = None
) -> int:
    """Make all events from this id or time on due for a hook; return their number."""
    allow_long_statements(connection)
    parameters = {"hook_id": hook_id, "from_id": from_id, "from_time": from_time}
    return connection.execute(query("replay_deliveries"), parameters).rowcount


def erase_phones(connection: Connection, phones: Sequence[str]) -> int:
    """Take the phones of a person out of all events; return the number of these events."""
    row = connection.execute(query("erase_phones"), {"phones": list(phones)}).fetchone()
    assert row is not None
    return int(row[0])


def erase_old_events(connection: Connection) -> int:
    """Delete some of the events that are older than `EVENT_DAYS`; return their number, 0 if none is left."""
    row = connection.execute(query("erase_old_events"), {"days": EVENT_DAYS, "limit": _ERASED_TOGETHER}).fetchone()
    assert row is not None
    return int(row[0])
