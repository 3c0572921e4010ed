"""How many accepted messages of an account were delivered and read, by the hour in which they were accepted.

A task counts the messages some time after they were accepted. Neither a send nor a webhook writes to these tables.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from psycopg.rows import class_row

from campaigns.store.database import Connection, query

# Each message is counted once at each of these ages, in hours since it was accepted. People read most messages on the
# first day.
_HOURS = (1, 24, 72)
SET_SIZE = 2_000


@dataclass(frozen=True, slots=True)
class AccountReceipts:
    """The messages of an account that were accepted in an interval that begins at `at`.

    `delivered` includes `read`. `accepted` is 0 if no message of this interval is counted yet.
    """

    at: dt.datetime
    accepted: int
    delivered: int
    read: int


def add_receipt_positions(connection: Connection) -> None:
    """Let the messages of campaigns be counted that send now, or ended in the last day."""
    connection.execute(query("add_receipt_positions"), {"hours": list(_HOURS)})


def count_receipts(connection: Connection) -> bool:
    """Count the next messages of one campaign, at most SET_SIZE. Returns False if no campaign is due."""
    found = connection.execute(query("take_receipt_position")).fetchone()
    if found is None:
        return False
    campaign_id, hours, last_id = found
    parameters = {"campaign_id": campaign_id, "hours": hours, "last_id": last_id, "limit": SET_SIZE}
    connection.execute(query("count_receipts"), parameters)
    return True


def delete_old_receipts(connection: Connection) -> int:
    """Delete the counts of hours that are older than two years; return their number."""
    return connection.execute(query("delete_old_receipts")).rowcount


def list_account_receipts(
    connection: Connection, account_id: int, *, seconds: float, count: int
) -> list[AccountReceipts]:
    """Return the last `count` intervals of `seconds`, the oldest first. `seconds`: at least 3600."""
    parameters = {"account_id": account_id, "seconds": seconds, "count": count}
    with connection.cursor(row_factory=class_row(AccountReceipts)) as cursor:
        return cursor.execute(query("list_account_receipts"), parameters).fetchall()
