"""Questions as dialogs, the switch of the updates, and what a reader of the screen is told."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.test_browser_console import ALL, find_violations, sign_in
from tests.store.rows import add_account, add_campaign, add_messages, fetch


@pytest.fixture
def campaign_id(database):
    def work(connection):
        campaign = add_campaign(connection, "running", accounts=[add_account(connection)], name="Black Friday")
        add_messages(connection, campaign, 20)
        return campaign

    return database.run(work)


@pytest.fixture
def open_campaign(open_page, campaign_id):
    def open_one(*arguments, **options):
        page = open_page(*arguments, **options)
        sign_in(page)
        page.goto(f"{page.url}campaigns/{campaign_id}")
        return page

    return open_one


def test_a_question_is_a_dialog_that_takes_the_focus_and_gives_it_back(open_campaign, database, campaign_id):
    page = open_campaign()
    link = page.get_by_role("button", name="Pause…")
    link.press("Enter")
    dialog = page.get_by_role("dialog", name="Pause Black Friday?")
    expect(dialog).to_contain_text("20 messages stay in our queue until you resume.")
    expect(dialog.get_by_role("heading")).to_be_focused()
    page.keyboard.press("Enter")  # a second Enter presses no button
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(link).to_be_focused()
    link.press("Enter")
    dialog.get_by_text("Back, change nothing").click()
    expect(dialog).to_have_count(0)
    expect(link).to_be_focused()
    assert page.url.endswith(f"/campaigns/{campaign_id}")
    assert fetch(database, "SELECT status::text FROM campaigns") == ["running"]


def test_the_focus_comes_back_although_the_numbers_have_changed_meanwhile(open_campaign, database, campaign_id):
    page = open_campaign()
    page.get_by_role("button", name="Pause…").press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    database.run(add_messages, campaign_id, 5)
    expect(page.locator(f"#queue-{campaign_id} td").first).to_have_text("25")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Pause…")).to_be_focused()


def test_a_refused_form_shows_its_errors_in_the_dialog_and_keeps_what_was_typed(
    open_campaign, database, campaign_id, axe
):
    page = open_campaign(expected="status of 422")
    page.get_by_role("button", name="Cancel for ever…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Type the name of the campaign:").fill("Black")
    dialog.get_by_role("button", name="Cancel the campaign for ever").click()
    expect(dialog.get_by_role("alert")).to_contain_text("This is not the name of the campaign.")
    field = dialog.get_by_label("Type the name of the campaign:")
    expect(field).to_be_focused()
    expect(field).to_have_value("Black")
    assert find_violations(page, axe) == []
    field.fill("Black Friday")
    field.press("Enter")
    expect(page.locator(".done")).to_contain_text("The campaign is cancelled.")
    assert fetch(database, "SELECT status::text FROM campaigns") == ["cancelled"]


def test_the_question_about_a_cancel_leads_to_the_one_about_a_pause(open_campaign, database, campaign_id):
    page = open_campaign()
    page.get_by_role("button", name="Cancel for ever…").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause it first…").click()
    dialog = page.get_by_role("dialog", name="Pause Black Friday?")
    dialog.get_by_role("button", name="Pause the campaign").click()
    expect(page.locator(".done")).to_contain_text("The campaign is paused.")
    assert fetch(database, "SELECT status::text FROM campaigns") == ["paused"]


def test_a_change_that_another_person_has_made_is_said_in_the_dialog(open_campaign, database):
    page = open_campaign(expected="status of 409")
    page.get_by_role("button", name="Pause…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    fetch(database, "UPDATE campaigns SET status = 'paused' RETURNING 1")
    dialog.get_by_role("button", name="Pause the campaign").click()
    expect(dialog.get_by_role("alert")).to_contain_text("is paused")


def test_a_session_that_has_ended_leads_from_a_question_to_the_login(open_campaign, database):
    page = open_campaign()
    expect(page.locator("#live-state")).to_have_text("The numbers are live.")  # it looks at its session much later
    fetch(database, "DELETE FROM sessions RETURNING 1")
    page.get_by_role("button", name="Pause…").click()
    expect(page.locator("h1")).to_have_text("Sign in")


@pytest.mark.parametrize("look", [(*each, scheme) for each in ALL for scheme in ("light", "dark")])
def test_no_dialog_violates_wcag(open_campaign, axe, look):
    page = open_campaign(*look)
    page.locator("a[data-dialog]").last.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert find_violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_person_stops_the_updates(open_campaign, database, campaign_id):
    page = open_campaign()
    expect(page.locator("#live-state")).to_have_text("The numbers are live.")
    page.get_by_role("button", name="Stop updates").click()
    expect(page.get_by_role("button", name="Let the numbers change by themselves")).to_be_visible()
    expect(page.locator("#live-state")).to_have_text("The numbers are those of the moment when you opened the page.")
    assert page.locator("#live").count() == 0
    page.get_by_role("button", name="Let the numbers change by themselves").click()
    expect(page.locator("#live-state")).to_have_text("The numbers are live.")


def test_a_change_of_status_is_said_and_numbers_are_not(open_page, database, campaign_id):
    page = open_page()
    sign_in(page)
    said = page.locator("#said")
    expect(said).to_have_text("The numbers are live.")
    page.clock.install()
    database.run(add_messages, campaign_id, 5)
    expect(page.locator(f"#row-{campaign_id}")).to_contain_text("0 of 25 sent")
    fetch(database, "UPDATE campaigns SET status = 'paused' RETURNING 1")
    expect(page.locator(f"#row-{campaign_id}")).to_contain_text("paused")
    page.clock.run_for(10_000)
    expect(said).to_have_text("Black Friday: paused")


def test_a_link_that_is_called_a_button_obeys_the_space_key(open_campaign):
    page = open_campaign()
    page.get_by_role("button", name="Pause…").press("Space")
    expect(page.get_by_role("dialog", name="Pause Black Friday?")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Copy the campaign…").press("Space")
    expect(page.locator("h1")).to_contain_text("Copy Black Friday")
