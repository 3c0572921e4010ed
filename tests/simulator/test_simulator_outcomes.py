"""Scripted outcomes: by the ending of the phone, by account, for all sends; and broken answers."""

import json
import re

import pycurl
import pytest
import requests
from far_end import NUMBER, PATIENCE_SECONDS, PHONE, ROOT, template_message, wait_for

from simulator.config import Account, Config, Limits, Template, Webhooks, list_keys
from simulator.outcomes import BUILT_IN_SUFFIXES

BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def code_of(response):
    return response.json()["error"]["code"] if response.status_code != 200 else 200


def test_an_ending_scripts_a_sync_error(far):
    assert code_of(far.send("+4915119131026")) == 131026
    assert code_of(far.send("+4915119777190")) == 190
    assert far.stats()["accepted"] == 0


def test_a_downtime_is_503_with_an_error_body(far):
    reply = far.send("+4915119777002")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, 2)


def test_the_longest_ending_wins(far):
    far.script(suffixes={"78": "error:131000", "5678": "error:131016", "8": "error:131026"})
    assert code_of(far.send("+4915112345678")) == 131016
    assert code_of(far.send("+4915112340078")) == 131000
    assert code_of(far.send("+4915112340008")) == 131026


def test_an_ending_can_be_overridden_and_all_switched_off(far):
    far.script(suffixes={"9131026": "ok"})
    assert far.send("+4915119131026").status_code == 200
    far.script(built_in_suffixes=False)
    assert far.send("+4915119131021").status_code == 200


def test_an_ending_can_fail_a_few_times_per_person(far):
    far.script(suffixes={"777": ["error:131000*2", "ok"]})
    assert [code_of(far.send("+4915112345777")) for _ in range(3)] == [131000, 131000, 200]
    assert code_of(far.send("+4915112346777")) == 131000


def test_an_account_can_fail_a_few_times_then_recover(far):
    far.script(accounts={NUMBER: {"outcome": ["error:190*3"]}})
    assert [code_of(far.send()) for _ in range(4)] == [190, 190, 190, 200]
    assert far.send(number="1").status_code == 200


def test_an_account_can_refuse_one_category_of_templates(far):
    names = {"promo": "MARKETING", "invoice": "UTILITY"}
    far.script(
        templates=[{"name": name, "category": category, "language": "de"} for name, category in names.items()],
        accounts={NUMBER: {"category_outcomes": {"MARKETING": ["error:131063*2", "ok"]}}},
    )
    promo, invoice = (template_message(name=name) for name in names)
    assert code_of(far.post(invoice)) == 200
    assert [code_of(far.post(promo)) for _ in range(3)] == [131063, 131063, 200]
    assert code_of(far.post(promo, number="1")) == 200


def test_a_template_that_is_not_registered_is_one_of_marketing(far):
    far.script(accounts={NUMBER: {"category_outcomes": {"MARKETING": "error:131063"}}})
    assert code_of(far.send()) == 131063


def test_an_outcome_that_is_scripted_again_starts_again(far):
    for _ in range(2):
        far.script(accounts={NUMBER: {"outcome": ["error:190*1"]}})
        assert [code_of(far.send()) for _ in range(2)] == [190, 200]


def test_the_outcome_for_all_comes_before_accounts(far):
    far.script(outcome="error:4", accounts={NUMBER: {"outcome": "error:190"}})
    assert code_of(far.send()) == 4


@pytest.mark.parametrize(("outcome", "accepted"), [("lost", 1), ("lost-before", 0), ("half", 1)])
def test_an_answer_can_be_incomplete(far, outcome, accepted):
    far.script(outcome=outcome)
    with pytest.raises(BROKEN):
        far.send()
    assert far.stats()["accepted"] == accepted


@pytest.mark.parametrize(("outcome", "accepted"), [("hang", 1), ("hang-before", 0)])
def test_an_answer_can_be_missing(far, outcome, accepted):
    far.script(accounts={NUMBER: {"outcome": outcome}})
    with pytest.raises(requests.ReadTimeout):
        far.send(timeout=(PATIENCE_SECONDS, 0.2))
    wait_for(lambda: far.stats()["request_bodies"])
    assert far.stats()["accepted"] == accepted
    assert far.send(number="1").status_code == 200


@pytest.mark.parametrize(
    ("outcome", "status", "body", "accepted"),
    [
        ("html", 502, r"<!DOCTYPE html>.*", 0),
        ("html-accepted", 502, r"<!DOCTYPE html>.*", 1),
        ("empty", 200, "", 1),
        ("garbage", 200, r"for \(;;\);\{not json", 1),
    ],
)
def test_an_answer_can_be_something_else_than_json(far, outcome, status, body, accepted):
    far.script(outcome=outcome)
    reply = far.send()
    assert reply.status_code == status
    assert re.fullmatch(body, reply.text, re.DOTALL)
    assert far.stats()["accepted"] == accepted


def test_a_held_message_says_so(far):
    message = far.send("+4915119666010").json()["messages"][0]
    assert message["message_status"] == "held_for_quality_assessment"


def test_libcurl_replays_a_post_on_a_reused_connection_that_dies(far):
    far.script(close_reused_after=1)
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, f"{far.url}/v24.0/{NUMBER}/messages")
    curl.setopt(pycurl.HTTPHEADER, ["Authorization: Bearer x"])
    curl.setopt(pycurl.WRITEFUNCTION, len)
    for phone in ("4915110000001", "4915110000002"):
        curl.setopt(pycurl.COPYPOSTFIELDS, json.dumps(template_message(phone, data=phone)))
        curl.perform()
    curl.close()
    twice = {"4915110000002": 2}
    assert far.ask("recipients?min=2") == {"recipients": twice, "callback_data": twice}
    assert far.ask("wire")["recipients"] == {"4915110000001": 1, **twice}
    assert far.stats()["duplicates"] == {"recipients": 1, "callback_data": 1}


def test_a_fresh_connection_is_not_closed(far):
    far.script(close_reused_after=1)
    assert [far.send(PHONE, headers={"Connection": "close"}).status_code for _ in range(3)] == [200] * 3


def test_the_manual_lists_exactly_the_built_in_endings():
    manual = (ROOT / "simulator" / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\d{7})` \| `([a-z:\-0-9]+)` \|", manual, re.MULTILINE))
    rows |= {ending: f"failed:{code}" for ending, code in re.findall(r"\| `(8(\d{6}))` \|", manual)}
    said = {
        ending: f"{step.kind}:{step.code}" if step.code or step.kind == "error" else str(step.kind)
        for ending, (step,) in BUILT_IN_SUFFIXES.items()
    }
    assert {ending: re.sub(r":0+(?=\d)", ":", outcome) for ending, outcome in rows.items()} == said


def test_the_manual_names_every_key_of_a_script():
    manual = (ROOT / "simulator" / "README.md").read_text(encoding="utf-8")
    for section in (Config, Account, Template, Limits, Webhooks):
        for name, (_, note) in ((name, knob[-2:]) for name, knob in list_keys(section).items()):
            assert f"| `{name}` |" in manual and note in manual, name
