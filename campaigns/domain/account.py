"""Streaks: consecutive real failures that are an account's own fault decide whether it, or a category, stays active."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypedDict


class FailureRecord(TypedDict):
    """One failure as an account event keeps it. No phone number: the message's id leads to the person."""

    code: int
    title: str
    details: str
    fbtrace_id: str
    message_id: int


@dataclass(frozen=True, slots=True)
class InactiveCategory:
    """The time and the reason for which an account stopped sending a category of templates; `code` is Meta's."""

    since: dt.datetime
    reason: str
    code: int


@dataclass(frozen=True, slots=True)
class Streak:
    """Consecutive failures after a fold. `tripped_by`: the failures that reached the limit, None if none did."""

    failures: tuple[FailureRecord, ...]
    tripped_by: tuple[FailureRecord, ...] | None = None


def fold_streak(failures: Sequence[FailureRecord], outcomes: Iterable[FailureRecord | None], *, limit: int) -> Streak:
    """Count `outcomes` (None: a success) onto a streak, in the order in which the replies came.

    The limit trips once, at the failure that reaches it; what was in flight behind it changes nothing any more.
    """
    current = list(failures)
    for outcome in outcomes:
        if outcome is None:
            current.clear()
            continue
        current.append(outcome)
        if len(current) >= limit:
            return Streak(tuple(current), tuple(current))
    return Streak(tuple(current))
