"""After a restore to an older state: what may have been sent since becomes uncertain, before anything runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from campaigns.domain.campaign import CampaignFacts, CampaignStatus, Command, Move, decide_move
from campaigns.store import recovery
from campaigns.store.campaigns import move_campaigns
from campaigns.store.database import Connection, Database, read_clock
from campaigns.store.recovery import Recoverable


class RecoveryError(ValueError):
    """A recovery cannot be done as asked, or not now; nothing was changed. The message is one sentence for a person."""


class Fate(StrEnum):
    """What a recovery makes of a campaign."""

    DOUBT = "doubt"  # what may have been sent is uncertain, and it is paused
    DOUBT_ONLY = "doubt-only"  # the same, and it has ended: its status stays
    PAUSE = "pause"  # its time is still to come, so nothing has left unless somebody changed that: a person resumes it
    EXCEPT = "except"  # a person says that nothing of it was sent: it stays as it is
    DONE = "done"  # a recovery was here before, or it was made after one


@dataclass(frozen=True, slots=True)
class Planned:
    """A campaign and what becomes of it. `count`: its messages that may have been sent."""

    id: int
    name: str
    status: str
    count: int
    fate: Fate


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was done, or would be. `newest_at`: when this database last saw something happen.

    `failed_count`: messages in all campaigns that a retry may have sent again since; they stay failed.
    """

    since: dt.datetime
    newest_at: dt.datetime | None
    campaigns: list[Planned]
    failed_count: int
    is_first: bool

    @property
    def count(self) -> int:
        """How many messages become uncertain."""
        return sum(each.count for each in self.campaigns if each.fate in _DOUBTS)

    @property
    def has_work(self) -> bool:
        return self.is_first or any(each.fate in {*_DOUBTS, Fate.PAUSE} for each in self.campaigns)


_DOUBTS = (Fate.DOUBT, Fate.DOUBT_ONLY)
_ENDED = (CampaignStatus.COMPLETED, CampaignStatus.CANCELLED)


def preview_recovery(database: Database, *, since: dt.datetime, spared: Collection[int]) -> Recovery:
    """Return what `recover` would do. Raises as it does; changes nothing."""
    return database.run(_plan, since, spared)


def recover(database: Database, *, since: dt.datetime, spared: Collection[int]) -> Recovery:
    """Make all of it uncertain in one transaction; again it finds nothing to do. No process may run meanwhile.

    `since`: the time of the restored state. `spared`: campaigns of which nothing was sent since.
    Raises RecoveryError.
    """
    return database.run(_recover, since, spared)


def _recover(connection: Connection, since: dt.datetime, spared: Collection[int]) -> Recovery:
    planned = _plan(connection, since, spared)
    if planned.is_first:
        recovery.fence_off(connection)
    doubted = [each.id for each in planned.campaigns if each.fate in _DOUBTS]
    paused = [each for each in planned.campaigns if each.fate in {Fate.DOUBT, Fate.PAUSE}]
    recovery.doubt_forgotten(connection, doubted)
    recovery.mark_recovered(
        connection,
        {*doubted, *(each.id for each in paused)},
        doubted_ids=doubted,
        spared_ids=spared,
        is_first=planned.is_first,
    )
    moves = [_move(each, since) for each in paused]
    if move_campaigns(connection, moves) != len(moves):
        raise AssertionError("a locked campaign changed its status")
    return planned


def _plan(connection: Connection, since: dt.datetime, spared: Collection[int]) -> Recovery:
    _check(connection, since)
    found = recovery.list_recoverable(connection, since=since)
    if unknown := set(spared) - {each.id for each in found}:
        raise RecoveryError(f"Campaign {min(unknown)} has nothing that may have been sent: --except is for what has.")
    return Recovery(
        since,
        recovery.newest_trace(connection),
        [Planned(each.id, each.name, each.status, each.count, _decide(each, spared)) for each in found],
        recovery.count_failures(connection),
        is_first=not recovery.is_recovered(connection, since=since),
    )


def _check(connection: Connection, since: dt.datetime) -> None:
    """Refuse a time to come, and a database that somebody works with."""
    if since > read_clock(connection):
        raise RecoveryError("--since is the time of the restored state: it cannot be in the future.")
    running = recovery.find_running_now(connection)
    if running.connection_count:
        raise RecoveryError(
            f"Processes of Revoada are connected to this database ({running.connection_count} connections): stop all "
            "roles first, so that nothing is sent meanwhile."
        )
    if running.until is not None:
        raise RecoveryError(
            f"Somebody may be sending campaign {running.campaign_id}: stop all roles, and try again after "
            f"{running.until.isoformat(timespec='seconds')}, when the last lease has run out."
        )


def _decide(found: Recoverable, spared: Collection[int]) -> Fate:
    if found.id in spared:
        return Fate.EXCEPT
    if found.is_done:
        return Fate.DONE
    if found.status in _ENDED:
        return Fate.DOUBT_ONLY
    return Fate.PAUSE if found.is_ahead else Fate.DOUBT


def _move(planned: Planned, since: dt.datetime) -> Move:
    facts = CampaignFacts(planned.id, planned.name, CampaignStatus(planned.status))
    return decide_move(Command.RECOVER, facts, now=since)
