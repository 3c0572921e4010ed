"""Which changes of a body a target gets, and that a body that matches whole stays as it is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.store.forwards.forwards import ForwardFilter
from tests.webhooks.webhook_bodies import make_body, make_status, make_value
from webhooks.forwarder.select import Webhook

ALL = ForwardFilter(1)
SALES, SUPPORT = "500600700", "500600701"
# As Meta writes: escaped slashes, escaped characters, and spaces where a JSON encoder of ours has none.
PLAIN = (
    rb'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"value":{"metadata":{"phone_number_id":'
    rb'"500600700"},"messages":[{"text":{"body":"Ol\u00e1 \ud83d\ude00 http:\/\/x"}}]},"field":"messages"}]} ]}'
)


def make_change(number=SALES, field="messages", **more):
    metadata = {"phone_number_id": number} if number else {}
    return {"field": field, "value": {"metadata": metadata, **more}}


def make_mixed(*entries):
    content = {
        "object": "whatsapp_business_account",
        "entry": [{"id": str(i), "changes": c} for i, c in enumerate(entries)],
    }
    return json.dumps(content, separators=(",", ":")).encode()


def choose(fields=(), numbers=()):
    return ForwardFilter(1, fields, numbers)


@pytest.mark.parametrize(
    "chosen", [ALL, choose(["messages"]), choose([], [SALES]), choose(["calls", "messages"], [SUPPORT, SALES])]
)
def test_a_body_whose_changes_all_match_stays_byte_by_byte(chosen):
    selection = Webhook(PLAIN).select(chosen)
    assert selection.body == PLAIN
    assert selection.phone_number_ids == [SALES]


@pytest.mark.parametrize("chosen", [choose(["calls"]), choose([], [SUPPORT]), choose(["messages"], [SUPPORT])])
def test_a_body_without_a_matching_change_is_not_passed_on(chosen):
    assert Webhook(PLAIN).select(chosen) is None


def test_a_mixed_body_is_cut_to_the_matching_changes_with_their_entries():
    first, second, third = make_change(), make_change(SUPPORT), make_change(SUPPORT, "calls", text="Olá \ud800")
    body = make_mixed([first, second], [third], [second])
    selection = Webhook(body).select(choose(["messages"], [SUPPORT]))
    assert json.loads(selection.body) == {
        "object": "whatsapp_business_account",
        "entry": [{"id": "0", "changes": [second]}, {"id": "2", "changes": [second]}],
    }
    assert selection.phone_number_ids == [SUPPORT]
    kept = Webhook(body).select(choose(["calls"]))
    assert kept.body.isascii()
    assert json.loads(kept.body)["entry"] == [{"id": "1", "changes": [third]}]


def test_a_change_about_no_number_goes_only_to_targets_of_all_numbers():
    body = make_mixed([make_change(None, "message_template_status_update"), make_change()])
    assert Webhook(body).select(choose(["message_template_status_update"])).phone_number_ids == []
    assert json.loads(Webhook(body).select(choose([], [SALES])).body)["entry"][0]["changes"] == [make_change()]
    assert Webhook(body).select(ALL).body == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"no JSON",
        b'{"entry": 5}',
        b'{"entry": [{"changes": 5}]}',
        b'{"entry": [{}]}',
        b'{"entry": [{"changes": [{"field": "messages", "value": NaN}]}]}',
        b'{"object": "whatsapp_business_account", "entry": []}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_body_of_another_form_goes_only_to_targets_that_get_everything(body):
    assert Webhook(body).select(ALL).body == body
    assert Webhook(body).select(choose(["messages"])) is None
    assert Webhook(body).select(choose([], [SALES])) is None


def test_a_change_of_another_form_does_not_keep_the_others_back():
    body = make_mixed([5, {"field": ["messages"], "value": 5}, make_change()])
    assert json.loads(Webhook(body).select(choose(["messages"])).body)["entry"][0]["changes"] == [make_change()]
    assert Webhook(body).select(ALL).body == body


def test_a_number_that_is_no_number_is_none():
    body = make_mixed([make_change("5\u0000"), make_change("x" * 99), make_change("٣")])
    assert Webhook(body).select(ALL).phone_number_ids == []


CHANGES = st.builds(
    make_change, st.sampled_from([SALES, SUPPORT, None]), st.sampled_from(["messages", "calls"]), text=st.text()
)


@given(
    st.lists(st.lists(CHANGES, max_size=3), max_size=4),
    st.lists(st.sampled_from(["messages", "calls"]), unique=True),
    st.lists(st.sampled_from([SALES, SUPPORT]), unique=True),
)
def test_a_target_gets_the_matching_changes_in_their_order_and_no_others(entries, fields, numbers):
    body = make_mixed(*entries)
    selection = Webhook(body).select(choose(fields, numbers))
    matching = [
        change
        for changes in entries
        for change in changes
        if (not fields or change["field"] in fields)
        and (not numbers or change["value"]["metadata"].get("phone_number_id") in numbers)
    ]
    got = json.loads(selection.body)["entry"] if selection else []
    assert [change for entry in got for change in entry["changes"]] == matching
    if selection and len(matching) == sum(map(len, entries)):
        assert selection.body == body


def test_the_bodies_of_other_tests_are_read():
    body = make_body(make_value(make_status()))
    assert Webhook(body).select(choose(["messages"], [SALES])).body == body
