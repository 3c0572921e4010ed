"""What is wrong with the installation, its processes, prices and costs, and single people."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from campaigns.domain.prices.price_list import write_example
from campaigns.domain.users.rights import Role
from campaigns.management.prices.charges import count_next_charges
from campaigns.management.prices.loading import load_prices
from campaigns.store.installation import WorkerReport, report_worker
from tests.store.rows import fetch
from tests.support.actors import TESTER

ANA = "+5511999990001"


def test_findings_say_what_is_wrong_with_the_installation(api, program):
    found = program.ok("GET", "/findings")["items"]
    assert found[0]["severity"] == "error"
    assert all(each["code"] and each["detail"] and each["campaign_id"] is None for each in found)
    assert api.program(Role.VIEWER).problem("GET", "/findings") == (403, "scope_missing")


def test_findings_say_why_one_campaign_is_not_sent(program, make_draft):
    campaign_id = make_draft()
    program.ok("POST", f"/campaigns/{campaign_id}:start")
    found = program.ok("GET", f"/findings?campaign_id={campaign_id}")["items"]
    assert found
    assert program.problem("GET", "/findings?campaign_id=99") == (404, "campaign_missing")


def test_workers_are_listed_as_they_have_reported_last(database, program):
    report = WorkerReport("o", "w@h", ["campaigns"], 4, 0, 9.0, 1.0, None, time.time(), None, None)
    database.run(report_worker, report, patience_seconds=60)
    (worker,) = program.ok("GET", "/workers")["items"]
    assert (worker["name"], worker["roles"], worker["slots"], worker["is_silent"]) == ("w@h", ["worker"], 4, False)


@pytest.fixture
def with_prices(database, tmp_path):
    file = tmp_path / "prices.csv"
    file.write_text(write_example(dt.datetime.now(dt.UTC).date() - dt.timedelta(days=400)))
    load_prices(database, file, actor=TESTER)


def test_prices_are_listed_by_market_with_exact_amounts(program, with_prices):
    listed = program.ok("GET", "/prices")
    (day,) = listed["days"]
    assert day["state"] == "in_force"
    brazil = next(each for each in listed["items"] if "BR" in each["countries"])
    assert brazil["is_example"] is True
    assert all(isinstance(each, str) for each in brazil["amounts"].values())
    assert program.ok("GET", f"/prices?day={day['valid_from']}")["items"]
    assert program.ok("GET", "/prices?day=2001-01-01")["items"] == []
    assert program.problem("GET", "/prices?day=soon") == (422, "values_invalid")


def test_costs_are_estimated_before_the_start_and_counted_later(house, program, make_draft, with_prices):
    path = f"/campaigns/{make_draft()}"
    before = program.ok("GET", f"{path}/costs")
    assert (before["counted_at"], before["items"]) == (None, [])
    estimate = before["estimate"]
    assert estimate["message_count"] + sum(each["count"] for each in estimate["unpriced"]) == 2
    program.ok("POST", f"{path}:start")
    while count_next_charges(house):
        pass
    after = program.ok("GET", f"{path}/costs")
    assert after["counted_at"] is None or after["estimate"] is not None
    assert program.problem("GET", "/campaigns/99/costs") == (404, "campaign_missing")


def test_a_person_is_found_with_the_messages_of_all_campaigns(house, program, make_draft):
    first = make_draft()
    second = make_draft("Natal", [ANA])
    found = program.ok("POST", "/people:find", {"phone": ANA, "limit": 1})
    assert (found["person"], found["is_known"], found["is_opted_out"]) == ("+5511999990001", True, False)
    rest = program.ok("POST", "/people:find", {"phone": ANA, "limit": 1, "cursor": found["next"]})
    messages = found["items"] + rest["items"]
    assert [(each["campaign_id"], each["campaign_name"]) for each in messages] == [
        (str(second), "Natal"),
        (str(first), "Black Friday"),
    ]
    assert rest["next"] is None
    program.ok("POST", "/suppressions", {"phones": [ANA], "reason": "asked"})
    (opt_out,) = program.ok("POST", "/people:find", {"phone": ANA})["opt_outs"]
    assert (opt_out["source"], opt_out["detail"], opt_out["campaign_id"]) == ("manual", "asked", None)


def test_an_unknown_person_and_a_text_that_is_no_phone(program):
    found = program.ok("POST", "/people:find", {"phone": "+5511999990099"})
    assert (found["is_known"], found["items"], found["next"]) == (False, [], None)
    assert program.problem("POST", "/people:find", {"phone": "11 99999-0001"}) == (422, "phone_invalid")


def test_no_key_keeps_the_answer_about_a_person(house, program, make_draft):
    make_draft()
    assert program.post("/people:find", {"phone": ANA}, key="one").status_code == 200
    assert fetch(house, "SELECT count(*) FROM idempotency_keys") == [0]
