"""The page of all templates: what can be sent, who uses it and how it did."""

from __future__ import annotations

import re

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.users.rights import Role
from campaigns.management.accounts import add_account as connect_account
from tests.console.conftest import read_text
from tests.store.rows import add_account, add_campaign, add_messages, add_template, fetch
from tests.support.actors import TESTER

BODY = Jsonb([{"type": "BODY", "text": "Oi *{{1}}*, <b>", "example": {"body_text": [["Ana"]]}}])


@pytest.fixture
def template_id(database):
    database.run(add_account, name="sales", waba_id="300")
    database.run(add_account, name="support", waba_id="301")
    columns = {"name": "promo", "language": "pt_BR", "components": BODY, "category": "MARKETING"}
    database.run(add_template, **columns, waba_id="301", status="paused", blocked_until="2026-10-02T12:00Z",
                 status_at="2026-10-01T10:00Z")  # fmt: skip
    return database.run(add_template, **columns, waba_id="300", quality="GREEN", status_at="2026-09-01T08:30Z")


def show(console, query=""):
    return console.sign_in(Role.VIEWER).get(f"/templates{query}").text


def test_a_card_has_the_text_the_status_of_each_copy_and_its_times(console, template_id):
    page = show(console)
    text = read_text(page)
    for words in (
        "promo Portuguese (Brazil) (pt_BR)",
        "marketing · high quality",
        "never used",
        "sales: approved since 2026-09-01 08:30",
        "support: paused since 2026-10-01 10:00",
        "Nothing is sent with it before 2026-10-02 12:00.",
    ):
        assert words in text
    assert 'class="bubble"' in page
    assert "<b>" not in page.split("<main")[1].replace("<body>", "")


def test_a_card_says_who_uses_the_template_and_how_it_did(console, database, template_id):
    columns = {"template_id": template_id}
    old = database.run(add_campaign, "completed", name="Old", **columns)
    for status, count in (("delivered", 10), ("read", 6), ("sent", 4), ("failed", 5)):
        database.run(add_messages, old, count, status)
    for number in range(3):
        database.run(add_campaign, "paused", name=f"Sale {number}", **columns)
    database.run(add_campaign, "draft", name="Draft", **columns)
    test = database.run(add_campaign, "completed", name="A test", test_of=old, **columns)
    database.run(add_messages, test, 9, "failed")
    text = read_text(show(console))
    for words in (
        "Campaigns4",
        "Sent20",
        "delivered80 % of sent",
        "read30 % of sent",
        "failed20 % of sent and failed",
    ):
        assert words in text
    assert "last used 2026-10-01 11:00" in text
    assert re.search("Newest campaigns: Draft draft ?Sale 2 paused ?Sale 1 paused", text)
    assert "A test" not in text


def test_a_card_leads_to_all_campaigns_with_its_template(console, database, template_id):
    database.run(add_campaign, "paused", name="With it", template_id=template_id)
    database.run(add_campaign, "paused", name="Without it")
    browser = console.sign_in()
    address = re.search(r'href="(/campaigns\?template=[^"]*)"', browser.get("/templates").text)[1]
    page = browser.get(address).text
    text = read_text(page)
    assert "Only campaigns with the template promo:pt_BR." in text
    assert "With it" in text
    assert "Without it" not in text
    assert 'name="template" value="promo:pt_BR"' in page
    assert "template=promo:pt_BR" in page.split("/campaigns/pause?")[1], "the acts on all of them have the same filter"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?text=PRO", ["promo"]),
        ("?text=x", []),
        ("?language=en", ["hello"]),
        ("?status=paused", ["promo"]),
        ("?category=UTILITY", ["hello"]),
        ("?account=sales", ["promo"]),
        ("?account=support&status=approved", []),
        ("?status=approved&category=MARKETING&language=pt_BR&account=sales&text=p", ["promo"]),
    ],
)
def test_filters_are_in_the_address(console, database, template_id, query, names):
    database.run(add_template, name="hello", language="en", waba_id="302", category="UTILITY")
    page = show(console, query)
    assert re.findall(r"<h2><strong>(\w+)</strong>", page) == names
    assert ("No template fits this filter." in page) == (not names)


def test_an_account_that_does_not_exist_is_told(console, template_id):
    assert console.sign_in().get("/templates?account=nobody").status_code == 404


def test_the_list_goes_on_behind_its_last_template_with_the_same_filter(console, database):
    for number in range(51):
        database.run(add_template, name=f"promo_{number:03}", language="en")
    browser = console.sign_in()
    page = browser.get("/templates?text=promo").text
    assert page.count('<li class="card"') == 50
    following = re.search(r'href="(/templates\?[^"]*after=[^"]*)" rel="next"', page)[1].replace("&amp;", "&")
    assert "text=promo" in following
    assert re.findall(r"<h2><strong>(\w+)</strong>", browser.get(following).text) == ["promo_050"]


def test_without_a_template_the_page_says_what_to_do(console):
    text = read_text(console.sign_in().get("/templates").text)
    assert "There is no template yet." in text
    assert "The templates were never read from Meta." in text


def test_an_operator_reads_the_templates_from_meta_at_most_once_a_minute(make_console, database, far, settings):
    console = make_console(graph_api_url=f"{far.url}/v24.0")
    token = {"token": "token-1", "secret_key": settings.secret_key}
    connect_account(database, "sales", phone_number_id="1", waba_id="300", actor=TESTER, **token)
    far.script(templates=[{"name": "novo", "body": "Oi {{1}}!", "language": "pt_BR", "status": "APPROVED"}])
    browser = console.sign_in()
    page = browser.post("/templates?text=nov").text
    news = read_text(page.split('id="news"')[1].split("</div>")[0])
    assert "New: novo (pt_BR), approved." in news
    assert "<strong>novo</strong>" in page
    assert "Read from Meta 20" in page
    assert 'value="nov"' in page
    assert browser.post("/templates").status_code == 429
    assert fetch(database, "SELECT actor FROM audit_events WHERE what = 'template.sync'") == ["operator-en"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PLANNER])
def test_others_do_not_read_from_meta(console, role):
    browser = console.sign_in(role)
    assert "Read them from Meta again" not in browser.get("/templates").text
    assert browser.post("/templates").status_code == 403


def test_the_wizard_has_the_use_of_a_template_as_before(console, database, template_id):
    database.run(add_campaign, "running", template_id=template_id)
    assert "last used 2026-10-01 11:00" in console.sign_in().get("/campaigns/new").text
