"""Erases the phones and variables of campaigns that ended long ago; their statuses, times and counters stay."""

from __future__ import annotations

import logging

from campaigns.logs import event
from campaigns.store import people
from campaigns.store.database import Database
from campaigns.store.people import Overdue

_log = logging.getLogger(__name__)

_BATCH = 5_000


def find_overdue(database: Database, *, days: int) -> list[Overdue]:
    """Return what `retain` would erase now."""
    return database.run(people.find_overdue, days=days)


def retain(database: Database, *, days: int) -> list[Overdue]:
    """Erase what belongs to campaigns that ended more than `days` ago, in many short transactions; return what was."""
    erased = []
    for campaign in database.run(people.find_overdue, days=days):
        count = last_id = 0
        while last := database.run(people.erase_batch, campaign.id, last_id=last_id, limit=_BATCH):
            last_id, count = last.last_id, count + last.count
        database.run(people.mark_erased, campaign.id)
        erased.append(Overdue(campaign.id, campaign.name, count))
        bound = event("retained", campaign_id=campaign.id)
        _log.info("Erased the phones and variables of campaign %s: %s messages", campaign.id, count, extra=bound)
    return erased
