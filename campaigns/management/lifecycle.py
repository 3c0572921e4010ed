"""Starts, pauses, resumes and cancels campaigns. A command changes all the given campaigns, or none of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from campaigns.domain.campaign import (
    Command,
    Move,
    check_opening,
    check_start_within,
    decide_move,
    missing_campaign,
)
from campaigns.domain.statement import Kind, Refusal
from campaigns.domain.users.actor import Act, Actor
from campaigns.logs import event
from campaigns.management.drafts.starts import Present, Told, check_told, find_present
from campaigns.management.files.jobs import demand_read_lists
from campaigns.management.hours.departure import find_departure
from campaigns.management.hours.window import count_by_zone
from campaigns.management.users.approvals import demand_approval
from campaigns.store import campaigns as store
from campaigns.store.database import Connection, Database, DatabaseError, DatabaseUnavailable
from campaigns.store.users.audit import write_audit

_log = logging.getLogger(__name__)

_ACTS = {
    Command.START: Act.CAMPAIGN_START,
    Command.PAUSE: Act.CAMPAIGN_PAUSE,
    Command.RESUME: Act.CAMPAIGN_RESUME,
    Command.CANCEL: Act.CAMPAIGN_CANCEL,
}

# The commands after which messages leave.
_DEPARTURES = frozenset({Command.START, Command.RESUME})


def start_campaigns(
    database: Database,
    campaign_ids: Sequence[int],
    *,
    actor: Actor,
    approve_above: int = 0,
    told: Mapping[int, Told] = MappingProxyType({}),
) -> list[Move]:
    """Start drafts; return their changes of status. The caller enqueues the campaigns that `ids_to_enqueue` returns.

    `approve_above`: a campaign that could send more messages needs an approval; 0: none does. `told`: by campaign, the
    facts that a person was told before the answer to a question. The campaign starts only if these facts still hold.

    If a campaign cannot be started, the function starts none and raises Refusal with a sentence for each such campaign.
    """
    return database.run(_move, Command.START, campaign_ids, actor, approve_above=approve_above, told=told)


def pause_campaigns(database: Database, campaign_ids: Sequence[int], *, actor: Actor) -> list[Move]:
    """Pause campaigns. After the requests in flight, no more requests are sent.

    If a campaign cannot be paused, the function pauses none and raises Refusal with a sentence for each such campaign.
    """
    return database.run(_move, Command.PAUSE, campaign_ids, actor)


def resume_campaigns(
    database: Database,
    campaign_ids: Sequence[int],
    *,
    actor: Actor,
    approve_above: int = 0,
    told: Mapping[int, Told] = MappingProxyType({}),
) -> list[Move]:
    """Resume paused campaigns, which go on or wait for their scheduled time.

    `approve_above` and `told`: as in `start_campaigns`.

    The caller enqueues the campaigns that `ids_to_enqueue` returns. If a campaign cannot be resumed, the function
    resumes none and raises Refusal with a sentence for each such campaign.
    """
    return database.run(_move, Command.RESUME, campaign_ids, actor, approve_above=approve_above, told=told)


def check_departures(
    database: Database, command: Command, campaign_ids: Sequence[int], *, approve_above: int = 0
) -> None:
    """Raise the Refusal that `start_campaigns` or `resume_campaigns` would raise now. Change nothing."""
    database.run(_decide, command, campaign_ids, approve_above=approve_above, will_move=False)


def cancel_campaigns(
    database: Database, campaign_ids: Sequence[int], *, actor: Actor, seconds: float | None = None
) -> list[Move]:
    """Cancel campaigns, then their pending messages.

    If a campaign cannot be cancelled, the function cancels none and raises Refusal with a sentence for each such
    campaign.

    `seconds`: the time after which the function leaves the rest of the messages alone. Cancelling a million messages
    takes many seconds, and no worker sends a message of a cancelled campaign, so the campaigns are cancelled first. If
    this process ends meanwhile or Postgres fails, `campaigns.reconcile` cancels the rest of the messages.
    """
    moves = database.run(_move, Command.CANCEL, campaign_ids, actor)
    try:
        for move in moves:
            store.cancel_messages(database, move.id, seconds=seconds)
    except (DatabaseError, *DatabaseUnavailable) as error:
        bound = event("cancel_postponed", count=len(moves))
        _log.warning("The messages of cancelled campaigns are cancelled later: %s", type(error).__name__, extra=bound)
    return moves


def ids_to_enqueue(moves: Sequence[Move]) -> list[int]:
    """Return the ids of the campaigns that the caller enqueues after the changes of status are committed."""
    return [move.id for move in moves if move.should_enqueue]


def _move(
    connection: Connection,
    command: Command,
    campaign_ids: Sequence[int],
    actor: Actor,
    *,
    approve_above: int = 0,
    told: Mapping[int, Told] = MappingProxyType({}),
) -> list[Move]:
    moves = _decide(connection, command, campaign_ids, approve_above=approve_above, told=told)
    started = [move.id for move in moves] if command is Command.START else []
    counts = {row.id: row.recipient_count for row in store.list_campaigns(connection, started)} if started else {}
    write_moves(connection, moves)
    for move in moves:
        after: dict[str, object] = {"status": move.new, "name": move.name}
        if command is Command.START:
            after["recipient_count"] = counts[move.id]
        write_audit(connection, actor, _ACTS[command], move.id, before={"status": move.old}, after=after)
    return moves


def _decide(
    connection: Connection,
    command: Command,
    campaign_ids: Sequence[int],
    *,
    approve_above: int = 0,
    told: Mapping[int, Told] = MappingProxyType({}),
    will_move: bool = True,
) -> list[Move]:
    """Lock the campaigns, and decide the change of status of each campaign, in the order of `campaign_ids`.

    `will_move` False: the caller only asks, so other starts need not wait for it.
    """
    counts: Mapping[int, Mapping[int, int] | None] = {}
    present: Mapping[int, Present] = {}
    if command in _DEPARTURES:
        counts, present = _count_people(connection, campaign_ids, told, will_move=will_move)
    found = store.lock_campaigns(connection, campaign_ids)
    moves, refusals = [], []
    for campaign_id in dict.fromkeys(campaign_ids):
        campaign = found.get(campaign_id)
        if campaign is None:
            refusals.append(missing_campaign(campaign_id))
            continue
        try:
            move = decide_move(command, campaign.facts, now=campaign.server_now)
            demand_approval(connection, campaign, above=approve_above)
            if command in _DEPARTURES:
                demand_read_lists(connection, campaign)
            if campaign_id in told:
                check_told(connection, command, campaign, told[campaign_id], present[campaign_id])
            if command in _DEPARTURES:
                move = _add_departure(connection, command, campaign, move, counts=counts.get(campaign_id))
            moves.append(move)
        except Refusal as refusal:
            refusals.append(refusal)
    if len(refusals) == 1:
        raise refusals[0]
    if refusals:
        raise Refusal("campaigns_refused", "{refusals}", kind=Kind.CONFLICT, refusals=refusals)
    return moves


def _count_people(
    connection: Connection, campaign_ids: Sequence[int], told: Mapping[int, Told], *, will_move: bool
) -> tuple[Mapping[int, Mapping[int, int] | None], Mapping[int, Present]]:
    """Return, by campaign, the people by time zone, and the present facts that `check_told` compares.

    The people are counted before the campaigns are locked, because settlements and slices need the lock within seconds,
    and the count reads whole campaigns.
    """
    listed = store.list_campaigns(connection, campaign_ids)
    for row in listed:
        demand_read_lists(connection, row)  # an import holds the lock of its campaign for minutes, so before that lock
    counts = {row.id: count_by_zone(connection, row.id, row) for row in listed}
    if will_move:
        store.lock_starts(connection)
    return counts, {campaign_id: find_present(connection, campaign_id, each) for campaign_id, each in told.items()}


def _add_departure(
    connection: Connection,
    command: Command,
    campaign: store.LockedCampaign,
    move: Move,
    *,
    counts: Mapping[int, int] | None,
) -> Move:
    """Return a move to which the departure of the first message is added. `counts`: as for `find_departure`.

    Raises Refusal if the command starts a campaign that could send nothing, or whose hours open later than its start
    within a time allows.
    """
    has_started = campaign.started_at is not None
    departure = find_departure(
        connection, move.id, campaign, now=campaign.server_now, has_started=has_started, counts=counts
    )
    if command is Command.START:
        check_opening(campaign.plan, departure.opens_at)
    if not has_started:
        check_start_within(campaign.plan, departure.opens_at)
    return replace(move, departure=departure)


def write_moves(connection: Connection, moves: list[Move]) -> list[Move]:
    """Write changes of status of campaigns that this transaction has locked."""
    if moves and store.move_campaigns(connection, moves) != len(moves):
        raise AssertionError("a locked campaign changed its status")
    return moves
