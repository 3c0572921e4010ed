"""The prices of messages, and what campaigns cost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

from apiflask import APIBlueprint

from api.access import demands
from api.context import parts
from api.schemas import Day, In, Moment, Out
from campaigns.domain.prices.costs import Cost, Estimate, add_up, write_amount
from campaigns.domain.prices.price_list import MarketPrices
from campaigns.domain.statement import Money
from campaigns.domain.users.scopes import Scope
from campaigns.management.prices.cards import CardState, show_cards
from campaigns.management.prices.charges import show_campaign_costs
from campaigns.management.prices.costs import find_estimate
from campaigns.management.reports import find_campaign

blueprint = APIBlueprint("prices", __name__)


class PriceDay(Out):
    """The prices with the same first day."""

    valid_from: dt.date
    price_count: int
    state: CardState


class MarketPrice(Out):
    """The prices that countries share. `amounts`: by category, the price of one message. `is_example`: invented."""

    market: str
    countries: list[str]
    currency: str
    valid_from: dt.date
    amounts: dict[str, str]
    is_example: bool


class PriceLists(Out):
    """`days`: the lists that are loaded, the newest first. `items`: the prices in force, or those of the asked day."""

    days: list[PriceDay]
    items: list[MarketPrice]


class PriceQuery(In):
    day: Day | None = None


class Amount(Out):
    amount: str
    currency: str


class CountryCount(Out):
    """`country`: two letters of ISO 3166; `null` if it is not known."""

    country: str | None
    count: int


class EstimatedCost(Out):
    """The most that the messages of a campaign cost. `message_count`: those with a price. `unpriced`: the others."""

    day: dt.date
    amounts: list[Amount]
    message_count: int
    unpriced: list[CountryCount]


class CostOfMessages(Out):
    """What messages of one category to one country have cost.

    `unknown`: the messages about which Meta has not reported yet whether they are billable. `price`: `null` if none is
    loaded.
    """

    country: str | None
    category: str | None
    currency: str | None
    price: str | None
    messages: int
    billable: int
    free: int
    unknown: int
    amount: str | None


class CampaignCosts(Out):
    """`estimate`: before its start, the most that a campaign costs; later the estimate of its start, if it was counted.

    `counted_at`: when the costs were counted last; `null` if they were not counted yet.
    """

    estimate: EstimatedCost | None
    counted_at: Moment | None
    amounts: list[Amount]
    items: list[CostOfMessages]


@blueprint.get("/prices")
@demands(Scope.CAMPAIGNS_READ)
@blueprint.input(PriceQuery, location="query")
@blueprint.output(PriceLists)
def list_prices(query_data: PriceQuery) -> PriceLists:
    """List the prices of messages by market."""
    today = dt.datetime.now(ZoneInfo(parts().settings.time_zone)).date()
    shown = show_cards(parts().database, today=today, chosen=query_data.day)
    return PriceLists(
        days=[PriceDay.show(each) for each in shown.cards], items=[_show_market(each) for each in shown.rows]
    )


@blueprint.get("/campaigns/<id:campaign_id>/costs")
@demands(Scope.CAMPAIGNS_READ)
@blueprint.output(CampaignCosts)
def read_costs(campaign_id: int) -> CampaignCosts:
    """Read what a campaign may cost, or what it has cost by the reports of Meta.

    Costs are counted in the background. For a draft, this reads all its messages.
    """
    row = parts().database.run(find_campaign, campaign_id)
    counted = show_campaign_costs(parts().database, campaign_id)
    if counted is None:
        estimate = parts().database.run(find_estimate, row)
        return CampaignCosts(estimate=_show_estimate(estimate), counted_at=None, amounts=[], items=[])
    return CampaignCosts(
        estimate=_show_estimate(counted.estimate),
        counted_at=counted.counted_at,
        amounts=_show_amounts(add_up(counted.costs)),
        items=[_show_cost(each) for each in counted.costs],
    )


def _show_market(row: MarketPrices) -> MarketPrice:
    amounts = {category: write_amount(amount) for category, amount in row.amounts.items()}
    return MarketPrice.show(row, countries=list(row.countries), amounts=amounts)


def _show_estimate(estimate: Estimate | None) -> EstimatedCost | None:
    if estimate is None:
        return None
    return EstimatedCost.show(
        estimate, amounts=_show_amounts(estimate.amounts), unpriced=_show_countries(estimate.unpriced)
    )


def _show_countries(counts: Mapping[str, int]) -> list[CountryCount]:
    return [CountryCount(country=country or None, count=count) for country, count in counts.items()]


def _show_amounts(amounts: Iterable[Money]) -> list[Amount]:
    return [Amount(amount=write_amount(each.amount) or "0", currency=each.currency) for each in amounts]


def _show_cost(cost: Cost) -> CostOfMessages:
    texts = {"price": write_amount(cost.price), "amount": write_amount(cost.amount)}
    return CostOfMessages.show(cost, country=cost.country or None, category=cost.category or None, **texts)
