"""Accounts in a real browser: an admin stops and starts one, and no page of an account violates WCAG."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from psycopg.types.json import Jsonb

from campaigns.domain.users.rights import Role
from campaigns.store.accounts import add_account_event
from tests.browser.test_browser_console import ADD_ACCOUNT_SAMPLES, ALL, find_violations, sign_in
from tests.store.rows import add_account, add_campaign, add_messages, fetch

FAILURE = {"code": 190, "title": "access token expired, revoked or unreadable", "details": "x " * 40, "fbtrace_id": "A"}


@pytest.fixture
def account_id(database):
    def work(connection):
        health = {"quality": "YELLOW", "messaging_limit": "TIER_2K", "display_phone_number": "+55 11 98765-0000"}
        account = add_account(connection, name="sales-1", health=Jsonb(health), failures=Jsonb([FAILURE]))
        campaign = add_campaign(connection, "running", accounts=[account], name="Black Friday")
        add_messages(connection, campaign, 20)
        add_account_event(connection, account, "deactivated", {"errors": [FAILURE], "source": "replies"})
        connection.execute(ADD_ACCOUNT_SAMPLES, (account,))
        return account

    return database.run(work)


def is_active(database):
    return fetch(database, "SELECT active FROM accounts") == [True]


@pytest.mark.parametrize("has_scripts", [True, False])
def test_an_admin_stops_an_account_and_lets_it_send_again(open_page, database, account_id, has_scripts):
    page = open_page(role=Role.ADMIN, java_script_enabled=has_scripts)
    sign_in(page)
    page.get_by_role("link", name="Accounts", exact=True).click()
    page.get_by_role("link", name="sales-1", exact=True).click()
    page.get_by_role("button", name="Deactivate…").click()
    expect(page.locator("article").get_by_role("listitem").last).to_contain_text("Black Friday: 20 messages wait")
    expect(page.locator("dialog")).to_have_count(1 if has_scripts else 0)
    page.get_by_role("button", name="Deactivate the account").click()
    expect(page.locator(".done")).to_contain_text("The account is inactive.")
    assert not is_active(database)
    page.get_by_role("button", name="Activate…").click()
    page.get_by_role("button", name="Activate the account").click()
    expect(page.locator(".done")).to_contain_text("The account is active.")
    assert is_active(database)


@pytest.mark.parametrize("look", [(*each, scheme) for each in ALL for scheme in ("light", "dark")])
def test_no_page_of_an_account_violates_wcag(open_page, account_id, axe, look):
    page = open_page(*look, role=Role.ADMIN)
    sign_in(page)
    root, path = page.url, f"accounts/{account_id}"
    acts = [f"{path}/{each}" for each in ("change", "token", "activate", "deactivate")]
    for each in ("accounts", path, f"{path}?span=year", "accounts/new", *acts):
        page.goto(f"{root}{each}")
        assert find_violations(page, axe) == [], each
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), each
    page.goto(f"{root}{path}")
    for each in page.locator("details").all():
        each.locator("summary").click()
    assert find_violations(page, axe) == []
