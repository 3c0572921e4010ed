"""Claims that respect a portfolio's daily limit, which its accounts share, and the management of portfolios."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import errors
from psycopg.rows import class_row

from campaigns.domain.account import cap_tokens
from campaigns.domain.continuity import ClaimCount
from campaigns.store.database import Connection, ConstraintError, allow_long_statements, query
from campaigns.store.messages import (
    Claim,
    ClaimedMessage,
    LeaseState,
    claim_messages,
    read_claimed,
    read_lease_state,
)

# If no quota becomes free at a known time, the portfolio is polled again after this many seconds.
_POLL_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class PortfolioLimits:
    """The portfolios of a slice's accounts, by account id, and the slice's progress in each portfolio without quota.

    `after`: by portfolio id, the key of the last person of the portfolio whose message the slice has claimed. The next
    claim continues after this person.
    """

    portfolios: Mapping[int, int]
    after: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PortfolioListing:
    """A portfolio in a listing.

    `people_count`: the number of people who count towards the limit now. `next_slot_at`: when quota becomes free.
    """

    id: int
    name: str
    daily_limit: int
    people_count: int
    next_slot_at: dt.datetime | None
    created_at: dt.datetime


def claim_within_limits(
    connection: Connection,
    claims: ClaimCount,
    *,
    cursor: int,
    tokens: Mapping[int, int],
    active: Sequence[int],
    limits: PortfolioLimits,
    open_zones: Sequence[int] | None = None,
) -> Claim:
    """Claim as `claim_messages` does, within the daily limits of the portfolios of the accounts.

    The portfolios stay locked until the commit. The accounts of a portfolio without quota get only messages to people
    whom the portfolio counts already.
    """
    portfolios = limits.portfolios
    quota = lock_quota(connection, set(portfolios.values()))
    allowed, full = cap_tokens(tokens, portfolios, quota)
    claim = Claim([], 0, cursor, LeaseState(is_held=True, claim_count=claims.count))
    if allowed:
        claim = claim_messages(connection, claims, cursor=cursor, tokens=allowed, active=active, open_zones=open_zones)
    lease = claim.lease
    claimed, suppressed_count, full_until = list(claim.messages), claim.suppressed_count, {}
    for portfolio_id in sorted(full) if lease.is_held else ():
        parameters = {
            "campaign_id": claims.campaign_id,
            "epoch": claims.epoch,
            "portfolio_id": portfolio_id,
            "accounts": [each for each in tokens if portfolios.get(each) == portfolio_id],
            "counts": [count for each, count in tokens.items() if portfolios.get(each) == portfolio_id],
            "active": list(active),
            "open_zones": None if open_zones is None else list(open_zones),
        }
        rows, lease = _claim_counted(connection, parameters, limits, lease)
        counted = read_claimed(rows)
        claimed += counted
        suppressed_count += len(rows) - len(counted)
        if not rows:
            full_until[portfolio_id] = _find_next_quota_at(connection, portfolio_id, quota[portfolio_id])
    _count_people(connection, claimed, portfolios)
    has_found_end = claim.has_found_end and not full and allowed == tokens
    return Claim(claimed, suppressed_count, claim.cursor, lease, full_until, has_found_end=has_found_end)


def lock_quota(connection: Connection, portfolio_ids: set[int]) -> dict[int, int]:
    """Lock portfolios until the transaction ends; return their quotas, which may be negative if a limit was lowered."""
    parameters = {"portfolio_ids": sorted(portfolio_ids)}
    # The lock and the deletion are two statements, because only a statement after the lock sees the people whom other
    # transactions have counted.
    quota: dict[int, int] = dict(connection.execute(query("lock_portfolios"), parameters).fetchall())
    for portfolio_id, count in connection.execute(query("delete_expired_people"), parameters):
        quota[portfolio_id] += count
    return quota


def _claim_counted(
    connection: Connection, parameters: Mapping[str, Any], limits: PortfolioLimits, lease: LeaseState
) -> tuple[Sequence[tuple[Any, ...]], LeaseState]:
    """Return the rows of the claim, and the lease after the claim. `lease`: the lease before the claim."""
    after = limits.after.pop(parameters["portfolio_id"], "")
    rows, lease = _claim_after(connection, parameters, after, lease)
    if not rows and after and lease.is_held:
        # Start from the first person again, because messages to earlier people may be pending again.
        rows, lease = _claim_after(connection, parameters, "", lease)
    if rows:
        limits.after[parameters["portfolio_id"]] = max(row[9] for row in rows)
    return rows, lease


def _claim_after(
    connection: Connection, parameters: Mapping[str, Any], after: str, lease: LeaseState
) -> tuple[Sequence[tuple[Any, ...]], LeaseState]:
    claims = ClaimCount(parameters["campaign_id"], parameters["epoch"], lease.claim_count)
    given = {**parameters, "claim_count": claims.count, "after": after}
    rows = connection.execute(query("claim_counted"), given).fetchall()
    return rows, read_lease_state(connection, claims, rows)


def _count_people(connection: Connection, claimed: Sequence[ClaimedMessage], portfolios: Mapping[int, int]) -> None:
    counted = [(each.id, portfolios[each.account_id]) for each in claimed if each.account_id in portfolios]
    if counted:
        parameters = {"message_ids": [each[0] for each in counted], "portfolio_ids": [each[1] for each in counted]}
        connection.execute(query("count_claimed"), parameters)


def _find_next_quota_at(connection: Connection, portfolio_id: int, quota: int) -> dt.datetime:
    parameters = {"portfolio_id": portfolio_id, "excess": -quota, "look_again_seconds": _POLL_AGAIN_SECONDS}
    row = connection.execute(query("find_next_quota_at"), parameters).fetchone()
    assert row is not None
    at: dt.datetime = row[0]
    return at


def return_quota(connection: Connection, message_ids: Sequence[int]) -> list[int]:
    """Give back the quota of people who certainly received none of these messages and no other message.

    Returns the ids of the portfolios' accounts. The caller commits, then wakes the campaigns of these accounts.
    """
    ids = list(message_ids)
    rows = connection.execute(query("find_portfolios_of_messages"), {"message_ids": ids})
    if not (portfolio_ids := [row[0] for row in rows]):
        return []
    lock_quota(connection, set(portfolio_ids))
    connection.execute(query("return_quota"), {"message_ids": ids})
    return [each for portfolio_id in portfolio_ids for each in list_account_ids_of_portfolio(connection, portfolio_id)]


def wake_campaigns(connection: Connection, account_ids: Sequence[int], *, should_enqueue: bool) -> list[int]:
    """Make campaigns of these accounts due now if they wait for quota; return the ids of these campaigns.

    The caller runs this function in a separate transaction, after the commit of the transaction that freed the quota.
    So a campaign whose wait starts at the same time is found too.
    """
    parameters = {"account_ids": list(account_ids), "should_enqueue": should_enqueue}
    return sorted(row[0] for row in connection.execute(query("wake_campaigns_for_quota"), parameters))


def has_free_quota(connection: Connection, account_ids: Sequence[int]) -> bool:
    """Whether one of these accounts has quota now. Before, none of these accounts had quota."""
    row = connection.execute(query("has_free_quota"), {"account_ids": list(account_ids)}).fetchone()
    return bool(row and row[0])


def insert_portfolio(connection: Connection, name: str, *, daily_limit: int) -> int:
    """Add a portfolio. Raises ConstraintError if a constraint is violated."""
    try:
        row = connection.execute(query("insert_portfolio"), {"name": name, "daily_limit": daily_limit}).fetchone()
    except (errors.UniqueViolation, errors.CheckViolation) as error:
        raise ConstraintError(error.diag.constraint_name or "") from None
    assert row is not None
    return int(row[0])


def update_portfolio(connection: Connection, portfolio_id: int, *, name: str | None, daily_limit: int | None) -> None:
    """Change a portfolio; a value of None leaves its column unchanged. Raises ConstraintError if a constraint is
    violated.
    """
    try:
        connection.execute(
            query("update_portfolio"), {"name": name, "daily_limit": daily_limit, "portfolio_id": portfolio_id}
        )
    except (errors.UniqueViolation, errors.CheckViolation) as error:
        raise ConstraintError(error.diag.constraint_name or "") from None


def find_portfolio_id(connection: Connection, word: str) -> int | None:
    row = connection.execute(query("find_portfolio"), {"word": word}).fetchone()
    return row[0] if row else None


def list_portfolios(connection: Connection) -> list[PortfolioListing]:
    with connection.cursor(row_factory=class_row(PortfolioListing)) as cursor:
        return cursor.execute(query("list_portfolios")).fetchall()


def list_account_ids_of_portfolio(connection: Connection, portfolio_id: int) -> list[int]:
    rows = connection.execute(query("list_account_ids_of_portfolio"), {"portfolio_id": portfolio_id})
    return [row[0] for row in rows]


def move_account(connection: Connection, account_id: int, portfolio_id: int | None) -> None:
    """Move an account to a portfolio. If `portfolio_id` is None, the account only leaves its portfolio.

    The new portfolio also counts the people to whom the account has sent in the last 24 hours.
    """
    if portfolio_id is not None:
        lock_quota(connection, {portfolio_id})
    connection.execute(query("move_account"), {"portfolio_id": portfolio_id, "account_id": account_id})
    if portfolio_id is not None:
        allow_long_statements(connection)
        connection.execute(query("count_past_sends"), {"portfolio_id": portfolio_id, "account_id": account_id})
