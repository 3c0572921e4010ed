"""The facts that tell whether a database lacks claims whose messages were sent, for example after a restore."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DatabaseIdentity:
    """The identity of a database.

    `installation`: the 8 hex digits that callback data carry. `incarnation` changes with a failover to a replica, with
    a restore, and with a new database. `position`: the end of the write-ahead log, in bytes. `recovered_at`: the time
    of the last `revoada recover`, as text whose order is the order of time; "" if there was none. `found_older_at`: the
    time at which this database was found to lack claims; None if no claim was found to be missing.
    """

    installation: str
    incarnation: str
    position: int
    recovered_at: str
    found_older_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class ClaimCount:
    """The number of claims of a campaign, and the epoch of its lease."""

    campaign_id: int
    epoch: int
    count: int
