from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain import health as rules
from campaigns.domain.health import Health, health_from_json, read_changes, read_health

GOOD = Health(quality="GREEN", status="CONNECTED", can_send="AVAILABLE")

# Each list from good to bad; what shares a place is equally good.
LADDERS = {
    "quality": [("GREEN", "UNKNOWN", "NA"), ("YELLOW", "A_NEW_WORD"), ("RED",)],
    "status": [
        ("CONNECTED",),
        ("PENDING", "UNVERIFIED", "MIGRATED", "RATE_LIMITED", "FLAGGED", "A_NEW_WORD"),
        ("RESTRICTED", "DISCONNECTED", "DELETED", "BANNED"),
    ],
    "can_send": [("AVAILABLE",), ("LIMITED", "A_NEW_WORD"), ("BLOCKED",)],
}
PAIRS = [
    (field, old, new, (new_rank > old_rank) - (new_rank < old_rank))
    for field, ladder in LADDERS.items()
    for old_rank, olds in enumerate(ladder)
    for new_rank, news in enumerate(ladder)
    for old in olds
    for new in news
]
DIRECTIONS = {1: "worse", 0: "", -1: "better"}


def compare(before, after):
    """Return the trend, and the changes as an account event has them."""
    trend, changes = rules.compare(before, after)
    text = ", ".join(map(str, changes))
    assert not changes or [*map(str, read_changes(text))] == [*map(str, changes)]
    return trend, text


@pytest.mark.parametrize(("field", "old", "new", "direction"), PAIRS)
def test_every_change_of_a_word_has_its_direction(field, old, new, direction):
    found, changes = compare(replace(GOOD, **{field: old}), replace(GOOD, **{field: new}))
    assert found == DIRECTIONS[direction]
    assert changes == (f"{field.replace('_', ' ')} {old} → {new}" if direction else "")


def test_no_change_is_no_news():
    assert compare(GOOD, GOOD) == ("", "")


def test_one_field_that_got_worse_outweighs_two_that_got_better():
    before = Health(quality="RED", status="FLAGGED", can_send="AVAILABLE")
    after = Health(quality="GREEN", status="CONNECTED", can_send="LIMITED")
    direction, changes = compare(before, after)
    assert direction == "worse"
    assert changes == "can send AVAILABLE → LIMITED, quality RED → GREEN, status FLAGGED → CONNECTED"


def test_the_first_look_counts_as_compared_with_ideal():
    assert compare(Health(), GOOD) == ("", "")
    assert compare(Health(), replace(GOOD, quality="YELLOW")) == ("worse", "quality GREEN → YELLOW")


def test_what_meta_does_not_say_is_no_change():
    assert compare(replace(GOOD, quality="RED"), Health()) == ("", "")


def test_what_else_meta_tells_is_no_change():
    assert compare(GOOD, replace(GOOD, messaging_limit="TIER_1K", throughput="HIGH", verified_name="New")) == ("", "")


@pytest.mark.parametrize(
    ("health", "words"),
    [
        (GOOD, ""),
        (Health(), ""),
        (replace(GOOD, quality="YELLOW"), "quality YELLOW"),
        (Health("RED", "BANNED", "BLOCKED"), "quality RED, status BANNED, can send BLOCKED"),
        (replace(GOOD, status="A_NEW_WORD"), "status A_NEW_WORD"),
    ],
)
def test_it_says_in_words_what_is_not_ideal(health, words):
    assert ", ".join(map(str, health.describe())) == words


ANSWER = {
    "id": "106540352242922",
    "display_phone_number": "+1 555-078-3881",
    "verified_name": "Muster GmbH",
    "status": "CONNECTED",
    "quality_rating": "YELLOW",
    "throughput": {"level": "STANDARD"},
    "whatsapp_business_manager_messaging_limit": "TIER_10K",
    "health_status": {"can_send_message": "LIMITED", "entities": [{"entity_type": "PHONE_NUMBER"}]},
}


def test_metas_answer_is_read():
    assert read_health(ANSWER) == Health(
        "YELLOW", "CONNECTED", "LIMITED", "TIER_10K", "STANDARD", "+1 555-078-3881", "Muster GmbH"
    )


@pytest.mark.parametrize("field", ANSWER)
@pytest.mark.parametrize("value", [None, 7, True, [], ["GREEN"], {}, {"level": 3}, {"can_send_message": None}, "\x00"])
def test_a_field_of_another_shape_is_as_good_as_missing(field, value):
    missing = {name: each for name, each in ANSWER.items() if name != field}
    assert read_health(ANSWER | {field: value}) == read_health(missing)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(answer=st.fixed_dictionaries({}, optional=dict.fromkeys(ANSWER, json_values)))
def test_whatever_meta_answers_is_short_and_printable_text(answer):
    texts = read_health(answer).as_json().values()
    assert all(text.isprintable() and len(text) <= 64 for text in texts)


@given(answer=st.fixed_dictionaries({}, optional=dict.fromkeys(ANSWER, json_values)))
def test_what_is_stored_is_read_again(answer):
    health = read_health(answer)
    assert health_from_json(health.as_json()) == health


@pytest.mark.parametrize("stored", [{}, {"quality": None}, {"quality": 3, "what": "else"}])
def test_a_record_of_an_earlier_version_is_tolerated(stored):
    assert health_from_json(stored) == Health()
