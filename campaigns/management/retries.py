"""Sends messages again that a person asks for, with all their attempts: one class of failures, or what is uncertain."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from campaigns.domain.campaign import CampaignError, Command, Move, decide_move, missing_campaign
from campaigns.domain.failures import FAILURES, find_failure
from campaigns.domain.verdict import Retry
from campaigns.store import campaigns as store
from campaigns.store.database import Connection, Database
from campaigns.store.events import count_unapplied, newest_event_id
from campaigns.store.messages import (
    FailedCount,
    UncertainCount,
    count_failed,
    count_uncertain,
    retry_messages,
    retry_uncertain,
)

ALL = frozenset(Retry)

# So many messages in one transaction, which keeps settles and releases of the campaign waiting.
_MOST_AT_ONCE = 20_000
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Retried:
    """What a retry did, or would do. `again`: by code what goes again; `left`: by code what stays failed.

    `time_zone` is the campaign's. `move`: what became of the campaign; None where nothing was (or would be) sent.
    """

    campaign: str
    time_zone: str
    again: list[FailedCount]
    left: list[FailedCount]
    move: Move | None = None

    @property
    def count(self) -> int:
        return sum(each.count for each in self.again)

    @property
    def waiting_count(self) -> int:
        return sum(each.waiting_count for each in self.again)

    @property
    def waits_until(self) -> dt.datetime | None:
        """When the last of those that wait may go."""
        return max((each.waits_until for each in self.again if each.waits_until is not None), default=None)


@dataclass(frozen=True, slots=True)
class Redoubted:
    """What a retry of uncertain messages did, or would do. `count`: who may get the message twice.

    `move`: what became of the campaign; None where nothing was (or would be) sent.
    """

    campaign: str
    time_zone: str
    reasons: list[UncertainCount]
    count: int
    move: Move | None = None

    @property
    def suppressed_count(self) -> int:
        return sum(each.suppressed_count for each in self.reasons)

    @property
    def erased_count(self) -> int:
        return sum(each.erased_count for each in self.reasons)

    @property
    def newest_at(self) -> dt.datetime | None:
        """When the last of them may have left."""
        return max((each.newest_at for each in self.reasons if each.count), default=None)


def preview_retry(database: Database, campaign_id: int, classes: frozenset[Retry]) -> Retried:
    """Return what `retry_failed` would do. Raises as it does; changes nothing."""
    return database.run(_look, campaign_id, classes)


def retry_failed(database: Database, campaign_id: int, classes: frozenset[Retry]) -> Retried:
    """Put the failed messages of these classes back to pending, and open a completed campaign for them.

    Never what is `uncertain`. Whoever calls this rings the campaign if its move says so. Many messages are put back in
    several transactions: what ends this between two leaves the rest failed, for another retry.

    Raises CampaignError (TransitionError where the campaign's status refuses it).
    """
    planned = database.run(_look, campaign_id, classes)
    codes = [each.error_code for each in planned.again if each.error_code is not None]
    again: dict[int | None, FailedCount] = {}
    after, first_move = 0, None
    while codes:
        counts, after, move = database.run(_retry, campaign_id, codes, after=after)
        first_move = first_move or move
        for each in counts:
            again[each.error_code] = _add(again.get(each.error_code), each)
        if sum(each.count for each in counts) < _MOST_AT_ONCE:
            break
    return replace(planned, again=list(again.values()), move=first_move)


def preview_uncertain(database: Database, campaign_id: int) -> Redoubted:
    """Return what `retry_doubted` would do now. Raises as it does, but waits for no webhooks; changes nothing."""
    return database.run(_look_at_doubts, campaign_id)


def retry_doubted(
    database: Database, campaign_id: int, *, at_most: int | None = None, wait_seconds: float = 10.0
) -> Redoubted:
    """Put the uncertain messages back to pending, and open a completed campaign for them: each may arrive twice.

    `at_most`: how many a person has agreed to; in a running campaign there may be more by now. First all webhooks are
    applied that are here, for `wait_seconds` at the most: what they settle does not go again. What comes later still
    stops a message until it is claimed. Rings and goes in sets as `retry_failed`.

    Raises CampaignError (TransitionError where the campaign's status refuses it).
    """
    planned = database.run(_look_at_doubts, campaign_id)
    if not planned.count:
        return planned
    _await_webhooks(database, wait_seconds)
    left = planned.count if at_most is None else at_most
    count, after, first_move = 0, 0, None
    while left > count:
        limit = min(_MOST_AT_ONCE, left - count)
        done, after, move = database.run(_retry_doubts, campaign_id, after=after, limit=limit)
        first_move = first_move or move
        count += done
        if done < limit:
            break
    return replace(planned, count=count, move=first_move)


def _look_at_doubts(connection: Connection, campaign_id: int) -> Redoubted:
    reasons = count_uncertain(connection, campaign_id)
    campaign, _ = _decide(connection, campaign_id)
    return Redoubted(str(campaign.facts), campaign.time_zone, reasons, sum(each.count for each in reasons))


def _await_webhooks(database: Database, wait_seconds: float) -> None:
    newest = database.run(newest_event_id)
    deadline = time.monotonic() + wait_seconds
    while waiting := database.run(count_unapplied, up_to=newest):
        if time.monotonic() > deadline:
            raise CampaignError(
                f"{waiting:,} stored webhooks are not applied yet, and what they settle must not be sent again. "
                "Is a process running for the queue `webhooks` (role `events`)?"
            )
        time.sleep(_LOOK_SECONDS)


def _retry_doubts(connection: Connection, campaign_id: int, *, after: int, limit: int) -> tuple[int, int, Move | None]:
    """Put one set back; return how many, its last id, and the campaign's move."""
    _, move = _decide(connection, campaign_id)
    count, last_id = retry_uncertain(connection, campaign_id, after=after, limit=limit)
    if not count:
        return 0, last_id, None
    _write_move(connection, move)
    return count, last_id, move


def _write_move(connection: Connection, move: Move) -> None:
    if store.move_campaigns(connection, [move]) != 1:
        raise AssertionError("a locked campaign changed its status")


def _look(connection: Connection, campaign_id: int, classes: frozenset[Retry]) -> Retried:
    # Counted before the lock is taken: settles of the campaign would wait for it.
    counts = count_failed(connection, campaign_id, _later_seconds())
    campaign, _ = _decide(connection, campaign_id)
    again: list[FailedCount] = []
    left: list[FailedCount] = []
    for each in counts:
        retry = None if each.error_code is None else find_failure(each.error_code).retry
        (again if retry in classes else left).append(each)
    return Retried(str(campaign.facts), campaign.time_zone, again, left)


def _retry(
    connection: Connection, campaign_id: int, codes: Sequence[int], *, after: int
) -> tuple[list[FailedCount], int, Move | None]:
    """Put one set back; return its counts, its last id, and the campaign's move."""
    _, move = _decide(connection, campaign_id)
    later = {code: find_failure(code).later_seconds for code in codes}
    retried = retry_messages(connection, campaign_id, later, after=after, limit=_MOST_AT_ONCE)
    if not retried:
        return [], after, None
    _write_move(connection, move)
    counts = [FailedCount(r.error_code, r.title, r.count, r.waiting_count, r.waits_until) for r in retried]
    return counts, max(row.last_id for row in retried), move


def _decide(connection: Connection, campaign_id: int) -> tuple[store.LockedCampaign, Move]:
    campaign = store.lock_campaigns(connection, [campaign_id]).get(campaign_id)
    if campaign is None:
        raise CampaignError(missing_campaign(campaign_id))
    return campaign, decide_move(Command.RETRY, campaign.facts, now=campaign.server_now)


def _later_seconds() -> dict[int, float]:
    return {code: row.later_seconds for code, row in FAILURES.items() if row.later_seconds}


def _add(one: FailedCount | None, other: FailedCount) -> FailedCount:
    if one is None:
        return other
    times: Iterable[dt.datetime] = [at for at in (one.waits_until, other.waits_until) if at is not None]
    return replace(
        one,
        count=one.count + other.count,
        waiting_count=one.waiting_count + other.waiting_count,
        waits_until=max(times, default=None),
    )
