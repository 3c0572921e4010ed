"""Accounts: the phone numbers that send."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint

from api.access import demands
from api.context import parts
from api.cursors import link_next, read_cursor, write_cursor
from api.schemas import Id, Moment, Out, PageQuery
from campaigns.domain.account import missing_accounts
from campaigns.domain.health import health_from_json
from campaigns.domain.users.scopes import Scope
from campaigns.store.accounts import AccountListing, list_accounts

blueprint = APIBlueprint("accounts", __name__)


class Account(Out):
    """An account without its token.

    `inactive_categories`: the categories of templates that it does not send. `quality`: Meta's word; empty: not known.
    """

    id: Id
    name: str
    phone_number_id: str
    waba_id: str
    portfolio: str | None
    messages_per_second: int
    active: bool
    inactive_reason: str | None
    inactive_categories: list[str]
    consecutive_failures: int
    failure_limit: int
    blocked_until: Moment | None
    blocked_reason: str | None
    quality: str
    health_checked_at: Moment | None
    created_at: Moment


class AccountPage(Out):
    items: list[Account]
    next: str | None


@blueprint.get("/accounts")
@demands(Scope.ACCOUNTS_READ)
@blueprint.input(PageQuery, location="query")
@blueprint.output(AccountPage)
def list_accounts_(query_data: PageQuery) -> Any:
    """List the accounts, the oldest first."""
    (after,) = read_cursor(query_data.cursor) or (0,)
    rows = parts().database.run(list_accounts, after=after, limit=query_data.limit + 1)
    shown = rows[: query_data.limit]
    cursor = write_cursor([shown[-1].id] if len(rows) > len(shown) else None)
    return AccountPage(items=[_describe(row) for row in shown], next=cursor), 200, link_next(cursor)


@blueprint.get("/accounts/<id:account_id>")
@demands(Scope.ACCOUNTS_READ)
@blueprint.output(Account)
def read_account(account_id: int) -> Account:
    """Read an account."""
    rows = parts().database.run(list_accounts, [account_id])
    if not rows:
        names = [row.name for row in parts().database.run(list_accounts)]
        raise missing_accounts([str(account_id)], names)
    return _describe(rows[0])


def _describe(row: AccountListing) -> Account:
    categories = sorted(row.inactive_categories)
    return Account.show(row, inactive_categories=categories, quality=health_from_json(row.health).quality)
