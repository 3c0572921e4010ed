"""Hooks by the API: their life, their deliveries, and what a token without the right to see phones gets."""

from __future__ import annotations

import pytest

from campaigns.domain.hooks.events import EventType
from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope
from campaigns.store.hooks import outbox
from tests.api.test_api_lists import collect
from tests.store.rows import fetch

URL = "https://crm.example.com/hook"


@pytest.fixture
def hooked(program):
    program.ok("POST", "/hooks", {"url": URL})
    return program


def write(database, event_type=EventType.EXPORT_READY, count=1):
    for number in range(count):
        database.run(outbox.write_event, event_type, {"job_id": str(number)})
    database.run(outbox.plan_deliveries, limit=100)


def test_the_secret_is_shown_once_and_stored_encrypted_also_for_a_repeated_request(program, database):
    body = {"url": URL, "types": ["export.ready"], "reason": "the CRM"}
    first, again = (program.post("/hooks", body, key="one") for _ in range(2))
    assert (first.status_code, first.text, again.headers["Idempotency-Replayed"]) == (201, again.text, "true")
    secret = first.json["secret"]
    assert secret.startswith("whsec_")
    rotated = program.post("/hooks/1:rotate", key="two")
    assert rotated.json["secret"] != secret
    assert program.ok("GET", "/hooks/1") == {
        **first.json["hook"],
        "old_secret_until": rotated.json["hook"]["old_secret_until"],
    }
    tables = [
        fetch(database, f"SELECT t::text FROM {name} t") for name in ("hooks", "idempotency_keys", "audit_events")
    ]
    for each in (secret, rotated.json["secret"]):
        assert each not in str(tables) + str(program.ok("GET", "/hooks"))


def test_hooks_are_listed_page_by_page(program):
    for _ in range(3):
        program.ok("POST", "/hooks", {"url": URL})
    assert [each["id"] for each in collect(program, "/hooks?limit=1")] == ["1", "2", "3"]


def test_deliveries_are_listed_and_sent_again(hooked, database):
    write(database, count=3)
    fetch(
        database,
        "UPDATE hook_deliveries SET due_at = NULL, try_count = 10, status = 500, answer = 'no' WHERE event_id = 2"
        " RETURNING hook_id",
    )
    listed = collect(hooked, "/hooks/1/deliveries?limit=2")
    assert [(each["event_id"], each["state"]) for each in listed] == [
        ("3", "waiting"),
        ("2", "given_up"),
        ("1", "waiting"),
    ]
    assert (listed[1]["status"], listed[1]["answer"], listed[1]["data"]) == (500, "no", {"job_id": "1"})
    assert collect(hooked, "/hooks/1/deliveries?state=given_up") == [listed[1]]
    assert hooked.ok("POST", "/hooks/1/deliveries/2:resend") == {"event_id": "2"}
    assert collect(hooked, "/hooks/1/deliveries?state=given_up") == []
    assert hooked.ok("POST", "/hooks/1:replay", {"from_event": "2"}) == {"event_count": 2}
    assert hooked.ok("POST", "/hooks/1:replay", {"from_time": "2020-01-01T00:00:00Z"}) == {"event_count": 3}
    assert hooked.ok("POST", "/hooks/1:test") == {"event_id": "4"}


def test_the_types_of_a_hook_are_changed(api, hooked, database):
    body = {"types": ["export.ready", "campaign.waiting"], "reason": "the CRM"}
    assert hooked.ok("PATCH", "/hooks/1", body)["types"] == ["campaign.waiting", "export.ready"]
    assert fetch(database, "SELECT reason FROM audit_events WHERE what = 'hook.change'") == ["the CRM"]
    assert hooked.problem("PATCH", "/hooks/1", {"types": []}) == (422, "values_invalid")
    assert hooked.problem("PATCH", "/hooks/1", {"types": ["campaign.exploded"]}) == (422, "values_invalid")
    assert hooked.problem("PATCH", "/hooks/9", body) == (404, "hook_missing")
    narrow = api.program(Role.ADMIN, scopes={Scope.HOOKS})
    assert narrow.problem("PATCH", "/hooks/1", {"types": ["person.opted_out"]}) == (403, "scope_missing")


def test_a_hook_is_disabled_enabled_and_removed(hooked):
    assert hooked.ok("POST", "/hooks/1:disable")["disabled_reason"] == "person"
    assert hooked.problem("POST", "/hooks/1:test") == (409, "hook_not_enabled")
    assert hooked.ok("POST", "/hooks/1:enable")["disabled_reason"] is None
    assert hooked("DELETE", "/hooks/1").status_code == 204
    assert hooked.problem("GET", "/hooks/1") == (404, "hook_missing")


@pytest.mark.parametrize(
    ("path", "body", "problem"),
    [
        ("/hooks", {"url": "http://example.com/"}, (403, "target_url_not_https")),
        ("/hooks", {"url": "https://a:b@example.com/"}, (422, "target_url_invalid")),
        ("/hooks", {"url": URL, "types": ["campaign.exploded"]}, (422, "values_invalid")),
        ("/hooks/1:replay", {}, (422, "values_invalid")),
        ("/hooks/1:replay", {"from_event": "1", "from_time": "2020-01-01T00:00:00Z"}, (422, "values_invalid")),
        ("/hooks/1:replay", {"from_time": 1_600_000_000}, (422, "values_invalid")),
        ("/hooks/1:replay", {"from_time": "1600000000"}, (422, "values_invalid")),
        ("/hooks/7:replay", {"from_event": "1"}, (404, "hook_missing")),
        ("/hooks/7:rotate", None, (404, "hook_missing")),
        ("/hooks/1/deliveries/7:resend", None, (404, "hook_event_missing")),
    ],
)
def test_what_is_wrong_is_a_problem(hooked, path, body, problem):
    assert hooked.problem("POST", path, body) == problem


def test_events_with_a_phone_need_the_scope_of_opt_outs(api, program, database):
    blind = api.program(scopes={Scope.HOOKS})
    body = {"url": URL, "types": ["person.opted_out"]}
    assert blind.problem("POST", "/hooks", body) == (403, "scope_missing")
    program.ok("POST", "/hooks", body)
    write(database, EventType.PERSON_OPTED_OUT)
    fetch(database, "UPDATE hook_deliveries SET answer = 'stored' RETURNING hook_id")
    (seen,), (hidden,) = (collect(each, "/hooks/1/deliveries?limit=9") for each in (program, blind))
    assert (seen["data"], seen["answer"]) == ({"job_id": "0"}, "stored")
    assert (hidden["data"], hidden["answer"]) == (None, None)


def test_only_an_admin_may_have_the_scope(api):
    assert api.program(Role.OPERATOR).problem("GET", "/hooks") == (403, "scope_missing")
