"""Streaks of failures that deactivate an account or a category of it, and the quota of people that accounts share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
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


# What Meta calls the limit of a portfolio. 1K is an old one.
_TIERS = {
    "TIER_50": 50,
    "TIER_250": 250,
    "TIER_1K": 1_000,
    "TIER_2K": 2_000,
    "TIER_10K": 10_000,
    "TIER_100K": 100_000,
}


def cap_tokens(
    tokens: Mapping[int, int], portfolios: Mapping[int, int], left: Mapping[int, int]
) -> tuple[dict[int, int], set[int]]:
    """Return the tokens (by account) that may be spent on new people, and the portfolios without a free slot.

    `portfolios`: that of each account which has one with a limit; `left`: free slots by portfolio, below zero when
    the limit was lowered. No portfolio gets more tokens than it has slots: each may be for somebody new.
    """
    left = dict(left)
    allowed = {}
    full = {portfolio_id for portfolio_id in portfolios.values() if left[portfolio_id] <= 0}
    for account_id, count in tokens.items():
        portfolio_id = portfolios.get(account_id)
        most = count if portfolio_id is None else max(min(count, left[portfolio_id]), 0)
        if portfolio_id is not None:
            left[portfolio_id] -= most
        if most:
            allowed[account_id] = most
    return allowed, full


def suggest_limit(tier: str) -> int | None:
    """Return the number in Meta's messaging limit, such as TIER_2K; None for none, unlimited or a new word."""
    return _TIERS.get(tier)
