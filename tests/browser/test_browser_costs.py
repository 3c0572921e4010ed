"""Costs, prices and settings in a real browser: an admin loads a price list, and no page violates WCAG."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from campaigns.domain.prices.price_list import Price
from campaigns.domain.users.rights import Role
from campaigns.management.prices.charges import count_next_charges
from campaigns.store.prices import write_prices
from tests.browser.test_browser_console import ALL, find_violations, sign_in
from tests.store.rows import add_account, add_campaign, add_message, fetch

LIST = (
    "market,countries,currency,valid_from,marketing,utility\n"
    "Brazil,BR,USD,2026-01-01,0.0700,0.008\nRest of Western Europe,ES PT AT BE DK FI IE,USD,2026-01-01,0.05,0.02\n"
)


@pytest.fixture
def costs(database):
    """A started campaign with costs, and a draft with an estimate. Returns their ids."""

    def work(connection):
        prices = [
            Price("BR", category, day, "USD", Decimal("0.0625"), "Brazil")
            for category in ("marketing", "utility")
            for day in (dt.date(2025, 1, 1), dt.date(2026, 1, 1))
        ]
        write_prices(connection, prices)
        account = add_account(connection, name="sales-1")
        now = dt.datetime.now(dt.UTC)
        columns = {"started_at": now, "accounts": [account], "name": "Black Friday"}
        started = add_campaign(connection, "running", **columns)
        draft = add_campaign(connection, "draft", accounts=[account])
        for phone in ("+5511987650001", "+351912345678", "+244923456789"):
            sent = {"campaign_id": started, "account_id": account, "sent_at": now, "phone": phone}
            add_message(connection, status="read", pricing_category="marketing", is_billable=True, **sent)
            add_message(connection, campaign_id=draft, phone=phone)
        return started, draft

    ids = database.run(work)
    while count_next_charges(database):
        pass
    return ids


def choose_file(page, text=LIST):
    page.locator("#file").set_input_files({"name": "prices.csv", "mimeType": "text/csv", "buffer": text.encode()})
    page.locator("article button[type=submit]").click()


@pytest.mark.parametrize("has_scripts", [True, False])
def test_an_admin_loads_and_removes_a_price_list(open_page, database, has_scripts):
    page = open_page(role=Role.ADMIN, java_script_enabled=has_scripts)
    sign_in(page)
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("link", name="Prices", exact=True).click()
    page.get_by_role("button", name="Load a price list…").click()
    choose_file(page)
    expect(page.locator("h1")).to_have_text("What the price list changes")
    assert fetch(database, "SELECT count(*) FROM prices") == [0]
    page.get_by_role("button", name="Load these prices").click()
    expect(page.locator(".done")).to_have_text("The prices are loaded.")
    assert fetch(database, "SELECT count(*) FROM prices") == [16]
    page.get_by_role("button", name="Remove…").click()
    expect(page.locator("dialog")).to_have_count(1 if has_scripts else 0)
    page.get_by_role("button", name="Remove the prices", exact=True).click()
    expect(page.locator(".done")).to_contain_text("are removed")
    assert fetch(database, "SELECT count(*) FROM prices") == [0]


@pytest.mark.parametrize("look", ALL)
def test_no_page_about_costs_violates_wcag(open_page, database, costs, axe, look):
    page = open_page(*look, role=Role.ADMIN, expected="status of 422")
    sign_in(page)
    root, (started, draft) = page.url, costs

    def check(name):
        while (closed := page.locator("details:not([open]) > summary:visible")).count():
            closed.first.click()
        for scheme in ("light", "dark"):
            # Without motion, because a colour that is just changing has no contrast of its own.
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert find_violations(page, axe) == [], (name, scheme)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name

    prices = "settings/prices"
    for each in (
        *("settings", prices, f"{prices}?day=2026-01-01", f"{prices}/load", f"{prices}/remove/2026-01-01"),
        *("cost", "cost?to=x", "cost?country=AO", f"campaigns/{started}", f"campaigns/{draft}/start"),
    ):
        page.goto(f"{root}{each}")
        check(each)
    page.goto(f"{root}{prices}/load")
    choose_file(page)
    check("changes")
    page.goto(f"{root}{prices}/load")
    choose_file(page, "market\nx\n")
    check("wrong file")
