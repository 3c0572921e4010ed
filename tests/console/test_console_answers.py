"""An opt-out names the campaign whose message the person answered, on the page of the person and in the list."""

from __future__ import annotations

import pytest

from campaigns.domain.optout.recognition import Source
from campaigns.domain.phone.person import recipient_key
from campaigns.store.optouts.suppressions import SuppressionEvent, write_suppressions
from tests.console.conftest import read_text
from tests.store.rows import add_account, add_campaign, add_message, fetch

PHONE = "+5511987650021"
KEY = recipient_key(PHONE)


@pytest.fixture
def add_sale(database):
    def add(name, *, hours, status="running", message="sent", **columns):
        """A campaign that has claimed a message to the person `hours` ago."""

        def work(connection):
            account = add_account(connection)
            campaign = add_campaign(connection, status, accounts=[account], name=name, started_at="2020-01-01")
            person = {"phone": PHONE, "recipient_key": KEY, "account_id": account, "wamid": f"wamid.{name}"}
            message_id = add_message(connection, campaign, message, **person, **columns)
            connection.execute(
                "UPDATE messages SET claimed_at = now() - make_interval(hours => %s) WHERE id = %s", (hours, message_id)
            )
            return campaign

        return database.run(work)

    return add


@pytest.fixture
def opt_out(database):
    def say(source=Source.WORD):
        (at,) = fetch(database, "SELECT date_trunc('second', now())")
        event = SuppressionEvent(KEY, source, is_active=True, at=at, detail="sair")
        database.run(write_suppressions, [event])
        return at

    return say


@pytest.fixture
def read_answered(console):
    def read():
        browser = console.sign_in(name="reader")
        person = browser.get(browser.post("/people", {"phone": PHONE}).location).text
        line = person.split('<ul class="plain-list">')[1].split("</ul>")[0]
        cell = browser.get("/optouts").text.split("<tbody>")[1].split("<td>")[-1].split("</td>")[0]
        on_person = read_text(line).partition("in answer to ")[2]
        assert on_person == read_text(cell)
        return on_person

    return read


def test_the_newest_message_of_the_last_days_is_the_one_that_was_answered(add_sale, opt_out, read_answered):
    add_sale("Old <b>", hours=60)
    add_sale("New", hours=2)
    opt_out()
    assert read_answered() == "New"


def test_the_message_whose_reply_it_is_comes_before_a_newer_one(database, add_sale, opt_out, read_answered):
    quoted = add_sale("Quoted", hours=60)
    add_sale("New", hours=2)
    at = opt_out()
    fetch(database, "UPDATE messages SET replied_at = %s WHERE campaign_id = %s RETURNING 1", at, quoted)
    assert read_answered() == "Quoted"


def test_an_older_message_one_that_failed_and_one_that_waits_were_not_answered(add_sale, opt_out, read_answered):
    add_sale("Older", hours=73)
    add_sale("Failed", hours=2, message="failed")
    opt_out()
    assert read_answered() == ""


def test_an_opt_out_that_is_no_answer_names_no_campaign(add_sale, opt_out, read_answered):
    add_sale("New", hours=2)
    opt_out(Source.META)
    assert read_answered() == ""
