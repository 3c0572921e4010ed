"""Downloads are written by the role `files`; each user sees the own ones, and gets them while they are kept."""

from __future__ import annotations

import csv
import io
import re

import pytest

from campaigns.domain.users.rights import Role
from campaigns.management.files import work
from campaigns.management.suppressions import suppress_phones
from campaigns.store.files.jobs import JobKind
from tests.console.conftest import read_text
from tests.store.rows import add_account, add_campaign, add_messages, fetch
from tests.support.actors import TESTER


@pytest.fixture
def campaign_id(database):
    def work(connection):
        campaign = add_campaign(connection, "completed", accounts=[add_account(connection)], name="Natal <b>")
        connection.execute("UPDATE campaigns SET recipient_count = 5 WHERE id = %s", (campaign,))
        add_messages(connection, campaign, 3, "failed")
        add_messages(connection, campaign, 2, "read")
        return campaign

    return database.run(work)


def read_csv(answer, delimiter=","):
    assert answer.data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig")), delimiter=delimiter))


def find_file(page):
    return re.search(r'href="(/downloads/[0-9]+\.csv)"', page)


@pytest.mark.parametrize(("language", "delimiter"), [("en", ","), ("pt_BR", ";")])
def test_the_people_of_a_campaign_are_written_behind_the_page(console, database, campaign_id, language, delimiter):
    browser, path = console.sign_in(name="maria", language=language), f"/campaigns/{campaign_id}/download"
    assert f'href="{path}"' in browser.get(f"/campaigns/{campaign_id}").text
    assert ("3 people: was not" if language == "en" else "3 pessoas: ") in read_text(browser.get(path).text)
    answer = browser.post(path, {"statuses": ["failed", "nonsense"]})
    assert answer.location == "/downloads"
    assert console.file_work_count == 1
    page = browser.get("/downloads").text
    assert 'http-equiv="refresh"' in page
    assert "hx-get" in page
    assert find_file(page) is None
    assert "Natal &lt;b&gt;" in page
    console.do_file_work()
    page = browser.get("/downloads").text
    assert "hx-get" not in page
    answer = browser.get(find_file(page)[1])
    assert answer.headers["Content-Disposition"] == f'attachment; filename="campaign-{campaign_id}.csv"'
    assert [row["status"] for row in read_csv(answer, delimiter)] == ["failed"] * 3
    assert fetch(database, "SELECT actor FROM audit_events WHERE what = 'campaign.export'") == ["maria"]


def test_without_a_choice_all_people_are_in_the_file(console, campaign_id):
    browser = console.sign_in()
    browser.post(f"/campaigns/{campaign_id}/download")
    console.do_file_work()
    assert len(read_csv(browser.get(find_file(browser.get("/downloads").text)[1]))) == 5


def test_the_opt_outs_are_written_for_the_chosen_source_and_no_cell_is_a_formula(console, database):
    suppress_phones(database, ["+5511987650099"], actor=TESTER, reason="=HYPERLINK(1)<b>")
    fetch(database, "INSERT INTO suppressions VALUES ('BR.12345678', 'word', true, now(), 'sair') RETURNING 1")
    browser = console.sign_in(name="maria")
    assert 'name="source" value="manual"' in browser.get("/optouts?source=manual").text
    browser.post("/optouts/download", {"source": "manual"}, form="/optouts?source=manual")
    console.do_file_work()
    answer = browser.get(find_file(browser.get("/downloads").text)[1])
    assert answer.headers["Content-Disposition"] == 'attachment; filename="opt-outs.csv"'
    (row,) = read_csv(answer)
    assert (row["person"], row["detail"]) == ("+5511987650099", "'=HYPERLINK(1)<b>")
    assert fetch(database, "SELECT actor, after FROM audit_events WHERE what = 'suppression.export'") == [
        ("maria", {"sources": ["manual"]})
    ]
    assert browser.post("/optouts/download", {"source": "x"}, form="/optouts").status_code == 400


def test_nobody_gets_the_download_of_somebody_else(console, campaign_id):
    maria, pedro = console.sign_in(name="maria"), console.sign_in(name="pedro")
    maria.post(f"/campaigns/{campaign_id}/download")
    console.do_file_work()
    path = find_file(maria.get("/downloads").text)[1]
    assert pedro.get(path).status_code == 404
    assert "You have no downloads now." in pedro.get("/downloads").text
    assert maria.get("/downloads/999.csv").status_code == 404


def test_a_download_that_is_not_written_yet_is_not_sent(console, database, campaign_id):
    browser = console.sign_in()
    browser.post(f"/campaigns/{campaign_id}/download")
    (job_id,) = fetch(database, "SELECT id FROM file_jobs")
    assert browser.get(f"/downloads/{job_id}.csv").status_code == 503


def test_an_error_is_told_in_the_list(console, campaign_id, monkeypatch):
    browser = console.sign_in(language="pt_BR")
    browser.post(f"/campaigns/{campaign_id}/download")
    monkeypatch.setitem(work._WORK, JobKind.EXPORT, lambda *_arguments: 1 / 0)
    console.do_file_work()
    assert "Nada foi alterado." in read_text(browser.get("/downloads").text)


def test_a_request_that_nobody_takes_says_what_helps(console, database, campaign_id):
    browser = console.sign_in()
    browser.post(f"/campaigns/{campaign_id}/download")
    assert "start the role" not in browser.get("/downloads").text
    fetch(database, "UPDATE file_jobs SET created_at = now() - interval '2 minutes'")
    assert "start the role “files”" in browser.get("/downloads").text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PLANNER])
def test_people_who_may_not_download_phones_see_no_downloads(console, campaign_id, role):
    browser = console.sign_in(role)
    assert "/download" not in browser.get(f"/campaigns/{campaign_id}").text
    assert "/download" not in browser.get("/optouts").text
    assert browser.get("/downloads").status_code == 403
    assert browser.post(f"/campaigns/{campaign_id}/download", form="/").status_code == 403
