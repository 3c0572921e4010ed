"""Reads a price list, which a person makes from Meta's rate card: one row per market, one column per category."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from campaigns.domain.phone.regions import REGIONS, read_region
from campaigns.domain.recipients import RowProblem
from campaigns.domain.schedule import read_day
from campaigns.domain.statement import Problem, Refusal, Sentence
from campaigns.domain.text.normal import is_blank


class Category(StrEnum):
    """The categories by which Meta charges. The values are the names of the columns of a price list."""

    MARKETING = "marketing"
    UTILITY = "utility"
    AUTHENTICATION = "authentication"
    AUTHENTICATION_INTERNATIONAL = "authentication_international"
    SERVICE = "service"
    MARKETING_LITE = "marketing_lite"


MARKET, COUNTRIES, CURRENCY, VALID_FROM = "market", "countries", "currency", "valid_from"
_NEEDED = (COUNTRIES, CURRENCY, VALID_FROM)
_KNOWN = (MARKET, *_NEEDED, *Category)
# In the column `countries`: all countries that no other row with the same day names.
_ALL_OTHERS = "*"
# The cells for a price that Meta does not have.
_NO_PRICE = frozenset({"", "-", "--", "n/a"})
_CURRENCY = re.compile(r"[A-Z]{3}")
_AMOUNT = re.compile(r"\d{1,9}(?:[.,]\d{1,9})?")
# 1.234 and 1,234 may be 1234, with a separator of thousands.
_MAY_BE_THOUSANDS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_SHOWN_PROBLEMS = 10
# The markets of the example begin so. Its figures are so small that nobody takes them for Meta's.
_EXAMPLE_MARKET = "Invented example"
_EXAMPLE = f"""\
market,countries,currency,valid_from,marketing,utility,authentication,authentication_international,service
{_EXAMPLE_MARKET}: one country,BR,USD,{{day}},0.0003,0.0002,0.0002,,0.0001
{_EXAMPLE_MARKET}: several countries,CA US,USD,{{day}},0.0006,0.0005,0.0004,,0.0001
{_EXAMPLE_MARKET}: all other countries,*,USD,{{day}},0.0009,0.0008,0.0007,0.0010,0.0001
"""


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one message to a country. It is valid from a day on, until the next price.

    `country`: two letters of ISO 3166. `category`: as in the reports of Meta, with _ in place of -. `currency`: three
    letters of ISO 4217. `market`: the name that Meta gives to a group of countries; "" without a name.
    """

    country: str
    category: str
    valid_from: dt.date
    currency: str
    amount: Decimal
    market: str

    @property
    def is_example(self) -> bool:
        """The price is one of the invented figures of `write_example`."""
        return _is_example(self.market)


@dataclass(frozen=True, slots=True)
class MarketPrices:
    """The prices that countries of a market share, by category. `countries`: their codes, in order."""

    market: str
    countries: Sequence[str]
    currency: str
    valid_from: dt.date
    amounts: Mapping[str, Decimal]

    @property
    def is_example(self) -> bool:
        return _is_example(self.market)


@dataclass(frozen=True, slots=True)
class _Market:
    """One row of a price list."""

    row_number: int
    name: str
    countries: Sequence[str]
    currency: str
    valid_from: dt.date
    amounts: Mapping[Category, Decimal]


@dataclass(frozen=True, slots=True)
class _Wrong:
    """What is wrong in a row. `reason` is worded to follow the name of the column."""

    row_number: int
    column: str
    reason: Sentence | Problem


def read_price_list(rows: Iterable[tuple[int, Sequence[str] | RowProblem]]) -> list[Price]:
    """Return the prices of a list; the first row names the columns. Rows without text are left out.

    Raises Refusal if anything is wrong; its text names the first rows with their columns, as the part of a sentence
    that follows the name of the file.
    """
    numbered = ((number, row) for number, row in rows if isinstance(row, RowProblem) or not all(map(is_blank, row)))
    header_number, header = next(numbered, (1, []))
    names = [] if isinstance(header, RowProblem) else [name.strip().lower() for name in header]
    problems = [_Wrong(header_number, column, reason) for column, reason in _check_header(names)]
    markets: list[_Market] = []
    for number, row in numbered if not problems else ():
        found, wrong = _read_row(number, row, names)
        problems += wrong
        markets += found
    problems += _find_repeated(markets)
    if problems:
        raise _refuse(problems)
    prices = [price for market in markets for price in _list_prices(market, markets)]
    if not prices:
        raise Refusal("prices_empty", "the file has no price.")
    return prices


def write_example(today: dt.date) -> str:
    """Return a price list with invented figures, as the text of a CSV file whose columns show the form."""
    return _EXAMPLE.format(day=today.replace(day=1))


def group_by_market(prices: Iterable[Price]) -> list[MarketPrices]:
    """Return prices as a price list has them: in one row, the countries with the same market, day and prices.

    The newest day comes first.
    """
    of_country: dict[tuple[dt.date, str, str, str], dict[str, Decimal]] = defaultdict(dict)
    for price in prices:
        of_country[price.valid_from, price.market, price.currency, price.country][price.category] = price.amount
    rows: dict[tuple[dt.date, str, str, tuple[tuple[str, Decimal], ...]], list[str]] = defaultdict(list)
    for (day, market, currency, country), amounts in sorted(of_country.items()):
        rows[day, market, currency, tuple(sorted(amounts.items()))].append(country)
    grouped = [
        MarketPrices(market, countries, currency, day, dict(amounts_of))
        for (day, market, currency, amounts_of), countries in rows.items()
    ]
    return sorted(grouped, key=lambda each: (-each.valid_from.toordinal(), each.market, each.countries[0]))


def _is_example(market: str) -> bool:
    return market.startswith(_EXAMPLE_MARKET)


def _check_header(names: Sequence[str]) -> Iterator[tuple[str, Sentence]]:
    for name in _NEEDED:
        if name not in names:
            yield name, Sentence("is missing in the first row, which names the columns")
    if not {*names}.intersection(Category):
        yield "", Sentence("one of the columns {categories} is needed", categories=", ".join(Category))
    for name in dict.fromkeys(names):
        if name and name not in _KNOWN:
            yield name, Sentence("is no column of a price list; the columns are {columns}", columns=", ".join(_KNOWN))
        if name and names.count(name) > 1:
            yield name, Sentence("names two columns")


def _read_row(number: int, row: Sequence[str] | RowProblem, names: Sequence[str]) -> tuple[list[_Market], list[_Wrong]]:
    """Return the market of a row, or what is wrong in the row."""
    if isinstance(row, RowProblem):
        return [], [_Wrong(number, row.column, Problem(row.reason))]
    cells = dict.fromkeys(_KNOWN, "") | {name: cell.strip() for name, cell in zip(names, row, strict=False)}
    currency, day = cells[CURRENCY].upper(), read_day(cells[VALID_FROM])
    countries, wrong = _read_countries(cells[COUNTRIES])
    amounts, wrong_amounts = _read_amounts(cells)
    if not _CURRENCY.fullmatch(currency):
        wrong.append((CURRENCY, Sentence("must be a currency of three letters, such as BRL")))
    if day is None:
        wrong.append((VALID_FROM, Sentence("must be a day, written as YYYY-MM-DD")))
    if any(not is_blank(cell) for cell in row[len(names) :]):
        wrong.append(("", Sentence("there are more cells than columns")))
    wrong += wrong_amounts
    if wrong or day is None:
        return [], [_Wrong(number, column, reason) for column, reason in wrong]
    return [_Market(number, cells[MARKET], countries, currency, day, amounts)], []


def _read_countries(text: str) -> tuple[list[str], list[tuple[str, Sentence]]]:
    """Return the countries of a cell, and the name of the column with each thing that is wrong."""
    countries: list[str] = []
    wrong = []
    for word in text.replace(",", " ").split():
        try:
            countries.append(word if word == _ALL_OTHERS else read_region(word))
        except ValueError as error:
            wrong.append((COUNTRIES, Sentence("{text} {reason}", text=word, reason=error.args[0])))
    if not countries and not wrong:
        reason = Sentence("must have countries of two letters, such as BR, or * for all other countries")
        wrong.append((COUNTRIES, reason))
    if _ALL_OTHERS in countries and len(countries) > 1:
        wrong.append((COUNTRIES, Sentence("* stands alone, for all other countries")))
    return [*dict.fromkeys(countries)], wrong


def _read_amounts(cells: Mapping[str, str]) -> tuple[dict[Category, Decimal], list[tuple[str, Sentence]]]:
    """Return the prices of a row, and the name of the column with each thing that is wrong."""
    amounts = {}
    wrong: list[tuple[str, Sentence]] = []
    for category in Category:
        text = cells[category]
        if text.lower() in _NO_PRICE:
            continue
        try:
            amounts[category] = _read_amount(text)
        except ValueError as error:
            wrong.append((category, error.args[0]))
    if not amounts and not wrong:
        wrong.append(("", Sentence("there is no price")))
    return amounts, wrong


def _read_amount(text: str) -> Decimal:
    """Return the amount that a cell has, with a point or a comma before the decimals. Raises ValueError."""
    if not _AMOUNT.fullmatch(text):
        raise ValueError(Sentence("{text} is no price: write it as 0.0625, without the currency", text=text))
    if _MAY_BE_THOUSANDS.fullmatch(text):
        whole, decimals = re.split("[.,]", text)
        reason = Sentence(
            "{text} may be {small} or {large}: write {small}, or {large}",
            text=text,
            small=f"{whole}.{decimals}0",
            large=f"{whole}{decimals}",
        )
        raise ValueError(reason)
    return Decimal(text.replace(",", "."))


def _find_repeated(markets: Sequence[_Market]) -> Iterator[_Wrong]:
    """Yield the countries that have two prices for the same category and day."""
    seen: dict[tuple[str, Category, dt.date], int] = {}
    for market in markets:
        for country in market.countries:
            rows = {
                seen.setdefault((country, category, market.valid_from), market.row_number)
                for category in market.amounts
            } - {market.row_number}
            if rows:
                reason = Sentence(
                    "{country} has a price for this day in row {row:,}, too", country=country, row=min(rows)
                )
                yield _Wrong(market.row_number, COUNTRIES, reason)


def _list_prices(market: _Market, markets: Sequence[_Market]) -> Iterator[Price]:
    countries = market.countries
    if countries == [_ALL_OTHERS]:
        named = {country for each in markets if each.valid_from == market.valid_from for country in each.countries}
        countries = sorted(REGIONS - named)
    for country in countries:
        for category, amount in market.amounts.items():
            yield Price(country, str(category), market.valid_from, market.currency, amount, market.name)


def _refuse(problems: Sequence[_Wrong]) -> Refusal:
    listed = [
        Sentence("Row {row:,}: {reason}.", row=each.row_number, reason=each.reason)
        if not each.column
        else Sentence("Row {row:,}, {column}: {reason}.", row=each.row_number, column=each.column, reason=each.reason)
        for each in sorted(problems, key=lambda each: each.row_number)
    ]
    if more := len(listed[_SHOWN_PROBLEMS:]):
        listed = [*listed[:_SHOWN_PROBLEMS], Sentence("… and {count:,} more.", count=more)]
    return Refusal("prices_invalid", "nothing was loaded. {problems}", problems=listed)
