"""Many tabs with live numbers in one browser, over HTTP/1.1, which gives a browser six connections to a host.

Playwright keeps each of its pages visible. So this browser is started by hand, and Playwright connects to it.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect

from campaigns.domain.users.rights import Role
from campaigns.management.users.users import add_user
from tests.browser.conftest import CHROMIUM
from tests.console.conftest import WORDS
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.store.rows import add_account, add_campaign, add_messages, fetch
from tests.support.actors import TESTER
from tests.support.console_role import run_console

TABS = 8


@pytest.fixture
def campaign_id(database):
    add_user(database, "maria", actor=TESTER, role=Role.OPERATOR, password=WORDS, time_zone="UTC")

    def work(connection):
        campaign_id = add_campaign(connection, "running", accounts=[add_account(connection)])
        add_messages(connection, campaign_id, 20)
        return campaign_id

    return database.run(work)


@pytest.fixture
def url(project, database_url):
    with run_console(project, database_url) as (url, _):
        yield url


@pytest.fixture
def tabs(playwright, tmp_path):
    """A browser whose tabs in the background are hidden."""
    options = ["--headless=new", "--no-sandbox", "--remote-debugging-port=0", f"--user-data-dir={tmp_path}"]
    # With the page that Chromium shows in a new window, a connection sometimes waits for seconds, or for ever.
    options += ["--no-first-run", "--disable-gpu", "--disable-background-networking", "about:blank"]
    with subprocess.Popen([CHROMIUM, *options], stderr=subprocess.DEVNULL) as process:
        try:
            address = Path(tmp_path / "DevToolsActivePort")
            wait_for(lambda: address.exists() and len(address.read_text().split()) == 2)
            port = address.read_text().split()[0]
            browser = playwright.chromium.connect_over_cdp(
                f"http://127.0.0.1:{port}", no_defaults=True, timeout=PATIENCE_SECONDS * 1000
            )
            yield browser.contexts[0]
            browser.close()
        finally:
            process.terminate()


def sign_in(page, url):
    page.goto(f"{url}/login?language=en")
    page.fill("#name", "maria")
    page.fill("#password", WORDS)
    page.press("#password", "Enter")
    expect(page.locator(".logout")).to_be_visible()


def open_tab(tabs, url, campaign_id):
    page = tabs.new_page()
    page.bring_to_front()
    page.goto(f"{url}/campaigns/{campaign_id}")
    expect(page.locator("#live-state")).to_have_text("The numbers are live.")
    return page


def test_hidden_tabs_close_their_streams_and_each_tab_has_the_truth_when_it_wakes(tabs, url, database, campaign_id):
    sign_in(tabs.new_page(), url)
    pages = [open_tab(tabs, url, campaign_id) for _ in range(TABS + 1)]
    assert [page.evaluate("document.hidden") for page in pages] == [True] * TABS + [False]
    queue = f"#queue-{campaign_id} td"
    database.run(add_messages, campaign_id, 5)
    expect(pages[-1].locator(queue).first).to_have_text("25")
    assert pages[0].locator(queue).first.text_content() == "20"  # it sleeps
    pages[0].bring_to_front()
    expect(pages[0].locator(queue).first).to_have_text("25")
    # A session that ended while a tab slept leads to the login page.
    fetch(database, "DELETE FROM sessions RETURNING 1")
    pages[1].bring_to_front()
    expect(pages[1].locator("h1")).to_have_text("Sign in")
