"""Accounts, portfolios and templates kept by people: added, changed, activated, deactivated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from campaigns.domain.pacing import Reason
from campaigns.domain.template import template_from_components
from campaigns.secrets import encrypt_token
from campaigns.store import accounts, portfolios, templates
from campaigns.store.database import ConstraintError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from campaigns.store.database import Connection, Database

DEACTIVATED_BY_A_PERSON = "deactivated by a person"

# What an account that came back may end.
_WAITS_FOR_ACCOUNT = (Reason.NO_ACTIVE_ACCOUNT, Reason.THROTTLED, Reason.UNREACHABLE, Reason.DAILY_LIMIT)
_COLUMNS = ("name", "phone_number_id", "waba_id", "token", "messages_per_second", "failure_limit")
_MAX_INTEGER = 2**31 - 1


class DirectoryError(ValueError):
    """An account or a template cannot be kept as asked. The message is one sentence for a person."""


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
    phone_number_id: str,
    waba_id: str,
    token: str,
    secret_key: str,
    messages_per_second: int = 80,
    failure_limit: int = 5,
    portfolio: str | None = None,
) -> int:
    """Add an active account; return its id. The token is stored encrypted. Raises DirectoryError."""
    account = {
        "name": name,
        "phone_number_id": phone_number_id,
        "waba_id": waba_id,
        "token": token,
        "messages_per_second": messages_per_second,
        "failure_limit": failure_limit,
    }
    return database.run(_add_account, _check_account(account, secret_key=secret_key), portfolio)


def change_account(
    database: Database, account: str, changes: Mapping[str, Any], *, secret_key: str | None = None
) -> accounts.AccountListing:
    """Change columns of an account (`token` in the clear, with the `secret_key`); None leaves one as it is."""
    return database.run(_change_account, account, _check_account(changes, secret_key=secret_key))


def find_account(connection: Connection, word: str) -> accounts.AccountListing:
    """Return the account with this name, or this id. Raises DirectoryError."""
    account_id = accounts.find_account_ids(connection, [word])[word]
    if account_id is None:
        raise DirectoryError(f"There is no account {word}; `revoada account list` shows all.")
    return accounts.list_accounts(connection, [account_id])[0]


def show_account(database: Database, account: str, *, event_limit: int = 20) -> AccountDetails:
    def work(connection: Connection) -> AccountDetails:
        found = find_account(connection, account)
        return AccountDetails(found, accounts.list_account_events(connection, found.id, limit=event_limit))

    return database.run(work)


def activate_account(database: Database, account: str) -> tuple[accounts.AccountListing, list[int]]:
    """Let an account send again with clean streaks; return it and the campaigns that the caller rings."""
    return database.run(_activate, account)


def deactivate_account(database: Database, account: str) -> tuple[accounts.AccountListing, bool]:
    """Stop an account; return it and whether it was active. Its messages go by the campaign's other accounts."""
    return database.run(_deactivate, account)


def move_account(database: Database, account: str, portfolio: str | None) -> list[int]:
    """Put an account into a portfolio, or into none; return the campaigns that the caller rings."""
    account_id = database.run(_move_account, account, portfolio)
    return database.run(portfolios.wake_campaigns, [account_id], rings=True)


def add_portfolio(database: Database, name: str, *, daily_limit: int) -> int:
    """Add a portfolio: accounts that share a limit of unique people in 24 hours. Raises DirectoryError."""
    _check_portfolio(name, daily_limit)
    try:
        return database.run(portfolios.insert_portfolio, name, daily_limit=daily_limit)
    except ConstraintError:
        raise DirectoryError(f"There is a portfolio {name} already.") from None


def change_portfolio(
    database: Database, portfolio: str, *, name: str | None = None, daily_limit: int | None = None
) -> tuple[portfolios.PortfolioListing, list[int]]:
    """Change a portfolio; return it and the campaigns that the caller rings. Raises DirectoryError."""
    _check_portfolio(name, daily_limit)
    row, account_ids = database.run(_change_portfolio, portfolio, name, daily_limit)
    return row, database.run(portfolios.wake_campaigns, account_ids, rings=True)


def show_portfolio(database: Database, portfolio: str) -> PortfolioDetails:
    def work(connection: Connection) -> PortfolioDetails:
        found = _find_portfolio(connection, portfolio)
        ids = portfolios.account_ids_of(connection, found.id)
        return PortfolioDetails(found, accounts.list_accounts(connection, ids))

    return database.run(work)


def add_template(database: Database, name: str, *, language: str, body: str) -> int:
    """Add a template that Meta has approved; return its id. Raises TemplateError, DirectoryError."""
    components = [{"type": "BODY", "text": body}]
    template_from_components(name, language, components)
    try:
        return database.run(templates.insert_template, name=name, language=language, components=components)
    except ConstraintError as error:
        if "language_check" in error.constraint:
            raise DirectoryError(f"The language {language!r} is not a code such as pt_BR or en.") from None
        raise DirectoryError(f"There is a template {name}:{language} already.") from None


def _add_account(connection: Connection, account: Mapping[str, Any], portfolio: str | None) -> int:
    portfolio_id = None if portfolio is None else _find_portfolio(connection, portfolio).id
    try:
        account_id = accounts.insert_account(connection, {**account, "portfolio_id": portfolio_id})
    except ConstraintError as error:
        raise _explain(error, account) from None
    accounts.add_account_event(connection, account_id, "created", {})
    return account_id


def _change_account(connection: Connection, account: str, changes: Mapping[str, Any]) -> accounts.AccountListing:
    found = find_account(connection, account)
    try:
        accounts.update_account(connection, found.id, changes)
    except ConstraintError as error:
        raise _explain(error, changes) from None
    return accounts.list_accounts(connection, [found.id])[0]


def _move_account(connection: Connection, account: str, portfolio: str | None) -> int:
    found = find_account(connection, account)
    portfolio_id = None if portfolio is None else _find_portfolio(connection, portfolio).id
    portfolios.move_account(connection, found.id, portfolio_id)
    return found.id


def _change_portfolio(
    connection: Connection, portfolio: str, name: str | None, daily_limit: int | None
) -> tuple[portfolios.PortfolioListing, list[int]]:
    """Return the portfolio, and the accounts whose campaigns may go on."""
    found = _find_portfolio(connection, portfolio)
    try:
        portfolios.update_portfolio(connection, found.id, name=name, daily_limit=daily_limit)
    except ConstraintError:
        raise DirectoryError(f"There is a portfolio {name} already.") from None
    is_raised = daily_limit is not None and daily_limit > found.daily_limit
    account_ids = portfolios.account_ids_of(connection, found.id) if is_raised else []
    return _find_portfolio(connection, name or found.name), account_ids


def _find_portfolio(connection: Connection, word: str) -> portfolios.PortfolioListing:
    portfolio_id = portfolios.find_portfolio_id(connection, word)
    for row in portfolios.list_portfolios(connection):
        if row.id == portfolio_id:
            return row
    raise DirectoryError(f"There is no portfolio {word}; `revoada portfolio list` shows all.")


def _check_portfolio(name: str | None, daily_limit: int | None) -> None:
    if name is not None and (not name.strip() or not name.isprintable()):
        raise DirectoryError("The name of a portfolio is one line of text.")
    if daily_limit is not None and not 1 <= daily_limit <= _MAX_INTEGER:
        raise DirectoryError(f"The daily limit must be between 1 and {_MAX_INTEGER}.")


def _activate(connection: Connection, account: str) -> tuple[accounts.AccountListing, list[int]]:
    found = find_account(connection, account)
    rung = accounts.wake_campaigns(connection, found.id, reasons=_WAITS_FOR_ACCOUNT)
    accounts.activate_account(connection, found.id)
    categories = {category: inactive.reason for category, inactive in found.inactive_categories.items()}
    was = {"was": found.inactive_reason} | ({"categories": categories} if categories else {})
    accounts.add_account_event(connection, found.id, "activated", was)
    return accounts.list_accounts(connection, [found.id])[0], rung


def _deactivate(connection: Connection, account: str) -> tuple[accounts.AccountListing, bool]:
    found = find_account(connection, account)
    was_active = accounts.deactivate_account(connection, found.id, reason=DEACTIVATED_BY_A_PERSON)
    if was_active:
        accounts.add_account_event(connection, found.id, "deactivated", {"reason": DEACTIVATED_BY_A_PERSON})
    return accounts.list_accounts(connection, [found.id])[0], was_active


def _check_account(account: Mapping[str, Any], *, secret_key: str | None) -> dict[str, Any]:
    """Return the columns to write, all of them, the token encrypted. Raises DirectoryError."""
    columns: dict[str, Any] = dict.fromkeys(_COLUMNS) | dict(account)
    name, token = columns["name"], columns["token"]
    if name is not None and (not name.strip() or not name.isprintable()):
        raise DirectoryError("The name of an account is one line of text.")
    for column in ("phone_number_id", "waba_id"):
        if columns[column] is not None and not _is_meta_id(columns[column]):
            raise DirectoryError(f"The {column} {columns[column]!r} is not a number of up to 32 digits.")
    for column, most in (("messages_per_second", 1_000_000), ("failure_limit", _MAX_INTEGER)):
        if columns[column] is not None and not 1 <= columns[column] <= most:
            raise DirectoryError(f"The {column} must be between 1 and {most}.")
    if token is not None:
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise DirectoryError("The access token is empty or has characters that no token has.")
        assert secret_key is not None
        columns["token"] = encrypt_token(secret_key, token)
    return columns


def _is_meta_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 32  # noqa: PLR2004  as the schema checks


def _explain(error: ConstraintError, account: Mapping[str, Any]) -> DirectoryError:
    if "phone_number_id" in error.constraint:
        return DirectoryError(f"Another account has the phone number id {account['phone_number_id']} already.")
    if "name" in error.constraint:
        return DirectoryError(f"There is an account {account['name']} already.")
    return DirectoryError(f"The account is not what the schema takes ({error.constraint}).")
