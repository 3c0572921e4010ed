"""What follows a slice: the campaign is complete, waits for something, or wants its next turn."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from campaigns.alerts import Alerts
from campaigns.domain.message import ACCEPTED, Status
from campaigns.domain.pacing import Reason, Wait
from campaigns.logs import event
from campaigns.store import leases
from campaigns.store.campaigns import load_tally
from campaigns.store.database import Connection, Database
from campaigns.store.leases import LeaseRow
from campaigns.store.portfolios import has_free_slot

_log = logging.getLogger("campaigns.sending")

# What a person must do something about; the others end by themselves.
_CANNOT_GO_ON = frozenset({Reason.NO_ACTIVE_ACCOUNT, Reason.TEMPLATE})


@dataclass(frozen=True, slots=True)
class SliceResult:
    """How a slice ended. `is_finished`: nothing was left to claim; `is_failed`: the database stopped it.

    `full_account_ids`: accounts in whose portfolios it found no slot.
    """

    cursor: int
    wait: Wait | None
    is_finished: bool
    is_failed: bool
    now: dt.datetime
    tick_seconds: float
    full_account_ids: list[int] = field(default_factory=list)


def finish_slice(ending: SliceResult, row: LeaseRow, database: Database, alerts: Alerts) -> bool:
    """Complete the campaign, or give its lease back; return whether it is to be rung for its next slice."""
    if ending.is_finished and not ending.is_failed and _complete(row, database):
        return False
    status, wait, is_due_now = database.run(_end_slice, ending, row)
    if status == "running" and wait is not None:
        _report_wait(wait, row, alerts, ending.now)
    return status == "running" and is_due_now


def _end_slice(connection: Connection, ending: SliceResult, row: LeaseRow) -> tuple[str | None, Wait | None, bool]:
    wait = ending.wait
    if wait is not None and wait.reason is Reason.DAILY_LIMIT:
        # Somebody may have made room since: behind the lock this slice sees it, or they see that it waits.
        leases.lock_campaign(connection, row.id)
        if has_free_slot(connection, ending.full_account_ids):
            wait = None
    soon = ending.now + dt.timedelta(seconds=ending.tick_seconds)
    is_due_now = not ending.is_failed and (wait is None or wait.until <= soon)
    status = leases.end_slice(
        connection,
        row.id,
        row.epoch,
        # Finished, and yet not complete: something is left behind the cursor, so the next slice starts from the first.
        cursor=0 if ending.is_finished else ending.cursor,
        waiting_reason=wait.reason if wait else None,
        due_at=wait.until if wait else None,
        is_due_now=is_due_now,
    )
    return status, wait, is_due_now


def _complete(row: LeaseRow, database: Database) -> bool:
    def complete(connection: Connection) -> tuple[float, dict[Status, int]] | None:
        seconds = leases.complete_campaign(connection, row.id, row.epoch)
        if seconds is None:
            return None
        leases.end_slice(connection, row.id, row.epoch, cursor=0)
        return seconds, load_tally(connection, row.id)

    completed = database.run(complete)
    if completed is None:
        return False
    seconds, tally = completed
    sent = sum(tally.get(status, 0) for status in ACCEPTED)
    expired, uncertain = tally.get(Status.EXPIRED, 0), tally.get(Status.UNCERTAIN, 0)
    _log.log(
        logging.WARNING if uncertain else logging.INFO,
        "Campaign %s completed: %s sent, %s failed, %s uncertain%s in %.1f s",
        row.id,
        sent,
        tally.get(Status.FAILED, 0),
        uncertain,
        f", {expired} expired" if expired else "",
        seconds,
        extra=event("campaign_completed", campaign_id=row.id),
    )
    return True


def _report_wait(wait: Wait, row: LeaseRow, alerts: Alerts, now: dt.datetime) -> None:
    """Say why the campaign waits: aloud when the reason is new, else for who asks."""
    is_new = wait.reason != row.waiting_reason
    text = f"Campaign {row.id} waits{_until(wait, row.time_zone, now)}: {wait.reason}"
    bound = event("campaign_waiting", campaign_id=row.id, reason=str(wait.reason))
    _log.log(logging.INFO if is_new else logging.DEBUG, text, extra=bound)
    if is_new and wait.reason in _CANNOT_GO_ON:
        alerts.send("campaign_cannot_go_on", text, campaign_id=row.id, reason=str(wait.reason))


def _until(wait: Wait, time_zone: str, now: dt.datetime) -> str:
    if wait.reason is Reason.NO_ACTIVE_ACCOUNT:
        return ""
    until = wait.until.astimezone(ZoneInfo(time_zone))
    is_today = until.date() == now.astimezone(ZoneInfo(time_zone)).date()
    seconds = ":%S" if wait.reason in (Reason.INTERVAL, Reason.PAUSE, Reason.RETRY) else ""
    return until.strftime(f" until %H:%M{seconds}" if is_today else f" until %Y-%m-%d %H:%M{seconds}")
