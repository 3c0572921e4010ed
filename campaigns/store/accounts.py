"""Accounts as the send path and health see them: loaded, counted against, blocked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from campaigns.domain.account import FailureRecord, Streak, fold_streak
from campaigns.store.database import Connection, query

Kind = Literal[
    "created", "deactivated", "activated", "blocked", "health_worse", "health_better", "health_failed",
    "reported",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account as a runner needs it. `token` is still encrypted; `blocked_seconds`: its rest, 0 if it may send."""

    id: int
    name: str
    phone_number_id: str
    token: bytes
    messages_per_second: int
    active: bool
    activated_at: dt.datetime
    portfolio_id: int | None
    blocked_seconds: float
    blocked_reason: str


@dataclass(frozen=True, slots=True)
class Counted:
    """What one account's replies did to its streak. `tripped_by` is set when they deactivated it."""

    account_id: int
    name: str
    tripped_by: tuple[FailureRecord, ...] | None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The replies of one account in the order in which they came: a failure of its own, or None for a success.

    `activated_at` is the account's at the time of the claim: replies to what was sent before the last activation
    change nothing.
    """

    account_id: int
    activated_at: dt.datetime
    outcomes: tuple[FailureRecord | None, ...]


def campaign_account_ids(connection: Connection, campaign_id: int) -> list[int]:
    return [row[0] for row in connection.execute(query("campaign_account_ids"), {"campaign_id": campaign_id})]


def load_accounts(connection: Connection, account_ids: Sequence[int]) -> list[AccountRow]:
    with connection.cursor(row_factory=class_row(AccountRow)) as cursor:
        return cursor.execute(query("load_accounts"), {"account_ids": list(account_ids)}).fetchall()


def count_outcomes(connection: Connection, replies: Sequence[Outcomes]) -> list[Counted]:
    """Move the streaks of accounts by the replies to their own sends; deactivate where the limit is reached.

    Returns the accounts that had failures, with what tripped them.
    """
    good = [reply for reply in replies if reply.outcomes and not any(reply.outcomes)]
    bad = {(reply.account_id, reply.activated_at): reply for reply in replies if any(reply.outcomes)}
    if good:
        parameters = {
            "account_ids": sorted(reply.account_id for reply in good),
            "activated_at": [reply.activated_at for reply in sorted(good, key=lambda reply: reply.account_id)],
        }
        connection.execute(query("reset_streaks"), parameters)
    if not bad:
        return []
    counted = []
    account_ids = sorted({account_id for account_id, _ in bad})
    for row in connection.execute(query("lock_streaks"), {"account_ids": account_ids}).fetchall():
        account_id, name, active, activated_at, limit, failures, _ = row
        reply = bad.get((account_id, activated_at))
        if not active or reply is None:
            continue
        streak = fold_streak(failures, reply.outcomes, limit=limit)
        _write_streak(
            connection, "set_streak", account_id, activated_at, streak=streak, has_success=None in reply.outcomes
        )
        counted.append(Counted(account_id, name, streak.tripped_by))
    return counted


def count_reported(connection: Connection, outcomes: Mapping[int, Sequence[FailureRecord | None]]) -> list[Counted]:
    """As `count_outcomes`, for the second streak: what webhooks report of messages sent since the last activation."""
    good = sorted(account_id for account_id, each in outcomes.items() if each and not any(each))
    if good:
        connection.execute(query("reset_reported_streaks"), {"account_ids": good})
    bad = {account_id: each for account_id, each in outcomes.items() if any(each)}
    if not bad:
        return []
    counted = []
    for row in connection.execute(query("lock_streaks"), {"account_ids": sorted(bad)}).fetchall():
        account_id, name, active, activated_at, limit, _, reported = row
        if active:
            streak = fold_streak(reported, bad[account_id], limit=limit)
            _write_streak(connection, "set_reported_streak", account_id, activated_at, streak=streak, has_success=False)
            counted.append(Counted(account_id, name, streak.tripped_by))
    return counted


def _write_streak(
    connection: Connection,
    statement: str,
    account_id: int,
    activated_at: dt.datetime,
    *,
    streak: Streak,
    has_success: bool,
) -> None:
    reason = None
    if streak.tripped_by is not None:
        last = streak.tripped_by[-1]
        reason = f"{len(streak.tripped_by)} consecutive send failures: {last['code']} {last['title']}"
        details = {"errors": list(streak.tripped_by), "source": "replies" if statement == "set_streak" else "webhooks"}
        add_account_event(connection, account_id, "deactivated", details)
    parameters = {
        "account_id": account_id,
        "activated_at": activated_at,
        "failures": Jsonb(list(streak.failures)),
        "inactive_reason": reason,
        "has_success": has_success,
    }
    connection.execute(query(statement), parameters)


def add_account_event(connection: Connection, account_id: int, kind: Kind, details: Mapping[str, Any]) -> int:
    parameters = {"account_id": account_id, "kind": kind, "details": Jsonb(dict(details))}
    row = connection.execute(query("add_account_event"), parameters).fetchone()
    assert row is not None
    return int(row[0])


def block_accounts(
    connection: Connection,
    account_id: int,
    *,
    is_for_waba: bool,
    reason: str,
    rest_seconds: float,
    most_seconds: float = 3600.0,
) -> list[tuple[int, dt.datetime]]:
    """Let an account, or all of its WABA, rest; return (id, until) of those that did not rest already."""
    parameters = {
        "account_id": account_id,
        "is_for_waba": is_for_waba,
        "reason": reason,
        "rest_seconds": rest_seconds,
        "most_seconds": most_seconds,
    }
    blocked = connection.execute(query("block_accounts"), parameters).fetchall()
    for blocked_id, until in blocked:
        details = {"reason": reason, "until": until.isoformat()}
        add_account_event(connection, blocked_id, "blocked", details)
    return [(row[0], row[1]) for row in blocked]


def mark_health_due(connection: Connection, account_ids: Sequence[int], *, every_seconds: float) -> list[int]:
    """Return the accounts whose health shall be checked now; each is returned once per `every_seconds`."""
    parameters = {"account_ids": list(account_ids), "every_seconds": every_seconds}
    return sorted(row[0] for row in connection.execute(query("mark_health_due"), parameters))
