"""All campaigns of a filter are paused or cancelled together, or none of them."""

from __future__ import annotations

import pytest

from campaigns.domain.users.rights import Role
from tests.console.conftest import read_text
from tests.store.rows import add_campaign, add_messages, fetch


@pytest.fixture
def sales(database):
    """Campaigns of the filter, and others."""

    def work(connection):
        ids = [
            add_campaign(connection, status, name=name)
            for name, status in (
                ("Sale 1", "running"),
                ("Sale 2", "pending"),
                ("Sale 3", "completed"),
                ("Sale 4", "draft"),
                ("Other", "running"),
            )
        ]
        add_messages(connection, ids[0], 12)
        add_messages(connection, ids[1], 3)
        return ids

    return database.run(work)


def statuses(database):
    return fetch(database, "SELECT status::text FROM campaigns ORDER BY id")


def read_ids(page):
    return page.split('name="ids" value="')[1].split('"')[0]


def test_the_question_names_the_campaigns_of_the_filter_and_their_messages(console, sales):
    text = read_text(console.sign_in().get("/campaigns/pause?text=sale").text)
    assert "Pause 2 campaigns?" in text
    assert "15 messages stay in our queue until you resume." in text
    assert "1: Sale 1 running 12 messages not sent yet" in text
    assert "Other" not in text.split("campaigns?")[-1]
    assert "Sale 3" not in text
    assert "Sale 4" not in text


def test_the_shown_campaigns_are_paused_and_the_list_says_so(console, database, sales):
    browser = console.sign_in(name="maria")
    page = "/campaigns/pause?text=sale"
    answer = browser.post("/campaigns/pause", {"ids": read_ids(browser.get(page).text)}, form=page)
    assert answer.status_code == 302
    assert "2 campaigns are paused." in browser.get(answer.location).text
    assert statuses(database) == ["paused", "paused", "completed", "draft", "running"]
    assert fetch(database, "SELECT actor FROM audit_events WHERE what = 'campaign.pause'") == ["maria", "maria"]


def test_if_one_campaign_refuses_none_is_changed_and_each_refusal_is_told(console, database, sales):
    browser = console.sign_in()
    page = "/campaigns/pause?text=sale"
    ids = read_ids(browser.get(page).text)
    fetch(database, "UPDATE campaigns SET status = 'paused' WHERE id = 2 RETURNING 1")
    answer = browser.post("/campaigns/pause", {"ids": ids}, form=page)
    assert answer.status_code == 409
    assert "Campaign 2 (Sale 2)" in read_text(answer.text)
    assert "Nothing was changed." in answer.text
    assert statuses(database)[0] == "running"


def test_a_cancel_asks_for_the_number_of_campaigns(console, database, sales):
    browser = console.sign_in()
    page = "/campaigns/cancel?text=sale"
    question = browser.get(page).text
    assert "15 messages will never be sent." in read_text(question)
    wrong = browser.post("/campaigns/cancel", {"ids": read_ids(question), "count": "5"}, form=page)
    assert wrong.status_code == 422
    assert 'value="5" aria-invalid="true"' in wrong.text
    assert statuses(database)[0] == "running"
    done = browser.post("/campaigns/cancel", {"ids": read_ids(question), "count": "2"}, form=page)
    assert done.status_code == 302
    assert statuses(database) == ["cancelled", "cancelled", "completed", "draft", "running"]


def test_without_a_campaign_there_is_nothing_to_do(console, sales):
    text = read_text(console.sign_in().get("/campaigns/pause?text=nobody").text)
    assert "No campaign that fits the filter can be paused." in text


@pytest.mark.parametrize("ids", ["x", "-1", str(2**63), ",".join(map(str, range(1, 300)))])
def test_ids_that_no_page_sends_are_refused(console, sales, ids):
    browser = console.sign_in()
    answer = browser.post("/campaigns/pause", {"ids": ids}, form="/campaigns/pause")
    assert answer.status_code == 400


def test_a_viewer_may_not(console, sales):
    browser = console.sign_in(Role.VIEWER)
    assert browser.get("/campaigns/pause").status_code == 403
    assert "Pause them… Your role does not allow it." in read_text(browser.get("/campaigns?status=running").text)
