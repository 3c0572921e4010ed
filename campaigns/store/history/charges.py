"""The kept sums of what Meta reports about the prices of messages: docs/decisions/0109."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from campaigns.domain.phone.languages import find_country
from campaigns.domain.prices.costs import Charge
from campaigns.store.database import Connection, allow_long_statements, query


@dataclass(frozen=True, slots=True)
class ChargeFilter:
    """Which kept sums are wanted: those of the days from `first_day` to `last_day`. None: of all campaigns or accounts.

    `country` "": an unknown one; `category` "": not reported yet; None: of all. `category`: as price lists have it.
    """

    first_day: dt.date
    last_day: dt.date
    campaign_id: int | None = None
    account_id: int | None = None
    country: str | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True)
class KeptCount:
    """When a campaign was counted last, and what its estimate is made of, as the first count found it.

    `people`: those who were to get a message, by country. `categories`: those of the template. `first_day`: the day of
    the start, in the zone of the campaign.
    """

    counted_at: dt.datetime
    people: Mapping[str, int]
    categories: Sequence[str]
    first_day: dt.date


@dataclass(frozen=True, slots=True)
class ChargedCampaign:
    """A campaign that sent in a month. `month`: its first day."""

    month: dt.date
    campaign_id: int
    campaign: str


def lock_counting(connection: Connection) -> bool:
    """Let no other process count until the end of the transaction; return False if another process counts now."""
    row = connection.execute(query("lock_counting")).fetchone()
    return row is not None and bool(row[0])


def find_due_count(connection: Connection) -> int | None:
    """Return the id of the campaign whose kept sums are due first; None if none are due."""
    row = connection.execute(query("find_due_count")).fetchone()
    return None if row is None else int(row[0])


def add_count(
    connection: Connection, campaign_id: int, people: Mapping[str, int], categories: Collection[str], first_day: dt.date
) -> None:
    """Note what the estimate of a campaign is made of. `write_charges` follows in the same transaction."""
    parameters = {
        "campaign_id": campaign_id,
        "people": Jsonb(dict(people)),
        "categories": sorted(categories),
        "first_day": first_day,
    }
    connection.execute(query("add_count"), parameters)


def write_charges(connection: Connection, campaign_id: int, charges: Sequence[Charge]) -> None:
    """Replace the kept sums of a campaign, and note that it was counted in this transaction."""
    sums = Counter[tuple[str, str, dt.date, bool | None, int | None]]()
    for each in charges:
        sums[each.country, each.category, each.day, each.is_billable, each.account_id] += each.count
    parameters = {
        "campaign_id": campaign_id,
        "countries": [country for country, *_rest in sums],
        "categories": [category for _country, category, *_rest in sums],
        "days": [day for _country, _category, day, *_rest in sums],
        "billable": [is_billable for *_rest, is_billable, _account in sums],
        "account_ids": [account_id for *_rest, account_id in sums],
        "counts": [*sums.values()],
    }
    connection.execute(query("delete_charges"), parameters)
    connection.execute(query("add_charges"), parameters)
    connection.execute(query("finish_count"), parameters)


def count_wanted_people(connection: Connection, campaign_id: int) -> Counter[str]:
    """Return the people of a campaign by country, without those who must not be messaged. Reads the whole campaign."""
    allow_long_statements(connection)
    return _by_country(connection.execute(query("count_wanted_people"), {"campaign_id": campaign_id}).fetchall())


def count_countries(connection: Connection, message_ids: Sequence[int]) -> Counter[str]:
    """Return the number of these messages by country."""
    return _by_country(connection.execute(query("count_prefixes"), {"message_ids": [*message_ids]}).fetchall())


def _by_country(rows: Sequence[tuple[str | None, int]]) -> Counter[str]:
    counts = Counter[str]()
    for prefix, count in rows:
        counts["" if prefix is None else find_country(prefix)] += count
    return counts


def load_count(connection: Connection, campaign_id: int) -> KeptCount | None:
    """Return when a campaign was counted last; None if it was not counted yet."""
    row = connection.execute(query("load_count"), {"campaign_id": campaign_id}).fetchone()
    return None if row is None else KeptCount(*row)


def has_erased_count(connection: Connection, campaign_id: int) -> bool:
    """Tell whether a campaign whose people are erased has kept sums."""
    row = connection.execute(query("has_erased_count"), {"campaign_id": campaign_id}).fetchone()
    return row is not None and bool(row[0])


def list_kept_charges(connection: Connection, campaign_id: int) -> list[Charge]:
    """Return the kept sums of a campaign."""
    return [Charge(*row) for row in connection.execute(query("list_kept_charges"), {"campaign_id": campaign_id})]


def sum_charges(connection: Connection, chosen: ChargeFilter) -> list[Charge]:
    """Return the kept sums of all campaigns together, of all countries and categories."""
    return [Charge(*row) for row in connection.execute(query("sum_charges"), _to_parameters(chosen))]


def page_charged_campaigns(
    connection: Connection, chosen: ChargeFilter, *, after: tuple[dt.date, int] | None, limit: int
) -> list[ChargedCampaign]:
    """Return the campaigns that sent, by month, the newest first. `after`: month and id of the last one before."""
    month, after_id = after or (None, None)
    parameters = _to_parameters(chosen) | {"month": month, "after_id": after_id, "limit": limit}
    return [ChargedCampaign(*row) for row in connection.execute(query("page_charged_campaigns"), parameters)]


def list_charges_of(
    connection: Connection, chosen: ChargeFilter, campaign_ids: Collection[int]
) -> dict[int, list[Charge]]:
    """Return the kept sums of some campaigns, of all countries and categories."""
    parameters = _to_parameters(chosen) | {"campaign_ids": sorted(campaign_ids)}
    charges: dict[int, list[Charge]] = defaultdict(list)
    for campaign_id, *rest in connection.execute(query("list_charges_of"), parameters):
        charges[campaign_id].append(Charge(*rest))
    return charges


def _to_parameters(chosen: ChargeFilter) -> dict[str, object]:
    return {
        "first_day": chosen.first_day,
        "last_day": chosen.last_day,
        "campaign_id": chosen.campaign_id,
        "account_id": chosen.account_id,
        "country": chosen.country,
        "category": chosen.category,
    }
