"""Finds messages that a dead runner left on the wire, also where no runner will come again, and says what is unsure."""

from __future__ import annotations

import logging

from campaigns.config import Settings
from campaigns.logs import event
from campaigns.store import events, leases, ticks
from campaigns.store.database import Database

_log = logging.getLogger(__name__)


def reconcile(database: Database, settings: Settings) -> None:
    """Make what was abandoned uncertain, by the rule of any runner; report what has been uncertain for long."""
    for campaign_id, count in database.run(leases.take_abandoned).items():
        _log.warning(
            "Campaign %s: %s messages are uncertain, their runner ended before the reply was settled",
            campaign_id,
            count,
            extra=event("abandoned", campaign_id=campaign_id),
        )
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
    overdue = database.run(ticks.report_uncertain, grace_seconds=settings.uncertain_grace_seconds)
    for campaign_id, count, oldest in overdue:
        _log.warning(
            "Campaign %s: %s messages are uncertain since %s, no webhook has settled them",
            campaign_id,
            count,
            oldest.isoformat(timespec="seconds"),
            extra=event("uncertain", campaign_id=campaign_id),
        )
