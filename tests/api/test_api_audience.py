"""A draft by the API with people of an earlier campaign."""

from __future__ import annotations

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.failures import LEFT_AUDIENCE
from campaigns.domain.users.rights import Role
from campaigns.management.accounts import add_template
from campaigns.management.files.work import do_next_job
from tests.api.conftest import read_problem
from tests.store.rows import add_campaign, add_message, add_messages, fetch
from tests.support.actors import TESTER


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


@pytest.fixture
def draft(program):
    return program.ok("POST", "/campaigns", {"name": "June", "template": "promo:pt_BR", "accounts": ["sales"]})["id"]


def take(house, program, draft, source, **audience):
    """Let the role `files` take the people; the import as it is before and after it."""
    answer = program("PUT", f"/campaigns/{draft}/audience", {"campaign": str(source)} | audience)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"].endswith(f"/imports/{answer.json['id']}")
    do_next_job(house, secret_key=None, overlap_days=7)
    return answer.json, program.ok("GET", f"/imports/{answer.json['id']}")


def test_a_draft_takes_people_in_the_background(api, house, program, sent, draft):
    asked, done = take(house, program, draft, sent, who="delivered, no reply")
    assert (asked["status"], asked["recipient_count"], asked["replaces"]) == ("due", None, True)
    assert (done["status"], done["recipient_count"], done["reason"]) == ("done", 2, None)
    found = program.ok("GET", f"/campaigns/{draft}")
    assert (found["recipient_count"], found["audience"]["who"]) == (2, "delivered, no reply")
    assert api.file_work_count == 1
    _, again = take(house, program, draft, sent, who="replied")
    assert (again["recipient_count"], program.ok("GET", f"/campaigns/{draft}")["recipient_count"]) == (1, 1)


def test_an_import_of_people_has_the_warnings_and_numbers_that_a_new_draft_has(house, program, sent):
    add_template(house, "other", language="pt_BR", body="Tchau {{1}}!", actor=TESTER)
    (person,) = fetch(house, "SELECT recipient_key FROM messages WHERE campaign_id = %s ORDER BY id LIMIT 1", sent)
    program.ok("POST", "/suppressions", {"phones": [person], "reason": "asked"})
    wanted = {"name": "June", "template": "other:pt_BR", "accounts": ["sales"]}
    made = program.ok("POST", "/campaigns", wanted | {"audience": {"campaign": str(sent), "who": "delivered"}})
    draft = program.ok("POST", "/campaigns", wanted)["id"]
    _, first = take(house, program, draft, sent, who="delivered")
    _, second = take(house, program, draft, sent, who="read")
    assert "audience_values_by_number" in [each["code"] for each in first["warnings"]]
    assert [each["code"] for each in first["warnings"]] == [each["code"] for each in made["warnings"]]
    numbers = ("recipient_count", "replaced_count", "suppressed_count", "duplicate_count", "rejected_count")
    assert [first[name] for name in numbers] == [3, 0, 1, None, None]
    assert [second[name] for name in numbers] == [1, 3, 0, None, None]


def test_an_import_tells_why_nobody_was_taken(house, program, sent, draft):
    house.run(add_message, sent, "uncertain", variables=["Eva"])
    _, refused = take(house, program, draft, sent, who="not read")
    assert (refused["status"], refused["reason"]["code"]) == ("refused", "audience_uncertain")
    _, taken = take(house, program, draft, sent, who="not read", uncertain={"at_most": 1})
    assert (taken["status"], taken["recipient_count"]) == ("done", 3)
    _, empty = take(house, program, draft, sent, who="failed")
    assert (empty["status"], empty["reason"]["code"]) == ("refused", "audience_empty")
    assert program.ok("GET", f"/campaigns/{draft}")["recipient_count"] == 3


def test_conditions_that_cannot_be_read_are_refused_at_once(house, program, sent, draft):
    asked = ("PUT", f"/campaigns/{draft}/audience", {"campaign": str(sent), "who": "opened"})
    assert program.problem(*asked) == (422, "audience_unreadable")
    missing = ("PUT", "/campaigns/99/audience", {"campaign": str(sent), "who": "read"})
    assert program.problem(*missing) == (404, "campaign_missing")
    assert fetch(house, "SELECT id FROM file_jobs") == []


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
