"""Adds, changes, activates and deactivates accounts; adds and changes portfolios; adds templates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from campaigns.domain.account import DEACTIVATED_BY_A_PERSON
from campaigns.domain.pacing import Reason
from campaigns.domain.statement import Hint, HintAction, Kind, Refusal
from campaigns.domain.template import template_from_components
from campaigns.domain.users.actor import Act, Actor
from campaigns.secrets import encrypt_token
from campaigns.store import accounts, portfolios, templates
from campaigns.store.database import ConstraintError
from campaigns.store.users.audit import write_audit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from campaigns.store.database import Connection, Database

# If a campaign waits for one of these reasons, the activation of one of its accounts ends the wait.
WAITS_FOR_ACCOUNT = (Reason.NO_ACTIVE_ACCOUNT, Reason.THROTTLED, Reason.UNREACHABLE, Reason.DAILY_LIMIT)
_COLUMNS = ("name", "phone_number_id", "waba_id", "token", "messages_per_second", "failure_limit")
_MAX_INTEGER = 2**31 - 1


@dataclass(frozen=True, slots=True)
class AccountDetails:
    account: accounts.AccountListing
    events: list[accounts.AccountEvent]


@dataclass(frozen=True, slots=True)
class PortfolioDetails:
    portfolio: portfolios.PortfolioListing
    accounts: list[accounts.AccountListing]


def add_account(  # noqa: PLR0913 - the columns of an account
    database: Database,
    name: str,
    *,
    actor: Actor,
    phone_number_id: str,
    waba_id: str,
    token: str,
    secret_key: str,
    messages_per_second: int = 80,
    failure_limit: int = 5,
    portfolio: str | None = None,
) -> int:
    """Add an active account; return its id. The token is stored encrypted. Raises Refusal."""
    account = {
        "name": name,
        "phone_number_id": phone_number_id,
        "waba_id": waba_id,
        "token": token,
        "messages_per_second": messages_per_second,
        "failure_limit": failure_limit,
    }
    return database.run(_add_account, _check_account(account, secret_key=secret_key), portfolio, actor)


def check_new_account(
    database: Database, name: str, *, secret_key: str, portfolio: str | None = None, **columns: Any
) -> None:
    """Check the values of a new account, and store nothing.

    Raises Refusal if a value is invalid, if the portfolio does not exist, or if another account has the same name or
    phone number id.
    """
    given = {"name": name, **columns}
    _check_account(given, secret_key=secret_key)

    def work(connection: Connection) -> None:
        if portfolio is not None:
            _find_portfolio(connection, portfolio)
        _check_free(accounts.list_accounts(connection), given)

    database.run(work)


def check_changes(
    database: Database, account: str, changes: Mapping[str, Any], *, secret_key: str | None
) -> accounts.AccountListing:
    """Check changes of an account, and store nothing; return the account.

    Raises Refusal if a value is invalid, if the account does not exist, or if another account has the new name or the
    new phone number id.
    """
    _check_account(changes, secret_key=secret_key)

    def work(connection: Connection) -> accounts.AccountListing:
        found = find_account(connection, account)
        _check_free([each for each in accounts.list_accounts(connection) if each.id != found.id], changes)
        return found

    return database.run(work)


def change_account(
    database: Database,
    account: str,
    changes: Mapping[str, Any],
    *,
    actor: Actor,
    secret_key: str | None = None,
    is_moved: bool = False,
    portfolio: str | None = None,
) -> tuple[accounts.AccountListing, list[int]]:
    """Change an account, wholly or not at all. A column with the value None stays as it is. Raises Refusal.

    `secret_key` encrypts a new `token`. `is_moved`: the account moves to `portfolio`, or out of its portfolio if
    `portfolio` is None. Returns the account, and the ids of the campaigns that the caller enqueues.
    """
    columns = _check_account(changes, secret_key=secret_key)

    def work(connection: Connection) -> accounts.AccountListing:
        if is_moved:  # the move locks the portfolio before the account, as a claim does
            _move_account(connection, account, portfolio, actor)
        return _change_account(connection, account, columns, actor)

    row = database.run(work)
    return row, database.run(portfolios.wake_campaigns, [row.id], should_enqueue=True) if is_moved else []


def find_account(connection: Connection, word: str) -> accounts.AccountListing:
    """Return the account whose name or id is `word`. Raises Refusal."""
    return accounts.list_accounts(connection, accounts.find_account_ids(connection, [word]))[0]


def show_account(
    database: Database, account: str, *, event_limit: int = 20, before: int | None = None
) -> AccountDetails:
    """Return an account and its last events. `before`: only events with a smaller id. Raises Refusal."""

    def work(connection: Connection) -> AccountDetails:
        found = find_account(connection, account)
        events = accounts.list_account_events(connection, found.id, limit=event_limit, before=before)
        return AccountDetails(found, events)

    return database.run(work)


def activate_account(database: Database, account: str, *, actor: Actor) -> tuple[accounts.AccountListing, list[int]]:
    """Activate an account, and delete its failure streaks and its cooldown.

    Returns the account, and the ids of the campaigns that the caller enqueues. Raises Refusal.
    """
    return database.run(_activate, account, actor)


def deactivate_account(database: Database, account: str, *, actor: Actor) -> tuple[accounts.AccountListing, bool]:
    """Deactivate an account; return the account, and whether the account was active before. Raises Refusal.

    The campaigns of the account go on with their other accounts.
    """
    return database.run(_deactivate, account, actor)


def add_portfolio(database: Database, name: str, *, actor: Actor, daily_limit: int) -> int:
    """Add a portfolio; return its id. The accounts of a portfolio share one limit of people per 24 hours.

    Raises Refusal.
    """
    _check_portfolio(name, daily_limit)
    try:
        return database.run(_add_portfolio, name, daily_limit, actor)
    except ConstraintError:
        raise _portfolio_exists(name) from None


def change_portfolio(
    database: Database, portfolio: str, *, actor: Actor, name: str | None = None, daily_limit: int | None = None
) -> tuple[portfolios.PortfolioListing, list[int]]:
    """Change a portfolio; return the portfolio, and the ids of the campaigns that the caller enqueues.

    Raises Refusal.
    """
    _check_portfolio(name, daily_limit)
    row, account_ids = database.run(_change_portfolio, portfolio, actor, name=name, daily_limit=daily_limit)
    return row, database.run(portfolios.wake_campaigns, account_ids, should_enqueue=True)


def show_portfolio(database: Database, portfolio: str) -> PortfolioDetails:
    def work(connection: Connection) -> PortfolioDetails:
        found = _find_portfolio(connection, portfolio)
        ids = portfolios.list_account_ids_of_portfolio(connection, found.id)
        return PortfolioDetails(found, accounts.list_accounts(connection, ids))

    return database.run(work)


def add_template(database: Database, name: str, *, actor: Actor, language: str, body: str, category: str = "") -> int:
    """Add a template that Meta has approved; return its id. Raises Refusal.

    `category`: MARKETING, UTILITY or AUTHENTICATION; "" if it is not known.
    """
    components = [{"type": "BODY", "text": body}]
    template_from_components(name, language, components)

    def work(connection: Connection) -> int:
        template_id = templates.insert_template(
            connection, name=name, language=language, components=components, category=category
        )
        after = {"name": name, "language": language, "components": components}
        write_audit(connection, actor, Act.TEMPLATE_ADD, template_id, after=after)
        return template_id

    try:
        return database.run(work)
    except ConstraintError as error:
        if "language_check" in error.constraint:
            text = "The language {language!r} is not a code such as pt_BR or en."
            raise Refusal("language_invalid", text, language=language) from None
        raise Refusal(
            "template_exists",
            "There is a template {name}:{language} already.",
            kind=Kind.CONFLICT,
            name=name,
            language=language,
        ) from None


def _add_account(connection: Connection, account: Mapping[str, Any], portfolio: str | None, actor: Actor) -> int:
    portfolio_id = None if portfolio is None else _find_portfolio(connection, portfolio).id
    try:
        account_id = accounts.insert_account(connection, {**account, "portfolio_id": portfolio_id})
    except ConstraintError as error:
        raise _explain(error, account) from None
    accounts.add_account_event(connection, account_id, "created", {})
    after = {**_without_token(account), "portfolio": portfolio}
    write_audit(connection, actor, Act.ACCOUNT_ADD, account_id, after=after)
    return account_id


def _change_account(
    connection: Connection, account: str, changes: Mapping[str, Any], actor: Actor
) -> accounts.AccountListing:
    found = find_account(connection, account)
    try:
        accounts.update_account(connection, found.id, changes)
    except ConstraintError as error:
        raise _explain(error, changes) from None
    before = {column: getattr(found, column) for column in _COLUMNS if column != "token"}
    after = before | {column: value for column, value in changes.items() if value is not None}
    write_audit(connection, actor, Act.ACCOUNT_CHANGE, found.id, before=before, after=_without_token(after))
    return accounts.list_accounts(connection, [found.id])[0]


def _move_account(connection: Connection, account: str, portfolio: str | None, actor: Actor) -> None:
    found = find_account(connection, account)
    portfolio_id = None if portfolio is None else _find_portfolio(connection, portfolio).id
    portfolios.move_account(connection, found.id, portfolio_id)
    before, after = {"portfolio": found.portfolio}, {"portfolio": portfolio}
    write_audit(connection, actor, Act.ACCOUNT_MOVE, found.id, before=before, after=after)


def _without_token(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns for the audit: of a token only the fact that it was given."""
    shown = {name: value for name, value in columns.items() if name != "token"}
    return shown | ({"token": "given"} if columns.get("token") is not None else {})


def _add_portfolio(connection: Connection, name: str, daily_limit: int, actor: Actor) -> int:
    portfolio_id = portfolios.insert_portfolio(connection, name, daily_limit=daily_limit)
    after = {"name": name, "daily_limit": daily_limit}
    write_audit(connection, actor, Act.PORTFOLIO_ADD, portfolio_id, after=after)
    return portfolio_id


def _change_portfolio(
    connection: Connection, portfolio: str, actor: Actor, *, name: str | None, daily_limit: int | None
) -> tuple[portfolios.PortfolioListing, list[int]]:
    """Return the portfolio, and the accounts whose campaigns may send again because the daily limit was raised."""
    found = _find_portfolio(connection, portfolio)
    try:
        portfolios.update_portfolio(connection, found.id, name=name, daily_limit=daily_limit)
    except ConstraintError:
        raise _portfolio_exists(str(name)) from None
    row = _find_portfolio(connection, name or found.name)
    before = {"name": found.name, "daily_limit": found.daily_limit}
    after = {"name": row.name, "daily_limit": row.daily_limit}
    write_audit(connection, actor, Act.PORTFOLIO_CHANGE, found.id, before=before, after=after)
    is_raised = daily_limit is not None and daily_limit > found.daily_limit
    account_ids = portfolios.list_account_ids_of_portfolio(connection, found.id) if is_raised else []
    return row, account_ids


def _find_portfolio(connection: Connection, word: str) -> portfolios.PortfolioListing:
    portfolio_id = portfolios.find_portfolio_id(connection, word)
    for row in portfolios.list_portfolios(connection):
        if row.id == portfolio_id:
            return row
    raise missing_portfolio(word)


def missing_portfolio(word: str) -> Refusal:
    return Refusal(
        "portfolio_missing",
        "There is no portfolio {portfolio}; {list_portfolios} shows all.",
        kind=Kind.MISSING,
        portfolio=word,
        list_portfolios=Hint(HintAction.LIST_PORTFOLIOS),
    )


def _portfolio_exists(name: str) -> Refusal:
    return Refusal("portfolio_exists", "There is a portfolio {name} already.", kind=Kind.CONFLICT, name=name)


def _check_portfolio(name: str | None, daily_limit: int | None) -> None:
    if name is not None and (not name.strip() or not name.isprintable()):
        raise Refusal("portfolio_name_invalid", "The name of a portfolio is one line of text.")
    if daily_limit is not None and not 1 <= daily_limit <= _MAX_INTEGER:
        raise Refusal("daily_limit_out_of_range", "The daily limit must be between 1 and {most}.", most=_MAX_INTEGER)


def _activate(connection: Connection, account: str, actor: Actor) -> tuple[accounts.AccountListing, list[int]]:
    found = find_account(connection, account)
    enqueued = accounts.wake_campaigns(connection, found.id, reasons=WAITS_FOR_ACCOUNT)
    accounts.activate_account(connection, found.id)
    categories = {category: inactive.reason for category, inactive in found.inactive_categories.items()}
    was = {"was": found.inactive_reason} | ({"categories": categories} if categories else {})
    accounts.add_account_event(connection, found.id, "activated", {**was, **_name(actor)})
    before = {"active": found.active, **was}
    write_audit(connection, actor, Act.ACCOUNT_ACTIVATE, found.id, before=before, after={"active": True})
    return accounts.list_accounts(connection, [found.id])[0], enqueued


def _name(actor: Actor) -> dict[str, str]:
    """Return who makes a change and why, as the details of an event have it. `why` is missing without a reason."""
    return {"by": actor.name} | ({"why": actor.reason} if actor.reason else {})


def _deactivate(connection: Connection, account: str, actor: Actor) -> tuple[accounts.AccountListing, bool]:
    found = find_account(connection, account)
    was_active = accounts.deactivate_account(connection, found.id, reason=DEACTIVATED_BY_A_PERSON)
    if was_active:
        details = {"reason": DEACTIVATED_BY_A_PERSON, **_name(actor)}
        accounts.add_account_event(connection, found.id, "deactivated", details)
        before, after = {"active": True}, {"active": False}
        write_audit(connection, actor, Act.ACCOUNT_DEACTIVATE, found.id, before=before, after=after)
    return accounts.list_accounts(connection, [found.id])[0], was_active


def _check_account(account: Mapping[str, Any], *, secret_key: str | None) -> dict[str, Any]:
    """Check the given values of an account; return all columns, with the token encrypted.

    A column without a given value is None. Raises Refusal if a value is invalid.
    """
    columns: dict[str, Any] = dict.fromkeys(_COLUMNS) | dict(account)
    name, token = columns["name"], columns["token"]
    if name is not None and (not name.strip() or not name.isprintable()):
        raise Refusal("account_name_invalid", "The name of an account is one line of text.")
    for column in ("phone_number_id", "waba_id"):
        if columns[column] is not None and not _is_meta_id(columns[column]):
            raise Refusal(
                "meta_id_invalid",
                "The {column} {value!r} is not a number of up to 32 digits.",
                column=column,
                value=columns[column],
            )
    for column, most in (("messages_per_second", 1_000_000), ("failure_limit", _MAX_INTEGER)):
        if columns[column] is not None and not 1 <= columns[column] <= most:
            raise Refusal(
                "account_limit_out_of_range", "The {column} must be between 1 and {most}.", column=column, most=most
            )
    if token is not None:
        if len(token.split()) > 1:
            raise Refusal(
                "token_invalid",
                "The access token has a space or a line break in its middle. Copy it again, as one word.",
            )
        if not token or not token.isascii() or not token.isprintable():
            raise Refusal("token_invalid", "The access token is empty or has characters that no token has.")
        if secret_key is None:
            raise Refusal(
                "secret_key_missing", "REVOADA_SECRET_KEY is not set, so the access token cannot be encrypted and kept."
            )
        columns["token"] = encrypt_token(secret_key, token)
    return columns


def _check_free(others: Iterable[accounts.AccountListing], given: Mapping[str, Any]) -> None:
    for other in others:
        if other.phone_number_id == given.get("phone_number_id"):
            raise _number_taken(other.phone_number_id)
        if other.name == given.get("name"):
            raise _name_taken(other.name)


def _number_taken(phone_number_id: str) -> Refusal:
    return Refusal(
        "phone_number_id_taken",
        "Another account has the phone number id {phone_number_id} already.",
        kind=Kind.CONFLICT,
        phone_number_id=phone_number_id,
    )


def _name_taken(name: str) -> Refusal:
    return Refusal("account_exists", "There is an account {name} already.", kind=Kind.CONFLICT, name=name)


def _is_meta_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 32  # noqa: PLR2004  the schema has the same limit


def _explain(error: ConstraintError, account: Mapping[str, Any]) -> Refusal:
    if "phone_number_id" in error.constraint:
        return _number_taken(account["phone_number_id"])
    if "name" in error.constraint:
        return _name_taken(account["name"])
    text = "The account violates the constraint {constraint} of the schema."
    return Refusal("account_invalid", text, constraint=error.constraint)
