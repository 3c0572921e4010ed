"""Start, pause, resume, cancel: many campaigns in one transaction, all of them or none."""

from __future__ import annotations

from collections.abc import Sequence

from campaigns.domain.campaign import (
    CampaignStatus,
    Command,
    Move,
    TransitionError,
    decide_move,
    missing_campaign,
)
from campaigns.store import campaigns as store
from campaigns.store.database import Connection, Database


def start_campaigns(database: Database, campaign_ids: Sequence[int]) -> list[Move]:
    """Start drafts. Whoever calls this rings the campaigns whose move says so.

    Raises TransitionError with a sentence for each campaign that cannot be started; then none is.
    """
    return database.run(_move, Command.START, campaign_ids)


def pause_campaigns(database: Database, campaign_ids: Sequence[int]) -> list[Move]:
    """Pause campaigns: at most what is on the wire still goes. Raises as `start_campaigns`."""
    return database.run(_move, Command.PAUSE, campaign_ids)


def resume_campaigns(database: Database, campaign_ids: Sequence[int]) -> list[Move]:
    """Let paused campaigns go on, or wait again for their time. Rings and raises as `start_campaigns`."""
    return database.run(_move, Command.RESUME, campaign_ids)


def cancel_campaigns(database: Database, campaign_ids: Sequence[int]) -> list[Move]:
    """Cancel campaigns with all that was not sent yet; what is on the wire stays. Raises as `start_campaigns`."""
    # A million messages take many seconds, and until they commit a runner would see its campaign run. So it is paused
    # first: a cancel that fails between the two leaves a campaign that this person has stopped.
    database.run(_stop, campaign_ids)
    return database.run(_cancel, campaign_ids)


def rung_ids(moves: Sequence[Move]) -> list[int]:
    """Return the campaigns that the caller rings, once the moves are committed."""
    return [move.id for move in moves if move.rings]


def _move(connection: Connection, command: Command, campaign_ids: Sequence[int]) -> list[Move]:
    return _write(connection, _decide(connection, command, campaign_ids))


def _stop(connection: Connection, campaign_ids: Sequence[int]) -> None:
    running = [
        move.id for move in _decide(connection, Command.CANCEL, campaign_ids) if move.old is CampaignStatus.RUNNING
    ]
    _move(connection, Command.PAUSE, running)


def _cancel(connection: Connection, campaign_ids: Sequence[int]) -> list[Move]:
    # The long part without a lock on the campaign, which settles and releases need within seconds; what they release
    # meanwhile is cancelled behind the lock.
    store.cancel_messages(connection, campaign_ids)
    moves = _move(connection, Command.CANCEL, campaign_ids)
    store.cancel_messages(connection, campaign_ids)
    return moves


def _decide(connection: Connection, command: Command, campaign_ids: Sequence[int]) -> list[Move]:
    """Lock the campaigns and decide for each, in the order in which they were given."""
    found = store.lock_campaigns(connection, campaign_ids)
    moves, refusals = [], []
    for campaign_id in dict.fromkeys(campaign_ids):
        campaign = found.get(campaign_id)
        if campaign is None:
            refusals.append(missing_campaign(campaign_id))
            continue
        try:
            moves.append(decide_move(command, campaign.facts, now=campaign.server_now))
        except TransitionError as error:
            refusals.append(str(error))
    if refusals:
        raise TransitionError(" ".join(refusals))
    return moves


def _write(connection: Connection, moves: list[Move]) -> list[Move]:
    if moves and store.move_campaigns(connection, moves) != len(moves):
        raise AssertionError("a locked campaign changed its status")
    return moves
