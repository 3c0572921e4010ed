"""Messages that are sent again: failed ones by class, and uncertain ones at the risk of a second copy."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from campaigns.domain.users.rights import Role
from campaigns.management import retries
from campaigns.store.events import insert_events
from tests.console.conftest import read_text
from tests.store.rows import add_account, add_campaign, add_messages, fetch

THROTTLED = {"error_code": 130429, "error_title": "Rate limit hit"}
SERVER = {"error_code": 131000, "error_title": "Something went wrong"}


@pytest.fixture
def campaign_id(database):
    def work(connection):
        account = add_account(connection, name="sales")
        campaign = add_campaign(connection, "completed", accounts=[account], name="Black <Friday>")
        add_messages(connection, campaign, 5, "failed", account_id=account, **THROTTLED)
        add_messages(connection, campaign, 2, "failed", account_id=account, **SERVER)
        add_messages(connection, campaign, 4, "failed", account_id=account)
        add_messages(connection, campaign, 3, "uncertain", account_id=account)
        add_messages(connection, campaign, 1, "delivered", account_id=account)
        return campaign

    return database.run(work)


def count(database, status):
    (number,) = fetch(database, "SELECT count(*) FROM messages WHERE status = %s::message_status", status)
    return number


def follow(browser, answer):
    assert answer.status_code == 302, read_text(answer.text)
    return read_text(browser.get(answer.location).text)


def test_the_errors_offer_a_retry_of_each_class_with_its_numbers(console, campaign_id):
    text = read_text(console.sign_in().get(f"/campaigns/{campaign_id}/errors").text)
    assert "Send 5 again: limits of WhatsApp…" in text
    assert "Send 2 again: faults at Meta or in our network…" in text
    assert "Send 7 again: all that may be sent again…" in text
    assert "3 messages are uncertain: why, and what can be done" in text


def test_the_question_says_how_many_go_and_why_the_others_stay(console, database, campaign_id):
    path = f"/campaigns/{campaign_id}/retry?class=throttled"
    text = read_text(console.sign_in().get(path).text)
    for words in (
        "Send 5 failed messages again?",
        "(code 130429)",
        "6 messages stay as they are",
        "not chosen here; it is of another kind (faults at Meta or in our network)",
        "a second try would not help",
        "3 messages are uncertain, and are not sent again by this.",
        "The campaign is completed. It runs again until these messages are done.",
    ):
        assert words in text
    assert count(database, "failed") == 11


def test_a_confirmed_retry_sends_its_class_once(console, database, campaign_id):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/retry?class=throttled"
    answer = browser.post(path, {"shown": "5"})
    assert "The messages are in our queue again." in follow(browser, answer)
    assert (count(database, "pending"), count(database, "failed"), count(database, "uncertain")) == (5, 6, 3)
    assert console.enqueued == [campaign_id]
    again = browser.post(path, {"shown": "5"}, form="/")
    assert again.status_code == 409
    assert "There is nothing to send again." in read_text(again.text)
    audit = "SELECT actor, after->'count' FROM audit_events WHERE what = 'campaign.retry'"
    assert fetch(database, audit) == [("operator-en", 5)]


def test_messages_that_failed_after_the_question_are_asked_about(console, database, campaign_id):
    browser, path = console.sign_in(), f"/campaigns/{campaign_id}/retry"
    answer = browser.post(path, {"shown": "6"})
    assert answer.status_code == 409
    assert "More messages have failed since the page was shown." in answer.text
    assert re.search(r'name="shown" value="7"', answer.text)
    assert count(database, "failed") == 11
    assert browser.post(path, {"shown": "7"}).status_code == 302


@pytest.mark.parametrize("shown", ["", "x", "9" * 5000])
def test_a_retry_without_its_number_sends_nothing(console, database, campaign_id, shown):
    answer = console.sign_in().post(f"/campaigns/{campaign_id}/retry", {"shown": shown})
    assert answer.status_code == 409
    assert count(database, "failed") == 11


def test_a_class_that_does_not_exist_is_refused(console, campaign_id):
    assert console.sign_in().get(f"/campaigns/{campaign_id}/retry?class=x").status_code == 400


@pytest.mark.parametrize("kind", ["retry", "uncertain/retry"])
def test_a_campaign_that_takes_no_retry_says_so_in_the_words_of_the_command(console, database, campaign_id, kind):
    fetch(database, "UPDATE campaigns SET expire_at = now() - interval '1 day' RETURNING 1")
    browser = console.sign_in(Role.ADMIN)
    page, sent = browser.get(f"/campaigns/{campaign_id}/{kind}"), {"shown": "7", "count": "3"}
    answer = browser.post(f"/campaigns/{campaign_id}/{kind}", sent, form="/")
    assert answer.status_code == 409
    for each in (page, answer):
        assert "has expired: it cannot be retried." in read_text(each.text)
    assert count(database, "pending") == 0
    assert "The campaign has expired." in browser.get(f"/campaigns/{campaign_id}/errors").text


def test_a_template_that_cannot_be_sent_is_told_before_a_retry(console, database, campaign_id):
    fetch(database, "UPDATE templates SET status = 'paused' RETURNING 1")
    browser = console.sign_in()
    for page in ("errors", "retry"):
        text = read_text(browser.get(f"/campaigns/{campaign_id}/{page}").text)
        assert "The template of the campaign cannot be sent now" in text


def test_a_retry_at_night_is_told(make_console, database, campaign_id):
    # The night began two hours ago, and ends in two hours.
    now = dt.datetime.now(dt.UTC)
    quiet = ((now - dt.timedelta(hours=2)).time(), (now + dt.timedelta(hours=2)).time())
    console = make_console(quiet_hours=quiet)
    page = read_text(console.sign_in(Role.ADMIN).get(f"/campaigns/{campaign_id}/retry").text)
    assert "It will be night for 7 of these people when their messages leave:" in page
    page = read_text(console.sign_in(Role.ADMIN, name="eva").get(f"/campaigns/{campaign_id}/uncertain/retry").text)
    assert "It will be night for 3 of these people when their messages leave:" in page


def test_all_campaigns_with_uncertain_messages_are_listed(console, database, campaign_id):
    ids = [database.run(add_campaign, "running", name=f"Sale {number}") for number in range(51)]
    for each in ids:
        database.run(add_messages, each, 1, "uncertain")
    browser = console.sign_in(Role.VIEWER)
    page = browser.get("/uncertain").text
    assert page.count('<tr id="campaign-') == 50
    assert "All webhooks that have arrived are applied." in page
    following = re.search(r'href="(/uncertain\?after=\d+)"', page)[1]
    text = read_text(browser.get(following).text)
    assert "Black <Friday> campaign" in text
    assert "3 15 completed" in text
    assert "There are no older campaigns" in browser.get("/uncertain?after=1").text
    assert browser.get("/uncertain?after=x").status_code == 400


def test_without_an_uncertain_message_the_page_says_so(console, database):
    campaign_id = database.run(add_campaign, "running")
    browser = console.sign_in()
    assert "No message is uncertain now." in browser.get("/uncertain").text
    assert "No message of this campaign is uncertain now." in browser.get(f"/campaigns/{campaign_id}/uncertain").text
    assert browser.get("/campaigns/987/uncertain").status_code == 404


def test_uncertain_messages_are_told_by_cause_with_their_time_and_the_webhooks_that_wait(
    console, database, campaign_id
):
    database.run(add_messages, campaign_id, 1, "uncertain", error_code=131016, error_title="Service unavailable")
    database.run(insert_events, [b"{}", b"{}"])
    text = read_text(console.sign_in(Role.VIEWER).get(f"/campaigns/{campaign_id}/uncertain").text)
    for words in (
        "4 messages are uncertain",
        "the first since 2026-10-01 11:59",
        "2 webhooks are still to be applied.",
        "nobody knows whether WhatsApp has it",
        "the reply was lost",
        "(code 131016)",
        "These roles do: admin.",
    ):
        assert words in text


def test_an_admin_types_the_number_and_sends_them_again(console, database, campaign_id):
    browser, path = console.sign_in(Role.ADMIN), f"/campaigns/{campaign_id}/uncertain/retry"
    text = read_text(browser.get(path).text)
    assert "Up to 3 people may get this message twice." in text
    wrong = browser.post(path, {"count": "4"})
    assert wrong.status_code == 422
    assert "This is not the number of messages." in wrong.text
    assert count(database, "uncertain") == 3
    answer = browser.post(path, {"count": "3"})
    assert "The messages are in our queue again." in follow(browser, answer)
    assert (count(database, "uncertain"), count(database, "pending")) == (0, 3)
    assert console.enqueued == [campaign_id]
    again = browser.post(path, {"count": "3"}, form="/")
    assert again.status_code == 409
    assert "No uncertain message of this campaign can be sent again." in read_text(again.text)


def test_nothing_is_sent_again_before_all_webhooks_are_applied(console, database, campaign_id, monkeypatch):
    monkeypatch.setattr("console.pages.retries.uncertain._WAIT_SECONDS", 0.0)
    database.run(insert_events, [b"{}"])
    answer = console.sign_in(Role.ADMIN).post(f"/campaigns/{campaign_id}/uncertain/retry", {"count": "3"})
    assert answer.status_code == 503
    text = read_text(answer.text)
    assert "Stored webhooks are not applied yet (1 webhook event)" in text
    assert "1 webhook is still to be applied." in text
    assert count(database, "uncertain") == 3


def test_people_who_want_no_messages_or_were_erased_are_not_sent_again(console, database, campaign_id):
    fetch(database, "UPDATE messages SET phone = NULL, recipient_key = NULL WHERE id = (SELECT min(id) FROM messages"
          " WHERE status = 'uncertain') RETURNING 1")  # fmt: skip
    opted_out = (
        "SELECT recipient_key, 'manual', true, now() FROM messages WHERE status = 'uncertain' AND phone IS NOT NULL"
    )
    fetch(database, f"INSERT INTO suppressions (recipient_key, source, is_active, at) {opted_out} LIMIT 1 RETURNING 1")
    look = retries.look_at_uncertain(database, campaign_id)
    assert (look.count, look.suppressed_count, look.erased_count, look.total) == (1, 1, 1, 3)
    text = read_text(console.sign_in(Role.ADMIN).get(f"/campaigns/{campaign_id}/uncertain/retry").text)
    assert "1 person may get this message twice." in text
    assert "1 message to a person who wants no messages stays as it is." in text
    assert "1 message to a person who was erased stays as it is." in text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PLANNER, Role.OPERATOR])
def test_others_send_no_uncertain_message_again(console, campaign_id, role):
    browser = console.sign_in(role)
    path = f"/campaigns/{campaign_id}/uncertain/retry"
    assert browser.get(path).status_code == browser.post(path, form="/").status_code == 403


def test_hints_lead_to_these_pages(console, campaign_id):
    page = console.sign_in().get(f"/campaigns/{campaign_id}/errors").text
    assert f'<a href="/campaigns/{campaign_id}/uncertain">send uncertain messages again' in page
