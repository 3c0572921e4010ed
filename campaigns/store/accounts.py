"""Accounts: as the send path sees them (loaded, counted against, blocked), as people keep them, and their health."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, Literal

from psycopg import errors
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from campaigns.domain.account import FailureRecord, InactiveCategory, Streak, fold_streak
from campaigns.store.database import Connection, ConstraintError, insert_row, query

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


@dataclass(frozen=True, slots=True)
class CategoryListing:
    """A category of templates in which an account had failures: two streaks, by replies and by webhooks.

    The account sends no template of the category since `inactive_since`, for the reason and Meta's code beside it.
    """

    category: str
    inactive_since: dt.datetime | None
    inactive_reason: str | None
    inactive_code: int | None
    failures: list[dict[str, Any]]
    reported: list[dict[str, Any]]

    @property
    def inactive(self) -> InactiveCategory | None:
        if self.inactive_since is None:
            return None
        assert self.inactive_reason is not None and self.inactive_code is not None  # noqa: PT018  the schema ties them
        return InactiveCategory(self.inactive_since, self.inactive_reason, self.inactive_code)


@dataclass(frozen=True, slots=True)
class AccountListing:
    """An account without its token. `blocked_until` is None unless it rests now.

    `categories`: the template categories with failures of their own since the account was activated.
    """

    id: int
    name: str
    phone_number_id: str
    waba_id: str
    portfolio: str | None
    messages_per_second: int
    failure_limit: int
    active: bool
    inactive_reason: str | None
    activated_at: dt.datetime
    consecutive_failures: int
    failures: list[dict[str, Any]]
    consecutive_reported: int
    reported: list[dict[str, Any]]
    blocked_until: dt.datetime | None
    blocked_reason: str | None
    health_checked_at: dt.datetime | None
    health: dict[str, Any]
    created_at: dt.datetime
    categories: tuple[CategoryListing, ...] = ()

    @property
    def inactive_categories(self) -> dict[str, InactiveCategory]:
        """The categories of templates that it does not send, even where it is active."""
        return {each.category: each.inactive for each in self.categories if each.inactive}

    def may_send(self, category: str) -> bool:
        return self.active and category not in self.inactive_categories


@dataclass(frozen=True, slots=True)
class AccountEvent:
    id: int
    at: dt.datetime
    kind: str
    details: dict[str, Any]


def insert_account(connection: Connection, account: Mapping[str, Any]) -> int:
    """Add an account (its columns, the token encrypted). Raise ConstraintError where the schema refuses it."""
    return insert_row(connection, "insert_account", account)


def update_account(connection: Connection, account_id: int, changes: Mapping[str, Any]) -> None:
    """Change columns of an account; None leaves one as it is. Raise ConstraintError where the schema refuses it."""
    try:
        connection.execute(query("update_account"), {"account_id": account_id, **changes})
    except (errors.UniqueViolation, errors.CheckViolation) as error:
        raise ConstraintError(error.diag.constraint_name or "") from None


def find_account_ids(connection: Connection, words: Sequence[str]) -> dict[str, int | None]:
    """Return the id for each name (or id) in `words`, None where there is no such account."""
    return dict(connection.execute(query("find_account_ids"), {"words": list(words)}).fetchall())


def list_accounts(connection: Connection, account_ids: Sequence[int] | None = None) -> list[AccountListing]:
    """Return accounts by id; all of them when no ids are given."""
    parameters = {"account_ids": None if account_ids is None else list(account_ids)}
    with connection.cursor(row_factory=class_row(AccountListing)) as cursor:
        rows = cursor.execute(query("list_accounts"), parameters).fetchall()
    categories: dict[int, list[CategoryListing]] = {row.id: [] for row in rows}
    for account_id, *columns in connection.execute(query("list_account_categories"), {"account_ids": list(categories)}):
        categories[account_id].append(CategoryListing(*columns))
    return [replace(row, categories=tuple(categories[row.id])) for row in rows]


def list_account_events(connection: Connection, account_id: int, *, limit: int) -> list[AccountEvent]:
    parameters = {"account_id": account_id, "limit": limit}
    with connection.cursor(row_factory=class_row(AccountEvent)) as cursor:
        return cursor.execute(query("list_account_events"), parameters).fetchall()


def wake_campaigns(connection: Connection, account_id: int, *, reasons: Sequence[str]) -> list[int]:
    """Let the running campaigns of an account that wait for `reasons` be looked at now; return their ids.

    Comes before any write to the account: campaigns are locked first.
    """
    parameters = {"account_id": account_id, "reasons": list(reasons)}
    return sorted(row[0] for row in connection.execute(query("wake_campaigns_of_account"), parameters))


def activate_account(connection: Connection, account_id: int) -> None:
    """Let an account send again, templates of every category, with clean streaks."""
    connection.execute(query("activate_account"), {"account_id": account_id})
    connection.execute(query("clear_categories"), {"account_id": account_id})


def deactivate_account(connection: Connection, account_id: int, *, reason: str) -> bool:
    """Deactivate an active account; return False when it was inactive already, which keeps its reason."""
    parameters = {"account_id": account_id, "reason": reason}
    return connection.execute(query("deactivate_account"), parameters).rowcount == 1


@dataclass(frozen=True, slots=True)
class CheckedAccount:
    """What a health check must know of an account. `token` is still encrypted, `health` is the last readable answer."""

    phone_number_id: str
    token: bytes
    health: dict[str, Any]


def begin_check(connection: Connection, account_id: int) -> bool:
    """Claim the latest requested check; False: another task has begun it, or no check was requested."""
    return connection.execute(query("begin_health_check"), {"account_id": account_id}).rowcount == 1


def load_checked(connection: Connection, account_id: int) -> CheckedAccount | None:
    with connection.cursor(row_factory=class_row(CheckedAccount)) as cursor:
        return cursor.execute(query("load_checked"), {"account_id": account_id}).fetchone()


def record_health(connection: Connection, account_id: int, health: Mapping[str, str]) -> None:
    connection.execute(query("record_health"), {"account_id": account_id, "health": Jsonb(dict(health))})


def record_failure(connection: Connection, account_id: int, reason: str) -> bool:
    """Note that a check failed, beside the last readable answer; return whether this reason is new."""
    row = connection.execute(query("record_health_failure"), {"account_id": account_id, "reason": reason}).fetchone()
    return bool(row and row[0])
