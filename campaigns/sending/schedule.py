"""Finds the campaigns that are due for a slice, and the messages that dead workers left in flight."""

from __future__ import annotations

import logging

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.logs import event
from campaigns.store import events, leases, suppressions
from campaigns.store.database import Database

_log = logging.getLogger(__name__)


def mark_due(database: Database, settings: Settings, *, waiting_count: int = 0) -> list[int]:
    """Return the campaigns to be enqueued now, oldest first; they are marked, so a second tick finds none of them.

    `waiting_count`: the tasks that wait in their queue.
    """
    looked = database.run(
        leases.mark_due_campaigns,
        tick_seconds=settings.tick_seconds,
        expiry_seconds=settings.task_expiry_seconds,
        waiting_count=waiting_count,
    )
    if looked is None:
        _log.debug("Another tick is at work", extra=event("tick_skipped"))
        return []
    due, running_count = looked
    if due or running_count:
        _log.info(
            "Checking campaigns every %g s: %s running simultaneously (%s enqueued, %s already running)",
            settings.tick_seconds,
            len(due) + running_count,
            len(due),
            running_count,
            extra=event("tick"),
        )
    return due


def reconcile(database: Database, settings: Settings, alerts: Alerts) -> None:
    """Make abandoned messages uncertain, by the rule that every runner applies. Report messages that have been
    uncertain for long, and the number of people whose answers wait for a decision.
    """
    for campaign_id, count in database.run(leases.take_abandoned).items():
        report_abandoned(campaign_id, count)
    for campaign_id, count in database.run(leases.expire_paused).items():
        _log.info(
            "Campaign %s is paused and has expired: %s messages were not sent",
            campaign_id,
            count,
            extra=event("expired", campaign_id=campaign_id),
        )
    if expired_count := database.run(events.expire_events):
        _log.warning(
            "%s webhook statuses matched no message of ours for days and are dropped",
            expired_count,
            extra=event("evidence_expired"),
        )
    overdue = database.run(leases.report_uncertain, grace_seconds=settings.uncertain_grace_seconds)
    for campaign_id, count, oldest in overdue:
        since = oldest.isoformat(timespec="seconds")
        text = f"Campaign {campaign_id}: {count} messages are uncertain since {since}, no webhook has settled them"
        _log.warning(text, extra=event("uncertain", campaign_id=campaign_id))
        alerts.send("uncertain", text, campaign_id=campaign_id)

    _report_reviews(database, alerts)


def _report_reviews(database: Database, alerts: Alerts) -> None:
    waiting = database.run(suppressions.report_reviews)
    if waiting is None:
        return
    count, oldest = waiting
    who = "1 person waits" if count == 1 else f"{count:,} people wait"
    text = (
        f"{who} since {oldest.isoformat(timespec='seconds')} for a decision whether an answer is an opt-out. Until then"
        " no marketing is sent there: revoada optouts review"
    )
    _log.warning(text, extra=event("optout_reviews_waiting", count=count))
    alerts.send("optout_reviews_waiting", text, count=count)


def report_abandoned(campaign_id: int, count: int) -> None:
    """Say that what a dead runner had on the wire is uncertain now."""
    _log.warning(
        "Campaign %s: %s messages are uncertain, their runner ended before the reply was settled",
        campaign_id,
        count,
        extra=event("abandoned", campaign_id=campaign_id),
    )
