"""What campaigns have cost: the kept sums, the page of a campaign, the page of all costs and its file."""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal
from threading import Event

import pytest

from campaigns.domain.prices.costs import Cost, Prices, list_costs
from campaigns.domain.prices.price_list import Price
from campaigns.domain.users.rights import Role
from campaigns.management.files.work import do_all_work
from campaigns.management.prices.charges import count_next_charges, show_campaign_costs, show_ledger
from campaigns.management.prices.costs import find_costs
from campaigns.store.history.charges import ChargeFilter
from campaigns.store.prices import list_charges, write_prices
from tests.console.conftest import read_text
from tests.store.rows import add_account, add_campaign, add_message, fetch

NOW = dt.datetime.now(dt.UTC)
MONTH = NOW.date().replace(day=1)
BEFORE = (MONTH - dt.timedelta(days=1)).replace(day=1)


def price(country="BR", amount="0.05", market=""):
    return Price(country, "marketing", dt.date(2020, 1, 1), "USD", Decimal(amount), market)


def at(day):
    return dt.datetime.combine(day, dt.time(12), dt.UTC)


@pytest.fixture
def account_id(database):
    return database.run(add_account, name="sales")


@pytest.fixture
def add_sent(database, account_id):
    """Adds a started campaign with three billable messages, a free one and one without a report; returns its id."""

    def add(name="Natal", *, day=MONTH, account=account_id, **columns):
        def work(connection):
            columns_of = {"started_at": at(day), "time_zone": "UTC", "accounts": [account], "name": name} | columns
            campaign = add_campaign(connection, "running", **columns_of)
            sent = {"campaign_id": campaign, "account_id": account, "sent_at": at(day)}
            charged = sent | {"pricing_category": "marketing", "is_billable": True}
            for _each in range(2):
                add_message(connection, status="read", **charged)
            add_message(connection, status="failed", phone="+351912345678", **charged)
            add_message(connection, status="delivered", **charged | {"is_billable": False})
            add_message(connection, status="sent", **sent)
            add_message(connection, status="pending", campaign_id=campaign)
            return campaign

        return database.run(work)

    return add


def count_all(database):
    count = 0
    while count_next_charges(database):
        count += 1
    return count


def let_pass(database, interval):
    fetch(database, "UPDATE charge_counts SET counted_at = counted_at - %s::interval RETURNING 1", interval)


def test_the_kept_sums_are_those_of_the_messages(database, add_sent):
    campaign_id = add_sent()
    assert count_all(database) == 1
    known = Prices([price()])
    database.run(write_prices, [price()])
    kept = show_campaign_costs(database, campaign_id)
    assert kept.costs == list_costs(database.run(list_charges, campaign_id), known)
    assert kept.costs[0] == Cost("BR", "marketing", "USD", Decimal("0.05"), messages=3, billable=2, free=1, unknown=0)


def test_the_role_files_counts_all_campaigns_when_it_has_no_other_work(database, add_sent):
    ids = [add_sent(), add_sent("Pascoa")]
    do_all_work(database, secret_key=None, overlap_days=7, stop=Event())
    assert fetch(database, "SELECT campaign_id FROM charge_counts ORDER BY 1") == ids
    stopped = Event()
    stopped.set()
    add_sent("Carnaval")
    do_all_work(database, secret_key=None, overlap_days=7, stop=stopped)
    assert fetch(database, "SELECT count(*) FROM charge_counts") == [2]


def test_a_campaign_is_counted_again_when_its_receipts_may_have_come(database, add_sent):
    add_sent()
    assert (count_all(database), count_all(database)) == (1, 0)
    let_pass(database, "11 minutes")
    assert count_all(database) == 1
    fetch(database, "UPDATE charge_counts SET seconds = 60 RETURNING 1")
    let_pass(database, "11 minutes")
    assert count_all(database) == 0
    let_pass(database, "2 hours")
    assert count_all(database) == 1


def test_after_the_third_day_of_its_end_a_campaign_is_counted_once_more_and_never_again(database, add_sent):
    campaign_id = add_sent()
    end = "UPDATE campaigns SET status = 'completed', completed_at = now() - %s::interval RETURNING 1"
    fetch(database, end, "2 days")
    assert count_all(database) == 1
    let_pass(database, "6 hours")
    assert count_all(database) == 0  # a quarter of the time since the end has not passed
    let_pass(database, "12 hours")
    assert count_all(database) == 1
    fetch(database, "UPDATE campaigns SET completed_at = now() - interval '4 days' RETURNING 1")
    let_pass(database, "30 hours")
    assert count_all(database) == 1
    let_pass(database, "20 hours")
    assert count_all(database) == 0
    fetch(
        database, "UPDATE campaigns SET status = 'running', completed_at = NULL WHERE id = %s RETURNING 1", campaign_id
    )
    assert count_all(database) == 1  # failed messages are sent again


def test_the_sums_of_an_erased_campaign_stay(database, add_sent):
    campaign_id = add_sent()
    count_all(database)
    fetch(database, "UPDATE messages SET status = 'cancelled' WHERE status = 'pending' RETURNING 1")
    fetch(database, "UPDATE messages SET phone = NULL, recipient_key = NULL RETURNING 1")
    fetch(database, "UPDATE campaigns SET erased_at = now() RETURNING 1")
    let_pass(database, "3 days")
    assert count_all(database) == 0
    kept = show_campaign_costs(database, campaign_id).costs
    assert {each.country for each in kept} == {"BR", "PT"}
    database.run(write_prices, [price()])
    assert {each.country for each in database.run(find_costs, campaign_id)} == {"BR", "PT"}
    assert database.run(find_costs, campaign_id, last_day=BEFORE) == []


def test_a_process_counts_nothing_while_another_counts(database, add_sent):
    add_sent()

    def work(connection):
        connection.execute("SELECT pg_advisory_xact_lock(730198617)")
        return count_next_charges(database)

    assert database.run(work) is False
    assert count_next_charges(database) is True


def test_a_campaign_shows_its_cost_so_far_and_the_difference_to_the_estimate(console, database, add_sent):
    campaign_id = add_sent()
    browser = console.sign_in()
    page = f"/campaigns/{campaign_id}"
    assert "The costs are not counted yet." in browser.get(page).text
    count_all(database)
    assert "No price is loaded yet, so only the messages are counted." in browser.get(page).text
    database.run(write_prices, [price()])
    shown = read_text(browser.get(page).text)
    assert "So far$0.10" in shown
    # Five people in Brazil were to get the message; Portugal has no price.
    assert "At most, at the start$0.25 for 5 messages" in shown
    assert "Difference$0.15 the estimate minus" in shown
    assert "Billable3 1 without a price" in shown
    assert "Free1" in shown
    assert "Not reported1" in shown
    assert "Portugal" in shown


def test_a_draft_has_no_cost_yet(console, database):
    campaign_id = database.run(add_campaign, "draft")
    assert 'id="cost"' not in console.sign_in().get(f"/campaigns/{campaign_id}").text


@pytest.fixture
def ledger(database, add_sent):
    """Two campaigns in two months, with other accounts; returns their ids."""
    database.run(write_prices, [price(), price("PT", "0.1")])
    other = database.run(add_account, name="support")
    ids = add_sent(), add_sent("Pascoa", day=BEFORE, account=other)
    count_all(database)
    return ids


def test_the_costs_are_shown_by_month_campaign_category_and_country(console, ledger):
    shown = read_text(console.sign_in(Role.VIEWER).get("/cost").text)
    assert "Together10622$0.40" in shown
    assert "marketing8620$0.40" in shown
    assert "not reported yet2002" in shown
    assert "Brazil8422$0.20" in shown
    assert "Natal5311$0.20" in shown
    assert "Pascoa5311$0.20" in shown


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (f"from={MONTH:%Y-%m}", {"Natal"}),
        (f"from={BEFORE:%Y-%m}&to={BEFORE:%Y-%m}", {"Pascoa"}),
        ("campaign={natal}", {"Natal"}),
        ("account={support}", {"Pascoa"}),
        ("category=utility", set()),
        ("category=-&country=BR", {"Natal", "Pascoa"}),
        ("country=PT", {"Natal", "Pascoa"}),
        ("country=AO", set()),
        ("from=2001-01&to=2001-02", set()),
    ],
)
def test_a_filter_chooses_the_costs(console, database, ledger, query, names):
    (support,) = fetch(database, "SELECT id FROM accounts WHERE name = 'support'")
    page = console.sign_in(Role.VIEWER).get(f"/cost?{query.format(natal=ledger[0], support=support)}").text
    assert {name for name in ("Natal", "Pascoa") if f">{name}</a>" in page} == names


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("from=2026-13", 422),
        ("to=x", 422),
        ("from=2020-01&to=2026-01", 422),
        (f"from={MONTH:%Y-%m}&to={BEFORE:%Y-%m}", 422),
        ("campaign=x", 422),
        ("to=9999-12", 200),
        ("to=0001-01", 200),
        ("account=x", 400),
        ("after=x", 400),
        (f"campaign={2**63}", 422),
    ],
)
def test_a_wrong_filter_is_told_at_its_field(console, query, status):
    answer = console.sign_in(Role.VIEWER).get(f"/cost?{query}")
    assert answer.status_code == status
    assert ("field-error" in answer.text) is (status == 422)


def test_the_pages_of_the_costs_show_each_campaign_once(console, database, add_sent, monkeypatch):
    monkeypatch.setattr("campaigns.management.prices.charges.PAGE", 2)
    names = {f"No{number}" for number in range(5)}
    for number in range(5):
        add_sent(f"No{number}", day=MONTH if number % 2 else BEFORE)
    count_all(database)
    browser, found, address = console.sign_in(Role.VIEWER), [], "/cost"
    while address:
        page = browser.get(address).text
        found += [name for name in sorted(names) if f">{name}</a>" in page]
        address = page.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0] if 'rel="next"' in page else None
        address = address and address.replace("&amp;", "&")
    assert sorted(found) == sorted(names)


def test_the_file_has_the_same_numbers_and_the_audit_says_who_took_it(console, database, ledger):
    browser = console.sign_in(Role.VIEWER, name="maria")
    answer = browser.get("/cost.csv?country=BR")
    rows = [*csv.DictReader(answer.data.decode("utf-8-sig").splitlines())]
    assert {row["campaign"] for row in rows} == {"Natal", "Pascoa"}
    billed = next(row for row in rows if row["campaign"] == "Natal" and row["category"] == "marketing")
    assert billed["amount"] == "0.1"
    assert billed["month"] == f"{MONTH:%Y-%m}"
    (event,) = fetch(database, "SELECT actor, after->>'country' FROM audit_events WHERE what = 'costs.export'")
    assert event == ("maria", "BR")
    assert browser.get("/cost.csv?to=x").status_code == 400
    assert "maria downloaded the costs of campaigns." in read_text(browser.get("/audit").text)


def test_the_page_reads_no_message(database, ledger):
    fetch(database, "DELETE FROM messages RETURNING 1")
    chosen = ChargeFilter(BEFORE, NOW.date())
    assert sum(cost.messages for cost in show_ledger(database, chosen).costs) == 10


def test_money_is_written_as_the_language_does_and_an_example_is_told(console, database, ledger):
    database.run(write_prices, [price(market="Invented example: one country")])
    shown = read_text(console.sign_in(language="pt_BR").get("/cost").text)
    assert "US$ 0,40" in shown
    assert "são os inventados do exemplo" in shown
