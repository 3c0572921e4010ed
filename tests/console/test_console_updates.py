"""The switch that stops the numbers of open pages: kept for the user, and the page says how to turn it on again."""

from __future__ import annotations

import pytest

from campaigns.domain.users.rights import Role
from tests.console.conftest import read_text
from tests.store.rows import add_campaign, add_messages, fetch

STREAM = "hx-sse:connect"


@pytest.fixture
def campaign_id(database):
    campaign_id = database.run(add_campaign, "running")
    database.run(add_messages, campaign_id, 5)
    return campaign_id


@pytest.mark.parametrize("path", ["/", "/campaigns", "/campaigns/1"])
def test_a_person_stops_the_updates_and_lets_them_go_on(console, database, campaign_id, path):
    browser = console.sign_in(Role.VIEWER, name="maria")
    assert STREAM in browser.get(path).text
    answer = browser.post("/updates", {"updates": "off", "next": path}, form=path)
    assert (answer.status_code, answer.location) == (302, path)
    page = browser.get(path).text
    assert STREAM not in page
    assert "The numbers are those of the moment when you opened the page." in page
    assert "Let the numbers change by themselves" in read_text(page)
    browser.post("/updates", {"updates": "on", "next": path}, form=path)
    assert STREAM in browser.get(path).text
    rows = fetch(database, "SELECT actor, before, after FROM audit_events WHERE what = 'user.change' ORDER BY id")
    on, off = {"wants_updates": True}, {"wants_updates": False}
    assert rows == [("maria", on, off), ("maria", off, on)]


def test_the_choice_holds_in_each_browser_of_the_user_and_for_nobody_else(console, campaign_id):
    maria, joao = console.sign_in(name="maria"), console.sign_in(name="joao")
    again = console.browser()
    again.log_in("maria")
    maria.post("/updates", {"updates": "off"}, form="/")
    assert STREAM not in again.get("/").text
    assert STREAM in joao.get("/").text


def test_the_same_choice_twice_is_one_change(console, database, campaign_id):
    browser = console.sign_in()
    for _ in range(2):
        assert browser.post("/updates", {"updates": "off"}, form="/").status_code == 302
    assert fetch(database, "SELECT count(*) FROM audit_events WHERE what = 'user.change'") == [1]


@pytest.mark.parametrize("choice", ["", "maybe"])
def test_a_choice_that_is_none_is_refused(console, choice):
    assert console.sign_in().post("/updates", {"updates": choice}, form="/").status_code == 400


@pytest.mark.parametrize("wanted", ["https://example.org/", "//example.org/", "/\\example.org"])
def test_the_choice_leads_to_no_other_site(console, wanted):
    assert console.sign_in().post("/updates", {"updates": "off", "next": wanted}, form="/").location == "/"


def test_a_page_without_numbers_that_change_has_no_switch(console, database):
    campaign_id = database.run(add_campaign, "completed")
    assert "Stop updates" not in console.sign_in().get(f"/campaigns/{campaign_id}").text


def test_numbers_are_no_live_region_and_a_status_says_its_words(console, database, campaign_id):
    page = console.sign_in().get("/").text
    assert page.count('role="status"') == 1  # it is empty, and app.js fills it
    assert '<p id="said" class="aloud" role="status"></p>' in page
    assert 'data-said="Sale: running. No worker runs, so nothing is sent."' in page
    stuck = database.run(add_campaign, "running", waiting_reason="no_active_account", name="Stuck")
    assert 'data-said="Stuck: running, waits for an active account"' in console.sign_in(name="b").get("/").text
    assert stuck
