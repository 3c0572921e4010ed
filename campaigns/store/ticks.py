"""What the tick asks of Postgres."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from campaigns.store.database import Connection, query

# One tick looks at a time; the lock goes with the transaction, so nothing can keep it.
_TICK_LOCK = 7_301_986_122


def mark_due_campaigns(
    connection: Connection, *, tick_seconds: float, expiry_seconds: float, waiting_count: int = 0
) -> tuple[list[int], int] | None:
    """Mark and return the due campaigns, oldest first, and how many run already; None: another tick is at work.

    `waiting_count`: the number of tasks in the queue. A campaign whose mark is older than `expiry_seconds` may have
    lost its task: such campaigns are due again, but only as many as marks exceed tasks in the queue.
    """
    row = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (_TICK_LOCK,)).fetchone()
    if not (row and row[0]):
        return None
    parameters = {"tick_seconds": tick_seconds, "expiry_seconds": expiry_seconds, "waiting_count": waiting_count}
    connection.execute("UPDATE installation SET ticked_at = clock_timestamp()")
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
