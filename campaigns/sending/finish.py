"""Ends a slice: completes the campaign or releases its lease, and decides whether the next slice is due now."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from campaigns.alerts import Alerts
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.message import ACCEPTED, Status
from campaigns.domain.pacing import NEEDS_PERSON, Reason, Wait
from campaigns.domain.statement import Hint, HintAction, Sentence
from campaigns.logs import event
from campaigns.store import leases
from campaigns.store.campaigns import load_counters
from campaigns.store.database import Connection, Database
from campaigns.store.leases import LeaseRow
from campaigns.store.portfolios import has_free_quota

_log = logging.getLogger("campaigns.sending")


@dataclass(frozen=True, slots=True)
class SliceResult:
    """The result of a slice. `is_finished`: nothing was left to claim.

    `is_failed`: Postgres failed, so the slice claimed nothing more. `account_ids_without_quota`: ids of the accounts
    whose portfolio had no quota.
    """

    cursor: int
    wait: Wait | None
    is_finished: bool
    is_failed: bool
    now: dt.datetime
    tick_seconds: float
    account_ids_without_quota: list[int] = field(default_factory=list)


def finish_slice(result: SliceResult, row: LeaseRow, database: Database, alerts: Alerts) -> bool:
    """Complete the campaign or release its lease; return whether the caller must enqueue the next slice."""
    if result.is_finished and not result.is_failed and _complete(row, database):
        return False
    status, wait, is_due_now = database.run(_end_slice, result, row)
    if status is CampaignStatus.RUNNING and wait is not None:
        _report_wait(wait, row, alerts, result.now)
    return is_due_now


def name_end(result: SliceResult) -> str:
    """Return why a slice ended, as the metrics name it."""
    if result.is_failed:
        return "failed"
    if result.is_finished:
        return "finished"
    return "time_over" if result.wait is None else "waiting"


def _end_slice(
    connection: Connection, result: SliceResult, row: LeaseRow
) -> tuple[CampaignStatus | None, Wait | None, bool]:
    wait = result.wait
    if wait is not None and wait.reason is Reason.DAILY_LIMIT:
        # Another transaction may have returned quota since the claim. After its commit, `wake_campaigns` locks the
        # running campaigns of the portfolio's accounts, and makes the campaigns due that wait for quota. If
        # `wake_campaigns` has locked this campaign first, the quota is visible here. If `wake_campaigns` locks
        # this campaign later, it sees the wait and makes this campaign due.
        leases.lock_campaign(connection, row.id)
        if has_free_quota(connection, result.account_ids_without_quota):
            wait = None
    soon = result.now + dt.timedelta(seconds=result.tick_seconds)
    is_due_now = not result.is_failed and (wait is None or wait.until <= soon)
    status, is_marked = leases.end_slice(
        connection,
        row.id,
        row.epoch,
        # If the slice is finished and the campaign is still not complete, messages remain before the cursor. The next
        # slice then starts from the first message.
        cursor=0 if result.is_finished else result.cursor,
        waiting_reason=wait.reason if wait else None,
        due_at=wait.until if wait else None,
        is_due_now=is_due_now,
    )
    return status, wait, is_marked


def _complete(row: LeaseRow, database: Database) -> bool:
    def complete(connection: Connection) -> tuple[float, dict[Status, int]] | None:
        seconds = leases.complete_campaign(connection, row.id, row.epoch)
        if seconds is None:
            return None
        leases.end_slice(connection, row.id, row.epoch, cursor=0)
        return seconds, load_counters(connection, row.id)

    completed = database.run(complete)
    if completed is None:
        return False
    seconds, counters = completed
    sent = sum(counters.get(status, 0) for status in ACCEPTED)
    expired, uncertain = counters.get(Status.EXPIRED, 0), counters.get(Status.UNCERTAIN, 0)
    _log.log(
        logging.WARNING if uncertain else logging.INFO,
        "Campaign %s completed: %s sent, %s failed, %s uncertain%s in %.1f s",
        row.id,
        sent,
        counters.get(Status.FAILED, 0),
        uncertain,
        Sentence(", {expired} expired", expired=expired) if expired else "",
        seconds,
        extra=event("campaign_completed", campaign_id=row.id),
    )
    return True


def _report_wait(wait: Wait, row: LeaseRow, alerts: Alerts, now: dt.datetime) -> None:
    """Log the wait: at INFO if its reason is new, else at DEBUG. Send an alert if a person must act on a new reason."""
    is_new = wait.reason != row.waiting_reason
    time = _until(wait, row.time_zone, now)
    text = Sentence(
        "Campaign {campaign} waits until {until}: {reason}" if time else "Campaign {campaign} waits: {reason}",
        campaign=row.id,
        until=time,
        reason=wait.reason,
    )
    # The sentence has the time in the campaign's zone. `until` is the same time in UTC, because the log line also has
    # its own time in UTC.
    until = wait.until.astimezone(dt.UTC).isoformat(timespec="seconds")
    bound = event("campaign_waiting", campaign_id=row.id, reason=str(wait.reason), until=until)
    _log.log(logging.INFO if is_new else logging.DEBUG, text, extra=bound)
    if is_new and wait.reason in NEEDS_PERSON:
        diagnose = Hint(HintAction.DIAGNOSE_CAMPAIGN, row.id)
        alerts.send("campaign_cannot_go_on", f"{text}. {diagnose}", campaign_id=row.id, reason=str(wait.reason))


def _until(wait: Wait, time_zone: str, now: dt.datetime) -> str:
    if wait.reason in (Reason.NO_ACTIVE_ACCOUNT, Reason.IDLE):
        return ""
    until = wait.until.astimezone(ZoneInfo(time_zone))
    is_today = until.date() == now.astimezone(ZoneInfo(time_zone)).date()
    seconds = ":%S" if wait.reason in (Reason.INTERVAL, Reason.PAUSE, Reason.RETRY) else ""
    return until.strftime(f"%H:%M{seconds}" if is_today else f"%Y-%m-%d %H:%M{seconds}")
