"""Single messages that a program posts: one key, one message, and who decides whether it is sent."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest

from campaigns.domain.message import Status
from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope
from campaigns.management.accounts import add_template
from campaigns.management.drafts.copies import copy_campaign
from campaigns.management.drafts.imports import add_recipients, replace_recipients
from campaigns.management.lifecycle import pause_campaigns, resume_campaigns, start_campaigns
from campaigns.management.recipients import Reading
from campaigns.management.users.approvals import look_at_approval
from campaigns.privacy.erasure import forget
from tests.store.rows import fetch
from tests.support.actors import TESTER
from tests.support.campaigns import refusal

ANA, BIA = "+5511999990001", "+5511999990002"


@pytest.fixture
def standing(house, program):
    """The id of a standing campaign that runs."""
    body = {"name": "Orders", "template": "promo:pt_BR", "accounts": ["sales"], "standing": True}
    made = program.ok("POST", "/campaigns", body)
    assert made["standing"] is True
    # The template cannot be read at Meta, so the use case starts the campaign.
    start_campaigns(house, [int(made["id"])], actor=TESTER)
    fetch(house, "UPDATE campaigns SET status = 'running', started_at = now(), enqueued_at = NULL")
    return made["id"]


def post(standing=None, **changes):
    place = {"campaign": standing} if standing else {}
    return {"key": "order-1", "person": ANA, "values": {"1": "Ana"}} | place | changes


def list_messages(database):
    return fetch(database, "SELECT recipient_key, variables, status::text FROM messages ORDER BY id")


def test_a_message_is_committed_before_the_answer_and_its_campaign_enqueued(program, api, house, standing):
    answer = program.post("/messages", post(standing))
    assert answer.status_code == 202
    assert answer.json == {"id": answer.json["id"], "campaign_id": standing, "status": "pending"}
    assert list_messages(house) == [(ANA, ["Ana"], "pending")]
    assert api.enqueued == [int(standing)]

    found = program.ok("GET", answer.headers["Location"].removeprefix("/api/v1"))
    by_key = program.ok("GET", f"/messages?campaign={standing}&key=order-1")
    assert found == by_key
    assert (found["person"], found["values"], found["status"]) == (ANA, ["Ana"], "pending")


def test_one_key_is_one_message_whoever_is_first(api, house, standing):
    programs = [api.program(name=f"person-{number}") for number in range(4)]
    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(lambda n: programs[n % 4].post("/messages", post(standing, key=f"k{n % 5}")), range(40))]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json["id"] for answer in answers}) == 5
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 5
    assert len(list_messages(house)) == 5  # several for one person
    assert fetch(house, "SELECT recipient_count FROM campaigns") == [5]


@pytest.mark.parametrize("other", [{"person": BIA}, {"values": {"1": "Bia"}}])
def test_a_key_of_another_message_is_refused(program, house, standing, other):
    program.ok("POST", "/messages", post(standing))
    assert program.problem("POST", "/messages", post(standing, **other)) == (422, "message_key_reused")
    assert len(list_messages(house)) == 1


def test_a_key_is_never_used_up_by_a_refusal_nor_forgotten(program, house, standing):
    wrong = post(standing, values={"1": ""})
    assert program.problem("POST", "/messages", wrong) == (422, "value_invalid")
    program.ok("POST", "/messages", post(standing))
    fetch(house, "UPDATE message_keys SET created_at = now() - interval '5 years'")
    fetch(house, "UPDATE campaigns SET status = 'cancelled'")
    assert program.post("/messages", post(standing)).headers["Idempotency-Replayed"] == "true"
    assert program.problem("POST", "/messages", post(standing, key="another")) == (409, "standing_ended")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"person": "11999990001"}, 422, "phone_invalid"),
        ({"person": "+5511"}, 422, "phone_invalid"),
        ({"values": {}}, 422, "value_absent"),
        ({"values": {"1": "Ana", "nome": "Ana"}}, 422, "value_unknown"),
        ({"account": "sales"}, 422, "values_invalid"),
        ({"campaign": None}, 422, "values_invalid"),
        ({"campaign": None, "account": "sales"}, 422, "values_invalid"),
        ({"key": ""}, 422, "values_invalid"),
        ({"campaign": "999"}, 404, "campaign_missing"),
    ],
)
def test_a_message_that_cannot_be_sent_is_refused(program, standing, changes, status, code):
    assert program.problem("POST", "/messages", post(standing) | changes) == (status, code)
    assert program.ok("GET", f"/campaigns/{standing}")["recipient_count"] == 0


def test_only_a_standing_campaign_takes_messages(program, make_draft):
    assert program.problem("POST", "/messages", post(str(make_draft()))) == (409, "campaign_not_standing")


def test_a_standing_campaign_takes_no_list_and_no_zones_of_people(program, house, standing):
    body = {"name": "x", "template": "promo:pt_BR", "accounts": ["sales"], "standing": True}
    zones = {"window": "09:00-18:00", "uses_recipient_zones": True}
    assert program.problem("POST", "/campaigns", body | zones) == (422, "standing_without_recipient_zones")
    draft = program.ok("POST", "/campaigns", body)["id"]
    assert program.problem("POST", "/messages", post(draft)) == (409, "standing_not_started")


def test_the_first_message_by_an_account_with_a_template_makes_the_campaign(api, program, house):
    place = {"account": "sales", "template": {"name": "promo", "language": "pt_BR"}}
    with ThreadPoolExecutor(4) as pool:
        answers = [*pool.map(lambda n: program.post("/messages", post(key=f"k{n}") | place), range(8))]
    assert [answer.status_code for answer in answers] == [202] * 8
    ((campaign_id, status, is_standing),) = fetch(house, "SELECT id, status::text, is_standing FROM campaigns")
    assert (status, is_standing) == ("pending", True)
    assert campaign_id in api.enqueued
    assert {answer.json["campaign_id"] for answer in answers} == {str(campaign_id)}
    # The key is unique, however the campaign is named.
    again = program.post("/messages", post(str(campaign_id), key="k1"))
    assert again.headers["Idempotency-Replayed"] == "true"
    found = program.ok("GET", "/messages?account=sales&template=promo:pt_BR&key=k1")
    assert found["id"] == again.json["id"]


def test_a_key_of_an_account_belongs_to_one_template(program, house):
    add_template(house, "other", language="pt_BR", body="Ola {{1}}!", actor=TESTER)
    place = {"account": "sales", "template": {"name": "promo", "language": "pt_BR"}}
    program.ok("POST", "/messages", post() | place)
    place["template"]["name"] = "other"
    assert program.problem("POST", "/messages", post() | place) == (422, "message_key_reused")
    assert fetch(house, "SELECT count(*) FROM campaigns") == [1]


def test_a_paused_campaign_takes_a_message_and_is_not_enqueued(program, api, house, standing):
    fetch(house, "UPDATE campaigns SET status = 'paused'")
    program.ok("POST", "/messages", post(standing))
    assert api.enqueued == []
    fetch(
        house, "UPDATE campaigns SET status = 'running', waiting_reason = 'window', due_at = now() + interval '1 hour'"
    )
    program.ok("POST", "/messages", post(standing, key="order-2"))
    assert api.enqueued == []
    assert len(list_messages(house)) == 2


def test_a_forgotten_person_gets_no_message(program, house, settings, standing):
    program.ok("POST", "/messages", post(standing))
    fetch(house, "UPDATE messages SET status = 'cancelled', not_before = NULL")
    forget(house, ANA, actor=TESTER, secret_key=settings.secret_key)
    assert program.problem("POST", "/messages", post(standing, key="order-2")) == (403, "phone_suppressed")
    assert program.post("/messages", post(standing)).headers["Idempotency-Replayed"] == "true"
    assert list_messages(house) == [(None, [], "cancelled")]


def test_the_scope_and_the_own_limit_hold(make_api_with, house, standing):
    api = make_api_with(api_messages_per_second=3)
    reader = api.program(Role.VIEWER)
    assert reader.problem("POST", "/messages", post(standing)) == (403, "scope_missing")
    sender = api.program(scopes={Scope.CAMPAIGNS_SEND})
    answers = [sender.post("/messages", post(standing, key=f"k{number}")) for number in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert {answer.json["code"] for answer in refused} == {"limit_exceeded"}
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert sender.problem("GET", "/messages/1") == (403, "scope_missing")  # it shows the phone


def test_an_approval_covers_the_messages_to_come(house, settings, program, standing):
    pause_campaigns(house, [int(standing)], actor=TESTER)
    assert refusal(resume_campaigns, house, [int(standing)], actor=TESTER, approve_above=1000) == "approval_missing"
    assert look_at_approval(house, int(standing), above=1000).is_missing


def test_a_list_for_a_standing_campaign_is_refused(house, tmp_path, standing):
    file = tmp_path / "people.csv"
    file.write_text(f"phone,name\n{ANA},Ana\n")
    for use_case in (add_recipients, replace_recipients):
        fetch(house, "UPDATE campaigns SET status = 'draft'")
        assert refusal(use_case, house, int(standing), file, Reading(), actor=TESTER) == "import_into_standing"


def test_a_copy_with_the_people_of_a_standing_campaign_has_a_list_and_each_person_once(program, house, standing):
    for key in ("one", "two"):
        program.ok("POST", "/messages", post(standing, key=key))
    fetch(house, "UPDATE messages SET status = 'cancelled', not_before = NULL")
    copy = copy_campaign(house, int(standing), name="again", statuses={Status.CANCELLED}, actor=TESTER)
    empty = copy_campaign(house, int(standing), name="standing, too", actor=TESTER)
    assert copy.copied_count == 1
    found = fetch(house, "SELECT is_standing FROM campaigns WHERE id = ANY (%s) ORDER BY id", [copy.id, empty.id])
    assert found == [False, True]


def test_quiet_hours_hold_by_the_clock_of_the_campaign(make_api_with, house):
    api = make_api_with(quiet_hours=(dt.time(20), dt.time(8)))
    place = {"account": "sales", "template": {"name": "promo", "language": "pt_BR"}}
    api.program().ok("POST", "/messages", post() | place)
    found = fetch(house, "SELECT window_from, window_to, uses_recipient_zones FROM campaigns")
    assert found == [(dt.time(8), dt.time(20), False)]
