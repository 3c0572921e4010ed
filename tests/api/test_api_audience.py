"""A draft by the API with people of an earlier campaign."""

from __future__ import annotations

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.failures import LEFT_AUDIENCE
from campaigns.domain.users.rights import Role
from tests.api.conftest import read_problem
from tests.store.rows import add_campaign, add_message, add_messages, fetch


@pytest.fixture
def sent(house):
    """A completed campaign: three got it, one of them has replied."""

    def work(connection):
        (template,) = connection.execute("SELECT id FROM templates WHERE name = 'promo'").fetchone()
        campaign = add_campaign(connection, "completed", accounts=[1], template_id=template, name="May", columns=["1"])
        add_messages(connection, campaign, 2, "delivered", variables=["Ana"])
        add_message(connection, campaign, "read", variables=["Bia"], replied_at="2026-10-02T12:00Z")
        return campaign

    return house.run(work)


def ask(sent, who, **more):
    return {"name": "June", "template": "promo:pt_BR", "accounts": ["sales"]} | {
        "audience": {"campaign": str(sent), "who": who} | more
    }


def test_people_are_counted_and_then_taken(house, program, sent):
    found = program.ok("GET", f"/campaigns/{sent}/audience?who=delivered,%20no%20reply")
    assert found == {"count": 2, "uncertain_count": 0, "suppressed_count": 0}
    answer = program.post("/campaigns", ask(sent, "Delivered, no reply"), key="one")
    made = answer.json
    assert (answer.status_code, made["recipient_count"]) == (201, 2)
    taken = {"campaign": str(sent), "who": "delivered, no reply", "recipient_count": 2, "uncertain_count": 0}
    assert made["audience"] == taken | {"made_at": made["audience"]["made_at"]}
    assert program.post("/campaigns", ask(sent, "Delivered, no reply"), key="one").json == made
    assert program.ok("GET", f"/campaigns/{made['id']}")["audience"] == made["audience"]
    assert program.ok("GET", f"/campaigns/{sent}")["audience"] is None
    assert fetch(house, "SELECT count(*) FROM campaigns") == [2]


def test_uncertain_people_need_a_number(house, program, sent):
    house.run(add_message, sent, "uncertain", variables=["Eva"])
    for more in ({}, {"uncertain": {"at_most": 0}}, {"uncertain": None}):
        assert read_problem(program.post("/campaigns", ask(sent, "not read", **more))) == (409, "audience_uncertain")
    made = program.ok("POST", "/campaigns", ask(sent, "not read", uncertain={"at_most": 1}))
    assert (made["recipient_count"], made["audience"]["uncertain_count"]) == (3, 1)


@pytest.mark.parametrize(
    ("audience", "problem"),
    [
        ({"who": "opened"}, (422, "audience_unreadable")),
        ({"who": "failed"}, (409, "audience_empty")),
        ({"campaign": "999"}, (404, "campaign_missing")),
        ({"who": ""}, (422, "request_invalid")),
        ({"people": 1}, (422, "request_invalid")),
        ({"uncertain": {"at_most": -1}}, (422, "request_invalid")),
    ],
)
def test_what_cannot_be_taken_is_refused(house, program, sent, audience, problem):
    body = ask(sent, "read")
    body["audience"] |= audience
    answer = read_problem(program.post("/campaigns", body))
    assert answer[0] == problem[0]
    assert fetch(house, "SELECT count(*) FROM campaigns") == [1]
    if problem[1] != "request_invalid":
        assert answer == problem


def test_a_draft_is_no_source(program, sent):
    draft = program.ok("POST", "/campaigns", ask(sent, "read"))["id"]
    assert read_problem(program.post("/campaigns", ask(draft, "read"))) == (409, "audience_source_unsent")
    assert read_problem(program.get(f"/campaigns/{draft}/audience?who=read")) == (409, "audience_source_unsent")


def test_a_token_that_only_reads_takes_nobody(api, sent):
    reader = api.program(Role.VIEWER)
    assert reader.ok("GET", f"/campaigns/{sent}/audience?who=read")["count"] == 1
    assert reader.post("/campaigns", ask(sent, "read")).status_code == 403


def test_the_errors_count_who_has_left_the_audience(house, program, sent):
    house.run(add_message, sent, "suppressed", error_title=LEFT_AUDIENCE)
    found = program.ok("GET", f"/campaigns/{sent}/errors")
    assert (found["left_audience_count"], found["capped_count"]) == (1, 0)


def test_values_are_those_of_the_earlier_messages(house, program, sent):
    made = program.ok("POST", "/campaigns", ask(sent, "read"))["id"]
    assert fetch(house, "SELECT variables FROM messages WHERE campaign_id = %s", int(made)) == [["Bia"]]
    fetch(house, "UPDATE campaigns SET columns = '{2}', parameters = %s WHERE id = %s RETURNING 1", Jsonb({}), sent)
    assert read_problem(program.post("/campaigns", ask(sent, "read"))) == (409, "audience_values_missing")
