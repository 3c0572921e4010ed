"""A draft takes people of an earlier campaign on the page of its list."""

from __future__ import annotations

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.failures import LEFT_AUDIENCE
from campaigns.domain.users.rights import Role
from campaigns.management.drafts.audiences import Audience, fill_draft
from campaigns.management.files.jobs import request_import
from campaigns.management.files.uploads import store_upload
from campaigns.management.recipients import Reading
from console.pages.drafts import audience
from tests.console.conftest import read_text
from tests.store.rows import add_account, add_campaign, add_message, add_messages, add_template, fetch
from tests.support.actors import TESTER


@pytest.fixture
def ids(database):
    """A campaign with people who got it, and a draft."""

    def work(connection):
        account = add_account(connection)
        template = add_template(connection, components=Jsonb([{"type": "BODY", "text": "Oi"}]), status="approved")
        sent = add_campaign(connection, "completed", accounts=[account], template_id=template, name="May")
        add_messages(connection, sent, 3, "delivered")
        add_message(connection, sent, "read", replied_at="2026-10-02T12:00Z")
        add_messages(connection, sent, 2, "failed")
        draft = add_campaign(connection, "draft", accounts=[account], template_id=template, name="June")
        return sent, draft

    return database.run(work)


@pytest.mark.parametrize("language", ["en", "pt_BR"])
def test_people_are_counted_and_then_taken(console, database, ids, language):
    sent, draft = ids
    browser, page = console.sign_in(Role.PLANNER, language=language), f"/campaigns/{draft}/list"
    asked = {"source": str(sent), "common": "delivered, no reply"}
    counted = browser.post(f"/campaigns/{draft}/audience", asked | {"act": "count"}, form=page)
    assert counted.status_code == 200
    assert ("3 people fit now." if language == "en" else "3 pessoas") in read_text(counted.text)
    assert fetch(database, "SELECT count(*) FROM audiences") == [0]
    answer = browser.post(f"/campaigns/{draft}/audience", asked | {"act": "take"}, form=page)
    assert answer.location == f"/campaigns/{draft}/draft"
    assert fetch(database, "SELECT recipient_count FROM campaigns WHERE id = %s", draft) == [3]
    assert "delivered, no reply" in read_text(browser.get(page).text)
    shown = browser.get(f"/campaigns/{draft}").text
    assert f'href="/campaigns/{sent}"' in shown
    assert "delivered, no reply" in read_text(shown)


def test_written_conditions_count_if_none_is_chosen(console, database, ids):
    sent, draft = ids
    browser, path, page = console.sign_in(), f"/campaigns/{draft}/audience", f"/campaigns/{draft}/list"
    asked = {"source": str(sent), "common": "", "who": "opened", "act": "count"}
    refused = browser.post(path, asked, form=page)
    assert refused.status_code == 422
    assert "cannot be read at character 1" in read_text(refused.text)
    assert 'value="opened"' in refused.text
    browser.post(path, asked | {"who": "not read", "act": "take"}, form=page)
    assert fetch(database, "SELECT recipient_count FROM campaigns WHERE id = %s", draft) == [5]
    nobody = browser.post(path, asked | {"source": str(draft), "who": "read"}, form=page)
    assert nobody.status_code == 409
    assert "has sent nothing" in read_text(nobody.text)
    missing = browser.post(path, asked | {"source": ""}, form=page)
    assert (missing.status_code, "Choose a campaign." in read_text(missing.text)) == (422, True)


def test_uncertain_people_need_a_tick(console, database, ids):
    sent, draft = ids
    database.run(add_messages, sent, 2, "uncertain")
    browser, path, page = console.sign_in(), f"/campaigns/{draft}/audience", f"/campaigns/{draft}/list"
    asked = {"source": str(sent), "common": "", "who": "not read", "act": "take"}
    refused = browser.post(path, asked, form=page)
    assert refused.status_code == 422
    assert "Take also the 2 people whose earlier message is uncertain." in read_text(refused.text)
    assert browser.post(path, asked | {"uncertain": "1"}, form=page).status_code == 422
    assert browser.post(path, asked | {"uncertain": "2"}, form=page).status_code == 302
    assert fetch(database, "SELECT recipient_count, uncertain_count FROM audiences") == [(7, 2)]


def test_many_people_are_taken_behind_the_page(console, database, ids, monkeypatch):
    monkeypatch.setattr(audience, "TAKEN_AT_ONCE", 2)
    sent, draft = ids
    browser, path = console.sign_in(Role.PLANNER, name="paulo"), f"/campaigns/{draft}/audience"
    asked = {"source": str(sent), "common": "delivered, no reply", "act": "take"}
    answer = browser.post(path, asked, form=f"/campaigns/{draft}/list")
    assert answer.location.startswith(f"{path}/")
    assert console.file_work_count == 1
    assert "You can leave this page" in browser.get(answer.location).text
    console.do_file_work()
    assert "3 people are taken into the draft." in read_text(browser.get(answer.location).text)
    assert fetch(database, "SELECT recipient_count FROM campaigns WHERE id = %s", draft) == [3]
    assert browser.get(answer.location.replace(f"/{draft}/", f"/{sent}/", 1)).status_code == 404
    assert console.sign_in(Role.PLANNER, name="pia").get(answer.location).status_code == 404


@pytest.mark.parametrize("list_", ["phone\n+5511999990011\n", "name\nAna\n"], ids=["read", "refused"])
def test_the_step_check_shows_the_people_who_took_the_place_of_a_list(console, database, ids, list_):
    sent, draft = ids
    upload_id = store_upload(database, "people.csv", [list_.encode()], max_bytes=999, actor=TESTER).id
    request_import(database, draft, upload_id, Reading(), actor=TESTER, replaces=True)
    console.do_file_work()
    fill_draft(database, draft, Audience(sent, "delivered, no reply"), actor=TESTER)
    text = read_text(console.sign_in().get(f"/campaigns/{draft}/check").text)
    assert "3 rows read, 3 people ready to get the message." in text


def test_the_page_of_errors_counts_who_has_left_the_audience(console, database, ids):
    sent, _draft = ids
    database.run(add_message, sent, "suppressed", error_title=LEFT_AUDIENCE)
    browser = console.sign_in()
    words = "not sent: the person no longer fits the conditions"
    assert words in read_text(browser.get(f"/campaigns/{sent}/errors").text)
    assert words in read_text(browser.get(f"/campaigns/{sent}/people?group=left_audience").text)
