"""Sends failed messages again that a person asks for: one class of failures, with a fresh budget of attempts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from campaigns.domain.campaign import CampaignError, Command, Move, decide_move, missing_campaign
from campaigns.domain.failures import FAILURES, find_failure
from campaigns.domain.verdict import Retry
from campaigns.store import campaigns as store
from campaigns.store.database import Connection, Database
from campaigns.store.retries import FailedCount, count_failed, retry_messages

ALL = frozenset(Retry)

# So many messages in one transaction, which keeps settles and releases of the campaign waiting.
_MOST_AT_ONCE = 20_000


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
    if store.move_campaigns(connection, [move]) != 1:
        raise AssertionError("a locked campaign changed its status")
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
