"""`revoada person`: what the page of a person shows."""

from __future__ import annotations

import json

import pytest

from campaigns.domain.optout.recognition import Source
from campaigns.domain.phone.person import recipient_key
from campaigns.store.optouts.suppressions import SuppressionEvent, write_suppressions
from tests.store.rows import add_account, add_campaign, add_message, fetch

PHONE = "+5511987650021"
KEY = recipient_key(PHONE)


@pytest.fixture
def campaign_id(database):
    def work(connection):
        account = add_account(connection, name="sales-1")
        campaign = add_campaign(connection, "running", accounts=[account], name="Natal", started_at="2020-01-01")
        columns = {"account_id": account, "claimed_at": "2026-10-01T11:59Z", "wamid": "wamid.1"}
        add_message(connection, campaign, "failed", phone=PHONE, recipient_key=KEY, **columns)
        other = add_campaign(connection, "running", accounts=[account], name="Black", started_at="2020-01-01")
        add_message(connection, other, "sent", phone=PHONE, recipient_key=KEY, **columns | {"wamid": "wamid.2"})
        at = connection.execute("SELECT timestamptz '2026-10-01T15:00Z'").fetchone()[0]
        write_suppressions(connection, [SuppressionEvent(KEY, Source.WORD, is_active=True, at=at, detail="sair")])
        return campaign

    return database.run(work)


@pytest.mark.usefixtures("campaign_id")
@pytest.mark.parametrize("written", [PHONE, "(11) 8765-0021"])
def test_a_person_is_shown_in_any_spelling(revoada, written):
    shown = revoada.ok("person", written)
    assert PHONE in shown
    assert "no: the person has opted out" in shown
    assert shown.count("2 (Black)") == 2  # the message, and the campaign that was answered
    assert "131026" in shown
    assert "sair" in shown
    assert "sales-1" in shown


@pytest.mark.usefixtures("campaign_id")
def test_json_has_each_message_and_the_campaign_that_was_answered(revoada):
    found = json.loads(revoada.ok("person", PHONE, "--json"))
    assert (found["person"], found["is_opted_out"], found["next"]) == (KEY, True, None)
    assert [(each["source"], each["campaign_id"]) for each in found["opt_outs"]] == [("word", 2)]
    assert [(each["campaign_name"], each["status"], each["error_code"]) for each in found["messages"]] == [
        ("Black", "sent", None),
        ("Natal", "failed", 131026),
    ]
    assert found["messages"][0]["text"]["body"] == "Hi"


@pytest.mark.usefixtures("campaign_id")
def test_it_speaks_portuguese(revoada):
    shown = revoada.ok("person", PHONE, REVOADA_LANGUAGE="pt_BR")
    assert "não: a pessoa saiu" in shown
    assert "campanha" in shown


def test_an_unknown_person_and_a_wrong_phone_are_told_apart(revoada):
    assert "No list that is still kept has this number." in revoada.ok("person", PHONE)
    result = revoada("person", "hello")
    assert result.exit_code != 0
    assert "hello" in result.output


def test_older_messages_follow_with_before(revoada, database):
    def work(connection):
        account = add_account(connection)
        for _ in range(21):
            campaign = add_campaign(connection, "running", accounts=[account])
            add_message(connection, campaign, phone=PHONE, recipient_key=KEY)

    database.run(work)
    assert "There are older messages: --before 2 shows them." in revoada.ok("person", PHONE)
    (first,) = fetch(database, "SELECT min(id) FROM messages")
    assert [each["id"] for each in revoada.json("person", PHONE, "--before", "2")["messages"]] == [first]
