"""A person makes a campaign on the pages, from the template to the start: by keyboard alone, and on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from psycopg.types.json import Jsonb

from campaigns.management.files.work import do_next_job
from tests.browser.test_browser_console import ALL, find_violations, sign_in
from tests.console.conftest import WORDS as PASSWORD
from tests.store.rows import add_account, add_campaign, add_messages, add_template, fetch

LIST = "telefone,nome\n+5511999990001,Ana\n+5511999990002,Bia\n"
BODY = [
    {"type": "HEADER", "format": "TEXT", "text": "Loja"},
    {"type": "BODY", "text": "Oi {{nome}}, *hoje* é _dia_ de promoção."},
    {"type": "FOOTER", "text": "Responda PARAR para sair"},
    {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Parar"}]},
]
WORDS = {
    "en": {"start": "Start now: send 2 messages", "started": "The campaign is started."},
    "pt_BR": {
        "new": "Nova campanha",
        "start": "Iniciar agora: enviar 2 mensagens",
        "started": "A campanha foi iniciada.",
    },
}
MOST_TABS = 120


@pytest.fixture
def template(database):
    def add(connection):
        add_account(connection, name="sales-1")
        chosen = {"language": "pt_BR", "category": "UTILITY", "quality": "GREEN", "status": "approved"}
        add_template(connection, name="paused", components=Jsonb(BODY), **(chosen | {"status": "paused"}))
        return add_template(connection, name="promo", components=Jsonb(BODY), **chosen)

    return database.run(add)


@pytest.fixture
def file_work(database):
    """Does what the role `files` does."""

    def work():
        while do_next_job(database, secret_key=None, overlap_days=7):
            pass

    return work


def tab_to(page, selector):
    """Press Tab until an element has the focus, as a person does who has no mouse."""
    wanted = page.locator(selector).first
    for _ in range(MOST_TABS):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached by the keyboard")


def press(page, selector, key="Enter"):
    tab_to(page, selector)
    page.keyboard.press(key)


@pytest.mark.parametrize("language", ["en", "pt_BR"])
def test_the_way_from_a_template_to_the_start_needs_no_mouse(open_page, database, template, file_work, language):
    page = open_page(language)
    sign_in(page)
    press(page, "a[href='/campaigns/new']")
    expect(page.locator("[aria-current=step]")).to_be_visible()
    press(page, "input[value='promo:pt_BR']", "Space")
    tab_to(page, "#name")
    page.keyboard.type("Junho")
    press(page, "main form[method=post] .choice button")
    expect(page.locator("#values")).to_be_visible()  # the answer of the button may be the same for everybody
    press(page, "main form[method=post] .choice button")
    expect(page.locator("#file")).to_be_visible()
    page.set_input_files("#file", {"name": "people.csv", "mimeType": "text/csv", "buffer": LIST.encode()})
    press(page, "#upload button")
    page.wait_for_url("**/columns")
    file_work()
    page.reload()
    expect(page.locator("#phone")).to_have_value("0")
    press(page, "main .choice button")
    page.wait_for_url("**/check")
    file_work()
    page.reload()
    expect(page.locator(".verdict")).to_be_visible()
    press(page, "nav.steps a[href$='/pace']")
    tab_to(page, "#speed")
    page.keyboard.type("2")
    press(page, "main form.pace .choice button")
    page.wait_for_url("**/start")
    expect(page.locator(".bubble").first).to_contain_text("Oi Ana")
    if page.locator("#agrees").count():  # it is night for the people of the list
        press(page, "#agrees input", "Space")
    button = f"main button:has-text('{WORDS[language]['start']}')"
    press(page, button)
    expect(page.locator(".done")).to_have_text(WORDS[language]["started"])
    row = fetch(database, "SELECT name, status::text, interval_seconds, recipient_count FROM campaigns")
    assert row == [("Junho", "pending", 2.0, 2)]


def test_a_double_click_makes_one_draft(open_page, database, template):
    page = open_page()
    sign_in(page)
    page.goto(f"{page.url}campaigns/new")
    page.check("input[value='promo:pt_BR']")
    page.fill("#name", "Junho")
    page.locator("main form[method=post] .choice button").dblclick()
    expect(page.locator("#values")).to_be_visible()
    assert fetch(database, "SELECT name FROM campaigns") == ["Junho"]


@pytest.mark.parametrize("look", ALL)
def test_a_campaign_of_which_nothing_can_leave_has_a_disabled_button(open_page, database, template, axe, look):
    campaign_id = database.run(make_draft, template)
    fetch(database, "UPDATE accounts SET active = false, inactive_reason = 'by hand' RETURNING 1")
    page = open_page(*look)
    sign_in(page)
    page.goto(f"{page.url}campaigns/{campaign_id}/start")
    reasons = page.locator("#nothing-leaves + p")
    expect(reasons).to_contain_text("sales-1")
    button = page.get_by_role("button", name=WORDS[look[0]]["start"])
    expect(button).to_be_disabled()
    expect(button).to_have_accessible_description(re.compile("sales-1"))
    assert reasons.bounding_box()["y"] < page.locator(".bubble").first.bounding_box()["y"]
    assert find_violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_phone_and_no_scripts_are_enough_to_start_a_draft(open_page, database, template):
    campaign_id = database.run(make_draft, template)
    page = open_page("pt_BR", "phone", java_script_enabled=False)
    sign_in(page)
    page.goto(f"{page.url}campaigns/{campaign_id}/draft")
    expect(page.locator(".bubble").first).to_contain_text("Oi Ana")
    if page.locator("#agrees").count():
        page.check("#agrees input")
    page.get_by_role("button", name=WORDS["pt_BR"]["start"]).click()
    expect(page.locator(".done")).to_have_text(WORDS["pt_BR"]["started"])


@pytest.mark.parametrize("has_scripts", [True, False])
def test_what_was_typed_comes_back_after_the_login(open_page, database, template, has_scripts):
    campaign_id = database.run(make_draft, template)
    page = open_page(expected="status of 401", java_script_enabled=has_scripts)
    sign_in(page)
    page.goto(f"{page.url}campaigns/{campaign_id}/pace")
    page.fill("#speed", "7")
    page.check("input[name=weekdays][value='7']")
    page.uncheck("input[name=weekdays][value='1']")
    fetch(database, "DELETE FROM sessions RETURNING 1")
    page.locator("form.pace .choice button").first.click()
    expect(page.locator(".problem")).to_contain_text("Your session has ended")
    page.fill("#name", "maria-en")
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.get_by_role("button", name="Show the form with what I typed").click()
    page.wait_for_url(f"**/campaigns/{campaign_id}/pace")
    expect(page.locator("#not-sent")).to_be_visible()
    expect(page.locator("#speed")).to_have_value("7")
    expect(page.locator("input[name=weekdays][value='1']")).not_to_be_checked()
    assert fetch(database, "SELECT interval_seconds FROM campaigns") == [0.0]
    page.locator("form.pace .choice button").first.click()
    page.wait_for_url("**/start")
    assert fetch(database, "SELECT interval_seconds FROM campaigns") == [7.0]


@pytest.mark.parametrize("look", ALL)
def test_no_page_that_keeps_what_was_typed_violates_wcag(open_page, database, template, axe, look):
    campaign_id = database.run(make_draft, template)
    page = open_page(*look, expected="status of 401")
    sign_in(page)
    page.goto(f"{page.url}campaigns/{campaign_id}/text")
    fetch(database, "DELETE FROM sessions RETURNING 1")
    page.locator("#choice .choice button").click()
    expect(page.locator("#password")).to_be_visible()
    assert find_violations(page, axe) == []
    page.fill("#name", f"maria-{look[0].lower().replace('_', '-')}")
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    expect(page.locator("#password")).to_have_count(0)
    assert find_violations(page, axe) == []
    page.locator("main form button").click()
    expect(page.locator("#not-sent")).to_be_focused()
    assert find_violations(page, axe) == []


def test_the_result_of_a_test_follows_without_a_new_page(open_page, database, template):
    def add(connection):
        test = add_campaign(connection, "pending", template_id=template, test_of=make_draft(connection, template))
        add_messages(connection, test, 1)
        return test

    test = database.run(add)
    page = open_page()
    sign_in(page)
    page.goto(f"{page.url}campaigns/{test}/result")
    expect(page.locator("#result")).to_contain_text("in our queue")
    fetch(database, "UPDATE messages SET status = 'cancelled' WHERE campaign_id = %s RETURNING 1", test)
    expect(page.locator("#result")).to_contain_text("The test is over.")


def make_draft(connection, template, **columns):
    chosen = {"template_id": template, "columns": ["nome"], "name": "Julho", "recipient_count": 2} | columns
    account = connection.execute("SELECT id FROM accounts").fetchone()[0]
    campaign_id = add_campaign(connection, "draft", accounts=[account], **chosen)
    add_messages(connection, campaign_id, 2, variables=["Ana"])
    return campaign_id


@pytest.mark.parametrize("look", [(*each, scheme) for each in ALL for scheme in ("light", "dark")])
def test_no_page_of_a_draft_violates_wcag(open_page, database, template, axe, look):
    def add(connection):
        hours = {"window_from": "09:00", "window_to": "18:00", "weekdays": [1, 2], "scheduled_at": "2099-03-01T12:00Z"}
        draft = make_draft(connection, template, **hours)
        test = add_campaign(connection, "pending", template_id=template, test_of=draft)
        add_messages(connection, test, 1, "sending", account_id=1)
        add_messages(connection, test, 1, "failed", account_id=1)
        return draft, test

    draft, test = database.run(add)
    page = open_page(*look, expected="status of 422")
    sign_in(page)
    root = page.url
    names = ("text", "list", "check", "pace", "start", "approve", "copy", "discard")
    for path in ("campaigns/new", f"campaigns/{test}/result", *(f"campaigns/{draft}/{name}" for name in names)):
        page.goto(f"{root}{path}")
        assert find_violations(page, axe) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
    page.goto(f"{root}campaigns/{draft}/pace")
    page.fill("#speed", "fast")
    page.locator("main form.pace .choice button").first.click()
    expect(page.locator("#errors")).to_be_focused()
    assert find_violations(page, axe) == []
