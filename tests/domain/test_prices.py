from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from campaigns.domain.phone.languages import find_country
from campaigns.domain.phone.regions import REGIONS
from campaigns.domain.prices.costs import Charge, Prices, add_up, count_unpriced, estimate_cost, list_costs
from campaigns.domain.prices.price_list import Price, read_price_list
from campaigns.domain.recipients import RowProblem
from campaigns.domain.statement import Money, Refusal

HEADER = ["market", "countries", "currency", "valid_from", "marketing", "utility"]
OCTOBER, NOVEMBER = dt.date(2026, 10, 1), dt.date(2026, 11, 1)


def read(*rows, header=HEADER):
    return read_price_list([(1, header), *enumerate(rows, start=2)])


def refuse(*rows, header=HEADER):
    with pytest.raises(Refusal) as caught:
        read(*rows, header=header)
    return str(caught.value)


def price(country="BR", category="marketing", amount="0.5", valid_from=OCTOBER, currency="USD"):
    return Price(country, category, valid_from, currency, Decimal(amount), "")


def test_a_row_has_the_prices_of_a_market():
    found = read(["North America", "us, CA", "usd", "2026-10-01", "0.0250", "n/a"])
    assert found == [
        Price("US", "marketing", OCTOBER, "USD", Decimal("0.0250"), "North America"),
        Price("CA", "marketing", OCTOBER, "USD", Decimal("0.0250"), "North America"),
    ]


def test_a_star_means_all_countries_that_the_list_does_not_name_for_this_day():
    found = read(
        ["Brazil", "BR", "USD", "2026-10-01", "0.5", ""],
        ["Chile", "CL", "USD", "2026-11-01", "0.5", ""],
        ["Other", "*", "USD", "2026-10-01", "0.9", ""],
    )
    assert {each.country for each in found if each.market == "Other"} == REGIONS - {"BR"}


def test_decimals_may_have_a_comma():
    assert [each.amount for each in read(["", "BR", "BRL", "2026-10-01", "0,3217", "12"])] == [
        Decimal("0.3217"),
        Decimal(12),
    ]


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("countries", "XX", "XX must be a country of two letters such as BR."),
        ("countries", "", "must have countries of two letters, such as BR, or * for all other countries."),
        ("countries", "* BR", "* stands alone, for all other countries."),
        ("currency", "R$", "must be a currency of three letters, such as BRL."),
        ("valid_from", "01/10/2026", "must be a day, written as YYYY-MM-DD."),
        ("valid_from", "2026-02-30", "must be a day, written as YYYY-MM-DD."),
        ("marketing", "$0.05", "$0.05 is no price: write it as 0.0625, without the currency."),
        ("marketing", "-0.05", "-0.05 is no price: write it as 0.0625, without the currency."),
        ("marketing", "2.280,50", "2.280,50 is no price: write it as 0.0625, without the currency."),
        ("marketing", "2.280", "2.280 may be 2.2800 or 2280: write 2.2800, or 2280."),
    ],
)
def test_what_is_wrong_is_said_with_row_and_column(column, cell, reason):
    row = ["Brazil", "BR", "USD", "2026-10-01", "0.5", "0.1"]
    row[HEADER.index(column)] = cell
    assert refuse(row) == f"nothing was loaded. Row 2, {column}: {reason}"


def test_all_rows_are_checked_and_the_first_problems_are_told():
    wrong = [["", "XX", "USD", "2026-10-01", "0.5", ""]] * 12
    text = refuse(["Brazil", "BR", "USD", "2026-10-01", "0.5", ""], *wrong)
    assert "Row 3, countries" in text
    assert "Row 12, countries" in text
    assert text.endswith("… and 2 more.")


def test_one_country_has_one_price_for_a_category_and_a_day():
    rows = [["a", "BR CL", "USD", "2026-10-01", "0.5", ""], ["b", "CL", "BRL", "2026-10-01", "0.6", ""]]
    assert refuse(*rows) == "nothing was loaded. Row 3, countries: CL has a price for this day in row 2, too."
    rows[1][3] = "2026-11-01"
    assert len(read(*rows)) == 3


def test_a_row_that_cannot_be_read_or_has_no_price_or_too_many_cells_is_refused():
    assert refuse(RowProblem("a cell", "goes on behind its closing quote")).startswith(
        "nothing was loaded. Row 2, a ce"
    )
    assert refuse(["", "BR", "USD", "2026-10-01", "", ""]) == "nothing was loaded. Row 2: there is no price."
    text = refuse(["", "BR", "USD", "2026-10-01", "0", "32", "0", "1"])
    assert text == "nothing was loaded. Row 2: there are more cells than columns."


def test_the_columns_have_names_that_are_known():
    row = ["BR", "USD", "2026-10-01", "0.5"]
    text = refuse(row, header=["countries", "currency", "valid_from", "Marketing (US$)"])
    assert "Row 1: one of the columns marketing, utility, authentication" in text
    assert "Row 1, marketing (us$): is no column of a price list; the columns are market, countries, curr" in text
    assert "Row 1, valid_from: is missing" in refuse(row, header=["countries", "currency", "market", "marketing"])
    assert "Row 1, utility: names two columns" in refuse(
        row, header=["countries", "currency", "valid_from", *["utility"] * 2]
    )
    assert "Row 1, countries: is missing in the first row" in refuse(header=[""])


def test_a_list_without_rows_is_refused():
    assert refuse() == "the file has no price."


def test_a_price_is_valid_from_its_day_until_the_next_one():
    prices = Prices([price(amount="0.5"), price(amount="0.6", valid_from=NOVEMBER)])
    days = [OCTOBER - dt.timedelta(1), OCTOBER, NOVEMBER - dt.timedelta(1), NOVEMBER]
    found = [prices.find("BR", "marketing", day) for day in days]
    assert [each and each.amount for each in found] == [None, Decimal("0.5"), Decimal("0.5"), Decimal("0.6")]


def test_an_estimate_names_the_countries_without_a_price_and_guesses_none():
    prices = Prices([price(amount="0.0625"), price("PT", amount="0.1", currency="EUR")])
    found = estimate_cost({"BR": 1000, "PT": 1, "AO": 3, "": 5}, {"MARKETING"}, prices, day=OCTOBER)
    assert found.amounts == [Money(Decimal("0.1"), "EUR"), Money(Decimal("62.5000"), "USD")]
    assert (found.message_count, found.unpriced) == (1001, {"": 5, "AO": 3})


def test_an_estimate_takes_the_highest_price_that_may_be_charged():
    prices = Prices([
        price(amount="0.5"),
        price(category="utility", amount="0.1"),
        price(category="authentication", amount="0.2"),
        price(category="authentication_international", amount="0.9"),
    ])  # fmt: skip
    for categories, amount in (({"MARKETING", "UTILITY"}, "0.5"), ({"UTILITY"}, "0.1"), ({"AUTHENTICATION"}, "0.9")):
        found = estimate_cost({"BR": 1}, categories, prices, day=OCTOBER)
        assert found.amounts == [Money(Decimal(amount), "USD")]


def test_costs_count_billable_messages_at_the_price_of_their_day():
    prices = Prices([price(amount="0.5"), price(amount="0.6", valid_from=NOVEMBER)])
    charges = [
        Charge("BR", "marketing", OCTOBER, True, 10),
        Charge("BR", "MARKETING", OCTOBER, False, 2),
        Charge("BR", "marketing", NOVEMBER, True, 5),
        Charge("BR", "", NOVEMBER, None, 3),
        Charge("AO", "authentication-international", NOVEMBER, True, 1),
    ]
    costs = list_costs(charges, prices)
    assert [(each.country, each.category, each.amount) for each in costs] == [
        ("BR", "marketing", Decimal("5.0")),
        ("BR", "marketing", Decimal("3.0")),
        ("BR", "", None),
        ("AO", "authentication_international", None),
    ]
    assert [(each.messages, each.billable, each.free, each.unknown) for each in costs] == [
        (12, 10, 2, 0),
        (5, 5, 0, 0),
        (3, 0, 0, 3),
        (1, 1, 0, 0),
    ]
    assert add_up(costs) == [Money(Decimal("8.0"), "USD")]
    assert count_unpriced(costs) == 1


@pytest.mark.parametrize(
    ("phone", "country"),
    [
        ("5511999990001", "BR"),
        ("351912345678", "PT"),
        ("12025550123", "US"),
        ("14165550123", "CA"),
        ("18095550123", "DO"),
        ("17875550123", "PR"),
        ("15555550123", ""),
        ("79161234567", "RU"),
        ("77011234567", "KZ"),
        ("447700900123", "GB"),
        ("870773111632", ""),
        ("9991234567", ""),
    ],
)
def test_the_first_digits_tell_the_country(phone, country):
    assert find_country(phone[:4]) == country
