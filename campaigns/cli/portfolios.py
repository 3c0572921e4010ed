"""`revoada portfolio`: accounts that share Meta's limit of unique people in 24 hours."""

from __future__ import annotations

from dataclasses import asdict

import click

from campaigns.cli.output import json_option, local_time, print_facts, print_json, print_table
from campaigns.cli.session import Session
from campaigns.domain.health import health_from_json
from campaigns.domain.portfolio import suggest_limit
from campaigns.management.accounts import add_portfolio, change_portfolio, show_portfolio
from campaigns.store.directory import AccountListing
from campaigns.store.portfolios import list_portfolios

_LIMIT = click.IntRange(1, 2**31 - 1)


@click.group()
def portfolio() -> None:
    """Portfolios: accounts that share a limit of unique people in 24 hours.

    Meta counts the people whom a business portfolio messages first, over all its numbers, in a moving window of 24
    hours. At the limit campaigns wait, `daily_limit`, until somebody leaves the window or the limit is raised.
    PORTFOLIO is a name or an id; an account joins one by `revoada account set ACCOUNT --portfolio NAME`.
    """


@portfolio.command()
@click.argument("name")
@click.option("--daily-limit", required=True, type=_LIMIT, metavar="N", help="Unique people in any 24 hours.")
@click.pass_obj
def add(session: Session, name: str, daily_limit: int) -> None:
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
def set_(session: Session, name: str, new_name: str | None, daily_limit: int | None) -> None:
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
def list_(session: Session, as_json: bool) -> None:
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


@portfolio.command()
@click.argument("name", metavar="PORTFOLIO")
@json_option
@click.pass_obj
def show(session: Session, name: str, as_json: bool) -> None:
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
