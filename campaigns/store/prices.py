"""Queries about the prices of messages, and about what Meta reports of the messages of a campaign."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence

from psycopg.rows import class_row

from campaigns.domain.phone.languages import find_country
from campaigns.domain.prices.costs import Charge
from campaigns.domain.prices.price_list import Price
from campaigns.store.database import Connection, allow_long_statements, query


def write_prices(connection: Connection, prices: Sequence[Price]) -> tuple[int, int]:
    """Insert and correct prices; return the number of new prices, and of corrected prices."""
    parameters = {
        "countries": [each.country for each in prices],
        "categories": [each.category for each in prices],
        "days": [each.valid_from for each in prices],
        "currencies": [each.currency for each in prices],
        "amounts": [each.amount for each in prices],
        "markets": [each.market for each in prices],
    }
    rows = connection.execute(query("write_prices"), parameters).fetchall()
    new_count = sum(is_new for (is_new,) in rows)
    return new_count, len(rows) - new_count


def delete_prices(connection: Connection, day: dt.date) -> int:
    """Delete the prices that are valid from this day on; return their number."""
    return connection.execute(query("delete_prices"), {"day": day}).rowcount


def has_prices(connection: Connection) -> bool:
    row = connection.execute(query("has_prices")).fetchone()
    return row is not None and bool(row[0])


def list_prices(connection: Connection, countries: Collection[str] | None = None) -> list[Price]:
    """Return the prices of these countries, or of all countries, of all days, the newest day first."""
    parameters = {"countries": None if countries is None else sorted(countries)}
    with connection.cursor(row_factory=class_row(Price)) as cursor:
        return cursor.execute(query("list_prices_of"), parameters).fetchall()


def list_prices_in_force(connection: Connection, day: dt.date) -> list[Price]:
    """Return the prices that are valid on a day."""
    with connection.cursor(row_factory=class_row(Price)) as cursor:
        return cursor.execute(query("list_prices_in_force"), {"day": day}).fetchall()


def list_prices_from(connection: Connection, day: dt.date) -> list[Price]:
    """Return the prices whose first day is this one."""
    with connection.cursor(row_factory=class_row(Price)) as cursor:
        return cursor.execute(query("list_prices_from"), {"day": day}).fetchall()


def list_price_days(connection: Connection) -> list[tuple[dt.date, int]]:
    """Return the first days of prices, the newest first, with the number of their prices."""
    return connection.execute(query("list_price_days")).fetchall()


def list_charges(
    connection: Connection,
    campaign_id: int,
    *,
    first_day: dt.date | None = None,
    last_day: dt.date | None = None,
) -> list[Charge]:
    """Return the reports about the prices of the messages that a campaign sent from one day to another."""
    allow_long_statements(connection)
    parameters = {"campaign_id": campaign_id, "first_day": first_day, "last_day": last_day}
    return [
        Charge("" if prefix is None else find_country(prefix), category or "", day, is_billable, count, account_id)
        for prefix, category, day, is_billable, count, account_id in connection.execute(
            query("count_charges"), parameters
        )
    ]


def list_campaigns_between(
    connection: Connection, *, first_day: dt.date | None, last_day: dt.date | None
) -> list[tuple[int, str]]:
    """Return id and name of the campaigns that may have sent a message between two days. None: without a bound."""
    parameters = {"first_day": first_day, "last_day": last_day}
    return connection.execute(query("list_campaigns_between"), parameters).fetchall()
