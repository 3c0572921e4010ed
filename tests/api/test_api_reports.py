"""Previews, errors and suppressions."""

from __future__ import annotations

from campaigns.domain.users.actor import Act
from campaigns.domain.users.rights import Role
from campaigns.management.files.work import do_next_job
from campaigns.management.listings import reasons
from campaigns.management.listings.pages import page_audit
from campaigns.store.campaigns import list_reasons
from campaigns.store.users.audit import AuditFilter
from tests.api.conftest import read_problem
from tests.store.rows import add_message, fetch

ADD_SAMPLES = """
    INSERT INTO campaign_samples (campaign_id, step, at, read_at, counts, done_count, rate)
    SELECT %(campaign_id)s, 'minute', at, at + interval '1 minute', jsonb_build_object('sent', done), done, 1
    FROM (VALUES (60, 9), (120, 8)) _ (done, age),
        LATERAL (SELECT date_trunc('minute', now()) - age * interval '1 minute' AS at) minute
"""
ANA, BIA = "+5511999990001", "+5511999990002"


def test_a_preview_shows_the_first_messages_as_their_people_read_them(api, program, make_draft):
    campaign_id = make_draft()
    found = program.ok("GET", f"/campaigns/{campaign_id}/preview?rows=1")
    assert found["messages"] == [{"phone": ANA, "header": "", "body": "Oi Ana!", "footer": "", "buttons": []}]
    assert (found["send_count"], found["suppressed_count"], found["capped_count"]) == (2, 0, 0)
    assert found["first_message_at"] <= found["ends_at"]
    viewer = api.program(Role.VIEWER)
    assert viewer.problem("GET", f"/campaigns/{campaign_id}/preview") == (403, "scope_missing")
    assert program.problem("GET", "/campaigns/99/preview") == (404, "campaign_missing")


def test_samples_show_the_numbers_over_time(house, program, make_draft):
    campaign_id = make_draft()
    assert program.ok("GET", f"/campaigns/{campaign_id}/samples") == {"seconds": 60, "items": []}
    house.run(lambda connection: connection.execute(ADD_SAMPLES, {"campaign_id": campaign_id}))
    found = program.ok("GET", f"/campaigns/{campaign_id}/samples")
    assert [(each["counts"], each["rate"]) for each in found["items"]] == [({"sent": 60}, 1.0), ({"sent": 120}, 1.0)]
    assert program.problem("GET", "/campaigns/99/samples") == (404, "campaign_missing")


def test_errors_are_explained_by_their_reason(house, program, make_draft):
    campaign_id = make_draft()
    for code in (131026, 131026, 131047):
        house.run(add_message, campaign_id, "failed", error_code=code, error_title="Went wrong", account_id=1)
    found = program.ok("GET", f"/campaigns/{campaign_id}/errors")
    assert [(each["error_code"], each["count"], each["status"]) for each in found["reasons"]] == [
        (131026, 2, "failed"),
        (131047, 1, "failed"),
    ]
    assert all(each["meaning"] and each["fault"] and each["advice"] for each in found["reasons"])
    assert (found["waits_for_template"], found["capped_count"], found["review_count"]) == (False, 0, 0)


def test_errors_of_a_large_campaign_are_read_once_for_the_same_counters(house, program, make_draft, monkeypatch):
    read = []
    monkeypatch.setattr(reasons, "_LARGE", 1)
    monkeypatch.setattr(reasons, "list_reasons", lambda *arguments: read.append(1) or list_reasons(*arguments))
    campaign_id = make_draft()
    path = f"/campaigns/{campaign_id}/errors"
    assert program.ok("GET", path) == program.ok("GET", path)
    assert len(read) == 1
    house.run(add_message, campaign_id, "failed", error_code=131026, error_title="Went wrong", account_id=1)
    assert [each["count"] for each in program.ok("GET", path)["reasons"]] == [1]
    assert len(read) == 2


def test_messages_are_listed_by_their_status_and_code(house, program, make_draft):
    campaign_id = make_draft()
    for code in (131026, 131047):
        house.run(add_message, campaign_id, "failed", error_code=code, error_title="Went wrong", account_id=1)
    path = f"/campaigns/{campaign_id}/messages"
    first = program.ok("GET", f"{path}?limit=3")
    rest = program.ok("GET", f"{path}?limit=3&cursor={first['next']}")
    listed = first["items"] + rest["items"]
    assert [(each["person"], each["values"], each["status"]) for each in listed[:2]] == [
        (ANA, ["Ana"], "pending"),
        (BIA, ["Ana"], "pending"),
    ]
    assert [each["status"] for each in listed[2:]] == ["failed", "failed"]
    assert rest["next"] is None
    (found,) = program.ok("GET", f"{path}?group=failed&code=131047")["items"]
    assert (found["id"], found["error_code"], found["account"]) == (listed[3]["id"], 131047, "sales")
    assert found["meaning"]
    assert program.problem("GET", f"{path}?group=all") == (422, "values_invalid")
    assert program.problem("GET", "/campaigns/99/messages") == (404, "campaign_missing")


def test_an_export_is_a_file_for_its_own_user(house, api, program, make_draft):
    campaign_id = str(make_draft())
    answer = program.post("/exports", {"campaign_id": campaign_id, "statuses": ["pending"]}, key="one")
    assert (answer.status_code, answer.json["status"], api.file_work_count) == (202, "due", 1)
    path = answer.headers["Location"].removeprefix("/api/v1")
    early = program("GET", f"{path}/file")
    assert read_problem(early) == (503, "download_not_ready")
    assert int(early.headers["Retry-After"]) > 0
    assert do_next_job(house, secret_key=None, overlap_days=7)
    assert program.ok("GET", path)["status"] == "done"
    file = program("GET", f"{path}/file")
    assert file.mimetype == "text/csv"
    assert [line.split(",")[0] for line in file.text.splitlines()][1:] == [ANA, BIA]
    assert len(page_audit(house, AuditFilter(what=Act.CAMPAIGN_EXPORT)).rows) == 1
    assert api.program().problem("GET", path) == (404, "job_missing")
    assert program.problem("POST", "/exports", {"campaign_id": "99"}) == (404, "campaign_missing")


def test_people_are_suppressed_and_may_get_messages_again(house, api, program):
    body = {"phones": [ANA, BIA], "reason": "asked by phone"}
    assert program.ok("POST", "/suppressions", body) == {"were_suppressed": [False, False]}
    assert program.ok("POST", "/suppressions", body) == {"were_suppressed": [True, True]}
    page = program.ok("GET", "/suppressions?limit=1&source=manual")
    last = program.ok("GET", f"/suppressions?limit=1&source=manual&cursor={page['next']}")
    assert {each["person"] for each in page["items"] + last["items"]} == {ANA, BIA}
    assert (page["items"][0]["detail"], last["next"]) == ("asked by phone", None)
    assert "5511999990" not in page["next"]
    (event, *_) = page_audit(house, AuditFilter(what=Act.SUPPRESSION_ADD)).rows
    assert (event.surface, event.reason, event.after) == ("api", "asked by phone", {"person_count": 2, "new_count": 0})
    assert program.ok("POST", "/suppressions:lift", {"phones": [ANA]}) == {"were_suppressed": [True]}
    assert [each["person"] for each in program.ok("GET", "/suppressions")["items"]] == [BIA]


def test_all_people_of_a_request_are_suppressed_or_none(program):
    assert program.problem("POST", "/suppressions", {"phones": [ANA, "11 99999-0002"]}) == (422, "phone_invalid")
    assert program.ok("GET", "/suppressions")["items"] == []
    assert program.problem("POST", "/suppressions", {"phones": []}) == (422, "values_invalid")


def test_a_cursor_holds_for_its_own_list_only(program):
    program.ok("POST", "/suppressions", {"phones": [ANA, BIA]})
    cursor = program.ok("GET", "/suppressions?limit=1")["next"]
    assert program.problem("GET", f"/audit?cursor={cursor}") == (422, "values_invalid")
    assert program.problem("GET", f"/suppressions?cursor={cursor}x") == (422, "values_invalid")


def test_no_stored_answer_has_a_phone(house, program, make_draft):
    path, rows = f"/campaigns/{make_draft()}", {"rows": [{"phone": ANA, "values": {"1": "Ana"}}]}
    requests = [("/suppressions", {"phones": [ANA]}), (f"{path}/recipients", rows), (f"{path}:cancel", None)]
    for number, (where, body) in enumerate(requests):
        answer = program.post(where, body, key=f"key {number}".replace(" ", "-"))
        assert answer.status_code in {200, 202}, answer.text
    stored = fetch(house, "SELECT answer::text FROM idempotency_keys")
    assert len(stored) == 3
    assert not any("99999" in each or "Ana" in each for each in stored)
