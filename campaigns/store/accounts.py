"""Queries about accounts: their data for slices, their failures and cooldowns, operators' changes and health checks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, Literal

from psycopg import errors
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from campaigns.domain.account import (
    CooldownReason,
    FailureRecord,
    InactiveCategory,
    Streak,
    explain_streak,
    fold_streak,
    missing_accounts,
)
from campaigns.domain.failures import TOKEN_REFUSED
from campaigns.store.database import Connection, ConstraintError, insert_row, query
from campaigns.store.messages import write_array

Kind = Literal[
    "created", "deactivated", "activated", "blocked", "health_worse", "health_better", "health_failed",
    "reported", "category_deactivated",
]  # fmt: skip
_Source = Literal["replies", "webhooks"]
# The end of the reason of a failed request, if Meta refused the token: see `GraphError`.
_REFUSALS = tuple(f"(code {code})" for code in sorted(TOKEN_REFUSED))


@dataclass(frozen=True, slots=True)
class AccountRow:
    """The data of an account that a slice needs. `token` is encrypted.

    `blocked_seconds`: the remaining seconds of the account's cooldown; 0 without a cooldown. `inactive_categories`: the
    categories of templates that the account does not send.
    """

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
    inactive_categories: list[str]

    @property
    def cooldown_reason(self) -> CooldownReason:
        """The reason of the account's cooldown. Without a cooldown the value has no meaning."""
        return CooldownReason.read(self.blocked_reason)


@dataclass(frozen=True, slots=True)
class StreakResult:
    """A streak after new failures were added. `category`: the category to which the streak belongs; None: the streak
    belongs to the whole account.

    `tripped_by`: the failures that have just deactivated the account or the category; None: the new failures have
    deactivated nothing. `is_inactive`: whether the account or the category is deactivated.
    """

    account_id: int
    name: str
    category: str | None
    tripped_by: tuple[FailureRecord, ...] | None
    is_inactive: bool


@dataclass(frozen=True, slots=True)
class StreakOutcomes:
    """New outcomes for one streak of an account, in order of arrival. An outcome is a failure, or None for a success.

    `category`: the streak of this category of templates; None: the streak of the whole account. `activated_at`: the
    account's `activated_at` when the messages were claimed. If the account's `activated_at` has changed since, the
    messages were sent before the last activation and do not change the streak. None: the caller knows that all messages
    were sent after the last activation.
    """

    account_id: int
    category: str | None
    activated_at: dt.datetime | None
    outcomes: tuple[FailureRecord | None, ...]

    @property
    def has_failure(self) -> bool:
        return any(self.outcomes)


def load_campaign_accounts(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, dict[int, str]]:
    """Return, for each campaign, the ids of its accounts, each with the category of the template for the account."""
    accounts: dict[int, dict[int, str]] = {campaign_id: {} for campaign_id in campaign_ids}
    for campaign_id, account_id, category in connection.execute(
        query("load_campaign_accounts"), {"campaign_ids": list(campaign_ids)}
    ):
        accounts[campaign_id][account_id] = category
    return accounts


def find_categories(connection: Connection, pairs: Collection[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """Return the category of the campaign's template for each pair (campaign id, account id)."""
    rows = connection.execute(query("find_categories"), _pair_columns(pairs))
    return {(campaign_id, account_id): category for campaign_id, account_id, category in rows}


def load_accounts(connection: Connection, account_ids: Sequence[int]) -> list[AccountRow]:
    with connection.cursor(row_factory=class_row(AccountRow)) as cursor:
        return cursor.execute(query("load_accounts"), {"account_ids": list(account_ids)}).fetchall()


def count_outcomes(connection: Connection, replies: Sequence[StreakOutcomes]) -> list[StreakResult]:
    """Update streaks with the outcomes that Meta's replies report; return the streaks to which failures were added.

    An account or a category whose streak reaches the limit is deactivated.
    """
    successes = [reply for reply in replies if reply.outcomes and not reply.has_failure]
    if successes:
        _reset_streaks(connection, successes)
    return _count_failures(connection, replies, source="replies")


def _reset_streaks(connection: Connection, successes: Sequence[StreakOutcomes]) -> None:
    of_accounts = {(each.account_id, each.activated_at) for each in successes if each.category is None}
    rows: list[tuple[int, dt.datetime | None, str | None]] = [
        (each.account_id, each.activated_at, each.category) for each in successes if each.category is not None
    ]
    rows += [(*key, None) for key in of_accounts.difference(row[:2] for row in rows)]
    rows.sort(key=itemgetter(0))
    parameters = {
        "account_ids": write_array(account_id for account_id, _, _ in rows),
        "activated_at": write_array(activated_at for _, activated_at, _ in rows),
        "categories": write_array(category for _, _, category in rows),
        "are_whole": write_array(row[:2] in of_accounts for row in rows),
    }
    connection.execute(query("reset_streaks"), parameters)


def count_reported(
    connection: Connection, reported: Sequence[StreakOutcomes], *, good: Collection[tuple[int, int]] = ()
) -> list[StreakResult]:
    """Update streaks with the outcomes that webhooks report; return the streaks to which failures were added.

    An account or a category whose streak reaches the limit is deactivated. The caller passes only outcomes of messages
    that were sent after the last activation of their account. `good`: pairs (campaign id, account id) for which
    webhooks report a success. For each pair, the account's streak for the category of the campaign's template ends.
    """
    account_ids = {each.account_id for each in reported if not each.category and each.outcomes and not each.has_failure}
    if account_ids or good:
        connection.execute(query("reset_reported_streaks"), {"good_ids": sorted(account_ids), **_pair_columns(good)})
    return _count_failures(connection, reported, source="webhooks")


@dataclass(frozen=True, slots=True)
class _LockedAccount:
    """An account whose streaks are locked for a change."""

    id: int
    name: str
    active: bool
    activated_at: dt.datetime
    limit: int
    failures: list[FailureRecord]
    reported: list[FailureRecord]


def _count_failures(
    connection: Connection, outcomes: Sequence[StreakOutcomes], *, source: _Source
) -> list[StreakResult]:
    with_failures = [each for each in outcomes if each.has_failure]
    with_failures.sort(key=lambda each: (each.account_id, each.category or ""))
    if not with_failures:
        return []
    account_ids = sorted({each.account_id for each in with_failures})
    rows = connection.execute(query("lock_streaks"), {"account_ids": account_ids}).fetchall()
    accounts = {row[0]: _LockedAccount(*row) for row in rows}
    categories: dict[tuple[int, str], tuple[Any, ...]] = {}
    if any(each.category for each in with_failures):
        rows = connection.execute(query("lock_category_streaks"), {"account_ids": account_ids}).fetchall()
        categories = {(row[0], row[1]): row[2:] for row in rows}
    counted = []
    for each in with_failures:
        account = accounts.get(each.account_id)
        if account is None or not account.active or each.activated_at not in (None, account.activated_at):
            continue
        if each.category is None:
            counted.append(_count_account(connection, account, each, source))
        else:
            known = categories.get((account.id, each.category), ([], [], False))
            counted.append(_count_category(connection, account, each, known, source))
    return counted


def _count_account(
    connection: Connection, account: _LockedAccount, counts: StreakOutcomes, source: _Source
) -> StreakResult:
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
    return StreakResult(account.id, account.name, None, streak.tripped_by, is_inactive=reason is not None)


def _count_category(
    connection: Connection, account: _LockedAccount, counts: StreakOutcomes, known: tuple[Any, ...], source: _Source
) -> StreakResult:
    """Update a streak of a category.

    `known`: the category's failures from replies, its failures from webhooks, and whether the category is inactive.
    """
    failures, reported, is_inactive = known
    if is_inactive:
        return StreakResult(account.id, account.name, counts.category, None, is_inactive=True)
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
    return StreakResult(account.id, account.name, counts.category, streak.tripped_by, is_inactive=reason is not None)


def _note_limit(connection: Connection, counts: StreakOutcomes, streak: Streak, source: _Source) -> str | None:
    """If the streak has reached the limit, add an account event and return the reason of the deactivation; else return
    None.
    """
    if streak.tripped_by is None:
        return None
    details: dict[str, Any] = {"errors": list(streak.tripped_by), "source": source}
    if counts.category is None:
        add_account_event(connection, counts.account_id, "deactivated", details)
    else:
        details = {"category": counts.category, **details}
        add_account_event(connection, counts.account_id, "category_deactivated", details)
    return str(explain_streak(streak.tripped_by))


def _pair_columns(pairs: Collection[tuple[int, int]]) -> dict[str, list[int]]:
    ordered = sorted(pairs)
    return {"campaign_ids": [pair[0] for pair in ordered], "account_ids": [pair[1] for pair in ordered]}


def add_account_event(connection: Connection, account_id: int, kind: Kind, details: Mapping[str, Any]) -> int:
    parameters = {"account_id": account_id, "kind": kind, "details": Jsonb(dict(details))}
    row = connection.execute(query("add_account_event"), parameters).fetchone()
    assert row is not None
    return int(row[0])


def lock_accounts_to_block(
    connection: Connection, account_ids: Collection[int], *, of_wabas: Collection[int] = ()
) -> None:
    """Lock accounts in the order of their ids. `of_wabas`: accounts whose whole WABA is locked."""
    parameters = {"account_ids": list(account_ids), "of_wabas": list(of_wabas)}
    connection.execute(query("lock_accounts_to_block"), parameters)


def block_accounts(
    connection: Connection,
    account_id: int,
    *,
    is_for_waba: bool,
    reason: CooldownReason,
    details: str,
    cooldown_seconds: float,
    most_seconds: float = 3600.0,
) -> list[tuple[int, dt.datetime]]:
    """Start a cooldown of an account, or of all accounts in its WABA (`is_for_waba`).

    Returns (id, end of the cooldown) of each account that had no cooldown before.
    """
    text = reason.write(details)
    parameters = {
        "account_id": account_id,
        "is_for_waba": is_for_waba,
        "reason": text,
        "cooldown_seconds": cooldown_seconds,
        "most_seconds": most_seconds,
    }
    blocked = connection.execute(query("block_accounts"), parameters).fetchall()
    for blocked_id, until in blocked:
        add_account_event(connection, blocked_id, "blocked", {"reason": text, "until": until.isoformat()})
    return [(row[0], row[1]) for row in blocked]


def mark_health_due(connection: Connection, account_ids: Sequence[int], *, every_seconds: float) -> list[int]:
    """Return the accounts whose health check is due, and mark these checks as requested.

    A check is due if the last check of the account was requested more than `every_seconds` ago.
    """
    parameters = {"account_ids": list(account_ids), "every_seconds": every_seconds}
    return sorted(row[0] for row in connection.execute(query("mark_health_due"), parameters))


@dataclass(frozen=True, slots=True)
class CategoryListing:
    """A category of templates in which an account had failures.

    `failures`: the streak of failures from replies. `reported`: the streak of failures from webhooks. `inactive_since`:
    the time since which the account sends no template of the category; None: the account sends templates of the
    category.
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
        assert self.inactive_reason is not None and self.inactive_code is not None  # noqa: PT018  by a constraint
        return InactiveCategory(self.inactive_since, self.inactive_reason, self.inactive_code)


@dataclass(frozen=True, slots=True)
class AccountListing:
    """An account in a listing, without its token.

    `blocked_until`: the end of the account's cooldown; None if the account has no cooldown now.

    `categories`: the template categories that had failures since the account was activated.
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
        """The categories of templates that the account does not send."""
        return {each.category: each.inactive for each in self.categories if each.inactive}

    @property
    def is_token_refused(self) -> bool:
        """Whether Meta refused the token when it was asked last."""
        return str(self.health.get("error", "")).endswith(_REFUSALS)

    @property
    def inactive_code(self) -> int | None:
        """If a streak deactivated the account: Meta's code of the last failure of this streak; else None."""
        if self.active:
            return None
        streaks = (self.failures, self.reported)
        return next((streak[-1]["code"] for streak in streaks if len(streak) >= self.failure_limit), None)

    def may_send(self, category: str) -> bool:
        return self.active and category not in self.inactive_categories


@dataclass(frozen=True, slots=True)
class AccountEvent:
    id: int
    at: dt.datetime
    kind: str
    details: dict[str, Any]


def insert_account(connection: Connection, account: Mapping[str, Any]) -> int:
    """Add an account, whose token is encrypted already. Raises ConstraintError if a constraint is violated."""
    return insert_row(connection, "insert_account", account)


def update_account(connection: Connection, account_id: int, changes: Mapping[str, Any]) -> None:
    """Change columns of an account; a value of None leaves its column unchanged. Raises ConstraintError if a constraint
    is violated.
    """
    try:
        connection.execute(query("update_account"), {"account_id": account_id, **changes})
    except (errors.UniqueViolation, errors.CheckViolation) as error:
        raise ConstraintError(error.diag.constraint_name or "") from None


def find_account_ids(connection: Connection, words: Sequence[str]) -> list[int]:
    """Return the ids of accounts. `words`: their names or ids. Raises Refusal with the words that no account has."""
    found = connection.execute(query("find_account_ids"), {"words": list(dict.fromkeys(words))}).fetchall()
    if missing := [word for word, account_id in found if account_id is None]:
        raise missing_accounts(missing, [row.name for row in list_accounts(connection)])
    return [account_id for _, account_id in found]


def list_accounts(
    connection: Connection, account_ids: Sequence[int] | None = None, *, after: int = 0, limit: int | None = None
) -> list[AccountListing]:
    """Return the accounts with these ids, in the order of their ids. If `account_ids` is None, return all accounts.

    Only accounts with a larger id than `after`, and at most `limit`.
    """
    ids = None if account_ids is None else list(account_ids)
    parameters = {"account_ids": ids, "after": after, "limit": limit}
    with connection.cursor(row_factory=class_row(AccountListing)) as cursor:
        rows = cursor.execute(query("list_accounts"), parameters).fetchall()
    categories: dict[int, list[CategoryListing]] = {row.id: [] for row in rows}
    for account_id, *columns in connection.execute(query("list_account_categories"), {"account_ids": list(categories)}):
        categories[account_id].append(CategoryListing(*columns))
    return [replace(row, categories=tuple(categories[row.id])) for row in rows]


def list_account_events(
    connection: Connection,
    account_id: int,
    *,
    limit: int,
    before: int | None = None,
    since: dt.datetime | None = None,
) -> list[AccountEvent]:
    """Return the last events of an account, the newest first.

    `before`: only events with a smaller id. `since`: only events from this time on.
    """
    parameters = {"account_id": account_id, "limit": limit, "before": before, "since": since}
    with connection.cursor(row_factory=class_row(AccountEvent)) as cursor:
        return cursor.execute(query("list_account_events"), parameters).fetchall()


@dataclass(frozen=True, slots=True)
class CampaignOfAccount:
    """A campaign that an account sends and that has not ended. `open_count`: its messages that are not sent yet.

    `others`: the names of the other active accounts that send the campaign.
    """

    account_id: int
    id: int
    name: str
    status: str
    waiting_reason: str | None
    open_count: int
    others: list[str]


def list_campaigns_of_accounts(
    connection: Connection, account_ids: Sequence[int], *, limit: int
) -> tuple[list[CampaignOfAccount], dict[int, int]]:
    """Return the newest campaigns of each account that have not ended, at most `limit` per account, and the number of
    all such campaigns by account. Drafts and tests are left out.
    """
    rows = connection.execute(
        query("list_campaigns_of_accounts"), {"account_ids": list(account_ids), "limit": limit}
    ).fetchall()
    return [CampaignOfAccount(*row[:-1]) for row in rows], {row[0]: row[-1] for row in rows}


def wake_campaigns(connection: Connection, account_id: int, *, reasons: Sequence[str]) -> list[int]:
    """Make running campaigns of an account due now; return their ids. The caller enqueues the campaigns.

    The function finds the campaigns whose waiting reason is one of `reasons`, and the campaigns with a running slice.

    The caller has not written to the account yet, because campaigns are locked before accounts.
    """
    parameters = {"account_id": account_id, "reasons": list(reasons)}
    return sorted(row[0] for row in connection.execute(query("wake_campaigns_of_account"), parameters))


def activate_account(connection: Connection, account_id: int) -> None:
    """Let an account send templates of all categories again, and delete its streaks and its cooldown."""
    connection.execute(query("activate_account"), {"account_id": account_id})
    connection.execute(query("clear_categories"), {"account_id": account_id})


def deactivate_account(connection: Connection, account_id: int, *, reason: str) -> bool:
    """Deactivate an account. Returns False if the account was inactive already; then its earlier reason stays."""
    parameters = {"account_id": account_id, "reason": reason}
    return connection.execute(query("deactivate_account"), parameters).rowcount == 1


@dataclass(frozen=True, slots=True)
class AccountToCheck:
    """The data of an account for a health check. `token` is encrypted; `health` is the last readable response."""

    phone_number_id: str
    token: bytes
    health: dict[str, Any]


def claim_health_check(connection: Connection, account_id: int) -> bool:
    """Claim the last requested check. Returns False if another task has claimed this check, or if no check was
    requested.
    """
    return connection.execute(query("claim_health_check"), {"account_id": account_id}).rowcount == 1


def load_account_to_check(connection: Connection, account_id: int) -> AccountToCheck | None:
    with connection.cursor(row_factory=class_row(AccountToCheck)) as cursor:
        return cursor.execute(query("load_account_to_check"), {"account_id": account_id}).fetchone()


def record_health(connection: Connection, account_id: int, health: Mapping[str, str]) -> None:
    connection.execute(query("record_health"), {"account_id": account_id, "health": Jsonb(dict(health))})


def record_health_failure(connection: Connection, account_id: int, reason: str) -> bool:
    """Record the reason of a failed check beside the last readable response; return whether the reason is new."""
    row = connection.execute(query("record_health_failure"), {"account_id": account_id, "reason": reason}).fetchone()
    return bool(row and row[0])


def lock_tokens(connection: Connection) -> list[tuple[int, str, bytes]]:
    """Return (id, name, encrypted token) of all accounts, and lock their rows until the end of the transaction."""
    return [(row[0], row[1], bytes(row[2])) for row in connection.execute(query("lock_tokens"))]


def write_token(connection: Connection, account_id: int, token: bytes) -> None:
    connection.execute(query("write_token"), {"account_id": account_id, "token": token})


def forget_refusals(connection: Connection, account_id: int) -> None:
    """Forget that Meta refused the token of an account, after a request with this token."""
    patterns = [f"%{each}" for each in _REFUSALS]
    connection.execute(query("forget_refusals"), {"account_id": account_id, "patterns": patterns})
