"""Writes what campaigns may cost, and what they have cost, for the commands that show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from campaigns.cli.hints import _, plural
from campaigns.domain.prices.costs import Cost, Estimate, add_up, count_unpriced, write_amount
from campaigns.domain.statement import Count, Money
from campaigns.language import current, round_up

_SHOWN_COUNTRIES = 10


def describe_estimate(estimate: Estimate) -> str:
    """Return the most that a campaign costs: `at most $62.50 for 1,000 messages`, and the countries without a price.

    Without any price, the text says how to load prices.
    """
    if not estimate.countries:
        return ""
    if not estimate.has_prices:
        return _(
            "not known, because no price is loaded for these countries: {countries}. `revoada prices -h` says how to"
            " load prices",
            countries=_list_countries(estimate.unpriced),
        )
    parts = []
    if estimate.message_count:
        amounts, messages = _write_amounts(map(round_up, estimate.amounts)), Count(estimate.message_count, "message")
        parts.append(_("at most {amounts} for {messages}", amounts=amounts, messages=messages))
    if estimate.unpriced:
        unpriced, countries = Count(sum(estimate.unpriced.values()), "message"), _list_countries(estimate.unpriced)
        parts.append(_("no price for {messages}: {countries}", messages=unpriced, countries=countries))
    if estimate.is_example:
        parts.append(_("the prices are the invented ones of the example"))
    return "; ".join(parts)


def _list_countries(counts: Mapping[str, int]) -> str:
    """Return the first countries with their numbers of messages: `BR (1,000), PT (2)`."""
    shown = [
        f"{_write_country(country)} ({current().format_number(count, ',')})"
        for country, count in [*counts.items()][:_SHOWN_COUNTRIES]
    ]
    return ", ".join([*shown, *(["…"] if len(counts) > _SHOWN_COUNTRIES else [])])


def estimate_to_json(estimate: Estimate | None) -> dict[str, object] | None:
    if estimate is None:
        return None
    return {
        "day": estimate.day,
        "amounts": _amounts_to_json(estimate.amounts),
        "message_count": estimate.message_count,
        "unpriced": [{"country": country or None, "count": count} for country, count in estimate.unpriced.items()],
    }


def describe_total(costs: Sequence[Cost]) -> str:
    """Return the sum of costs, and the messages that it leaves out; "" without messages."""
    if not costs:
        return ""
    billable_count = sum(cost.billable for cost in costs if cost.price is not None)
    amounts = _write_amounts(add_up(costs)) or "0"
    messages = Count(billable_count, "message")
    parts = [_("{amounts} for {messages}, by the reports so far", amounts=amounts, messages=messages)]
    if unknown := sum(cost.unknown for cost in costs):
        parts.append(plural("{count:,} not reported yet", "{count:,} not reported yet", unknown))
    if unpriced := count_unpriced(costs):
        parts.append(plural("{count:,} without a price", "{count:,} without a price", unpriced))
    return "; ".join(parts)


def costs_to_json(costs: Sequence[Cost]) -> dict[str, object]:
    return {"amounts": _amounts_to_json(add_up(costs)), "rows": [cost_to_json(cost) for cost in costs]}


def cost_to_json(cost: Cost) -> dict[str, object]:
    """Return a cost with its amounts as texts, because a JSON number may lose decimals."""
    return {
        **asdict(cost),
        "country": cost.country or None,
        "category": cost.category or None,
        "price": write_amount(cost.price),
        "amount": write_amount(cost.amount),
    }


def cost_columns() -> tuple[str, ...]:
    """Return the titles of `cost_cells`."""
    return (
        *(_("country"), _("category"), _("messages"), _("billable"), _("free"), _("not reported")),
        *(_("price"), _("cost")),
    )


def cost_cells(cost: Cost) -> tuple[object, ...]:
    price = amount = ""
    if cost.price is not None and cost.amount is not None and cost.currency is not None:
        price = current().format(Money(cost.price, cost.currency, is_price=True), "")
        amount = current().format(Money(cost.amount, cost.currency), "")
    country, category = _write_country(cost.country), cost.category or _("not reported")
    return (country, category, cost.messages, cost.billable, cost.free, cost.unknown, price or _("none"), amount)


def _write_country(country: str) -> str:
    return country or _("unknown country")


def _write_amounts(amounts: Iterable[Money]) -> str:
    return " + ".join(current().format(each, "") for each in amounts)


def _amounts_to_json(amounts: Sequence[Money]) -> list[dict[str, str | None]]:
    return [{"currency": each.currency, "amount": write_amount(each.amount)} for each in amounts]
