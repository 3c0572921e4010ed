"""Finds the campaigns that are due for a slice, and the messages that dead workers left unsettled."""

from __future__ import annotations

import logging

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.domain.statement import Hint, HintAction
from campaigns.logs import event
from campaigns.store import campaigns, events, leases
from campaigns.store.database import Database
from campaigns.store.optouts import reviews

_log = logging.getLogger(__name__)


def mark_due(database: Database, settings: Settings, *, waiting_count: int = 0) -> list[int]:
    """Mark all due campaigns as enqueued, and return their ids, the oldest campaign first.

    The next tick does not enqueue marked campaigns again, unless the broker may have lost their tasks. `waiting_count`:
    the number of tasks that wait in the queue `campaigns`.
    """
    found = database.run(
        leases.mark_due_campaigns,
        tick_seconds=settings.tick_seconds,
        expiry_seconds=settings.task_expiry_seconds,
        waiting_count=waiting_count,
    )
    if found is None:
        _log.debug("Another tick is running", extra=event("tick_skipped"))
        return []
    due, running_count = found
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
    """Make messages of dead workers uncertain, expire messages of paused campaigns, delete expired webhook events.

    Cancels the messages that a person's cancellation has left. Reports messages that have been uncertain for long, and
    the number of people whose answers an operator must review.
    """
    for campaign_id, count in database.run(leases.take_abandoned_leases).items():
        report_abandoned(campaign_id, count)
    for campaign_id, count in database.run(leases.expire_paused).items():
        _log.info(
            "Campaign %s is paused and has expired: %s messages were not sent",
            campaign_id,
            count,
            extra=event("expired", campaign_id=campaign_id),
        )
    for campaign_id in database.run(campaigns.find_uncancelled):
        campaigns.cancel_messages(database, campaign_id)
        bound = event("messages_cancelled", campaign_id=campaign_id)
        _log.info("Campaign %s is cancelled: its last waiting messages are cancelled, too", campaign_id, extra=bound)
    if expired_count := database.run(events.expire_events):
        _log.warning(
            "%s webhook statuses matched no message of ours for days and are dropped",
            expired_count,
            extra=event("evidence_expired"),
        )
    overdue = database.run(leases.report_uncertain, grace_seconds=settings.uncertain_grace_seconds)
    for campaign_id, count, oldest in overdue:
        since = oldest.isoformat(timespec="seconds")
        which, them = ("1 message is", "it") if count == 1 else (f"{count} messages are", "them")
        text = f"Campaign {campaign_id}: {which} uncertain since {since}, no webhook has settled {them}"
        _log.warning(text, extra=event("uncertain", campaign_id=campaign_id))
        alerts.send("uncertain", text, campaign_id=campaign_id)

    _report_reviews(database, alerts)


def _report_reviews(database: Database, alerts: Alerts) -> None:
    waiting = database.run(reviews.report_reviews)
    if waiting is None:
        return
    count, oldest = waiting
    who = "1 person waits" if count == 1 else f"{count:,} people wait"
    text = (
        f"{who} since {oldest.isoformat(timespec='seconds')} for a decision whether an answer is an opt-out. Until then"
        f" they get no marketing: {Hint(HintAction.REVIEW_OPTOUTS)}"
    )
    _log.warning(text, extra=event("optout_reviews_waiting", count=count))
    alerts.send("optout_reviews_waiting", text, count=count)


def report_abandoned(campaign_id: int, count: int) -> None:
    """Log that messages became uncertain, because the worker that sent them ended before it settled the replies."""
    _log.warning(
        "Campaign %s: %s messages are uncertain, because their worker ended before it settled the replies",
        campaign_id,
        count,
        extra=event("abandoned", campaign_id=campaign_id),
    )
