"""Copies of campaigns and the end of drafts, each with its numbers before a person confirms."""

from __future__ import annotations

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.users.rights import Role
from console.pages.drafts import copies
from tests.console.conftest import read_text
from tests.store.rows import add_account, add_campaign, add_message, add_messages, add_template, fetch


@pytest.fixture
def campaign_id(database):
    def work(connection):
        account = add_account(connection)
        template = add_template(connection, components=Jsonb([{"type": "BODY", "text": "Oi"}]), status="approved")
        campaign = add_campaign(
            connection, "completed", accounts=[account], template_id=template, name="May", recipient_count=5
        )
        add_messages(connection, campaign, 3, "failed")
        add_messages(connection, campaign, 2, "read")
        return campaign

    return database.run(work)


@pytest.mark.parametrize("language", ["en", "pt_BR"])
def test_a_copy_takes_the_people_of_the_chosen_statuses(console, database, campaign_id, language):
    browser = console.sign_in(Role.PLANNER, language=language)
    assert f'href="/campaigns/{campaign_id}/copy"' in browser.get(f"/campaigns/{campaign_id}").text
    page = read_text(browser.get(f"/campaigns/{campaign_id}/copy").text)
    assert ("3 people: was not delivered" if language == "en" else "3 pessoas: ") in page
    assert "Copy of May" in browser.get(f"/campaigns/{campaign_id}/copy").text or language != "en"
    answer = browser.post(f"/campaigns/{campaign_id}/copy", {"name": "June", "statuses": ["failed"]})
    copy_id = fetch(database, "SELECT id FROM campaigns WHERE name = 'June' AND status = 'draft'")[0]
    assert answer.location == f"/campaigns/{copy_id}/draft"
    assert fetch(database, "SELECT count(*) FROM messages WHERE campaign_id = %s", copy_id) == [3]
    browser.post(f"/campaigns/{campaign_id}/copy", {"name": "Empty", "statuses": ["nonsense"]})
    assert fetch(database, "SELECT recipient_count FROM campaigns WHERE name = 'Empty'") == [0]


def test_the_people_who_got_nothing_are_ticked_and_counted(console, database, campaign_id):
    fetch(database, "UPDATE campaigns SET started_at = created_at RETURNING 1")
    database.run(add_messages, campaign_id, 4, "cancelled")
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/copy"
    page = browser.get(path).text
    assert "7 people surely got no message of this campaign, and are ticked here." in read_text(page)
    assert 'value="cancelled" checked' in page
    assert 'value="failed" checked' in page
    assert 'value="read" checked' not in page
    fetch(database, "DELETE FROM messages WHERE status IN ('failed', 'cancelled') RETURNING 1")
    page = browser.get(path).text
    assert "So nobody is ticked here." in read_text(page)
    assert "checked" not in page


def test_a_copy_that_is_asked_for_twice_is_made_once(console, database, campaign_id):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/copy"
    once = browser.get(path).text.split('name="once" value="')[1].split('"')[0]
    answers = [browser.post(path, {"name": "June", "statuses": ["failed"], "once": once}) for _ in range(2)]
    assert answers[0].location == answers[1].location
    assert fetch(database, "SELECT name FROM campaigns ORDER BY id") == ["May", "June"]


def test_a_copy_of_many_people_is_made_behind_the_page(console, database, campaign_id, monkeypatch):
    monkeypatch.setattr(copies, "COPIED_AT_ONCE", 2)
    browser, path = console.sign_in(Role.PLANNER, name="paulo"), f"/campaigns/{campaign_id}/copy"
    answer = browser.post(path, {"name": "June", "statuses": ["failed"]})
    assert answer.location.startswith(f"{path}/")
    assert console.file_work_count == 1
    assert "You can leave this page" in browser.get(answer.location).text
    assert fetch(database, "SELECT count(*) FROM campaigns") == [1]
    console.do_file_work()
    (copy_id,) = fetch(database, "SELECT id FROM campaigns WHERE name = 'June' AND recipient_count = 3")
    assert f'href="/campaigns/{copy_id}/draft"' in browser.get(answer.location).text
    assert browser.get(answer.location.replace(str(campaign_id), str(copy_id), 1)).status_code == 404
    assert console.sign_in(Role.PLANNER, name="pia").get(answer.location).status_code == 404


def test_a_copy_behind_the_page_says_why_it_was_refused(console, database, campaign_id, monkeypatch):
    monkeypatch.setattr(copies, "COPIED_AT_ONCE", 2)
    browser = console.sign_in(Role.PLANNER)
    answer = browser.post(f"/campaigns/{campaign_id}/copy", {"name": "June", "statuses": ["failed"]})
    fetch(database, "UPDATE templates SET components = %s", Jsonb([{"type": "BODY", "text": "Oi {{1}} {{2}}"}]))
    console.do_file_work()
    page = browser.get(answer.location)
    assert 'class="problem" role="alert"' in page.text
    assert f'href="/campaigns/{campaign_id}/copy"' in page.text


def test_a_copy_without_a_name_is_refused_at_the_field(console, database, campaign_id):
    answer = console.sign_in().post(f"/campaigns/{campaign_id}/copy", {"name": " ", "statuses": ["read"]})
    assert answer.status_code == 422
    assert 'id="name-error"' in answer.text
    assert 'value="read" checked' in answer.text
    assert fetch(database, "SELECT count(*) FROM campaigns") == [1]


def test_a_draft_is_deleted_after_its_numbers_were_shown(console, database):
    draft = database.run(add_campaign, "draft", name="Wrong", recipient_count=2)
    database.run(add_messages, draft, 2)
    browser, path = console.sign_in(Role.PLANNER, name="paulo"), f"/campaigns/{draft}/discard"
    assert "2 people of its list are deleted with it." in read_text(browser.get(path).text)
    assert fetch(database, "SELECT count(*) FROM campaigns") == [1]
    answer = browser.post(path)
    assert answer.location == "/campaigns?done=discarded"
    assert "The draft is deleted." in browser.get(answer.location).text
    assert fetch(database, "SELECT count(*) FROM campaigns") == [0]
    assert fetch(database, "SELECT actor FROM audit_events WHERE what = 'campaign.discard'") == ["paulo"]
    assert browser.post(path, form="/campaigns/new").status_code == 404  # a second click


def test_what_was_sent_is_not_deleted(console, database, campaign_id):
    browser = console.sign_in()
    draft = database.run(add_campaign, "draft", name="Tested")
    database.run(lambda connection: add_message(connection, add_campaign(connection, test_of=draft), "sent"))
    for id_, words in ((campaign_id, "only a draft can be discarded"), (draft, "has sent test messages")):
        page = browser.get(f"/campaigns/{id_}/discard").text
        assert words in page
        assert "<button" not in page.split("<main")[1]
        assert browser.post(f"/campaigns/{id_}/discard", form="/campaigns/new").status_code == 409
    assert fetch(database, "SELECT count(*) FROM campaigns") == [3]


def test_a_viewer_neither_copies_nor_deletes(console, database, campaign_id):
    browser = console.sign_in(Role.VIEWER)
    assert "/copy" not in browser.get(f"/campaigns/{campaign_id}").text
    for path in ("copy", "discard"):
        assert browser.get(f"/campaigns/{campaign_id}/{path}").status_code == 403


def test_a_copy_says_which_times_it_does_not_have(console, database, campaign_id):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/copy"
    assert "not copied" not in read_text(browser.get(path).text)
    fetch(
        database,
        "UPDATE campaigns SET scheduled_at = '2030-01-02 09:00Z', start_within_seconds = 3600,"
        " expire_at = '2030-01-03 20:00Z' RETURNING 1",
    )
    text = read_text(browser.get(path).text)
    for words in (
        "These times belong to the other campaign and are not copied.",
        "do not start before 2030-01-02 09:00",
        "start within 60 minutes after that",
        "send nothing after 2030-01-03 20:00",
    ):
        assert words in text
    browser.post(path, {"name": "June", "statuses": []})
    times = "SELECT scheduled_at, start_within_seconds, expire_at FROM campaigns WHERE name = 'June'"
    assert fetch(database, times) == [(None, None, None)]
