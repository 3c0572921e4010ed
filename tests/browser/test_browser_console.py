"""The way of a person through the console, in a real browser, and what a reader of the screen finds."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect

from tests.console.conftest import WORDS
from tests.store.rows import add_account, add_campaign, add_messages, fetch

WCAG = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}"
# The page of the campaign then has a chart.
ADD_SAMPLES = """
INSERT INTO campaign_samples (campaign_id, step, at, read_at, counts, done_count, rate)
SELECT %s, 'minute', at, at, '{"sent": 100}', 100, n FROM generate_series(1, 30) n
CROSS JOIN LATERAL (SELECT date_trunc('minute', now()) - n * interval '1 minute' AS at) g
"""
ADD_ACCOUNT_SAMPLES = """
INSERT INTO account_samples (account_id, step, at, accepted, failed_account, failed_server, rate, quality)
SELECT %s, 'minute', date_trunc('minute', now()) - n * interval '30 minutes', n, n, 1, n,
    (ARRAY['GREEN', 'YELLOW', 'RED'])[1 + n %% 3]
FROM generate_series(1, 30) n
"""
ALL = [(language, size) for language in ("en", "pt_BR") for size in ("phone", "desktop")]
WORDS_OF = {
    "en": {"campaigns": "Campaigns", "pause": "Pause…", "confirm": "Pause the campaign", "paused": "paused"},
    "pt_BR": {"campaigns": "Campanhas", "pause": "Pausar…", "confirm": "Pausar a campanha", "paused": "pausada"},
}

# Longer than htmx needs to begin after its own script has arrived.
LATE_SECONDS = 1.0


@pytest.fixture
def campaign_id(database):
    def work(connection):
        account = add_account(connection, name="sales-1")
        columns = {"accounts": [account], "name": "Black Friday", "time_zone": "Asia/Tokyo"}
        campaign = add_campaign(connection, "running", **columns)
        add_messages(connection, campaign, 20, variables=["Ana Carolina de Albuquerque e Silva", "10 %"])
        for status in ("sending", "delivered", "read", "failed", "uncertain"):
            add_messages(connection, campaign, 3, status, account_id=account)
        connection.execute(ADD_SAMPLES, (campaign,))
        add_campaign(connection, "running", name="Stuck", waiting_reason="no_active_account")
        return campaign

    return database.run(work)


def sign_in(page):
    page.fill("#password", WORDS)
    page.press("#password", "Enter")
    expect(page.locator(".logout")).to_be_visible()


@pytest.mark.parametrize(("language", "size"), ALL)
def test_a_person_signs_in_watches_a_campaign_and_pauses_it(open_page, database, campaign_id, language, size):
    words, page = WORDS_OF[language], open_page(language, size)
    sign_in(page)
    page.get_by_role("link", name=words["campaigns"], exact=True).click()
    page.get_by_role("link", name="Black Friday").click()
    queue = page.locator(f"#queue-{campaign_id} td").first
    expect(queue).to_have_text("20")
    button = page.get_by_role("button", name=words["pause"])
    button.focus()
    database.run(add_messages, campaign_id, 5)
    expect(queue).to_have_text("25")  # without a new page
    expect(button).to_be_focused()  # the new numbers left the focus alone
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("li").last).to_contain_text("25")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    dialog.get_by_role("button", name=words["confirm"]).click()
    expect(page.locator(f"#status-{campaign_id}")).to_contain_text(words["paused"])
    assert fetch(database, "SELECT status::text FROM campaigns WHERE id = %s", campaign_id) == ["paused"]


def test_the_way_works_without_scripts(open_page, database, campaign_id):
    page = open_page(java_script_enabled=False)
    sign_in(page)
    page.goto(f"{page.url}campaigns/{campaign_id}/pause")
    page.get_by_role("button", name="Pause the campaign").click()
    expect(page.locator(".done")).to_contain_text("The campaign is paused.")


def test_a_session_that_ends_leads_a_live_page_to_the_login(open_page, database, campaign_id, monkeypatch):
    monkeypatch.setattr("console.pages.streams.SESSION_SECONDS", 0.0)
    page = open_page()
    sign_in(page)
    page.goto(f"{page.url}campaigns/{campaign_id}")
    expect(page.locator("#live-state")).to_have_text("The numbers are live.")
    fetch(database, "DELETE FROM sessions RETURNING 1")
    expect(page.locator("h1")).to_have_text("Sign in")


def test_the_numbers_are_live_also_if_a_script_arrives_late(open_page, campaign_id):
    page = open_page()
    sign_in(page)

    def delay(route):
        time.sleep(LATE_SECONDS)
        route.continue_()

    page.route("**/hx-sse.min.js*", delay)
    page.goto(f"{page.url}campaigns/{campaign_id}")
    expect(page.locator("#live-state")).to_have_text("The numbers are live.", timeout=10_000)


def test_a_page_without_a_stream_asks_again_and_again(open_page, database, campaign_id, monkeypatch):
    monkeypatch.setattr("console.live.MAX_STREAMS", 0)
    page = open_page(expected="status of 503")
    sign_in(page)
    page.clock.install()
    page.goto(f"{page.url}campaigns/{campaign_id}")
    expect(page.locator("#live-state")).to_have_text("The numbers are updated every 10 seconds.")
    database.run(add_messages, campaign_id, 5)
    page.clock.run_for(10_000)
    expect(page.locator(f"#queue-{campaign_id} td").first).to_have_text("25")


def find_violations(page, axe):
    page.wait_for_load_state()
    page.evaluate(axe)  # a script tag would be refused by the content policy
    found = page.evaluate(f"axe.run(document, {WCAG})")
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]


@pytest.mark.parametrize("look", [(*each, scheme) for each in ALL for scheme in ("light", "dark")])
def test_no_page_violates_wcag(open_page, campaign_id, axe, look):
    page = open_page(*look)
    assert find_violations(page, axe) == []
    sign_in(page)
    root, path = page.url, f"campaigns/{campaign_id}"
    moves = (f"{path}/pause", f"{path}/resume", f"{path}/cancel", "campaigns/pause", "campaigns/cancel")
    people = (f"{path}/people", f"{path}/people?group=failed&code=131026", f"{path}/people?group=expired")
    for each in ("", "campaigns", path, f"{path}/errors", *moves, *people):
        page.goto(f"{root}{each}")
        assert find_violations(page, axe) == [], each
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), each


def test_a_person_sees_who_did_not_get_it_and_why(open_page, campaign_id):
    page = open_page(size="phone")
    sign_in(page)
    page.goto(f"{page.url}campaigns/{campaign_id}")
    page.locator(f"#failed-{campaign_id} a").click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("undeliverable")
    box = page.get_by_role("region", name="People of Black Friday")
    box.focus()
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    page.keyboard.press("ArrowRight")
    box.evaluate("box => new Promise((done) => box.scrollLeft ? done() : box.addEventListener('scroll', done))")
    rows.first.get_by_role("link").click()
    expect(page.locator(".bubble")).to_have_count(1)


@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_filters_are_folded_on_a_phone_only(open_page, size):
    page = open_page(size=size)
    sign_in(page)
    page.goto(f"{page.url}campaigns")
    expect(page.locator("#text")).to_be_visible(visible=size == "desktop")
    expect(page.locator("summary")).to_be_visible(visible=size == "phone")


@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_parts_that_few_people_need_are_folded_on_a_phone_only(open_page, campaign_id, axe, size):
    page = open_page(size=size)
    sign_in(page)
    page.goto(f"{page.url}campaigns/{campaign_id}")
    expect(page.get_by_text("Time zone", exact=True)).to_be_visible(visible=size == "desktop")
    expect(page.get_by_role("heading", name="Plan")).to_have_count(1 if size == "desktop" else 0)
    if size == "phone":
        page.locator("summary", has_text="Plan").click()
        expect(page.get_by_text("Time zone", exact=True)).to_be_visible()
        assert find_violations(page, axe) == []


def test_long_values_make_no_tall_row_on_a_phone(open_page, campaign_id):
    page = open_page(size="phone")
    sign_in(page)
    page.goto(f"{page.url}campaigns/{campaign_id}/people")
    cell = page.locator(".people th[scope=row]").first
    expect(cell).to_contain_text("Ana Carolina de Albuquerque e Silva")
    assert cell.evaluate("cell => cell.clientHeight / parseFloat(getComputedStyle(cell).lineHeight)") < 3


def test_after_an_action_the_focus_is_on_what_was_done(open_page, campaign_id):
    page = open_page()
    sign_in(page)
    page.goto(f"{page.url}campaigns/{campaign_id}")
    page.get_by_role("button", name="Pause…").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause the campaign").click()
    expect(page.locator("#done p")).to_be_focused()
    expect(page.locator("#done p")).to_contain_text("The campaign is paused.")


def test_a_wrong_page_is_found(open_page, axe):
    page = open_page()
    page.evaluate("document.querySelector('label').remove()")
    assert [each[0] for each in find_violations(page, axe)] == ["label"]
