"""What a restored database has forgotten, and what it must not do again because of that."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from psycopg.rows import class_row

from campaigns.store.database import PROCESS, Connection, allow_long_statements, query

FORGOTTEN = "it may have been sent in the time that a restore has forgotten"

# More than was ever lost between two states, and nothing against what a bigint holds.
_MESSAGE_IDS = 1_000_000_000
_CAMPAIGN_IDS = 1_000
_EPOCHS = 1_000_000
# More requests than a message ever had; `send_no` is a smallint.
_LOST_SENDS = 1_000


@dataclass(frozen=True, slots=True)
class Recoverable:
    """A campaign that may have sent since. `count`: its messages that may have left.

    `is_ahead`: scheduled, and its time is still to come. `is_done`: recovered already from this restore, or made after.
    """

    id: int
    name: str
    status: str
    count: int
    is_ahead: bool
    is_done: bool


@dataclass(frozen=True, slots=True)
class RunningNow:
    """Processes of Revoada that are connected, and a campaign whose lease lives, until when the last does."""

    connection_count: int
    campaign_id: int | None
    until: dt.datetime | None


def find_running_now(connection: Connection) -> RunningNow:
    row = connection.execute(query("find_running_now"), {"process": PROCESS}).fetchone()
    assert row is not None
    return RunningNow(*row)


def list_recoverable(connection: Connection, *, since: dt.datetime) -> list[Recoverable]:
    """Return and lock the campaigns that may have sent something that this database does not know."""
    with connection.cursor(row_factory=class_row(Recoverable)) as cursor:
        return cursor.execute(query("list_recoverable"), {"since": since}).fetchall()


def newest_trace(connection: Connection) -> dt.datetime | None:
    """When this database last saw something happen; None: never."""
    row = connection.execute(query("newest_trace")).fetchone()
    return row[0] if row else None


def count_failures(connection: Connection) -> int:
    row = connection.execute(query("count_retryable_failures")).fetchone()
    assert row is not None
    return int(row[0])


def is_recovered(connection: Connection, *, since: dt.datetime) -> bool:
    """Whether a recovery has run on this state since that time."""
    row = connection.execute(query("is_recovered"), {"since": since}).fetchone()
    return bool(row and row[0])


def fence_off(connection: Connection) -> None:
    """Let nothing of the forgotten time come back: no id twice, no lease of a runner that thaws, no confirmation twice.

    Webhooks that named sends which nobody knew are looked at again.
    """
    connection.execute(query("move_sequences"), {"message_ids": _MESSAGE_IDS, "campaign_ids": _CAMPAIGN_IDS})
    connection.execute(query("raise_epochs"), {"epochs": _EPOCHS})
    connection.execute(query("delete_stop_replies"))
    connection.execute(query("retry_unmatched_events"))
    connection.execute(query("note_recovery"))


def doubt_forgotten(connection: Connection, campaign_ids: Collection[int]) -> int:
    """Make uncertain what may have been sent of these campaigns, and count its people; return how many messages.

    The caller has locked the campaigns and writes their status.
    """
    parameters = {"campaign_ids": list(campaign_ids), "reason": FORGOTTEN, "lost_sends": _LOST_SENDS}
    allow_long_statements(connection)
    portfolios = [row[0] for row in connection.execute(query("lock_all_portfolios"))]
    count = connection.execute(query("doubt_forgotten"), parameters).rowcount
    connection.execute(query("forget_people"), {"portfolio_ids": portfolios})
    connection.execute(query("count_doubted_people"), parameters)
    return count


def mark_recovered(
    connection: Connection,
    campaign_ids: Collection[int],
    *,
    doubted_ids: Collection[int],
    spared_ids: Collection[int],
    is_first: bool,
) -> None:
    """Remember that these campaigns were recovered, so that it is not done again to what a person has decided since.

    `is_first`: and all others, but those that a person has spared.
    """
    parameters = {
        "campaign_ids": list(campaign_ids),
        "doubted_ids": list(doubted_ids),
        "spared_ids": list(spared_ids),
        "is_first": is_first,
    }
    connection.execute(query("mark_recovered"), parameters)
