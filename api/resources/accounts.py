"""Accounts: the phone numbers that send."""

from __future__ import annotations

from typing import Annotated, Any

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import BeforeValidator, Field

from api.access import demands
from api.context import actor, parts
from api.cursors import link_next, read_cursor, write_cursor
from api.once import Answer, carry_out, refuse_body
from api.schemas import Id, In, Moment, Out, PageQuery, Text
from campaigns.domain.account import missing_accounts, strip_token
from campaigns.domain.health import health_from_json
from campaigns.domain.statement import Sentence
from campaigns.domain.users.scopes import Scope
from campaigns.management.access import try_access, try_change
from campaigns.management.accounts import (
    activate_account,
    add_account,
    change_account,
    check_changes,
    check_new_account,
    deactivate_account,
)
from campaigns.store.accounts import AccountListing, list_accounts
from campaigns.store.database import Database

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


class ChangedAccount(Account):
    """`warnings`: why Meta could not be asked whether the token may use the number, in English."""

    warnings: list[str]


Token = Annotated[Text, BeforeValidator(lambda text: strip_token(text) if isinstance(text, str) else text)]
Rate = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Limit = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]
_UNCHECKED = "Store the token and the number without asking Meta whether the token may use the number."
Unchecked = Annotated[bool, Field(strict=True, description=_UNCHECKED)]


class NewAccount(In):
    name: Text
    phone_number_id: Text = Field(description="The id of the phone number, as WhatsApp Manager shows it.")
    waba_id: Text = Field(description="The id of its WhatsApp Business account.")
    token: Token = Field(description="The access token. It is stored encrypted, and no answer has it.")
    messages_per_second: Rate = Field(80, description="Meta's limit for the number.")
    failure_limit: Limit = Field(5, description="The consecutive failures that deactivate it.")
    portfolio: Text | None = Field(None, description="The name or the id of the portfolio whose daily limit it shares.")
    unchecked: Unchecked = False


class AccountChange(In):
    """Members that are not sent stay as they are. `portfolio`: `null` takes the account out of its portfolio."""

    name: Text = ""
    phone_number_id: Text = ""
    waba_id: Text = ""
    token: Token = Field("", description="The access token. It is stored encrypted, and no answer has it.")
    messages_per_second: Rate = 80
    failure_limit: Limit = 5
    portfolio: Text | None = None
    unchecked: Unchecked = False


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
    return _describe(_find(parts().database, account_id))


@blueprint.post("/accounts")
@demands(Scope.ACCOUNTS_WRITE)
@blueprint.input(NewAccount)
@blueprint.output(ChangedAccount, 201)
def add_account_(json_data: NewAccount) -> Response:
    """Add an active account. Meta is asked first whether the token may use the number."""
    given = json_data.model_dump(exclude={"unchecked"})
    settings, warnings = parts().settings, list[str]()
    given["secret_key"] = settings.secret_key

    def prepare() -> None:
        columns = {name: given[name] for name in given if name != "name"}
        check_new_account(parts().database, json_data.name, **columns)
        if not json_data.unchecked:
            number, token = json_data.phone_number_id, json_data.token
            _warn(try_access(settings, account=json_data.name, phone_number_id=number, token=token), warnings)

    def change(database: Database) -> Answer:
        account_id = add_account(database, actor=actor(), **given)
        location = f"{request.script_root}/v1/accounts/{account_id}"
        return Answer(_show_changed(database, account_id, warnings), 201, {"Location": location})

    return carry_out(change, prepare=prepare)


@blueprint.patch("/accounts/<id:account_id>")
@demands(Scope.ACCOUNTS_WRITE)
@blueprint.input(AccountChange)
@blueprint.output(ChangedAccount)
def change_account_(account_id: int, json_data: AccountChange) -> Response:
    """Change an account. Running campaigns use the change at once. Before a new token or number, Meta is asked."""
    changes = json_data.model_dump(exclude_unset=True, exclude={"unchecked"})
    is_moved, portfolio = "portfolio" in changes, changes.pop("portfolio", None)
    settings, warnings = parts().settings, list[str]()

    def prepare() -> None:
        found = _find(parts().database, account_id)
        check_changes(parts().database, found.name, changes, secret_key=settings.secret_key)
        asked = {name: changes.get(name) for name in ("phone_number_id", "token")}
        if any(asked.values()) and not json_data.unchecked:
            _warn(try_change(parts().database, settings, account_id, **asked), warnings)

    def change(database: Database) -> Answer:
        _row, to_enqueue = change_account(
            database,
            _find(database, account_id).name,
            changes,
            actor=actor(),
            secret_key=settings.secret_key,
            is_moved=is_moved,
            portfolio=portfolio,
        )
        return Answer(_show_changed(database, account_id, warnings), to_enqueue=to_enqueue)

    return carry_out(change, prepare=prepare)


@blueprint.post("/accounts/<id:account_id>:activate")
@demands(Scope.ACCOUNTS_WRITE)
@blueprint.output(Account)
def activate_account_(account_id: int) -> Response:
    """Let an account send all categories again, and forget its failures. Campaigns that waited for it go on."""
    refuse_body()

    def change(database: Database) -> Answer:
        _row, to_enqueue = activate_account(database, _find(database, account_id).name, actor=actor())
        return Answer(_describe(_find(database, account_id)), to_enqueue=to_enqueue)

    return carry_out(change)


@blueprint.post("/accounts/<id:account_id>:deactivate")
@demands(Scope.ACCOUNTS_WRITE)
@blueprint.output(Account)
def deactivate_account_(account_id: int) -> Response:
    """Stop an account. Its campaigns go on with their other accounts, or wait."""
    refuse_body()

    def change(database: Database) -> Answer:
        deactivate_account(database, _find(database, account_id).name, actor=actor())
        return Answer(_describe(_find(database, account_id)))

    return carry_out(change)


def _warn(warning: Sentence | None, warnings: list[str]) -> None:
    if warning is not None:
        warnings.append(str(warning))


def _find(database: Database, account_id: int) -> AccountListing:
    """Return an account. Raises Refusal if there is none with this id."""
    rows = database.run(list_accounts, [account_id])
    if not rows:
        raise missing_accounts([str(account_id)], [row.name for row in database.run(list_accounts)])
    return rows[0]


def _show_changed(database: Database, account_id: int, warnings: list[str]) -> ChangedAccount:
    return ChangedAccount.show(_describe(_find(database, account_id)), warnings=warnings)


def _describe(row: AccountListing) -> Account:
    categories = sorted(row.inactive_categories)
    return Account.show(row, inactive_categories=categories, quality=health_from_json(row.health).quality)
