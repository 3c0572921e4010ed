"""Retries, templates and the system in a real browser: their ways, and no page of them violates WCAG."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from psycopg.types.json import Jsonb

from campaigns.domain.users.rights import Role
from tests.browser.test_browser_console import ALL, find_violations, sign_in
from tests.cli.conftest import ADD_WORKER
from tests.store.rows import add_account, add_campaign, add_messages, add_template, fetch

TEXT = "Oi *{{1}}*, temos uma novidade para você:\n{{2}}"
PARTS = [
    {"type": "HEADER", "format": "TEXT", "text": "Promoção"},
    {"type": "BODY", "text": TEXT, "example": {"body_text": [["Ana", "20 %"]]}},
    {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Parar promoções"}]},
]


@pytest.fixture
def campaign_id(database):
    def work(connection):
        account = add_account(connection, name="sales-1", waba_id="300")
        columns = {
            "name": "promo_de_novembro",
            "language": "pt_BR",
            "components": Jsonb(PARTS),
            "category": "MARKETING",
        }
        template = add_template(connection, **columns, waba_id="300", quality="YELLOW")
        add_template(connection, **columns, waba_id="301", status="paused", blocked_until="2026-12-24T12:00Z")
        add_template(connection, name="hello_world", language="en", quality="RED", waba_id="300")
        campaign = add_campaign(
            connection,
            "completed",
            accounts=[account],
            name="Black Friday",
            template_id=template,
            time_zone="Asia/Tokyo",
        )
        for code in (130429, 131000, 131026, 131049):
            titles = {"error_code": code, "error_title": "Something about it"}
            add_messages(connection, campaign, 3, "failed", account_id=account, **titles)
        for status in ("delivered", "read", "uncertain"):
            add_messages(connection, campaign, 7, status, account_id=account)
        add_campaign(connection, "running", name="Stuck", waiting_reason="no_active_account")
        connection.execute(ADD_WORKER)
        return campaign

    return database.run(work)


@pytest.mark.parametrize("has_scripts", [True, False])
def test_failed_and_uncertain_messages_are_sent_again(open_page, database, campaign_id, has_scripts):
    page = open_page(role=Role.ADMIN, java_script_enabled=has_scripts, expected="status of 422")
    sign_in(page)
    root = page.url
    page.goto(f"{root}campaigns/{campaign_id}/errors")
    page.get_by_role("button", name="Send 3 again: limits of WhatsApp…").click()
    expect(page.locator("dialog")).to_have_count(1 if has_scripts else 0)
    expect(page.locator("article").get_by_role("heading").first).to_have_text("Send 3 failed messages again?")
    page.get_by_role("button", name="Send 3 messages again").click()
    expect(page.locator(".done")).to_contain_text("The messages are in our queue again.")
    page.get_by_role("link", name="Uncertain", exact=True).click()
    page.get_by_role("link", name="Black Friday").click()
    page.get_by_role("button", name="Send them again…").click()
    page.locator("#count").fill("6")
    page.get_by_role("button", name="Send 7 messages again").click()
    expect(page.locator(".field-error")).to_contain_text("This is not the number of messages.")
    page.locator("#count").fill("7")
    page.get_by_role("button", name="Send 7 messages again").click()
    expect(page.locator(".done")).to_contain_text("The messages are in our queue again.")
    assert fetch(database, "SELECT count(*) FROM messages WHERE status = 'pending'") == [10]


def test_an_engineer_finds_a_template_and_looks_at_the_system(open_page, campaign_id):
    page = open_page(role=Role.ADMIN)
    sign_in(page)
    page.get_by_role("link", name="Templates", exact=True).click()
    page.locator("#status").select_option("paused")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".card")).to_have_count(1)
    page.get_by_role("link", name="System", exact=True).click()
    expect(page.locator("main")).to_contain_text("worker@host")
    page.get_by_role("button", name="Recount and correct").click()
    expect(page.locator(".done")).to_contain_text("All counters agree with a recount.")


@pytest.mark.parametrize("look", [(*each, scheme) for each in ALL for scheme in ("light", "dark")])
def test_no_page_of_these_violates_wcag(open_page, campaign_id, axe, look):
    page = open_page(*look, role=Role.ADMIN)
    sign_in(page)
    root, path = page.url, f"campaigns/{campaign_id}"
    retries = (f"{path}/errors", f"{path}/retry", f"{path}/retry?class=server", f"{path}/uncertain/retry")
    for each in (*retries, "uncertain", f"{path}/uncertain", "templates", "templates?status=deleted", "system"):
        page.goto(f"{root}{each}")
        assert find_violations(page, axe) == [], each
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), each
    page.locator("details summary").click()
    assert find_violations(page, axe) == []
