"""`revoada prices`: the prices of messages, and what campaigns have cost."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path

import click

from campaigns.cli.csv_files import replacing
from campaigns.cli.help import Group
from campaigns.cli.hints import _, plural
from campaigns.cli.output import json_option, print_json, print_json_rows, print_table, say
from campaigns.cli.prices.describe import cost_cells, cost_columns, cost_to_json, describe_total
from campaigns.cli.session import CommandError, Session, reason_option
from campaigns.cli.types import DAY, FILE, FilePath
from campaigns.domain.prices.costs import write_amount
from campaigns.domain.prices.price_list import Price, write_example
from campaigns.domain.statement import Count, Money
from campaigns.language import current
from campaigns.management.prices.costs import CampaignCost, list_campaign_costs
from campaigns.management.prices.loading import load_prices, remove_prices
from campaigns.sheets.csv_writer import write_csv
from campaigns.store.prices import has_prices, list_prices

_SHOWN_COUNTRIES = 20
_COLUMNS = (
    *("campaign_id", "campaign", "country", "category", "currency", "price", "messages", "billable", "free"),
    *("unknown", "amount"),
)


@click.group(cls=Group)
def prices() -> None:
    """Prices of messages, as Meta's rate card has them, and what campaigns have cost.

    If prices are loaded, `campaign create`, `show` and `start` say what a draft costs at most, and `campaign show` says
    what a campaign has cost by the reports of Meta. `docs/prices.md` has the rules.
    """


@prices.command("import")
@click.argument("file", type=FILE)
@reason_option
@json_option
@click.pass_obj
def import_(session: Session, file: str, as_json: bool) -> None:
    """Load a price list, a CSV file that `revoada prices example` shows: all its prices, or none.

    A row has the prices of one market. `countries` are codes of two letters with spaces between them, or * for all
    countries that no other row with the same day names. A price is valid from the day `valid_from` on, until a newer
    one. A price for the same country, category and day is corrected; nothing else is deleted. An empty cell is no
    price.

    \b
    Example:
      revoada prices import prices.csv --reason 'rate card of October'
    """
    loaded = load_prices(session.database, Path(file), actor=session.actor)
    if as_json:
        print_json(asdict(loaded))
        return
    parts = [
        plural("{count:,} new price", "{count:,} new prices", loaded.new),
        plural("{count:,} corrected", "{count:,} corrected", loaded.corrected),
        plural("{count:,} unchanged", "{count:,} unchanged", loaded.unchanged),
    ]
    say(_("{file}: {numbers}.", file=file, numbers=", ".join(parts)))


@prices.command()
@click.argument("day", type=DAY, metavar="DAY")
@reason_option
@json_option
@click.pass_obj
def remove(session: Session, day: date, as_json: bool) -> None:
    """Remove all prices whose first day is DAY (YYYY-MM-DD), such as those of a list with a wrong day.

    \b
    Example:
      revoada prices remove YYYY-MM-DD --reason 'the year was wrong'
    """
    count = remove_prices(session.database, day, actor=session.actor)
    if as_json:
        print_json({"valid_from": day, "removed": count})
        return
    say(plural("{count:,} price removed.", "{count:,} prices removed.", count))


@prices.command("list")
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """Show all prices, the newest day first. A price is valid until the next day of the same country.

    A market is shown with its first 20 countries, or with all countries in --json.

    \b
    Example:
      revoada prices list
    """
    rows = session.database.run(list_prices)
    if as_json:
        print_json([asdict(row) | {"amount": write_amount(row.amount)} for row in rows])
        return
    by_market = sorted(rows, key=lambda row: (-row.valid_from.toordinal(), row.market, row.currency))
    groups = [[*group] for _key, group in groupby(by_market, key=lambda row: (row.valid_from, row.market))]
    print_table(
        (_("valid from"), _("market"), _("category"), _("price"), _("countries")),
        [row for group in groups for row in _list_market(group)],
        empty=_("No price is loaded yet: `revoada prices example > prices.csv`, then `revoada prices import -h`."),
    )


def _list_market(rows: list[Price]) -> list[tuple[object, ...]]:
    """Return a row of the table for each price of a market, with the countries that share it."""
    countries: dict[tuple[str, Money], list[str]] = {}
    for row in rows:
        countries.setdefault((row.category, Money(row.amount, row.currency, is_price=True)), []).append(row.country)
    return [
        (rows[0].valid_from.isoformat(), rows[0].market, category, current().format(price, ""), _list_some(named))
        for (category, price), named in countries.items()
    ]


def _list_some(countries: list[str]) -> str:
    return " ".join([*countries[:_SHOWN_COUNTRIES], *(["…"] if len(countries) > _SHOWN_COUNTRIES else [])])


@prices.command()
def example() -> None:
    """Print a price list with invented figures, whose columns show the form.

    Replace the rows by those of Meta's rate card for your currency. `revoada prices import` takes the result.

    \b
    Example:
      revoada prices example > prices.csv
    """
    click.echo(write_example(datetime.now(UTC).date()), nl=False)


@prices.command()
@click.option(
    "--from", "first_day", type=DAY, metavar="DAY", help="Only messages sent on this day (YYYY-MM-DD) or later."
)
@click.option("--to", "last_day", type=DAY, metavar="DAY", help="Only messages sent on this day or earlier.")
@click.option(
    "--output",
    type=FilePath(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a CSV file with one row per campaign, country, category and price.",
)
@json_option
@click.pass_obj
def ledger(session: Session, first_day: date | None, last_day: date | None, output: Path | None, as_json: bool) -> None:
    """Show what campaigns have cost by the reports of Meta, at the prices of the day of each message.

    A day is one in the zone of the campaign. Not reported are messages of which Meta has not said yet whether they
    cost something. Volume tiers and taxes are not known here, so the invoice of Meta may be another one. The country of
    people who were erased is unknown.

    \b
    Examples:
      revoada prices ledger --from YYYY-MM-01 --to YYYY-MM-31
      revoada prices ledger --output costs.csv
    """
    if output is not None and as_json:
        raise click.UsageError(_("Give --output or --json, not both."))
    if not session.database.run(has_prices):
        raise CommandError(
            _("No price is loaded yet: `revoada prices example > prices.csv`, then `revoada prices import -h`.")
        )
    rows = list_campaign_costs(session.database, first_day=first_day, last_day=last_day)
    if as_json:
        print_json_rows(_to_json(row) for row in rows)
    elif output is not None:
        with replacing(output) as file:
            written = write_csv(file, _COLUMNS, ([_to_cells(row)] for row in rows), delimiter=",")
        say(_("{file}: {rows}.", file=output, rows=Count(written, "row")))
    else:
        listed = [*rows]
        print_table(
            (_("campaign"), *cost_columns()),
            [(f"{row.campaign_id} ({row.campaign})", *cost_cells(row.cost)) for row in listed],
            empty=_("No message was sent in this time."),
        )
        if listed:
            say(_("Together: {total}.", total=describe_total([row.cost for row in listed])))


def _to_json(row: CampaignCost) -> dict[str, object]:
    return {"campaign_id": row.campaign_id, "campaign": row.campaign, **cost_to_json(row.cost)}


def _to_cells(row: CampaignCost) -> list[object]:
    values = _to_json(row)
    return ["" if values[name] is None else values[name] for name in _COLUMNS]
