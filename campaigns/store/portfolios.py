"""Portfolios: claims within the limit of unique people that accounts share, and portfolios as people keep them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import errors
from psycopg.rows import class_row

from campaigns.domain.account import cap_tokens
from campaigns.store.database import Connection, ConstraintError, allow_long_statements, query
from campaigns.store.messages import Claim, Claimed, claim_messages, holds_lease, read_claimed

# A portfolio that somebody else has just emptied is looked at again after this.
_LOOK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one slice knows of its limits: the portfolios of its accounts, by account, and its place in full ones.

    The place is the last person whose message it claimed there.
    """

    portfolios: Mapping[int, int]
    after: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PortfolioListing:
    """A portfolio as a list shows it. `people_count`: in the last 24 hours; `next_slot_at`: only while it is full."""

    id: int
    name: str
    daily_limit: int
    people_count: int
    next_slot_at: dt.datetime | None
    created_at: dt.datetime


def claim_within_limits(
    connection: Connection,
    campaign_id: int,
    epoch: int,
    *,
    cursor: int,
    tokens: Mapping[int, int],
    active: Sequence[int],
    limits: Limits,
    open_zones: Sequence[int] | None = None,
) -> Claim:
    """As `claim_messages`, for accounts of which some are in portfolios: no limit is exceeded.

    The portfolios stay locked until the commit. In a full one only people who are counted already get a message.
    """
    portfolios = limits.portfolios
    left = lock_slots(connection, set(portfolios.values()))
    allowed, full = cap_tokens(tokens, portfolios, left)
    claim = Claim([], 0, cursor, is_held=True)
    if allowed:
        claim = claim_messages(
            connection, campaign_id, epoch, cursor=cursor, tokens=allowed, active=active, open_zones=open_zones
        )
    taken, suppressed_count, until = list(claim.messages), claim.suppressed_count, {}
    for portfolio_id in sorted(full):
        parameters = {
            "campaign_id": campaign_id,
            "epoch": epoch,
            "portfolio_id": portfolio_id,
            "accounts": [each for each in tokens if portfolios.get(each) == portfolio_id],
            "counts": [count for each, count in tokens.items() if portfolios.get(each) == portfolio_id],
            "active": list(active),
            "open_zones": None if open_zones is None else list(open_zones),
        }
        rows = _claim_counted(connection, parameters, limits)
        claimed = read_claimed(rows)
        taken += claimed
        suppressed_count += len(rows) - len(claimed)
        if not rows:
            until[portfolio_id] = _next_slot_at(connection, portfolio_id, left[portfolio_id])
    _count(connection, taken, portfolios)
    is_held = bool(taken or suppressed_count) or (claim.is_held and holds_lease(connection, campaign_id, epoch))
    return Claim(taken, suppressed_count, claim.cursor, is_held, until)


def lock_slots(connection: Connection, portfolio_ids: set[int]) -> dict[int, int]:
    """Lock portfolios until the transaction ends; return the free slots of each, below zero for a lowered limit."""
    parameters = {"portfolio_ids": sorted(portfolio_ids)}
    # Apart from each other: only after the lock is what others have counted seen.
    left: dict[int, int] = dict(connection.execute(query("lock_portfolios"), parameters).fetchall())
    for portfolio_id, count in connection.execute(query("forget_people"), parameters):
        left[portfolio_id] += count
    return left


def _claim_counted(connection: Connection, parameters: Mapping[str, Any], limits: Limits) -> Sequence[tuple[Any, ...]]:
    after = limits.after.pop(parameters["portfolio_id"], "")
    rows = connection.execute(query("claim_counted"), {**parameters, "after": after}).fetchall()
    if not rows and after:
        # From the first person again: messages may have been released behind this place.
        rows = connection.execute(query("claim_counted"), {**parameters, "after": ""}).fetchall()
    if rows:
        limits.after[parameters["portfolio_id"]] = max(row[9] for row in rows)
    return rows


def _count(connection: Connection, taken: Sequence[Claimed], portfolios: Mapping[int, int]) -> None:
    counted = [(each.id, portfolios[each.account_id]) for each in taken if each.account_id in portfolios]
    if counted:
        parameters = {"message_ids": [each[0] for each in counted], "portfolio_ids": [each[1] for each in counted]}
        connection.execute(query("count_claimed"), parameters)


def _next_slot_at(connection: Connection, portfolio_id: int, left: int) -> dt.datetime:
    parameters = {"portfolio_id": portfolio_id, "excess": -left}
    row = connection.execute(query("next_slot_at"), parameters | {"look_again_seconds": _LOOK_AGAIN_SECONDS}).fetchone()
    assert row is not None
    at: dt.datetime = row[0]
    return at


def give_back_slots(connection: Connection, message_ids: Sequence[int]) -> list[int]:
    """Free the slots of people who surely got nothing by these messages, nor by any other.

    Returns the accounts that have room again: the caller commits, then wakes their campaigns.
    """
    ids = list(message_ids)
    rows = connection.execute(query("find_portfolios_of_messages"), {"message_ids": ids})
    if not (portfolio_ids := [row[0] for row in rows]):
        return []
    lock_slots(connection, set(portfolio_ids))
    connection.execute(query("give_back_slots"), {"message_ids": ids})
    return [each for portfolio_id in portfolio_ids for each in account_ids_of(connection, portfolio_id)]


def wake_campaigns(connection: Connection, account_ids: Sequence[int], *, rings: bool) -> list[int]:
    """Let campaigns of these accounts that wait for a slot be looked at now; return their ids.

    In a transaction of its own, after the one that made room: so no campaign that is just beginning to wait is missed.
    """
    parameters = {"account_ids": list(account_ids), "rings": rings}
    return sorted(row[0] for row in connection.execute(query("wake_campaigns_for_slots"), parameters))


def has_free_slot(connection: Connection, account_ids: Sequence[int]) -> bool:
    """Whether one of these accounts, which had no slot, has one now."""
    row = connection.execute(query("has_free_slot"), {"account_ids": list(account_ids)}).fetchone()
    return bool(row and row[0])


def insert_portfolio(connection: Connection, name: str, *, daily_limit: int) -> int:
    """Add a portfolio. Raise ConstraintError where the schema refuses it."""
    try:
        row = connection.execute(query("insert_portfolio"), {"name": name, "daily_limit": daily_limit}).fetchone()
    except (errors.UniqueViolation, errors.CheckViolation) as error:
        raise ConstraintError(error.diag.constraint_name or "") from None
    assert row is not None
    return int(row[0])


def update_portfolio(connection: Connection, portfolio_id: int, *, name: str | None, daily_limit: int | None) -> None:
    """Change a portfolio; None leaves it as it is. Raise ConstraintError where the schema refuses it."""
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


def account_ids_of(connection: Connection, portfolio_id: int) -> list[int]:
    rows = connection.execute(query("account_ids_of"), {"portfolio_id": portfolio_id})
    return [row[0] for row in rows]


def move_account(connection: Connection, account_id: int, portfolio_id: int | None) -> None:
    """Put an account into a portfolio (None: into none), which then counts whom it messaged in the last 24 hours."""
    if portfolio_id is not None:
        lock_slots(connection, {portfolio_id})
    connection.execute(query("move_account"), {"portfolio_id": portfolio_id, "account_id": account_id})
    if portfolio_id is not None:
        allow_long_statements(connection)
        connection.execute(query("count_past_sends"), {"portfolio_id": portfolio_id, "account_id": account_id})
