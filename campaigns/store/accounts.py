"""Accounts as the send path and health see them: loaded, counted against, blocked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from campaigns.domain.account import FailureRecord, Streak, fold_streak
from campaigns.store.database import Connection, query

Kind = Literal[
    "created", "deactivated", "activated", "blocked", "health_worse", "health_better", "health_failed",
    "reported", "category_deactivated",
]  # fmt: skip

_Source = Literal["replies", "webhooks"]


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
    inactive_categories: list[str]  # of templates that it does not send


@dataclass(frozen=True, slots=True)
class Counted:
    """The result of failures for one streak of an account: its own (`category` None), or that of a category.

    `tripped_by`: the failures that deactivated the account or the category, None if they did not. `is_inactive`: it is
    deactivated, now or already before.
    """

    account_id: int
    name: str
    category: str | None
    tripped_by: tuple[FailureRecord, ...] | None
    is_inactive: bool


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes for one streak of an account, in order of arrival: a failure, or None for a success.

    `category`: failures of this category of templates; None: failures of the whole account. `activated_at` is the
    account's at the time of the claim: replies to messages that were sent before the last activation do not count.
    None: the caller knows that all messages were sent since.
    """

    account_id: int
    category: str | None
    activated_at: dt.datetime | None
    outcomes: tuple[FailureRecord | None, ...]

    @property
    def has_failure(self) -> bool:
        return any(self.outcomes)


def load_campaign_accounts(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, dict[int, str]]:
    """Return the accounts of each campaign, by id, each with the category of the campaign's template there."""
    accounts: dict[int, dict[int, str]] = {campaign_id: {} for campaign_id in campaign_ids}
    for campaign_id, account_id, category in connection.execute(
        query("load_campaign_accounts"), {"campaign_ids": list(campaign_ids)}
    ):
        accounts[campaign_id][account_id] = category
    return accounts


def find_categories(connection: Connection, pairs: Collection[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """Return the category of a campaign's template for an account, by (campaign id, account id)."""
    rows = connection.execute(query("find_categories"), _pairs(pairs))
    return {(campaign_id, account_id): category for campaign_id, account_id, category in rows}


def load_accounts(connection: Connection, account_ids: Sequence[int]) -> list[AccountRow]:
    with connection.cursor(row_factory=class_row(AccountRow)) as cursor:
        return cursor.execute(query("load_accounts"), {"account_ids": list(account_ids)}).fetchall()


def count_outcomes(connection: Connection, replies: Sequence[Outcomes]) -> list[Counted]:
    """Move streaks by the replies to sends; deactivate where the limit is reached. Return the streaks with failures."""
    good = [reply for reply in replies if reply.outcomes and not reply.has_failure]
    if good:
        _reset_streaks(connection, good)
    return _count_failures(connection, replies, source="replies")


def _reset_streaks(connection: Connection, good: Sequence[Outcomes]) -> None:
    whole = {(each.account_id, each.activated_at) for each in good if each.category is None}
    rows: list[tuple[int, dt.datetime | None, str | None]] = [
        (each.account_id, each.activated_at, each.category) for each in good if each.category is not None
    ]
    rows += [(*key, None) for key in whole.difference(row[:2] for row in rows)]
    rows.sort(key=itemgetter(0))
    parameters = {
        "account_ids": [account_id for account_id, _, _ in rows],
        "activated_at": [activated_at for _, activated_at, _ in rows],
        "categories": [category for _, _, category in rows],
        "are_whole": [row[:2] in whole for row in rows],
    }
    connection.execute(query("reset_streaks"), parameters)


def count_reported(
    connection: Connection, reported: Sequence[Outcomes], *, good: Collection[tuple[int, int]] = ()
) -> list[Counted]:
    """As `count_outcomes`, for the second streaks: webhook reports about messages sent since the last activation.

    `good`: (campaign id, account id) of reports without a failure; they count for the category of the campaign too.
    """
    account_ids = {each.account_id for each in reported if not each.category and each.outcomes and not each.has_failure}
    if account_ids or good:
        connection.execute(query("reset_reported_streaks"), {"good_ids": sorted(account_ids), **_pairs(good)})
    return _count_failures(connection, reported, source="webhooks")


@dataclass(frozen=True, slots=True)
class _Locked:
    """An account whose streaks are locked for a change."""

    id: int
    name: str
    active: bool
    activated_at: dt.datetime
    limit: int
    failures: list[FailureRecord]
    reported: list[FailureRecord]


def _count_failures(connection: Connection, outcomes: Sequence[Outcomes], *, source: _Source) -> list[Counted]:
    bad = [each for each in outcomes if each.has_failure]
    bad.sort(key=lambda each: (each.account_id, each.category or ""))
    if not bad:
        return []
    account_ids = sorted({each.account_id for each in bad})
    rows = connection.execute(query("lock_streaks"), {"account_ids": account_ids}).fetchall()
    accounts = {row[0]: _Locked(*row) for row in rows}
    categories: dict[tuple[int, str], tuple[Any, ...]] = {}
    if any(each.category for each in bad):
        rows = connection.execute(query("lock_category_streaks"), {"account_ids": account_ids}).fetchall()
        categories = {(row[0], row[1]): row[2:] for row in rows}
    counted = []
    for each in bad:
        account = accounts.get(each.account_id)
        if account is None or not account.active or each.activated_at not in (None, account.activated_at):
            continue
        if each.category is None:
            counted.append(_count_account(connection, account, each, source))
        else:
            known = categories.get((account.id, each.category), ([], [], False))
            counted.append(_count_category(connection, account, each, known, source))
    return counted


def _count_account(connection: Connection, account: _Locked, counts: Outcomes, source: _Source) -> Counted:
    before = account.failures if source == "replies" else account.reported
    streak = fold_streak(before, counts.outcomes, limit=account.limit)
    reason = _note_limit(connection, counts, streak, source)
    parameters = {
        "account_id": account.id,
        "activated_at": account.activated_at,
        "failures": Jsonb(list(streak.failures)),
        "inactive_reason": reason,
        "has_success": None in counts.outcomes,
    }
    connection.execute(query("set_streak" if source == "replies" else "set_reported_streak"), parameters)
    return Counted(account.id, account.name, None, streak.tripped_by, is_inactive=reason is not None)


def _count_category(
    connection: Connection, account: _Locked, counts: Outcomes, known: tuple[Any, ...], source: _Source
) -> Counted:
    """`known`: the streaks of the category, by replies and by webhooks, and whether it is inactive."""
    failures, reported, is_inactive = known
    if is_inactive:
        return Counted(account.id, account.name, counts.category, None, is_inactive=True)
    streak = fold_streak(failures if source == "replies" else reported, counts.outcomes, limit=account.limit)
    reason = _note_limit(connection, counts, streak, source)
    parameters = {
        "account_id": account.id,
        "category": counts.category,
        "activated_at": account.activated_at,
        "failures": Jsonb(list(streak.failures)),
        "is_reported": source == "webhooks",
        "inactive_reason": reason,
        "inactive_code": streak.tripped_by[-1]["code"] if streak.tripped_by else None,
    }
    connection.execute(query("set_category_streak"), parameters)
    return Counted(account.id, account.name, counts.category, streak.tripped_by, is_inactive=reason is not None)


def _note_limit(connection: Connection, counts: Outcomes, streak: Streak, source: _Source) -> str | None:
    """Keep an event if the streak has reached the limit; return the reason, None if it has not."""
    if streak.tripped_by is None:
        return None
    last = streak.tripped_by[-1]
    reason = f"{len(streak.tripped_by)} consecutive send failures: {last['code']} {last['title']}"
    details: dict[str, Any] = {"errors": list(streak.tripped_by), "source": source}
    if counts.category is None:
        add_account_event(connection, counts.account_id, "deactivated", details)
    else:
        details = {"category": counts.category, **details}
        add_account_event(connection, counts.account_id, "category_deactivated", details)
    return reason


def _pairs(pairs: Collection[tuple[int, int]]) -> dict[str, list[int]]:
    ordered = sorted(pairs)
    return {"campaign_ids": [pair[0] for pair in ordered], "account_ids": [pair[1] for pair in ordered]}


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
