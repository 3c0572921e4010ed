"""Recovery after a restore. The restored database lacks the newest sends, but no message may be sent twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from psycopg.rows import class_row

from campaigns.store.database import PROCESS, Connection, allow_long_statements, query

FORGOTTEN = "it may have been sent in the time that a restore has forgotten"

# Ids and epochs are raised by these numbers. These numbers are larger than any number of ids or epochs that a restore
# can lose, and small compared with a bigint.
_MESSAGE_IDS = 1_000_000_000
_CAMPAIGN_IDS = 1_000
_EPOCHS = 1_000_000
# `send_no` is raised by this number, which is larger than the number of sends of any message. The sum must fit a
# smallint.
_LOST_SENDS = 1_000


@dataclass(frozen=True, slots=True)
class RecoverableCampaign:
    """A campaign that may have sent messages after the restored state.

    `count`: the number of messages that may have been sent.

    `is_ahead`: the campaign was not started and is scheduled for a later time. `is_done`: the campaign was recovered
    from this restore already, or was created after the recovery.
    """

    id: int
    name: str
    status: str
    count: int
    is_ahead: bool
    is_done: bool


@dataclass(frozen=True, slots=True)
class ActiveProcesses:
    """The number of connected processes, a campaign with a valid lease, and the end of the last valid lease."""

    connection_count: int
    campaign_id: int | None
    until: dt.datetime | None


def find_active_processes(connection: Connection) -> ActiveProcesses:
    row = connection.execute(query("find_active_processes"), {"process": PROCESS}).fetchone()
    assert row is not None
    return ActiveProcesses(*row)


def list_recoverable(connection: Connection, *, since: dt.datetime) -> list[RecoverableCampaign]:
    """Lock and return the campaigns that may have sent messages after the restored state."""
    with connection.cursor(row_factory=class_row(RecoverableCampaign)) as cursor:
        return cursor.execute(query("list_recoverable"), {"since": since}).fetchall()


def find_last_activity_at(connection: Connection) -> dt.datetime | None:
    """Return the time of the last activity in this database; None if there was none."""
    row = connection.execute(query("find_last_activity_at")).fetchone()
    return row[0] if row else None


def count_failures(connection: Connection) -> int:
    row = connection.execute(query("count_retryable_failures")).fetchone()
    assert row is not None
    return int(row[0])


def is_recovered(connection: Connection, *, since: dt.datetime) -> bool:
    """Whether a recovery has run since that time."""
    row = connection.execute(query("is_recovered"), {"since": since}).fetchone()
    return bool(row and row[0])


def prevent_repeats(connection: Connection) -> None:
    """Prevent the reuse of ids, leases and confirmations that the restore has lost, and record the recovery.

    New rows get ids beyond the lost ids, leases get new epochs, and waiting confirmations are deleted. Unmatched
    webhooks are tried again, because after the recovery the sends that they report may be recognised.
    """
    connection.execute(query("move_sequences"), {"message_ids": _MESSAGE_IDS, "campaign_ids": _CAMPAIGN_IDS})
    connection.execute(query("raise_epochs"), {"epochs": _EPOCHS})
    connection.execute(query("delete_stop_replies"))
    connection.execute(query("retry_unmatched_events"))
    connection.execute(query("note_recovery"))


def mark_forgotten_uncertain(connection: Connection, campaign_ids: Collection[int]) -> int:
    """Make the pending and sending messages of campaigns uncertain, because they may have been sent; return their
    number.

    The recipients of these messages count towards the daily limits. The caller has locked the campaigns and writes
    their status.
    """
    parameters = {"campaign_ids": list(campaign_ids), "reason": FORGOTTEN, "lost_sends": _LOST_SENDS}
    allow_long_statements(connection)
    portfolio_ids = [row[0] for row in connection.execute(query("lock_all_portfolios"))]
    count = connection.execute(query("mark_forgotten_uncertain"), parameters).rowcount
    connection.execute(query("delete_expired_people"), {"portfolio_ids": portfolio_ids})
    connection.execute(query("count_uncertain_people"), parameters)
    return count


def mark_recovered(
    connection: Connection,
    campaign_ids: Collection[int],
    *,
    uncertain_ids: Collection[int],
    spared_ids: Collection[int],
    is_first: bool,
) -> None:
    """Record that these campaigns were recovered, so that a second run does not undo later decisions of an operator.

    `is_first`: this is the first recovery after the restore, so the recovery is recorded for all other campaigns too,
    except `spared_ids`.
    """
    parameters = {
        "campaign_ids": list(campaign_ids),
        "uncertain_ids": list(uncertain_ids),
        "spared_ids": list(spared_ids),
        "is_first": is_first,
    }
    connection.execute(query("mark_recovered"), parameters)
