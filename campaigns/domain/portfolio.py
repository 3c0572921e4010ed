"""The limit of unique people in 24 hours that accounts share: what it leaves of the tokens, and what Meta suggests."""

from __future__ import annotations

from collections.abc import Mapping

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
