"""Keeps why messages of large campaigns failed, as long as the counters of the campaign stay the same."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.domain.message import Status
from campaigns.store.campaigns import ReasonCount, list_reasons, load_counters
from campaigns.store.database import Connection

# The reasons of smaller campaigns are read within 30 ms, so they are never kept.
_LARGE = 100_000  # messages
# Two changes between two reads may leave the counters as they were.
_SECONDS = 600.0
_MOST_CAMPAIGNS = 50
# The statuses of the messages that have a reason.
_STATUSES = (Status.FAILED, Status.UNCERTAIN, Status.SUPPRESSED)


@dataclass(frozen=True, slots=True)
class _Kept:
    """`counters`: the numbers of messages in each of `_STATUSES` before the reasons were read."""

    counters: tuple[int, ...]
    read_at: float
    reasons: Sequence[ReasonCount]


class KeptReasons:
    """Reads the reasons of campaigns for a process that shows them. Its threads may share the object."""

    def __init__(self) -> None:
        self._kept: dict[int, _Kept] = {}

    def load(self, connection: Connection, campaign_id: int) -> Sequence[ReasonCount]:
        """Return what `list_reasons` returns, or has returned at most ten minutes ago for the same counters."""
        counts = load_counters(connection, campaign_id)
        if sum(counts.values()) < _LARGE:
            return list_reasons(connection, campaign_id)
        counters, kept = tuple(counts.get(each, 0) for each in _STATUSES), self._kept.get(campaign_id)
        if kept is None or kept.counters != counters or kept.read_at < time.monotonic() - _SECONDS:
            kept = _Kept(counters, time.monotonic(), list_reasons(connection, campaign_id))
            self._keep(campaign_id, kept)
        return kept.reasons

    def _keep(self, campaign_id: int, kept: _Kept) -> None:
        self._kept.pop(campaign_id, None)
        self._kept = dict([*self._kept.items(), (campaign_id, kept)][-_MOST_CAMPAIGNS:])
