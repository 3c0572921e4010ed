"""One look at all campaigns: which are due, and not running, and not rung a moment ago."""

from __future__ import annotations

import logging

from campaigns.config import Settings
from campaigns.logs import event
from campaigns.store import ticks
from campaigns.store.database import Database

_log = logging.getLogger(__name__)


def mark_due(database: Database, settings: Settings, *, waiting_count: int = 0) -> list[int]:
    """Return the campaigns to be enqueued now, oldest first; they are marked, so a second tick finds none of them.

    `waiting_count`: the tasks that wait in their queue.
    """
    looked = database.run(
        ticks.mark_due_campaigns,
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
