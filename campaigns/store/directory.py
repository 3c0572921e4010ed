"""Accounts and templates as people keep them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import errors
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from campaigns.domain.account import InactiveCategory
from campaigns.store.database import Connection, query


class ConstraintError(ValueError):
    """The schema refuses a row. `constraint` is the name of what refused it; the transaction is over."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


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


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A template as stored; `components` as Meta lists them. `waba_id` is "" where a person added it for any."""

    id: int
    waba_id: str
    meta_id: str | None
    name: str
    language: str
    components: list[dict[str, Any]]
    status: str
    status_at: dt.datetime
    category: str
    quality: str
    blocked_until: dt.datetime | None
    synced_at: dt.datetime | None
    created_at: dt.datetime


def insert_account(connection: Connection, account: Mapping[str, Any]) -> int:
    """Add an account (its columns, the token encrypted). Raise ConstraintError where the schema refuses it."""
    return _insert(connection, "insert_account", account)


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


def insert_template(
    connection: Connection, *, name: str, language: str, components: Sequence[Mapping[str, Any]]
) -> int:
    """Add an approved template. Raise ConstraintError where the schema refuses it."""
    parameters = {"name": name, "language": language, "components": Jsonb([dict(part) for part in components])}
    return _insert(connection, "insert_template", parameters)


def list_templates(connection: Connection) -> list[TemplateRow]:
    with connection.cursor(row_factory=class_row(TemplateRow)) as cursor:
        return cursor.execute(query("list_templates")).fetchall()


def find_templates(connection: Connection, name: str, language: str) -> list[TemplateRow]:
    """Return the templates of this name, of every WABA; the one that a person added for any comes first."""
    with connection.cursor(row_factory=class_row(TemplateRow)) as cursor:
        return cursor.execute(query("find_templates"), {"name": name, "language": language}).fetchall()


def list_synced_wabas(connection: Connection) -> dict[str, dt.datetime]:
    """Return when the list of a WABA's templates was last read, for each that has any."""
    return dict(connection.execute(query("list_synced_wabas")).fetchall())


def load_template(connection: Connection, template_id: int) -> TemplateRow:
    with connection.cursor(row_factory=class_row(TemplateRow)) as cursor:
        row = cursor.execute(query("load_template"), {"template_id": template_id}).fetchone()
    assert row is not None  # campaigns refer to it
    return row


def _insert(connection: Connection, statement: str, parameters: Mapping[str, Any]) -> int:
    try:
        row = connection.execute(query(statement), parameters).fetchone()
    except (errors.UniqueViolation, errors.CheckViolation) as error:
        raise ConstraintError(error.diag.constraint_name or "") from None
    assert row is not None
    return int(row[0])
