"""Leases let only one process at a time run a campaign. Ticks enqueue the campaigns that are due."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg.rows import class_row

from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.hooks.events import EventType
from campaigns.store.database import Connection, allow_long_statements, query
from campaigns.store.hooks.outbox import write_event

# `retry-uncertain` groups messages by this text, so the text names no worker.
LEFT_BEHIND = "the runner ended before the reply was settled"


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A new lease, with the data of the campaign that the slice needs. All times are Postgres's times, in UTC.

    `left_at`: the end of the previous lease, or the start of the campaign if this is later. `uncertain_count`: the
    number of messages that the previous slice left in flight and that are uncertain now.
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
    is_standing: bool
    left_at: dt.datetime
    waiting_reason: str | None
    due_at: dt.datetime | None
    cursor: int
    started_at: dt.datetime
    next_message_at: dt.datetime | None
    burst_count: int
    claim_count: int
    server_now: dt.datetime
    uncertain_count: int = 0


def take_lease(
    connection: Connection,
    campaign_id: int,
    *,
    owner: str,
    lease_seconds: float,
    horizon_seconds: float,
    epoch: int | None = None,
) -> LeaseRow | None:
    """Take the lease of a campaign; return None if the campaign is not eligible or another process has the lease.

    `epoch`: the epoch of the lease when the task was published. If the lease has another epoch now, a slice has started
    since, and the lease is not taken. None: the epoch is not checked. Messages that the previous slice left in flight
    become uncertain in the same transaction.
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
    return replace(lease, uncertain_count=mark_left_uncertain(connection, campaign_id))


def load_lease_epochs(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, int]:
    """Return the epoch of each campaign's lease."""
    return dict(connection.execute(query("load_lease_epochs"), {"campaign_ids": list(campaign_ids)}).fetchall())


def mark_left_uncertain(connection: Connection, campaign_id: int) -> int:
    """Make messages that are still `sending` uncertain; return their number. The caller has just taken the lease."""
    parameters = {"campaign_id": campaign_id, "reason": LEFT_BEHIND}
    return connection.execute(query("mark_left_uncertain"), parameters).rowcount


def renew_leases(connection: Connection, leases: Sequence[tuple[int, int]], *, lease_seconds: float) -> set[int]:
    """Renew the leases of (campaign id, epoch) pairs; return the campaigns whose lease this process still has."""
    parameters = _lease_columns(leases) | {"lease_seconds": lease_seconds}
    return {row[0] for row in connection.execute(query("renew_leases"), parameters)}


def find_running_leases(connection: Connection, leases: Sequence[tuple[int, int]]) -> set[int]:
    """Return the running campaigns whose lease still has the given epoch. `leases`: pairs (campaign id, epoch)."""
    return {row[0] for row in connection.execute(query("find_running_leases"), _lease_columns(leases))}


def has_campaign_waiting_for_slot(connection: Connection, *, patience_seconds: float) -> bool:
    """Whether a campaign was enqueued more than `patience_seconds` ago and its slice has not started."""
    row = connection.execute(query("has_campaign_waiting_for_slot"), {"patience_seconds": patience_seconds}).fetchone()
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
) -> tuple[CampaignStatus | None, bool]:
    """Give the lease back. Return the campaign's status, and whether the caller enqueues the campaign.

    The status is None if this process had lost the lease.
    """
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
    return (CampaignStatus(row[0]), row[1]) if row else (None, False)


def clear_wait(connection: Connection, campaign_id: int) -> None:
    """Delete the wait of a campaign, because it sends again."""
    connection.execute(query("clear_wait"), {"campaign_id": campaign_id})


def complete_campaign(connection: Connection, campaign_id: int, epoch: int) -> float | None:
    """Complete the campaign if no message is pending or in flight; return the duration of the campaign in seconds, else
    None.

    The campaign is locked before the statement that checks the messages. So this statement also sees messages that a
    concurrent release has just made pending.
    """
    lock_campaign(connection, campaign_id)
    row = connection.execute(query("complete_campaign"), {"campaign_id": campaign_id, "epoch": epoch}).fetchone()
    return (row[1] - row[0]).total_seconds() if row else None


def expire_messages(connection: Connection, campaign_id: int, epoch: int) -> int:
    """Expire the pending messages of a campaign whose `expire_at` has passed; return their number."""
    allow_long_statements(connection)
    parameters = {"campaign_id": campaign_id, "epoch": epoch}
    count = connection.execute(query("expire_messages"), parameters).rowcount
    if count:
        _note_expired(connection, campaign_id, count)
    return count


def expire_paused(connection: Connection) -> dict[int, int]:
    """Expire the pending messages of paused campaigns whose `expire_at` has passed; return their number by campaign."""
    allow_long_statements(connection)
    counts: dict[int, int] = dict(connection.execute(query("expire_paused_messages")).fetchall())
    for campaign_id, count in counts.items():
        _note_expired(connection, campaign_id, count)
    return counts


def _note_expired(connection: Connection, campaign_id: int, count: int) -> None:
    write_event(connection, EventType.CAMPAIGN_EXPIRED, {"campaign_id": str(campaign_id), "count": count})


def take_abandoned_leases(connection: Connection) -> dict[int, int]:
    """Take the leases of campaigns whose process has died and left messages in flight.

    These messages become uncertain. Returns the number of these messages by campaign.
    """
    abandoned = [row[0] for row in connection.execute(query("take_abandoned_leases"))]
    return {campaign_id: mark_left_uncertain(connection, campaign_id) for campaign_id in abandoned}


def lock_campaign(connection: Connection, campaign_id: int) -> None:
    """Lock a campaign. The next statement sees changes that were committed while this statement waited for the lock."""
    connection.execute(query("lock_campaign"), {"campaign_id": campaign_id})


def _lease_columns(leases: Sequence[tuple[int, int]]) -> dict[str, Any]:
    return {"campaign_ids": [lease[0] for lease in leases], "epochs": [lease[1] for lease in leases]}


def mark_due_campaigns(
    connection: Connection, *, tick_seconds: float, expiry_seconds: float, waiting_count: int = 0
) -> tuple[list[int], int] | None:
    """Mark the due campaigns as enqueued; return their ids, oldest first, and the number of running slices.

    Returns None if another tick runs. `waiting_count`: the number of tasks in the queue. If there are more marked
    campaigns than tasks, the difference is the number of lost tasks. For each lost task, a campaign whose mark is older
    than `expiry_seconds` is marked and returned again.
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
    """Clear the mark `enqueued_at` of campaigns whose tasks the broker did not accept."""
    connection.execute(query("unmark_campaigns"), {"campaign_ids": list(campaign_ids)})


def report_uncertain(connection: Connection, *, grace_seconds: float) -> list[tuple[int, int, dt.datetime]]:
    """Count the uncertain messages that were claimed more than `grace_seconds` ago.

    Returns (campaign id, number, time of the oldest claim) for each campaign with such messages. Omits campaigns whose
    uncertain messages were all reported before.
    """
    rows = connection.execute(query("report_uncertain"), {"grace_seconds": grace_seconds}).fetchall()
    for campaign_id, count, _ in rows:
        data = {"campaign_id": str(campaign_id), "count": count}
        write_event(connection, EventType.MESSAGES_UNCERTAIN_OVERDUE, data)
    return [(row[0], row[1], row[2]) for row in rows]
