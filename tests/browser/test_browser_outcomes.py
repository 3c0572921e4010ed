"""The report and the comparison in a real browser: ticks, one sheet of paper, and WCAG."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from psycopg.types.json import Jsonb

from campaigns.domain.users.actor import Act
from campaigns.store.users.audit import write_audit
from tests.browser.test_browser_console import ADD_SAMPLES, ALL, find_violations, sign_in
from tests.store.rows import add_account, add_campaign, add_messages
from tests.support.actors import TESTER

TEXT = "Olá {{1}}! " + "Esta semana todos os produtos da loja estão com desconto de verdade. " * 14
COMPONENTS = [
    {"type": "HEADER", "format": "TEXT", "text": "Black Friday"},
    {"type": "BODY", "text": TEXT},
    {"type": "FOOTER", "text": "Responda SAIR para não receber mais."},
    {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": each} for each in ("Quero", "Depois", "Parar")]},
]
COUNTS = {"sent": 3, "delivered": 9, "read": 20, "uncertain": 2}
CODES = (131026, 131049, 131047, 130472, 131051, 132001, 131000, 100, 131053, 131045, 131030, 190)
ACTS = (Act.CAMPAIGN_CREATE, Act.CAMPAIGN_APPROVE, Act.CAMPAIGN_START, Act.CAMPAIGN_PAUSE, Act.CAMPAIGN_RESUME)


@pytest.fixture
def ids(database):
    """Two campaigns with as much as a report can have: a long text, many reasons, accounts and acts, and a chart."""

    def work(connection):
        accounts = [add_account(connection, name=f"sales-{number}-of-the-southern-region") for number in range(10)]
        return [
            add_whole(connection, accounts, "Black Friday for all customers of the last three years"),
            add_whole(connection, accounts, "Cyber Monday"),
        ]

    return database.run(work)


def add_whole(connection, accounts, name):
    campaign = add_campaign(connection, "running", accounts=accounts, name=name, time_zone="America/Sao_Paulo")
    add_messages(connection, campaign, 9)
    add_messages(connection, campaign, 4, "suppressed")
    for status, count in COUNTS.items():
        add_messages(connection, campaign, count, status, account_id=accounts[0])
    for code in CODES:
        add_messages(connection, campaign, 2, "failed", account_id=accounts[0], error_code=code)
    connection.execute(ADD_SAMPLES, (campaign,))
    connection.execute("UPDATE templates SET components = %s", (Jsonb(COMPONENTS),))
    for act in ACTS * 2:
        write_audit(connection, TESTER, act, campaign)
    return campaign


@pytest.mark.parametrize("language", ["en", "pt_BR"])
def test_a_report_prints_on_one_sheet(open_page, ids, language):
    page = open_page(language)
    sign_in(page)
    page.goto(f"{page.url}campaigns/{ids[0]}/report")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 703, "height": 1032})  # an A4 sheet without its margins
    bubble = page.locator(".bubble")
    assert bubble.evaluate("each => each.scrollHeight <= each.clientHeight")  # the whole text is on the sheet
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))) == 1


def test_two_ticks_lead_to_a_comparison_and_updates_leave_them(open_page, database, ids):
    page = open_page()
    sign_in(page)
    page.goto(f"{page.url}campaigns")
    expect(page.locator("#live-state")).to_have_text("The numbers are live.")
    page.get_by_label("Compare Cyber Monday").check()
    database.run(add_messages, ids[1], 5)
    expect(page.locator(f"#row-{ids[1]}")).to_contain_text("of 76 sent")
    expect(page.get_by_label("Compare Cyber Monday")).to_be_checked()
    page.get_by_label("Compare Black Friday").check()
    page.get_by_role("button", name="Compare the two ticked campaigns").click()
    expect(page.locator("h1")).to_have_text("Comparison of two campaigns")
    assert page.url.endswith(f"/campaigns/compare?a={ids[1]}&b={ids[0]}")


@pytest.mark.parametrize("look", [(*each, scheme) for each in ALL for scheme in ("light", "dark")])
def test_no_report_and_no_comparison_violates_wcag(open_page, ids, axe, look):
    page = open_page(*look, expected="422")  # one tick is refused
    sign_in(page)
    root, compare = page.url, "campaigns/compare"
    for each in (
        f"campaigns/{ids[0]}/report",
        f"{compare}?a={ids[0]}&b={ids[1]}",
        compare,
        f"{compare}?id=1",
        "campaigns",
    ):
        page.goto(f"{root}{each}")
        assert find_violations(page, axe) == [], each
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), each
