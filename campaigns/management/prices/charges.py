"""Keeps the sums of what Meta reports about prices, and shows what campaigns have cost by these sums."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from zoneinfo import ZoneInfo

from campaigns.domain.prices.costs import (
    Charge,
    Cost,
    Estimate,
    Prices,
    estimate_cost,
    list_costs,
    read_category,
    write_amount,
)
from campaigns.domain.users.actor import Act, Actor
from campaigns.management.prices.costs import list_categories
from campaigns.store import prices
from campaigns.store.campaigns import list_campaigns
from campaigns.store.database import Connection, Database
from campaigns.store.history import charges as store
from campaigns.store.history.charges import ChargedCampaign, ChargeFilter
from campaigns.store.users.audit import write_audit

PAGE = 50
COLUMNS = (
    *("month", "campaign_id", "campaign", "country", "category", "currency", "price", "messages", "billable", "free"),
    *("unknown", "amount"),
)


def count_next_charges(database: Database) -> bool:
    """Count the campaign whose kept sums are due first; return False if none are due, or if another process counts."""
    return database.run(_count_next)


def _count_next(connection: Connection) -> bool:
    if not store.lock_counting(connection):
        return False
    campaign_id = store.find_due_count(connection)
    if campaign_id is None:
        return False
    charges = prices.list_charges(connection, campaign_id)
    if store.load_count(connection, campaign_id) is None:
        _add_count(connection, campaign_id)
    store.write_charges(connection, campaign_id, charges)
    return True


def _add_count(connection: Connection, campaign_id: int) -> None:
    """Note what the estimate is made of. The first count follows soon after the start, so it finds the same people."""
    people = store.count_wanted_people(connection, campaign_id)
    (row,) = list_campaigns(connection, [campaign_id])
    first_day = (row.started_at or row.server_now).astimezone(ZoneInfo(row.time_zone)).date()
    store.add_count(connection, campaign_id, people, list_categories(connection, campaign_id), first_day)


@dataclass(frozen=True, slots=True)
class CampaignCosts:
    """What one campaign has cost by the last count. `estimate`: the most that it was to cost when it started.

    `has_example`: prices of the example count.
    """

    counted_at: dt.datetime
    costs: Sequence[Cost]
    estimate: Estimate
    has_prices: bool
    has_example: bool


def show_campaign_costs(database: Database, campaign_id: int) -> CampaignCosts | None:
    """Return what a campaign has cost; None if it was not counted yet. The function reads no message."""

    def work(connection: Connection) -> CampaignCosts | None:
        count = store.load_count(connection, campaign_id)
        if count is None:
            return None
        charges = store.list_kept_charges(connection, campaign_id)
        loaded = prices.list_prices(connection, {*count.people, *(each.country for each in charges)})
        known = Prices(loaded)
        estimate = estimate_cost(count.people, count.categories, known, day=count.first_day)
        has_example = any(each.is_example for each in loaded)
        costs = list_costs(charges, known)
        return CampaignCosts(count.counted_at, costs, estimate, prices.has_prices(connection), has_example)

    return database.run(work)


@dataclass(frozen=True, slots=True)
class MonthOfCampaign:
    """What the messages that a campaign sent in a month have cost."""

    sent: ChargedCampaign
    costs: Sequence[Cost]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What campaigns have cost. `months`: of all campaigns together, by the first day of the month, the newest first.

    `costs`: of all months together. `countries` and `categories`: those that a filter may choose. `rows`: a page of the
    campaigns. `next_key`: where the next page begins; None on the last page.
    """

    months: Sequence[tuple[dt.date, Sequence[Cost]]]
    costs: Sequence[Cost]
    countries: Sequence[str]
    categories: Sequence[str]
    rows: Sequence[MonthOfCampaign]
    next_key: tuple[dt.date, int] | None
    has_prices: bool
    has_example: bool


def show_ledger(database: Database, chosen: ChargeFilter, *, after: tuple[dt.date, int] | None = None) -> Ledger:
    """Return what campaigns have cost in some months. The function reads kept sums, and no message."""

    def work(connection: Connection) -> Ledger:
        found = store.sum_charges(connection, chosen)
        loaded = prices.list_prices(connection, {each.country for each in found})
        known = Prices(loaded)
        charges = _choose(found, chosen)
        page = store.page_charged_campaigns(connection, chosen, after=after, limit=PAGE + 1)
        rows = _list_months(connection, chosen, page[:PAGE], known)
        by_month = groupby(sorted(charges, key=lambda each: each.day, reverse=True), key=lambda each: _month(each.day))
        last = page[PAGE - 1] if len(page) > PAGE else None
        return Ledger(
            months=[(month, list_costs(each, known)) for month, each in by_month],
            costs=list_costs(charges, known),
            countries=sorted({each.country for each in found}),
            categories=sorted({read_category(each.category) for each in found}),
            rows=rows,
            next_key=None if last is None else (last.month, last.campaign_id),
            has_prices=prices.has_prices(connection),
            has_example=any(each.is_example for each in loaded),
        )

    return database.run(work)


def export_ledger(database: Database, chosen: ChargeFilter, *, actor: Actor) -> Iterator[list[tuple[object, ...]]]:
    """Return what campaigns have cost as rows of `COLUMNS`, page by page.

    Amounts have a point and all decimals. An audit event is committed before the first row is read.
    """
    database.run(lambda connection: write_audit(connection, actor, Act.COSTS_EXPORT, after=asdict(chosen)))

    def read() -> Iterator[list[tuple[object, ...]]]:
        after: tuple[dt.date, int] | None = None
        while page := database.run(_read_page, chosen, after):
            yield [_to_cells(each.sent, cost) for each in page for cost in each.costs]
            after = (page[-1].sent.month, page[-1].sent.campaign_id)

    return read()


def _to_cells(sent: ChargedCampaign, cost: Cost) -> tuple[object, ...]:
    return (
        sent.month.isoformat()[: len("2026-12")],
        sent.campaign_id,
        sent.campaign,
        cost.country,
        cost.category,
        cost.currency or "",
        write_amount(cost.price) or "",
        cost.messages,
        cost.billable,
        cost.free,
        cost.unknown,
        write_amount(cost.amount) or "",
    )


def _read_page(
    connection: Connection, chosen: ChargeFilter, after: tuple[dt.date, int] | None
) -> list[MonthOfCampaign]:
    page = store.page_charged_campaigns(connection, chosen, after=after, limit=PAGE)
    return _list_months(connection, chosen, page, Prices(prices.list_prices(connection)))


def _list_months(
    connection: Connection, chosen: ChargeFilter, page: Sequence[ChargedCampaign], known: Prices
) -> list[MonthOfCampaign]:
    """Return what the campaigns of a page have cost."""
    if not page:
        return []
    # The page has the months from that of its last row on.
    days = replace(chosen, first_day=max(chosen.first_day, page[-1].month))
    of_month: dict[tuple[int, dt.date], list[Charge]] = defaultdict(list)
    for campaign_id, charges in store.list_charges_of(connection, days, {each.campaign_id for each in page}).items():
        for charge in _choose(charges, chosen):
            of_month[campaign_id, _month(charge.day)].append(charge)
    return [MonthOfCampaign(each, list_costs(of_month[each.campaign_id, each.month], known)) for each in page]


def _choose(charges: Sequence[Charge], chosen: ChargeFilter) -> list[Charge]:
    return [
        each
        for each in charges
        if chosen.country in {None, each.country} and chosen.category in {None, read_category(each.category)}
    ]


def _month(day: dt.date) -> dt.date:
    return day.replace(day=1)
