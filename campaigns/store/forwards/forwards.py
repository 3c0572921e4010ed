"""Webhooks that are passed on: the targets, and the bodies that wait for them."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from psycopg.rows import class_row

from campaigns.store.database import Connection, insert_row, query
from campaigns.store.messages import write_array

# One step moves at most this many bodies of the inbox, and about this many bytes.
_INBOX_COUNT = 500
_INBOX_BYTES = 8_000_000
# A process that sends to a target reads at most this many bodies at once, and about this many bytes.
_DUE_COUNT = 100
_DUE_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Forward:
    """A target that gets webhooks. `fields`, `phone_number_ids`: the changes that it gets; []: all.

    `failing_since`: the first failure since the last success, `failing_seconds` ago; None if the last try succeeded.
    `paused_until`: nothing is sent before this time. `waiting_count`: the bodies that wait. `waits_since`: the time of
    receipt of the oldest of them. `given_up_count`: the bodies that were deleted, because no try had succeeded.
    """

    id: int
    url: str
    fields: list[str]
    phone_number_ids: list[str]
    has_own_secret: bool
    created_at: dt.datetime
    disabled_at: dt.datetime | None
    failing_since: dt.datetime | None
    last_error: str | None
    paused_until: dt.datetime | None
    delivered_count: int
    delivered_at: dt.datetime | None
    given_up_count: int
    waiting_count: int
    waits_since: dt.datetime | None
    failing_seconds: float

    @property
    def host(self) -> str:
        """The host of the URL. The rest of the URL may hold a secret or a phone."""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True, slots=True)
class ForwardFilter:
    """The changes that a target gets. An empty sequence means all."""

    id: int
    fields: Sequence[str] = ()
    phone_number_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ReceivedBody:
    """A body as Meta has sent it. `id`: its id in the inbox."""

    id: int
    received_at: dt.datetime
    body: bytes


@dataclass(frozen=True, slots=True)
class RoutedBody:
    """A body for one target. `phone_number_ids`: the numbers of its changes."""

    forward_id: int
    received: ReceivedBody
    phone_number_ids: Sequence[str]
    body: bytes


@dataclass(frozen=True, slots=True)
class LeasedForward:
    """A target to which this process may send. `secret`: its encrypted secret; None: the app secret signs."""

    id: int
    url: str
    secret: bytes | None
    lease_no: int


@dataclass(frozen=True, slots=True)
class DueBody:
    """A body to send now. `attempts`: its tries before this one."""

    inbox_id: int
    attempts: int
    phone_number_ids: list[str]
    body: bytes


def insert_forward(
    connection: Connection,
    url: str,
    *,
    fields: Sequence[str],
    phone_number_ids: Sequence[str],
    secret: bytes | None,
) -> int:
    parameters = {
        "url": url,
        "fields": list(fields),
        "phone_number_ids": list(phone_number_ids),
        "secret": secret,
    }
    return insert_row(connection, "insert_forward", parameters)


def lock_forwards(connection: Connection) -> int:
    """Let no other transaction add or enable a forward before this one ends; return the number of enabled forwards."""
    connection.execute(query("lock_forwards"))
    row = connection.execute(query("count_enabled_forwards")).fetchone()
    assert row is not None
    return int(row[0])


def list_forwards(connection: Connection, forward_id: int | None = None) -> list[Forward]:
    """Return all forwards, or the forward with this id."""
    with connection.cursor(row_factory=class_row(Forward)) as cursor:
        return cursor.execute(query("list_forwards"), {"forward_id": forward_id}).fetchall()


def read_secret(connection: Connection, forward_id: int) -> bytes | None:
    """Return the encrypted secret of a forward; None if it has none of its own, or if there is no such forward."""
    row = connection.execute(query("read_forward_secret"), {"forward_id": forward_id}).fetchone()
    return row[0] if row else None


def disable_forward(connection: Connection, forward_id: int) -> bool:
    """Disable a forward; return False if it was disabled already."""
    return connection.execute(query("disable_forward"), {"forward_id": forward_id}).rowcount == 1


def enable_forward(connection: Connection, forward_id: int) -> bool:
    """Enable a forward; return False if it was enabled already."""
    return connection.execute(query("enable_forward"), {"forward_id": forward_id}).rowcount == 1


def delete_some_bodies(connection: Connection, forward_id: int, *, limit: int) -> int:
    """Delete at most `limit` bodies that wait for a target; return their number."""
    parameters = {"forward_id": forward_id, "limit": limit}
    return connection.execute(query("delete_bodies_of_forward"), parameters).rowcount


def delete_forward(connection: Connection, forward_id: int) -> None:
    """Delete a forward, with the bodies that wait for it."""
    connection.execute(query("delete_forward"), {"forward_id": forward_id})


def lock_forward_secrets(connection: Connection) -> list[tuple[int, bytes]]:
    """Lock the forwards with a secret of their own; return their ids and encrypted secrets."""
    return connection.execute(query("lock_forward_secrets")).fetchall()


def write_forward_secret(connection: Connection, forward_id: int, secret: bytes) -> None:
    connection.execute(query("write_forward_secret"), {"forward_id": forward_id, "secret": secret})


def has_forward_work(connection: Connection) -> bool:
    """Whether a body waits to be routed, or a target can be tried now."""
    row = connection.execute(query("has_forward_work")).fetchone()
    return bool(row and row[0])


def take_inbox(connection: Connection) -> list[ReceivedBody]:
    """Take the oldest bodies out of the inbox, in their order."""
    parameters = {"limit": _INBOX_COUNT, "max_bytes": _INBOX_BYTES}
    rows = connection.execute(query("take_inbox"), parameters).fetchall()
    return sorted((ReceivedBody(*row) for row in rows), key=lambda each: each.id)


def list_filters(connection: Connection) -> list[ForwardFilter]:
    """Return what each enabled forward gets. No forward of the list is removed before the transaction ends."""
    return [ForwardFilter(*row) for row in connection.execute(query("list_filters"))]


def insert_forward_bodies(connection: Connection, routed: Sequence[RoutedBody]) -> None:
    parameters = {
        "forward_ids": [each.forward_id for each in routed],
        "inbox_ids": [each.received.id for each in routed],
        "times": [each.received.received_at for each in routed],
        "phone_number_ids": [write_array(each.phone_number_ids) or "{}" for each in routed],
        "bodies": [each.body for each in routed],
    }
    connection.execute(query("insert_forward_bodies"), parameters)


def lease_forwards(connection: Connection, *, lease_seconds: float) -> list[LeasedForward]:
    """Take the lease of each target that can be tried now."""
    rows = connection.execute(query("lease_forwards"), {"lease_seconds": lease_seconds}).fetchall()
    return sorted((LeasedForward(*row) for row in rows), key=lambda each: each.id)


def take_due_bodies(connection: Connection, forward: LeasedForward, *, lease_seconds: float) -> list[DueBody]:
    """Renew the lease of a target; return the next bodies for it, in their order.

    Returns [] if nothing may be sent now: the lease is lost, or the forward is disabled, paused or removed. If the
    last try got no answer, only one body is returned, because the target may still be away.
    """
    parameters = {"forward_id": forward.id, "lease_no": forward.lease_no, "lease_seconds": lease_seconds}
    row = connection.execute(query("renew_forward"), parameters).fetchone()
    if row is None:
        return []
    parameters = {"forward_id": forward.id, "limit": 1 if row[0] else _DUE_COUNT, "max_bytes": _DUE_BYTES}
    return [DueBody(*each) for each in connection.execute(query("list_due_bodies"), parameters)]


def release_forward(connection: Connection, forward: LeasedForward) -> None:
    connection.execute(query("release_forward"), {"forward_id": forward.id, "lease_no": forward.lease_no})


def note_delivery(connection: Connection, forward_id: int, inbox_id: int) -> tuple[bool, int]:
    """Delete a body that the target has accepted.

    Return whether the try before had failed, and how many consecutive tries had got no answer.
    """
    parameters = {"forward_id": forward_id, "inbox_id": inbox_id}
    connection.execute(query("delete_forward_body"), parameters)
    row = connection.execute(query("note_delivery"), parameters).fetchone()
    return (row[0], row[1]) if row else (False, 0)


def hasten_unanswered(connection: Connection, forward_id: int) -> None:
    """Let the bodies be tried at once that got no answer while the target was away."""
    connection.execute(query("hasten_unanswered"), {"forward_id": forward_id})


def defer_body(
    connection: Connection, forward_id: int, inbox_id: int, *, wait_seconds: float | None, is_unanswered: bool
) -> None:
    """Let a body be tried again. `wait_seconds` None: it keeps its place, and waits for the pause of its forward."""
    parameters = {
        "forward_id": forward_id,
        "inbox_id": inbox_id,
        "wait_seconds": wait_seconds,
        "is_unanswered": is_unanswered,
    }
    connection.execute(query("defer_forward_body"), parameters)


def give_up_body(connection: Connection, forward_id: int, inbox_id: int) -> None:
    """Delete a body whose last try has failed."""
    parameters = {"forward_id": forward_id, "inbox_id": inbox_id}
    count = connection.execute(query("delete_forward_body"), parameters).rowcount
    connection.execute(query("count_given_up"), {"forward_id": forward_id, "count": count})


def note_failure(connection: Connection, forward_id: int, error: str) -> bool:
    """Write why the last try has failed; return whether the try before had succeeded."""
    row = connection.execute(query("note_forward_failure"), {"forward_id": forward_id, "error": error}).fetchone()
    return bool(row and row[0])


def pause_forward(connection: Connection, forward_id: int, *, first_seconds: float, later_seconds: float) -> None:
    """Send nothing to a target for a while: `first_seconds` after the first try without an answer, `later_seconds`
    after the second and all further consecutive ones.
    """
    parameters = {"forward_id": forward_id, "first_seconds": first_seconds, "later_seconds": later_seconds}
    connection.execute(query("pause_forward"), parameters)


def expire_forwards(connection: Connection, *, days: int, limit: int) -> Mapping[int, int]:
    """Delete at most `limit` bodies that are older than `days`; return their numbers by forward."""
    connection.execute(query("expire_forward_inbox"), {"days": days})
    rows = connection.execute(query("expire_forward_bodies"), {"days": days, "limit": limit}).fetchall()
    counts = Counter(row[0] for row in rows)
    for forward_id, count in sorted(counts.items()):
        connection.execute(query("count_given_up"), {"forward_id": forward_id, "count": count})
    return counts
