"""Who may run which campaign and until when, and which campaigns are due."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg.rows import class_row

from campaigns.store.database import Connection, allow_long_statements, query

LEFT_BEHIND = "the runner ended before the reply was settled"


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A lease just taken, with all that its runner must know of the campaign. Times are the server's, UTC.

    `left_at`: when its predecessor's ended. `doubted_count`: messages that it left on the wire, uncertain now.
    """

    id: int
    name: str
    epoch: int
    is_first_slice: bool
    template_id: int
    template_name: str
    language: str
    components: list[dict[str, Any]]
    parameters: dict[str, str | None]
    columns: list[str]
    template_status: str
    template_blocked_until: dt.datetime
    interval_seconds: float
    pause_after: int
    pause_seconds: float
    window_from: dt.time | None
    window_to: dt.time | None
    weekdays: list[int]
    time_zone: str
    uses_recipient_zones: bool
    holidays: str | None
    expire_at: dt.datetime | None
    is_capped: bool
    left_at: dt.datetime
    waiting_reason: str | None
    due_at: dt.datetime | None
    cursor: int
    started_at: dt.datetime
    next_message_at: dt.datetime | None
    burst_count: int
    server_now: dt.datetime
    doubted_count: int = 0


def take_lease(
    connection: Connection,
    campaign_id: int,
    *,
    owner: str,
    lease_seconds: float,
    horizon_seconds: float,
    epoch: int | None = None,
) -> LeaseRow | None:
    """Take the lease of an eligible campaign that nobody runs, or return None.

    `epoch`: take it only if no slice began since the lease had this epoch; None: take it in any case. Messages that a
    predecessor left in flight become uncertain in the same transaction.
    """
    parameters = {
        "campaign_id": campaign_id,
        "epoch": epoch,
        "owner": owner,
        "lease_seconds": lease_seconds,
        "horizon_seconds": horizon_seconds,
    }
    with connection.cursor(row_factory=class_row(LeaseRow)) as cursor:
        lease = cursor.execute(query("take_lease"), parameters).fetchone()
    if lease is None:
        return None
    return replace(lease, doubted_count=doubt_left_messages(connection, campaign_id))


def lease_epochs(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, int]:
    """Return the epoch of each campaign's lease."""
    return dict(connection.execute(query("lease_epochs"), {"campaign_ids": list(campaign_ids)}).fetchall())


def doubt_left_messages(connection: Connection, campaign_id: int) -> int:
    """Turn what is still `sending` into `uncertain`; return how many. The caller has just taken the lease."""
    parameters = {"campaign_id": campaign_id, "reason": LEFT_BEHIND}
    return connection.execute(query("doubt_left_messages"), parameters).rowcount


def renew_leases(connection: Connection, leases: Sequence[tuple[int, int]], *, lease_seconds: float) -> set[int]:
    """Renew (campaign id, epoch) pairs; return the ids of the campaigns that are still ours."""
    parameters = _pairs(leases) | {"lease_seconds": lease_seconds}
    return {row[0] for row in connection.execute(query("renew_leases"), parameters)}


def watch_leases(connection: Connection, leases: Sequence[tuple[int, int]]) -> set[int]:
    """Return the ids of the campaigns among (campaign id, epoch) pairs that are ours and still `running`."""
    return {row[0] for row in connection.execute(query("watch_leases"), _pairs(leases))}


def is_slot_wanted(connection: Connection, *, patience_seconds: float) -> bool:
    """Return whether a campaign was enqueued more than `patience_seconds` ago and no slice has begun since."""
    row = connection.execute(query("find_waiting_for_slot"), {"patience_seconds": patience_seconds}).fetchone()
    return bool(row and row[0])


def end_slice(
    connection: Connection,
    campaign_id: int,
    epoch: int,
    *,
    cursor: int,
    waiting_reason: str | None = None,
    due_at: dt.datetime | None = None,
    is_due_now: bool = False,
) -> str | None:
    """Give the lease back; return the campaign's status, or None when the lease was not ours any more."""
    parameters = {
        "campaign_id": campaign_id,
        "epoch": epoch,
        "cursor": cursor,
        "waiting_reason": waiting_reason,
        "due_at": due_at,
        "is_due_now": is_due_now,
    }
    lock_campaign(connection, campaign_id)
    row = connection.execute(query("end_slice"), parameters).fetchone()
    return row[0] if row else None


def clear_wait(connection: Connection, campaign_id: int) -> None:
    """Note that a campaign which waited sends again."""
    connection.execute(query("clear_wait"), {"campaign_id": campaign_id})


def complete_campaign(connection: Connection, campaign_id: int, epoch: int) -> float | None:
    """Complete the campaign if nothing is left to do; return its duration in seconds, or None if something is.

    The lock comes first, as a statement of its own: only then does the look at the messages see what a release that
    held the campaign has put back.
    """
    lock_campaign(connection, campaign_id)
    row = connection.execute(query("complete_campaign"), {"campaign_id": campaign_id, "epoch": epoch}).fetchone()
    return (row[1] - row[0]).total_seconds() if row else None


def expire_messages(connection: Connection, campaign_id: int, epoch: int) -> int:
    """Expire what is still pending in a campaign whose time is over; return how many messages."""
    allow_long_statements(connection)
    return connection.execute(query("expire_messages"), {"campaign_id": campaign_id, "epoch": epoch}).rowcount


def expire_paused(connection: Connection) -> dict[int, int]:
    """Expire what is still pending in paused campaigns whose time is over; return how many messages, by campaign."""
    allow_long_statements(connection)
    return dict(connection.execute(query("expire_paused_messages")).fetchall())


def take_abandoned(connection: Connection) -> dict[int, int]:
    """Take the leases of campaigns that nobody runs and that have messages on the wire in their books.

    Returns how many messages became uncertain, by campaign.
    """
    abandoned = [row[0] for row in connection.execute(query("take_abandoned_lease"))]
    return {campaign_id: doubt_left_messages(connection, campaign_id) for campaign_id in abandoned}


def lock_campaign(connection: Connection, campaign_id: int) -> None:
    """Lock a campaign by a statement of its own: the next one sees what was committed while this one waited."""
    connection.execute(query("lock_campaign"), {"campaign_id": campaign_id})


def _pairs(leases: Sequence[tuple[int, int]]) -> dict[str, Any]:
    return {"campaign_ids": [lease[0] for lease in leases], "epochs": [lease[1] for lease in leases]}


def mark_due_campaigns(
    connection: Connection, *, tick_seconds: float, expiry_seconds: float, waiting_count: int = 0
) -> tuple[list[int], int] | None:
    """Mark and return the due campaigns, oldest first, and how many run already; None: another tick is at work.

    `waiting_count`: the number of tasks in the queue. A campaign whose mark is older than `expiry_seconds` may have
    lost its task: such campaigns are due again, but only as many as marks exceed tasks in the queue.
    """
    row = connection.execute(query("try_tick_lock")).fetchone()
    if not (row and row[0]):
        return None
    parameters = {"tick_seconds": tick_seconds, "expiry_seconds": expiry_seconds, "waiting_count": waiting_count}
    connection.execute(query("note_tick"))
    due = [row[0] for row in connection.execute(query("mark_due_campaigns"), parameters)]
    running = connection.execute(query("count_running")).fetchone()
    return due, running[0] if running else 0


def unmark_campaigns(connection: Connection, campaign_ids: Sequence[int]) -> None:
    """Forget that campaigns were rung: the doorbell did not work."""
    connection.execute(query("unmark_campaigns"), {"campaign_ids": list(campaign_ids)})


def report_uncertain(connection: Connection, *, grace_seconds: float) -> list[tuple[int, int, dt.datetime]]:
    """Return (campaign id, count, oldest) of messages that have waited for their webhook longer than the grace.

    Only of campaigns with a message that was not reported yet.
    """
    rows = connection.execute(query("report_uncertain"), {"grace_seconds": grace_seconds})
    return [(row[0], row[1], row[2]) for row in rows]
