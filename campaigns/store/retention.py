"""Phones and variables of campaigns that ended, and their end."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.store.database import Connection, query


@dataclass(frozen=True, slots=True)
class Overdue:
    """A campaign that ended long ago, and how many of its messages still say to whom they went."""

    id: int
    name: str
    message_count: int


@dataclass(frozen=True, slots=True)
class ErasedBatch:
    count: int
    last_id: int


def find_overdue(connection: Connection, *, days: int) -> list[Overdue]:
    rows = connection.execute(query("find_overdue"), {"days": days})
    return [Overdue(*row) for row in rows]


def erase_batch(connection: Connection, campaign_id: int, *, last_id: int, limit: int) -> ErasedBatch | None:
    """Erase the next messages after `last_id`; None: there are no more."""
    parameters = {"campaign_id": campaign_id, "last_id": last_id, "limit": limit}
    ids = [row[0] for row in connection.execute(query("erase_batch"), parameters)]
    return ErasedBatch(len(ids), max(ids)) if ids else None


def mark_erased(connection: Connection, campaign_id: int) -> None:
    """Note that nothing is left to erase, if so: what was on the wire when a campaign was cancelled comes later."""
    connection.execute(query("mark_erased"), {"campaign_id": campaign_id})
