"""Computes what a campaign may cost before its start, and what it has cost by the reports of Meta."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from campaigns.domain.prices.price_list import Category, Price
from campaigns.domain.statement import Money


class Prices:
    """The prices of all countries and days. No price is guessed: a country without a price has none."""

    def __init__(self, prices: Iterable[Price]) -> None:
        self._prices: dict[tuple[str, str], list[Price]] = defaultdict(list)
        for price in sorted(prices, key=lambda each: each.valid_from, reverse=True):
            self._prices[price.country, price.category].append(price)

    def find(self, country: str, category: str, day: dt.date) -> Price | None:
        """Return the price of a message that is sent on this day."""
        return next((price for price in self._prices.get((country, category), ()) if price.valid_from <= day), None)


@dataclass(frozen=True, slots=True)
class CountryEstimate:
    """The most that the messages to one country cost. `price`: of one message; None if no price is loaded."""

    country: str
    message_count: int
    price: Money | None

    @property
    def amounts(self) -> Sequence[Money]:
        """The amount; none without a price."""
        return [] if self.price is None else [Money(self.price.amount * self.message_count, self.price.currency)]


@dataclass(frozen=True, slots=True)
class Estimate:
    """The most that the pending messages of a campaign cost, at the prices of one day.

    It is the most, because nobody knows before which messages are free, or for which a volume tier lowers the price.
    `day`: the day of the first message, in the zone of the campaign. `amounts`: one per currency. `message_count`: the
    messages that have a price. `unpriced`: the other messages, by country; "" is an unknown country. `countries`: all
    countries, that with the most messages first. `is_example`: some of the prices are the invented ones of the example.
    """

    day: dt.date
    amounts: Sequence[Money]
    message_count: int
    unpriced: Mapping[str, int]
    countries: Sequence[CountryEstimate] = ()
    is_example: bool = False

    @property
    def has_prices(self) -> bool:
        return self.message_count > 0


def estimate_cost(people: Mapping[str, int], categories: Collection[str], prices: Prices, *, day: dt.date) -> Estimate:
    """Return the most that messages to these people cost. `people`: their number by country.

    `categories`: the categories that the template has for the accounts. The highest of their prices counts. For
    authentication, the international price counts, too, because Meta decides which of both it charges.
    """
    charged = {read_category(category) for category in categories}
    if Category.AUTHENTICATION in charged:
        charged.add(Category.AUTHENTICATION_INTERNATIONAL)
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    priced_count, unpriced, countries, is_example = 0, Counter[str](), [], False
    for country, count in sorted(people.items(), key=lambda each: (-each[1], each[0])):
        found = [price for category in charged if (price := prices.find(country, category, day))]
        if not found:
            unpriced[country] += count
            countries.append(CountryEstimate(country, count, None))
            continue
        highest = max(found, key=lambda price: price.amount)
        amounts[highest.currency] += highest.amount * count
        priced_count += count
        is_example = is_example or highest.is_example
        countries.append(CountryEstimate(country, count, Money(highest.amount, highest.currency, is_price=True)))
    unpriced_first = dict(unpriced.most_common())
    return Estimate(day, _to_money(amounts), priced_count, unpriced_first, countries, is_example)


@dataclass(frozen=True, slots=True)
class Charge:
    """Messages that Meta has accepted, or may have accepted, with the same report about their price.

    `country`: "" if it is unknown. `category`: "" if Meta has not reported it. `day`: of the sending. `is_billable`:
    None if Meta has not reported it. `account_id`: None if it is unknown, or if the numbers of all accounts are
    together.
    """

    country: str
    category: str
    day: dt.date
    is_billable: bool | None
    count: int
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What messages of one category to one country have cost, at one price. The attributes are keys of JSON.

    `category`: "" if Meta has not reported it. `unknown`: messages of which Meta has not reported yet whether they are
    billable. `price` and `amount` None: no price is loaded for this country, category and day.
    """

    country: str
    category: str
    currency: str | None
    price: Decimal | None
    messages: int
    billable: int
    free: int
    unknown: int

    @property
    def amount(self) -> Decimal | None:
        return None if self.price is None else self.price * self.billable


def list_costs(charges: Iterable[Charge], prices: Prices) -> list[Cost]:
    """Return what messages have cost, by country, category and price; the most messages first."""
    counts: dict[tuple[str, str, str | None, Decimal | None], Counter[bool | None]] = defaultdict(Counter)
    for charge in charges:
        category = read_category(charge.category)
        price = prices.find(charge.country, category, charge.day)
        found = (None, None) if price is None else (price.currency, price.amount)
        counts[charge.country, category, *found][charge.is_billable] += charge.count
    costs = [
        Cost(*key, messages=count.total(), billable=count[True], free=count[False], unknown=count[None])
        for key, count in counts.items()
    ]
    return sorted(costs, key=lambda cost: (-cost.messages, cost.country, cost.category, str(cost.price)))


def add_up(costs: Iterable[Cost]) -> list[Money]:
    """Return the sum of the costs, one amount per currency."""
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for cost in costs:
        if cost.currency is not None and cost.amount is not None:
            amounts[cost.currency] += cost.amount
    return _to_money(amounts)


def count_unpriced(costs: Iterable[Cost]) -> int:
    """Return the number of billable messages without a price."""
    return sum(cost.billable for cost in costs if cost.price is None)


def write_amount(amount: Decimal | None) -> str | None:
    """Return an amount with a point and without superfluous zeros, for programs."""
    if amount is None:
        return None
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def read_category(text: str) -> str:
    """Return a category as price lists have it. `text`: as templates or reports have it, such as MARKETING."""
    return text.lower().replace("-", "_")


def _to_money(amounts: Mapping[str, Decimal]) -> list[Money]:
    return [Money(amount, currency) for currency, amount in sorted(amounts.items())]
