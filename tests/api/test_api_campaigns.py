"""Campaigns by the API: the way from a draft to its end, and what is refused on this way."""

from __future__ import annotations

import datetime as dt

import pytest

from campaigns.domain.users.actor import Act
from campaigns.domain.users.rights import Role
from campaigns.management.files.work import do_next_job
from campaigns.management.listings.pages import page_audit
from campaigns.management.retries import await_webhooks
from campaigns.store.events import insert_events
from campaigns.store.users.audit import AuditFilter
from tests.api.conftest import read_problem
from tests.store.rows import add_message, add_messages, fetch

DRAFT = {"name": "Black Friday", "template": "promo:pt_BR", "accounts": ["sales"]}


def in_days(days):
    return (dt.datetime.now(dt.UTC) + dt.timedelta(days=days)).replace(microsecond=0).isoformat()


@pytest.fixture
def campaign(house, program):
    """A draft without recipients; its representation and its ETag."""
    answer = program.post("/campaigns", DRAFT)
    assert answer.status_code == 201, answer.text
    return answer.json


def read_etag(program, campaign_id):
    return program.get(f"/campaigns/{campaign_id}").headers["ETag"]


def test_a_draft_is_made_with_all_its_settings(house, program):
    settings = {
        "parameters": {"1": "Ana"},
        "scheduled_at": in_days(1),
        "start_within_seconds": 8 * 86_400.0,
        "expire_at": in_days(9),
        "interval_seconds": 1.5,
        "pause_after": 100,
        "pause_seconds": 60.0,
        "window": "09:00-18:00",
        "weekdays": [5, 1],
        "uses_recipient_zones": True,
        "holidays": "BR-SP",
        "max_per_person": 1,
        "within_days": 7,
        "time_zone": "America/Manaus",
    }
    answer = program.post("/campaigns", DRAFT | settings | {"accounts": ["support", "sales"]})
    made = answer.json
    assert answer.headers["Location"] == f"/api/v1/campaigns/{made['id']}"
    read = program.ok("GET", f"/campaigns/{made['id']}")
    assert made == read | {"warnings": made["warnings"], "first_message_at": made["first_message_at"]}
    times = {name: settings.pop(name).replace("+00:00", "Z") for name in ("scheduled_at", "expire_at")}
    expected = settings | times | {"weekdays": [1, 5], "accounts": ["sales", "support"], "status": "draft"}
    assert {name: read[name] for name in expected} == expected
    assert (read["recipient_count"], read["columns"], read["started_at"]) == (0, [], None)
    assert read["created_at"].endswith("Z")


def test_the_audit_names_the_owner_of_the_token_the_token_and_the_request(house, api):
    program = api.program(Role.PLANNER, name="maria")
    answer = program("POST", "/campaigns", DRAFT)
    (event,) = page_audit(house, AuditFilter(what=Act.CAMPAIGN_CREATE)).rows
    assert (event.actor, event.actor_kind, event.surface, event.network) == ("maria", "user", "api", "127.0.0.1")
    assert (event.token_id, event.request_id) == (program.added.token.id, answer.headers["X-Request-Id"])
    shown = program.ok("GET", "/audit?what=campaign.create")["items"][0]
    assert (shown["token_id"], shown["request_id"]) == (str(event.token_id), event.request_id)


def test_the_audit_of_work_with_a_file_names_the_request_that_asked_for_it(house, program, campaign):
    path = f"/campaigns/{campaign['id']}/recipients"
    answer = program("POST", path, {"rows": [{"phone": "+5511999990001", "values": {"1": "Ana"}}]})
    assert do_next_job(house, secret_key=None, overlap_days=7)
    (event,) = page_audit(house, AuditFilter(what=Act.CAMPAIGN_IMPORT)).rows
    assert (event.token_id, event.request_id) == (program.added.token.id, answer.headers["X-Request-Id"])


def test_a_change_needs_the_version_that_was_read(program, campaign):
    path, etag = f"/campaigns/{campaign['id']}", read_etag(program, campaign["id"])
    answer = program.patch(path, {"window": "09:00-18:00", "interval_seconds": 2}, match=etag)
    assert (answer.json["window"], answer.json["interval_seconds"]) == ("09:00-18:00", 2)
    assert answer.headers["ETag"] == read_etag(program, campaign["id"]) != etag
    assert read_problem(program.patch(path, {"name": "X"}, match=etag)) == (412, "campaign_changed")
    assert program.ok("GET", path)["name"] == DRAFT["name"]
    assert (
        program.patch(path, {"name": "X"}, match=f'"of a colleague", {read_etag(program, campaign["id"])}').json["name"]
        == "X"
    )
    assert program.patch(path, {"name": "Y"}, match="*").json["name"] == "Y"


def test_null_clears_and_a_missing_member_stays(program, campaign):
    path = f"/campaigns/{campaign['id']}"
    program.patch(
        path, {"window": "09:00-18:00", "scheduled_at": in_days(1), "pause_after": 1, "pause_seconds": 2}, match="*"
    )
    cleared = {"window": None, "scheduled_at": None, "interval_seconds": None, "weekdays": None}
    changed = program.patch(path, cleared, match="*").json
    assert {name: changed[name] for name in cleared} == cleared | {
        "interval_seconds": 0,
        "weekdays": [1, 2, 3, 4, 5, 6, 7],
    }
    assert (changed["pause_after"], changed["accounts"]) == (1, ["sales"])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"name": None}, (422, "values_invalid")),
        ({"accounts": []}, (422, "values_invalid")),
        ({"interval_seconds": "2"}, (422, "values_invalid")),
        ({"uses_recipient_zones": 1}, (422, "values_invalid")),
        ({"scheduled_at": "tomorrow"}, (422, "values_invalid")),
        ({"scheduled_at": "2020-01-01T00:00:00Z"}, (422, "schedule_passed")),
        ({"accounts": ["nobody"]}, (404, "account_missing")),
        ({"template": "nothing:en"}, (404, "template_missing")),
        ({"window": "9-18"}, (422, "window_invalid")),
        ({"holidays": "XX"}, (422, "holidays_unknown")),
        ({"time_zone": "Moon"}, (422, "time_zone_unknown")),
        ({"pause_after": 3}, (422, "pause_incomplete")),
        ({"name": " "}, (422, "campaign_name_invalid")),
    ],
)
def test_a_change_that_is_refused_changes_nothing(program, campaign, body, problem):
    path = f"/campaigns/{campaign['id']}"
    before = program.ok("GET", path)
    assert read_problem(program.patch(path, body, match="*")) == problem
    assert program.ok("GET", path) == before


def test_a_planner_changes_drafts_only(api, make_draft):
    planner, operator = api.program(Role.PLANNER), api.program(Role.OPERATOR)
    path = f"/campaigns/{make_draft()}"
    assert planner.patch(path, {"name": "Natal"}, match="*").status_code == 200
    assert planner.problem("POST", f"{path}:start") == (403, "scope_missing")
    operator.ok("POST", f"{path}:start")
    assert read_problem(planner.patch(path, {"name": "X"}, match="*")) == (403, "right_missing")
    assert operator.patch(path, {"name": "X"}, match="*").status_code == 200


def test_a_draft_is_discarded_and_a_started_campaign_is_not(program, make_draft):
    path = f"/campaigns/{make_draft()}"
    etag = read_etag(program, path.rpartition("/")[2])
    answer = program("DELETE", path, headers={"If-Match": etag})
    assert (answer.status_code, answer.data) == (204, b"")
    assert program.problem("GET", path) == (404, "campaign_missing")
    started = f"/campaigns/{make_draft()}"
    program.ok("POST", f"{started}:start")
    assert program.problem("DELETE", started, headers={"If-Match": "*"}) == (409, "discard_after_start")


def test_the_way_of_a_campaign(api, program, make_draft):
    campaign_id = make_draft()
    path = f"/campaigns/{campaign_id}"
    started = program.ok("POST", f"{path}:start")
    assert (started["status"], started["recipient_count"]) == ("pending", 2)
    assert started["first_message_at"] is not None
    assert api.enqueued == [campaign_id]
    assert program.problem("POST", f"{path}:start") == (409, "cannot_start")
    assert program.ok("POST", f"{path}:pause")["status"] == "paused"
    assert program.ok("POST", f"{path}:resume")["status"] == "pending"
    assert api.enqueued == [campaign_id] * 2
    assert program.ok("POST", f"{path}:cancel")["status"] == "cancelled"
    answer = program("POST", f"{path}:resume")
    assert read_problem(answer) == (409, "cannot_resume")
    assert answer.json["hint"]["action"] == "export_campaign"
    progress = program.ok("GET", f"{path}/progress")
    assert (progress["recipients"], progress["cancelled"], progress["to_send"]) == (2, 2, 0)


def test_a_start_tells_what_a_person_would_be_asked_about(program, make_draft):
    older, newer = make_draft("Sale"), make_draft("Sale, corrected")
    (warning,) = program.ok("POST", f"/campaigns/{older}:start")["warnings"]
    assert (warning["code"], warning["severity"]) == ("newer_draft", "warning")
    assert warning["hint"] == {"action": "start_campaign", "target": str(newer)}
    assert f"Campaign {newer} (Sale, corrected) is a newer draft." in warning["detail"]
    assert "start campaign 2 and not this one" in warning["advice"]


def test_a_draft_without_recipients_does_not_start(program, campaign):
    status, _code = program.problem("POST", f"/campaigns/{campaign['id']}:start")
    assert status == 409
    assert program.ok("GET", f"/campaigns/{campaign['id']}")["status"] == "draft"


def test_a_start_without_its_approval_is_refused(make_api_with, make_draft):
    program = make_api_with(approve_above=1).program()
    assert program.problem("POST", f"/campaigns/{make_draft()}:start") == (409, "approval_missing")


def test_the_progress_counts_each_recipient_once(house, program, make_draft):
    campaign_id = make_draft()
    house.run(add_messages, campaign_id, 3, "delivered", account_id=1)
    progress = program.ok("GET", f"/campaigns/{campaign_id}/progress")
    assert (progress["recipients"], progress["sent"], progress["delivered"], progress["to_send"]) == (5, 3, 3, 2)
    exclusive = ("sent", "failed", "uncertain", "to_send", "suppressed", "expired", "cancelled")
    assert sum(progress[each] for each in exclusive) == progress["recipients"]


def test_campaigns_come_newest_first_in_pages_without_gaps(house, program, make_draft):
    ids = [make_draft(f"Sale {number}") for number in range(5)]
    listed, answer = [], program.get("/campaigns?limit=2&text=Sale")
    while True:
        listed += [each["id"] for each in answer.json["items"]]
        if len(listed) == 2:
            make_draft("Sale that comes meanwhile")
        if answer.json["next"] is None:
            break
        link = answer.headers["Link"].partition(">")[0].removeprefix("</api/v1")
        answer = program.get(link)
    assert listed == [str(each) for each in reversed(ids)]
    assert "Link" not in answer.headers
    fetch(house, "UPDATE campaigns SET name = 'Natal' WHERE id = %s", ids[0])
    assert [each["id"] for each in program.ok("GET", "/campaigns?text=natal&status=draft")["items"]] == [str(ids[0])]
    assert program.ok("GET", "/campaigns?status=running")["items"] == []
    assert program.ok("GET", "/campaigns?account=support")["items"] == []
    assert program.problem("GET", "/campaigns?account=nobody")[0] == 404


def test_a_test_is_a_campaign_of_its_own_and_goes_to_the_given_phones(api, program, make_draft):
    path = f"/campaigns/{make_draft()}"
    body = {"phones": ["+5511999990077"]}
    answer = program.post(f"{path}:test", body, key="one")
    assert (answer.status_code, answer.json["status"]) == (202, "pending")
    test_id = answer.json["id"]
    assert answer.headers["Location"] == f"/api/v1/campaigns/{test_id}"
    assert api.enqueued == [int(test_id)]
    (message,) = program.ok("GET", f"/campaigns/{test_id}/messages")["items"]
    assert (message["person"], message["values"]) == ("+5511999990077", ["Ana"])
    assert program.post(f"{path}:test", body, key="one").json["id"] == test_id
    assert [each["id"] for each in program.ok("GET", "/campaigns")["items"]] == [path.rpartition("/")[2]]
    assert program.problem("POST", f"{path}:test", {"phones": ["11 99999-0077"]}) == (422, "phone_invalid")
    assert program.problem("POST", f"/campaigns/{test_id}:test", body) == (409, "test_of_test")


def test_a_copy_is_a_draft_with_the_settings_and_without_the_recipients(program, make_draft):
    path = f"/campaigns/{make_draft()}"
    program.patch(path, {"window": "09:00-18:00", "scheduled_at": in_days(1)}, match="*")
    answer = program.post(f"{path}:copy", {"name": "Natal"}, key="one")
    copy = answer.json
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/api/v1/campaigns/{copy['id']}")
    kept = ("template", "accounts", "window", "columns")
    assert [copy[each] for each in kept] == [program.ok("GET", path)[each] for each in kept]
    assert (copy["name"], copy["status"], copy["scheduled_at"], copy["recipient_count"]) == ("Natal", "draft", None, 0)
    assert program.post(f"{path}:copy", {"name": "Natal"}, key="one").json == copy
    assert program.problem("POST", "/campaigns/99:copy", {"name": "Natal"}) == (404, "campaign_missing")


@pytest.fixture
def failed(house, program, make_draft):
    """The path of a completed campaign: two messages failed by a fault of the server, and one for good."""
    campaign_id = make_draft()
    program.ok("POST", f"/campaigns/{campaign_id}:start")
    for code in (131000, 131000, 131026):
        house.run(add_message, campaign_id, "failed", error_code=code, error_title="Went wrong", account_id=1)
    fetch(house, "UPDATE campaigns SET status = 'completed', started_at = now(), completed_at = now()")
    return f"/campaigns/{campaign_id}"


def test_failed_messages_are_sent_again_by_their_class(api, program, failed):
    api.enqueued.clear()
    looked = program.ok("POST", f"{failed}/retries", {"classes": ["server"], "dry_run": True})
    assert (looked["dry_run"], looked["count"], api.enqueued) == (True, 2, [])
    done = program.post(f"{failed}/retries", {"classes": ["server"]}, key="one").json
    assert (done["dry_run"], done["count"], done["has_more"]) == (False, 2, False)
    assert [(each["error_code"], each["count"]) for each in done["again"] + done["left"]] == [(131000, 2), (131026, 1)]
    assert program.ok("GET", failed)["status"] == "running"
    assert len(api.enqueued) == 1
    again = program.post(f"{failed}/retries", {"classes": ["server"]}, key="one")
    assert (again.json, len(api.enqueued)) == (done, 1)
    assert program.ok("POST", f"{failed}/retries", {"classes": ["server"]})["count"] == 0
    assert program.problem("POST", f"{failed}/retries", {"classes": ["all"]}) == (422, "values_invalid")


def test_a_retry_of_many_messages_takes_several_requests(program, failed, monkeypatch):
    monkeypatch.setattr("campaigns.management.retries._MOST_AT_ONCE", 1)
    done = [program.ok("POST", f"{failed}/retries", {"classes": ["server"]}) for _ in range(3)]
    assert [(each["count"], each["has_more"]) for each in done] == [(1, True), (1, True), (0, False)]


def test_uncertain_messages_are_sent_again_by_an_admin_who_names_their_largest_number(house, api, program, failed):
    campaign_id = int(failed.rpartition("/")[2])
    house.run(add_messages, campaign_id, 3, "uncertain", account_id=1)
    wanted = {"uncertain": True, "at_most": 2}
    assert api.program(Role.OPERATOR).problem("POST", f"{failed}/retries", wanted) == (403, "right_missing")
    assert program.ok("POST", f"{failed}/retries", {"uncertain": True, "dry_run": True})["count"] == 3
    api.enqueued.clear()
    done = program.post(f"{failed}/retries", wanted, key="two").json
    assert (done["count"], done["has_more"], done["again"], done["left"]) == (2, True, [], [])
    assert program.post(f"{failed}/retries", wanted, key="two").json == done
    assert api.enqueued == [campaign_id]
    rest = program.ok("POST", f"{failed}/retries", wanted)
    assert (rest["count"], rest["has_more"]) == (1, False)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"uncertain": True},
        {"at_most": 3},
        {"classes": ["server"], "uncertain": True, "at_most": 3},
        {"classes": ["server"], "at_most": 3},
        {"uncertain": True, "at_most": 0},
    ],
)
def test_a_retry_names_one_kind_of_messages(program, failed, body):
    assert program.problem("POST", f"{failed}/retries", body) == (422, "values_invalid")


def test_uncertain_messages_stay_while_stored_webhooks_are_not_applied(house, program, failed, monkeypatch):
    monkeypatch.setitem(await_webhooks.__kwdefaults__, "wait_seconds", 0.0)
    house.run(add_messages, int(failed.rpartition("/")[2]), 1, "uncertain", account_id=1)
    house.run(insert_events, [b"{}"])
    assert program.problem("POST", f"{failed}/retries", {"uncertain": True, "at_most": 1}) == (
        503,
        "webhooks_not_applied",
    )


def test_a_planner_asks_for_an_approval(make_api_with, make_draft, database):
    api, path = make_api_with(approve_above=1), f"/campaigns/{make_draft()}"
    paulo = api.program(Role.PLANNER, name="paulo")
    assert paulo.ok("GET", f"{path}/approval")["asked_by"] is None
    asked = paulo.ok("POST", f"{path}/approval-request")
    assert (asked["asked_by"], asked["approved_by"], asked["is_needed"]) == ("paulo", None, True)
    assert api.program(Role.PLANNER, name="rita").ok("POST", f"{path}/approval-request") == asked
    assert fetch(database, "SELECT type FROM hook_events") == ["campaign.approval_wanted"]
    assert api.program(Role.VIEWER).problem("POST", f"{path}/approval-request") == (403, "scope_missing")


def test_a_second_person_approves_what_this_person_has_seen(make_api_with, make_draft):
    api, path = make_api_with(approve_above=1), f"/campaigns/{make_draft()}"
    maria, joao = (api.program(Role.OPERATOR, name=name) for name in ("maria", "joao"))
    changed = {"name": "Sale 2"}
    maria.ok("PATCH", path, changed, headers={"If-Match": "*"})
    state = joao.ok("GET", f"{path}/approval")
    assert (state["is_needed"], state["approved_by"], state["changed_by"]) == (True, None, "maria")
    assert state["approvers"] == ["joao"]
    seen = {"content": state["content"]}
    assert maria.problem("POST", f"{path}:approve", seen) == (409, "approval_of_own_change")
    assert joao.problem("POST", f"{path}:approve", {"content": "0" * 64}) == (409, "changed_since_look")
    assert joao.problem("POST", f"{path}:start") == (409, "approval_missing")
    assert joao.ok("POST", f"{path}:approve", seen)["approved_by"] == "joao"
    assert maria.ok("POST", f"{path}:start")["status"] == "pending"
    assert api.program(Role.PLANNER).problem("POST", f"{path}:approve", seen) == (403, "scope_missing")
