"""Pages about work that the role `files` does: they wait, and show its result, also without scripts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from campaigns.domain.users.rights import Role
from campaigns.management.files.work import do_next_job
from console.pages.drafts import copies
from tests.browser.test_browser_console import ALL, find_violations, sign_in
from tests.store.rows import add_account, add_campaign, add_messages, fetch


@pytest.fixture
def campaign_id(database):
    def work(connection):
        name = "Oferta de Natal para todos os clientes de novembro"
        campaign = add_campaign(connection, "completed", accounts=[add_account(connection)], name=name)
        connection.execute("UPDATE campaigns SET recipient_count = 5 WHERE id = %s", (campaign,))
        add_messages(connection, campaign, 3, "failed")
        add_messages(connection, campaign, 2, "read")
        return campaign

    return database.run(work)


def do_file_work(database):
    while do_next_job(database, secret_key=None, overlap_days=7):
        pass


@pytest.mark.parametrize("look", ALL)
def test_no_page_about_work_with_files_violates_wcag(open_page, database, axe, campaign_id, look, monkeypatch):  # noqa: PLR0917
    monkeypatch.setattr(copies, "COPIED_AT_ONCE", 1)
    page = open_page(*look, role=Role.ADMIN)
    sign_in(page)
    root = page.url

    def check(name, address):
        expect(page).to_have_url(re.compile(address))  # a click only begins to load the next page
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert find_violations(page, axe) == [], (name, scheme)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name

    page.goto(f"{root}campaigns/{campaign_id}")
    page.locator(f"a[href$='/campaigns/{campaign_id}/download']").click()
    check("question", "/download$")
    page.locator("main form button").click()
    check("download waits", r"/downloads\b")
    page.goto(f"{root}optouts")
    page.locator("form[action$='/optouts/download'] button").click()
    expect(page).to_have_url(re.compile(r"/downloads\b"))
    page.goto(f"{root}optouts/file")
    page.set_input_files("#file", {"name": "saíram.csv", "mimeType": "text/csv", "buffer": b"11 98765-0021\nabc\n"})
    page.fill("#reason", "pediram")
    page.locator("main form button").click()
    check("file waits", r"/optouts/file/\d+$")
    file_page = page.url
    page.goto(f"{root}campaigns/{campaign_id}/copy")
    page.check("input[value=failed]")
    page.locator("main form button").click()
    check("copy waits", r"/copy/\d+$")
    do_file_work(database)
    expect(page.locator("main .done, main .problem")).to_be_visible()
    check("copy done", r"/copy/\d+$")
    page.goto(file_page)
    expect(page.locator(".done")).to_be_visible()
    check("file done", r"/optouts/file/\d+$")
    page.goto(f"{root}downloads")
    expect(page.locator("a[download]")).to_have_count(2)
    check("downloads done", "/downloads$")


def test_a_download_is_taken_without_scripts(open_page, database, campaign_id):
    page = open_page(java_script_enabled=False)
    sign_in(page)
    page.goto(f"{page.url}campaigns/{campaign_id}/download")
    page.locator("main form button").click()
    do_file_work(database)
    page.get_by_role("link", name="Look again").click()
    with page.expect_download() as begun:
        page.locator("a[download]").click()
    assert begun.value.suggested_filename == f"campaign-{campaign_id}.csv"
    assert fetch(database, "SELECT count(*) FROM audit_events WHERE what = 'campaign.export'") == [1]


def test_the_list_of_downloads_shows_by_itself_that_a_file_is_written(open_page, database, campaign_id):
    page = open_page()
    sign_in(page)
    page.goto(f"{page.url}campaigns/{campaign_id}/download")
    page.locator("main form button").click()
    expect(page.locator("main [hx-get]")).to_be_visible()
    do_file_work(database)
    expect(page.locator("a[download]")).to_be_visible()
    expect(page.locator("main [hx-get]")).to_have_count(0)
