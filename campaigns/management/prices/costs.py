"""What campaigns may cost before they start, and what they have cost by the reports of Meta."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from campaigns.domain.campaign import ENDED
from campaigns.domain.phone.languages import find_country
from campaigns.domain.prices.costs import Cost, Estimate, Prices, estimate_cost, list_costs
from campaigns.store import prices as store
from campaigns.store.accounts import load_campaign_accounts
from campaigns.store.campaigns import (
    CampaignListing,
    PendingCount,
    find_template_id,
    list_campaigns,
    list_pending_counts,
)
from campaigns.store.database import Connection, Database
from campaigns.store.history.charges import count_countries, has_erased_count, list_kept_charges
from campaigns.store.templates import load_template


def find_estimate(
    connection: Connection,
    row: CampaignListing,
    pending: Sequence[PendingCount] | None = None,
    capped: Sequence[int] = (),
) -> Estimate | None:
    """Return the most that the pending messages of a campaign cost; None if it has started or ended.

    Without loaded prices, the estimate has the numbers of the messages by country, and no amount. `pending`: its
    pending messages, if the caller knows them; if not, the function reads the whole campaign. `capped`: the messages
    that the limit per person holds back.
    """
    if row.started_at is not None or row.status in ENDED:
        return None
    people = Counter[str]()
    for each in list_pending_counts(connection, row.id) if pending is None else pending:
        people[find_country(each.prefix)] += each.count - each.suppressed_count
    if capped:
        people -= count_countries(connection, capped)
    at = max(row.scheduled_at or row.server_now, row.server_now)
    day = at.astimezone(ZoneInfo(row.time_zone)).date()
    prices = Prices(store.list_prices(connection, people.keys()))
    return estimate_cost(+people, list_categories(connection, row.id), prices, day=day)


def list_categories(connection: Connection, campaign_id: int) -> set[str]:
    """Return the categories that the template of a campaign has for its accounts."""
    categories = {*load_campaign_accounts(connection, [campaign_id])[campaign_id].values()}
    return categories or {load_template(connection, find_template_id(connection, campaign_id)).category}


def find_estimate_of(connection: Connection, campaign_id: int) -> Estimate | None:
    """Return what `find_estimate` returns for the campaign with this id; None if no price is loaded."""
    if not store.has_prices(connection):
        return None
    (row,) = list_campaigns(connection, [campaign_id])
    return find_estimate(connection, row)


def find_costs(
    connection: Connection,
    campaign_id: int,
    *,
    first_day: dt.date | None = None,
    last_day: dt.date | None = None,
) -> list[Cost] | None:
    """Return what the messages that a campaign sent between two days have cost; None if no price is loaded.

    If prices are loaded, the function reads the whole campaign once. Of a campaign whose people are erased it reads the
    kept sums, because the messages have no country any more.
    """
    if not store.has_prices(connection):
        return None
    if has_erased_count(connection, campaign_id):
        first, last = first_day or dt.date.min, last_day or dt.date.max
        charges = [each for each in list_kept_charges(connection, campaign_id) if first <= each.day <= last]
    else:
        charges = store.list_charges(connection, campaign_id, first_day=first_day, last_day=last_day)
    return list_costs(charges, Prices(store.list_prices(connection, {each.country for each in charges})))


@dataclass(frozen=True, slots=True)
class CampaignCost:
    """What messages of one campaign have cost."""

    campaign_id: int
    campaign: str
    cost: Cost


def list_campaign_costs(
    database: Database, *, first_day: dt.date | None, last_day: dt.date | None
) -> Iterator[CampaignCost]:
    """Yield what campaigns have cost from one day to another, the oldest campaign first. None: without a bound.

    A day is that of a message's sending, in the zone of its campaign. Each campaign is read in a transaction of its
    own, so that no transaction is open for long.
    """
    for campaign_id, name in database.run(store.list_campaigns_between, first_day=first_day, last_day=last_day):
        costs = database.run(find_costs, campaign_id, first_day=first_day, last_day=last_day) or []
        yield from (CampaignCost(campaign_id, name, cost) for cost in costs)
