"""After a restore of an older database state, makes the messages uncertain that may have been sent since that state."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from campaigns.domain.campaign import ENDED, CampaignFacts, CampaignStatus, Command, Move, decide_move
from campaigns.domain.statement import Count, Entry, Field, Kind, Refusal
from campaigns.domain.users.actor import Act, Actor
from campaigns.store import recovery
from campaigns.store.campaigns import move_campaigns
from campaigns.store.database import Connection, Database, read_clock
from campaigns.store.recovery import RecoverableCampaign
from campaigns.store.users.audit import write_audit


class Fate(StrEnum):
    """The effect of a recovery on a campaign."""

    UNCERTAIN = "doubt"  # messages that may have been sent become uncertain, and the campaign is paused
    UNCERTAIN_ONLY = "doubt-only"  # messages that may have been sent become uncertain; the campaign stays ended
    PAUSE = "pause"  # the campaign is only paused: it is scheduled for later, so probably nothing was sent
    EXCEPT = "except"  # nothing changes, because the operator says that no message of the campaign was sent
    DONE = "done"  # nothing changes: the campaign was recovered already, or was created after a recovery


@dataclass(frozen=True, slots=True)
class RecoveryFate:
    """A campaign, and the effect of a recovery on this campaign.

    `count`: the number of the campaign's messages that may have been sent.
    """

    id: int
    name: str
    status: str
    count: int
    fate: Fate


@dataclass(frozen=True, slots=True)
class Recovery:
    """The result of a recovery, or of its preview.

    `since`: the time of the restored state. `newest_at`: the time of the last activity that the database knows.
    `failed_count`: the number of failed messages of all campaigns. These messages stay failed, although an operator may
    have sent them again after the time of the restored state. `is_first`: this is the first recovery from this restore.
    """

    since: dt.datetime
    newest_at: dt.datetime | None
    campaigns: list[RecoveryFate]
    failed_count: int
    is_first: bool

    @property
    def count(self) -> int:
        """The number of messages that become uncertain."""
        return sum(each.count for each in self.campaigns if each.fate in _UNCERTAIN)

    @property
    def has_work(self) -> bool:
        return self.is_first or any(each.fate in {*_UNCERTAIN, Fate.PAUSE} for each in self.campaigns)


_UNCERTAIN = (Fate.UNCERTAIN, Fate.UNCERTAIN_ONLY)


def preview_recovery(database: Database, *, since: dt.datetime, spared: Collection[int]) -> Recovery:
    """Return the result that `recover` would have, but change nothing. Raises Refusal."""
    _refuse_pooler(database)
    return database.run(_plan, since, spared)


def recover(database: Database, *, actor: Actor, since: dt.datetime, spared: Collection[int]) -> Recovery:
    """Make the messages uncertain that may have been sent since the restored state, in one transaction.

    A second run changes nothing. No other process of Revoada may run meanwhile. `since`: the time of the restored
    state. `spared`: the ids of campaigns that have sent no message since this time. Raises Refusal.
    """
    _refuse_pooler(database)
    return database.run(_recover, since, spared, actor)


def _refuse_pooler(database: Database) -> None:
    """Raise Refusal if there is a pooler, because a pooler hides from Postgres which processes are connected."""
    if database.is_pooled:
        raise Refusal(
            "pooler_hides_processes",
            "A pooler hides which processes are connected to Postgres. Stop the roles and the pooler, set DATABASE_URL"
            " to the address of Postgres itself and REVOADA_DATABASE_POOLER to none, and try again.",
            kind=Kind.CONFLICT,
        )


def _recover(connection: Connection, since: dt.datetime, spared: Collection[int], actor: Actor) -> Recovery:
    planned = _plan(connection, since, spared)
    if planned.is_first:
        recovery.prevent_repeats(connection)
    uncertain_ids = [each.id for each in planned.campaigns if each.fate in _UNCERTAIN]
    paused = [each for each in planned.campaigns if each.fate in {Fate.UNCERTAIN, Fate.PAUSE}]
    recovery.mark_forgotten_uncertain(connection, uncertain_ids)
    recovery.mark_recovered(
        connection,
        {*uncertain_ids, *(each.id for each in paused)},
        uncertain_ids=uncertain_ids,
        spared_ids=spared,
        is_first=planned.is_first,
    )
    moves = [_move(each, since) for each in paused]
    if move_campaigns(connection, moves) != len(moves):
        raise AssertionError("a locked campaign changed its status")
    write_audit(
        connection,
        actor,
        Act.SYSTEM_RECOVER,
        after={"since": since, "uncertain_count": planned.count, "spared_ids": sorted(spared)},
    )
    for each, move in zip(paused, moves, strict=True):
        before, after = {"status": move.old}, {"status": move.new, "uncertain_count": each.count}
        write_audit(connection, actor, Act.CAMPAIGN_RECOVER, each.id, before=before, after=after)
    for each in planned.campaigns:
        if each.fate is Fate.UNCERTAIN_ONLY:
            write_audit(connection, actor, Act.CAMPAIGN_RECOVER, each.id, after={"uncertain_count": each.count})
    return planned


def _plan(connection: Connection, since: dt.datetime, spared: Collection[int]) -> Recovery:
    _check(connection, since)
    found = recovery.list_recoverable(connection, since=since)
    if unknown := set(spared) - {each.id for each in found}:
        raise Refusal(
            "campaign_not_recoverable",
            "There is no campaign {campaign_id} with messages that may have been sent: {option} takes only such"
            " campaigns.",
            kind=Kind.CONFLICT,
            campaign_id=min(unknown),
            option=Entry(Field.EXCEPT),
        )
    return Recovery(
        since,
        recovery.find_last_activity_at(connection),
        [RecoveryFate(each.id, each.name, each.status, each.count, _decide(each, spared)) for each in found],
        recovery.count_failures(connection),
        is_first=not recovery.is_recovered(connection, since=since),
    )


def _check(connection: Connection, since: dt.datetime) -> None:
    """Raise Refusal if the time is in the future, if processes are connected, or if a lease is still valid."""
    if since > read_clock(connection):
        raise Refusal(
            "since_in_future",
            "{since} is the time of the restored state: it cannot be in the future.",
            since=Entry(Field.SINCE),
        )
    running = recovery.find_active_processes(connection)
    if running.connection_count:
        raise Refusal(
            "processes_connected",
            "Processes of Revoada are connected to this database ({connections}): stop all roles first, so that nothing"
            " is sent meanwhile.",
            kind=Kind.CONFLICT,
            connections=Count(running.connection_count, "connection"),
        )
    if running.until is not None:
        raise Refusal(
            "campaign_leased",
            "A worker may be sending campaign {campaign_id}: stop all roles, and try again after {until}, when the last"
            " lease has run out.",
            kind=Kind.CONFLICT,
            campaign_id=running.campaign_id,
            until=running.until.isoformat(timespec="seconds"),
        )


def _decide(found: RecoverableCampaign, spared: Collection[int]) -> Fate:
    if found.id in spared:
        return Fate.EXCEPT
    if found.is_done:
        return Fate.DONE
    if found.status in ENDED:
        return Fate.UNCERTAIN_ONLY
    return Fate.PAUSE if found.is_ahead else Fate.UNCERTAIN


def _move(planned: RecoveryFate, since: dt.datetime) -> Move:
    facts = CampaignFacts(planned.id, planned.name, CampaignStatus(planned.status))
    return decide_move(Command.RECOVER, facts, now=since)
