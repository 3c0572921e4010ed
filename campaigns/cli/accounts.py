"""`revoada account` and `revoada portfolio`: the phone numbers that send, and those that share a daily limit."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import Any

import click

from campaigns.cli.output import json_option, local_time, print_facts, print_json, print_table, to_text
from campaigns.cli.session import Refusal, Session
from campaigns.domain.account import suggest_limit
from campaigns.domain.failures import find_failure
from campaigns.domain.health import health_from_json
from campaigns.management import accounts
from campaigns.management.accounts import add_portfolio, change_portfolio, show_portfolio
from campaigns.store.accounts import AccountEvent, AccountListing, CategoryListing, list_accounts
from campaigns.store.portfolios import list_portfolios


@click.group()
def account() -> None:
    """Accounts: the phone numbers that send.

    ACCOUNT is a name or an id. An account is active until a person deactivates it, or until so many sends in a row
    failed by its own fault as its failure limit says. Failures that are about one category of templates (Meta has
    switched marketing off, for example) are counted apart: at the limit the account sends that category no more, and
    stays active for the others.
    """


def _column_options(command: Any) -> Any:
    options = (
        click.option("--token-env", metavar="VAR", help="Take the access token from this environment variable."),
        click.option("--token-stdin", is_flag=True, help="Take the access token from standard input."),
        click.option("--messages-per-second", type=click.IntRange(1, 1_000_000), help="Limit of Meta (default 80)."),
        click.option("--failure-limit", type=click.IntRange(1), help="Failures in a row that end it (default 5)."),
        click.option("--portfolio", metavar="NAME", help="Whose daily limit it shares: `revoada portfolio add`."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@account.command()
@click.argument("name")
@click.option("--phone-number-id", required=True, metavar="ID", help="Of the number, as the WhatsApp Manager shows it.")
@click.option("--waba-id", required=True, metavar="ID", help="Of the WhatsApp Business account it belongs to.")
@_column_options
@click.pass_obj
def add(session: Session, /, name: str, token_env: str | None, token_stdin: bool, **columns: Any) -> None:
    """Add an account. Its token is stored encrypted and never shown again.

    \b
    Examples:
      revoada account add sales --phone-number-id 1065 --waba-id 2201 --token-env WHATSAPP_TOKEN
      pass show whatsapp | revoada account add support --phone-number-id 1066 --waba-id 2201 --token-stdin
    """
    token = _read_token(token_env, token_stdin)
    if token is None:
        raise click.UsageError("Give the access token with --token-env VAR or --token-stdin.")
    given = {column: value for column, value in columns.items() if value is not None}
    account_id = accounts.add_account(session.database, name, token=token, secret_key=session.secret_key, **given)
    click.echo(f"Account {account_id} ({name}) is added and active.")


@account.command("set")
@click.argument("name", metavar="ACCOUNT")
@click.option("--name", "new_name", metavar="NAME", help="A new name.")
@click.option("--phone-number-id", metavar="ID")
@click.option("--waba-id", metavar="ID")
@_column_options
@click.option("--no-portfolio", is_flag=True, help="Without a daily limit.")
@click.pass_obj
def set_(
    session: Session, /, name: str, new_name: str | None, token_env: str | None, token_stdin: bool, **columns: Any
) -> None:
    """Change what is given of an account. Running campaigns read it at once.

    \b
    Examples:
      revoada account set sales --messages-per-second 250
      revoada account set sales --token-env NEW_TOKEN && revoada account activate sales
    """
    token = _read_token(token_env, token_stdin)
    portfolio, no_portfolio = columns.pop("portfolio"), columns.pop("no_portfolio")
    changes = {"name": new_name, "token": token, **columns}
    if portfolio is not None and no_portfolio:
        raise click.UsageError("Give --portfolio or --no-portfolio, not both.")
    moves = portfolio is not None or no_portfolio
    if all(value is None for value in changes.values()) and not moves:
        raise click.UsageError("Nothing to change: give at least one option.")
    if moves:
        session.ring(accounts.move_account(session.database, name, portfolio))
    secret_key = session.secret_key if token is not None else None
    row = accounts.change_account(session.database, name, changes, secret_key=secret_key)
    hint = "" if row.active else f"; it is inactive: `revoada account activate {row.id}`"
    click.echo(f"Account {row.id} ({row.name}) is changed{hint}.")


@account.command("list")
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """Show all accounts."""
    rows = session.database.run(list_accounts)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ("id", "name", "state", "why", "phone number id", "per second", "failures", "health"),
        [
            (
                row.id,
                row.name,
                "active" if row.active else "inactive",
                _why(row, session.settings.time_zone),
                row.phone_number_id,
                row.messages_per_second,
                f"{row.consecutive_failures} + {row.consecutive_reported} of {row.failure_limit}",
                health_from_json(row.health).quality,
            )
            for row in rows
        ],
        empty="There is no account yet: `revoada account add -h`.",
    )


@account.command()
@click.argument("name", metavar="ACCOUNT")
@json_option
@click.pass_obj
def show(session: Session, name: str, as_json: bool) -> None:
    """Show one account: its health, its failures in a row, and what happened to it last."""
    details = accounts.show_account(session.database, name)
    if as_json:
        print_json(asdict(details.account) | {"events": [asdict(event) for event in details.events]})
        return
    row, zone = details.account, session.settings.time_zone
    print_facts(
        [
            ("account", f"{row.id} ({row.name})"),
            ("state", "active" if row.active else "inactive"),
            ("why", _why(row, zone)),
            ("phone number id", row.phone_number_id),
            ("waba id", row.waba_id),
            ("portfolio", row.portfolio),
            ("limit", f"{row.messages_per_second:,} messages per second"),
            ("active since" if row.active else "last activated", local_time(row.activated_at, zone)),
            ("failures in a row", f"{row.consecutive_failures} of {row.failure_limit}"),
            *((" ", _describe_failure(failure)) for failure in row.failures),
            ("reported in a row", f"{row.consecutive_reported} of {row.failure_limit} (by webhooks)"),
            *((" ", _describe_failure(failure)) for failure in row.reported),
            *(fact for category in row.categories for fact in _category_facts(category, row)),
            *_health_facts(row, zone),
        ]
    )
    print_table(
        ("when", "event", "details"),
        [(local_time(event.at, zone), event.kind, _describe_event(event)) for event in details.events],
        empty="",
    )


@account.command()
@click.argument("name", metavar="ACCOUNT")
@click.pass_obj
def activate(session: Session, name: str) -> None:
    """Let an account send again, every category, with clean streaks; campaigns that waited for it go on at once."""
    row, rung = accounts.activate_account(session.database, name)
    session.ring(rung)
    waited = f"; {len(rung)} waiting campaign(s) go on" if rung else ""
    click.echo(f"Account {row.id} ({row.name}) is active{waited}.")


@account.command()
@click.argument("name", metavar="ACCOUNT")
@click.pass_obj
def deactivate(session: Session, name: str) -> None:
    """Stop an account. What it has not sent goes by the other accounts of its campaigns, or waits."""
    row, was_active = accounts.deactivate_account(session.database, name)
    what = "is inactive now" if was_active else f"was inactive already: {row.inactive_reason}"
    click.echo(f"Account {row.id} ({row.name}) {what}.")


@account.command()
@click.argument("name", metavar="ACCOUNT")
@json_option
@click.pass_obj
def check(session: Session, name: str, as_json: bool) -> None:
    """Ask Meta for the health of an account now, keep it and show it. It changes nothing about sending."""
    row = accounts.show_account(session.database, name, event_limit=1).account
    health = _check_health(session, row.id)
    details = accounts.show_account(session.database, str(row.id), event_limit=1)
    if as_json:
        print_json({"id": row.id, "name": row.name, "answered": health is not None, "health": details.account.health})
    elif health is not None:
        facts = _health_facts(details.account, session.settings.time_zone)
        print_facts([("account", f"{row.id} ({row.name})"), *facts])
    if health is None:
        why = details.events[0].details.get("reason", "") if details.events else ""
        raise Refusal(f"The health of account {row.id} ({row.name}) could not be read: {why or 'no readable answer'}")


def _check_health(session: Session, account_id: int) -> object:
    """Check in the foreground. No alert goes out: the person who would get it is looking."""
    from campaigns.alerts import Alerts  # noqa: PLC0415
    from campaigns.sending import health  # noqa: PLC0415  with its HTTP client, which no other command needs

    session.settings.require("secret_key")
    return health.check_account(
        account_id, None, database=session.database, settings=session.settings, alerts=Alerts(None)
    )


def _read_token(variable: str | None, from_stdin: bool) -> str | None:
    if variable is not None and from_stdin:
        raise click.UsageError("Give --token-env or --token-stdin, not both.")
    if from_stdin:
        # Typed in a terminal it stays invisible.
        return click.prompt("Access token", hide_input=True) if sys.stdin.isatty() else sys.stdin.read().strip()
    if variable is None:
        return None
    token = os.environ.get(variable, "").strip()
    if not token:
        # Without its name: who mistakes the option may have written the token itself there.
        raise Refusal("The environment variable named by --token-env is not set.")
    return token


def _why(row: AccountListing, zone: str) -> str:
    reasons = [row.inactive_reason] if row.inactive_reason else []
    for category, inactive in row.inactive_categories.items():
        reasons.append(f"no {category} templates since {local_time(inactive.since, zone)}: {inactive.reason}")
    if row.blocked_until is not None:
        reasons.append(f"rests until {local_time(row.blocked_until, zone)}: {row.blocked_reason}")
    return "; ".join(reasons)


def _category_facts(category: CategoryListing, row: AccountListing) -> list[tuple[str, object]]:
    name = category.category
    facts: list[tuple[str, object]] = [
        (f"{name} failures in a row", f"{len(category.failures)} of {row.failure_limit}"),
        *((" ", _describe_failure(failure)) for failure in category.failures),
        (f"{name} reported in a row", f"{len(category.reported)} of {row.failure_limit} (by webhooks)"),
        *((" ", _describe_failure(failure)) for failure in category.reported),
    ]
    if category.inactive is not None:
        advice = find_failure(category.inactive.code).advice
        facts.append(("what to do", f"{advice} Then: revoada account activate {row.id}"))
    return facts


def _health_facts(row: AccountListing, zone: str) -> list[tuple[str, object]]:
    if row.health_checked_at is None:
        return [("health", "not checked yet")]
    health = health_from_json(row.health)
    return [
        ("health", to_text(health.quality or "unknown")),
        ("checked", local_time(row.health_checked_at, zone)),
        ("not ideal", health.describe()),
        ("status", health.status),
        ("can send", health.can_send),
        ("messaging limit", health.messaging_limit),
        ("throughput", health.throughput),
        ("number", health.display_phone_number),
        ("verified name", health.verified_name),
    ]


def _describe_failure(failure: dict[str, Any]) -> str:
    details = failure.get("details")
    return f"{failure.get('code')} {failure.get('title')}" + (f": {details}" if details else "")


def _describe_event(event: AccountEvent) -> str:
    parts = []
    for key, value in event.details.items():
        if key == "errors" and isinstance(value, list):
            parts.append("; ".join(_describe_failure(failure) for failure in value))
        elif key == "categories" and isinstance(value, dict):
            parts += [f"{name}: {text}" for name, text in value.items()]
        elif value not in (None, ""):
            parts.append(f"{key} {value}")
    return ", ".join(parts)


_LIMIT = click.IntRange(1, 2**31 - 1)


@click.group()
def portfolio() -> None:
    """Portfolios: accounts that share a limit of unique people in 24 hours.

    Meta counts the people whom a business portfolio messages first, over all its numbers, in a moving window of 24
    hours. At the limit campaigns wait, `daily_limit`, until somebody leaves the window or the limit is raised.
    PORTFOLIO is a name or an id; an account joins one by `revoada account set ACCOUNT --portfolio NAME`.
    """


@portfolio.command("add")
@click.argument("name")
@click.option("--daily-limit", required=True, type=_LIMIT, metavar="N", help="Unique people in any 24 hours.")
@click.pass_obj
def portfolio_add(session: Session, name: str, daily_limit: int) -> None:
    """Add a portfolio with its limit.

    \b
    Example:
      revoada portfolio add acme --daily-limit 2000
    """
    portfolio_id = add_portfolio(session.database, name, daily_limit=daily_limit)
    click.echo(f"Portfolio {portfolio_id} ({name}) is added.")


@portfolio.command("set")
@click.argument("name", metavar="PORTFOLIO")
@click.option("--name", "new_name", metavar="NAME", help="A new name.")
@click.option("--daily-limit", type=_LIMIT, metavar="N", help="Unique people in any 24 hours.")
@click.pass_obj
def portfolio_set(session: Session, name: str, new_name: str | None, daily_limit: int | None) -> None:
    """Change a portfolio. Campaigns that waited for a higher limit go on at once.

    \b
    Example:
      revoada portfolio set acme --daily-limit 10000
    """
    if new_name is None and daily_limit is None:
        raise click.UsageError("Nothing to change: give at least one option.")
    row, rung = change_portfolio(session.database, name, name=new_name, daily_limit=daily_limit)
    session.ring(rung)
    waited = f"; {len(rung)} waiting campaign(s) go on" if rung else ""
    click.echo(f"Portfolio {row.id} ({row.name}) is changed{waited}.")


@portfolio.command("list")
@json_option
@click.pass_obj
def portfolio_list(session: Session, as_json: bool) -> None:
    """Show all portfolios, with how many people each has messaged in the last 24 hours.

    \b
    Example:
      revoada portfolio list
    """
    rows = session.database.run(list_portfolios)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    zone = session.settings.time_zone
    print_table(
        ("id", "name", "daily limit", "people", "next slot"),
        [(row.id, row.name, row.daily_limit, row.people_count, local_time(row.next_slot_at, zone)) for row in rows],
        empty="There is no portfolio yet: `revoada portfolio add -h`.",
    )


@portfolio.command("show")
@click.argument("name", metavar="PORTFOLIO")
@json_option
@click.pass_obj
def portfolio_show(session: Session, name: str, as_json: bool) -> None:
    """Show one portfolio: its limit, how much of it is used, its accounts, and what Meta says of its limit.

    Meta's word comes with the health of an account. It is a suggestion and stops nothing.

    \b
    Example:
      revoada portfolio show acme
    """
    details = show_portfolio(session.database, name)
    row = details.portfolio
    tiers = {account.name: _tier(account) for account in details.accounts}
    if as_json:
        accounts = [
            {"id": each.id, "name": each.name, "messaging_limit": tiers[each.name]} for each in details.accounts
        ]
        print_json(asdict(row) | {"accounts": accounts})
        return
    print_facts(
        [
            ("portfolio", f"{row.id} ({row.name})"),
            ("daily limit", f"{row.daily_limit:,} unique people in 24 hours"),
            ("people now", f"{row.people_count:,}"),
            ("next slot", local_time(row.next_slot_at, session.settings.time_zone)),
            ("accounts", ", ".join(tiers)),
            ("Meta says", "; ".join(f"{tier} ({name}){_suggest(tier)}" for name, tier in tiers.items() if tier)),
        ]
    )


def _tier(account: AccountListing) -> str:
    return health_from_json(account.health).messaging_limit


def _suggest(tier: str) -> str:
    limit = suggest_limit(tier)
    return "" if limit is None else f": --daily-limit {limit}"
