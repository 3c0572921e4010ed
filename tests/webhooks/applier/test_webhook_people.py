"""Reads from a body the numbers and user ids that belong to the same person."""

import datetime as dt
import sys

import pytest

from tests.webhooks.webhook_bodies import AT, make_body, make_status, make_value
from webhooks.applier.parse import parse_event
from webhooks.applier.people import NOBODY, People

KEY, OTHER_KEY = "+16505551234", "+16505559999"
ID, OTHER_ID = "US.13491208655302741918", "US.24817305912873645029"
NOON = dt.datetime.fromtimestamp(AT, dt.UTC)
NUMBER = KEY[1:]


def read(value, field="messages"):
    return parse_event(make_body(value, field)).people


def message(**changes):
    return {"id": "wamid.in", "timestamp": str(AT), "type": "text", "text": {"body": "Hi"}} | changes


def system(**told):
    return message(type="system", text=None, **{"from": NUMBER}, from_user_id=ID, system=told)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"contacts": [{"wa_id": NUMBER, "user_id": ID}], "messages": [message()]}, "messages"),
        (make_value(make_status(recipient_id=NUMBER, recipient_user_id=ID)), "messages"),
        (make_value(make_status(recipient_id=NUMBER, recipient_parent_user_id=ID)), "messages"),
        (make_value(make_status(recipient_id="1203-group", recipient_participant_id=NUMBER,
                                recipient_participant_user_id=ID)), "messages"),
        ({"messages": [message(**{"from": NUMBER}, from_user_id=ID)]}, "messages"),
        ({"messages": {"0": message(**{"from": int(NUMBER)}, from_user_id=ID)}}, "messages"),
        ({"user_preferences": [{"wa_id": NUMBER, "user_id": ID, "timestamp": AT}]}, "user_preferences"),
        ({"contacts": [{"wa_id": NUMBER, "user_id": ID}], "calls": [{"timestamp": str(AT)}]}, "calls"),
        ([{"messages": [message(**{"from": f"+{NUMBER}"}, from_user_id=ID)]}], "messages"),
    ],
)  # fmt: skip
def test_every_part_that_names_both_is_a_pair(value, field):
    assert read(value, field).pairs == {(ID, KEY): NOON}


@pytest.mark.parametrize(
    "change",
    [
        lambda people: people.add(ID, KEY, NOON),
        lambda people: people.connect(NUMBER, [ID], NOON),
        lambda people: people.update(People(changes={(ID, OTHER_ID)})),
        lambda people: people.read({"messages": [system(wa_id=OTHER_KEY[1:], user_id=OTHER_ID)]}),
    ],
)
def test_nothing_can_be_added_to_the_object_that_most_bodies_share(change):
    assert read(make_value(make_status())) is NOBODY
    with pytest.raises((AttributeError, TypeError)):
        change(NOBODY)
    assert People() == NOBODY


def test_a_number_is_kept_in_its_one_form():
    assert read(make_value(make_status(recipient_id="551187650001", recipient_user_id="BR.1"))).pairs == {
        ("BR.1", "+5511987650001"): NOON
    }


def test_the_newest_word_of_a_pair_counts():
    statuses = [make_status(recipient_id=NUMBER, recipient_user_id=ID, timestamp=str(AT + each)) for each in (3, 9, 1)]
    assert read(make_value(*statuses)).pairs == {(ID, KEY): NOON + dt.timedelta(seconds=9)}


@pytest.mark.parametrize("user_id", ["", "x" * 513, "US.\x001", 7.5, ["US.1"], {"a": 1}, True, "+5511987650001", None])
@pytest.mark.parametrize("number", [NUMBER])
def test_a_user_id_that_is_none_makes_no_pair_and_costs_the_status_nothing(user_id, number):
    event = parse_event(make_body(make_value(make_status(recipient_id=number, recipient_user_id=user_id))))
    assert not event.people
    assert len(event.evidence) == 1


@pytest.mark.parametrize("number", [ID, "", "0", "group-1", None, True, 10**20, "6505551234567890123"])
def test_what_is_no_number_makes_no_pair(number):
    assert not read({"contacts": [{"wa_id": number, "user_id": ID}]})
    assert not read({"messages": [message(**{"from": number}, from_user_id=ID)]})


@pytest.mark.parametrize(
    "value", [None, 7, "x", [], [1, 2], {"contacts": 7}, {"contacts": [7, None]}, {"messages": ["x"]}]
)
def test_a_value_of_any_shape_is_read(value):
    assert not read(value)


def test_a_changed_number_brings_a_pair_for_each_id_and_the_change():
    people = read({"messages": [system(type="user_changed_number", wa_id=OTHER_KEY[1:], user_id=OTHER_ID)]})
    assert set(people.pairs) == {(ID, KEY), (OTHER_ID, OTHER_KEY)}
    assert people.changes == {(ID, OTHER_ID)}
    assert people.moves == {(KEY, OTHER_KEY)}


def test_a_changed_number_that_keeps_the_id_has_two_pairs():
    people = read({"messages": [system(type="user_changed_number", new_wa_id=OTHER_KEY[1:])]})
    assert set(people.pairs) == {(ID, KEY), (ID, OTHER_KEY)}
    assert people.pairs[ID, KEY] < people.pairs[ID, OTHER_KEY] == NOON
    assert (people.changes, people.moves) == (set(), {(KEY, OTHER_KEY)})


def test_a_changed_id_without_any_number_is_a_change():
    told = message(type="system", system={"previous_user_id": ID, "user_id": OTHER_ID, "type": "user_changed_user_id"})
    people = read({"messages": [told]})
    assert (people.pairs, people.changes, people.moves) == ({}, {(ID, OTHER_ID)}, set())


def test_an_update_of_a_user_id_is_a_change_and_a_pair_of_the_new_one():
    update = {"wa_id": NUMBER, "user_id": {"previous": OTHER_ID, "current": ID},
              "parent_user_id": {"previous": "US.ENT.1", "current": "US.ENT.2"}, "timestamp": str(AT)}  # fmt: skip
    people = read({"user_id_update": [update]}, "user_id_update")
    assert set(people.pairs) == {(ID, KEY), ("US.ENT.2", KEY)}
    assert people.changes == {(OTHER_ID, ID), ("US.ENT.1", "US.ENT.2")}


def count_calls(count):
    """Return the number of function calls to read a body with `count` contacts and messages."""
    contacts = [{"wa_id": str(16505550000 + each), "user_id": f"US.{each}"} for each in range(count)]
    messages = [message(from_user_id=f"US.{each}", text={"body": "STOP"}) for each in range(count)]
    body, calls = make_body({"contacts": contacts, "messages": messages}), 0

    def count_one(_frame, _event, _argument):
        nonlocal calls
        calls += 1

    sys.setprofile(count_one)
    try:
        parse_event(body)
    finally:
        sys.setprofile(None)
    return calls


def test_twice_as_many_contacts_and_messages_take_twice_as_long():
    assert count_calls(400) < 2.2 * count_calls(200)
