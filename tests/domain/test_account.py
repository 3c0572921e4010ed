from __future__ import annotations

from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.account import (
    DEACTIVATED_BY_A_PERSON,
    CooldownReason,
    Streak,
    explain_deactivation,
    explain_streak,
    fold_streak,
    strip_token,
)
from campaigns.domain.pacing import Reason
from campaigns.domain.statement import Language, Word, quote

LIMIT = 5


@pytest.mark.parametrize(
    "text",
    [
        *("EAAG1", " EAAG1\n", '"EAAG1"', "'EAAG1'\r\n", "\u201cEAAG1\u201d", "`EAAG1`", "\ufeffEAAG1"),
        *("Bearer EAAG1", "bearer  EAAG1\n", '"Bearer EAAG1"', 'Bearer "EAAG1"', "Authorization: Bearer EAAG1"),
    ],
)
def test_a_pasted_token_loses_what_stands_around_it(text):
    assert strip_token(text) == "EAAG1"


@pytest.mark.parametrize("text", ["", "Bearer", "Bearer ", '""', "Bearer ''"])
def test_a_pasted_token_may_be_nothing_at_all(text):
    assert not strip_token(text)


@pytest.mark.parametrize("text", ["EAAG1 EAAG2", "EAAG1\nEAAG2", "BearerEAAG1"])
def test_the_middle_of_a_pasted_token_stays(text):
    assert strip_token(text) == text


def fail(number):
    return {"code": 190, "title": "expired", "details": "", "fbtrace_id": "A", "message_id": number}


def read(word):
    """`x` is a failure, `.` a success; each failure is numbered by its place."""
    return [fail(place) if letter == "x" else None for place, letter in enumerate(word)]


@pytest.mark.parametrize(
    ("word", "left"),
    [("", 0), ("x", 1), ("xxxx", 4), (".", 0), ("xxxx.", 0), ("xxxx.x", 1), ("x.x.x.x.x.x.", 0), (".xxxx", 4)],
)
def test_one_success_resets_the_streak(word, left):
    streak = fold_streak([], read(word), limit=LIMIT)
    assert (len(streak.failures), streak.tripped_by) == (left, None)


def test_it_trips_exactly_at_the_limit():
    five = read("xxxxx")
    assert fold_streak([], five[:4], limit=LIMIT).tripped_by is None
    assert fold_streak([], five, limit=LIMIT) == Streak(tuple(five), tuple(five))


def test_the_order_of_the_replies_decides():
    assert fold_streak([], read("xxxxx."), limit=LIMIT).tripped_by is not None
    assert fold_streak([], read("xxxx.x"), limit=LIMIT).tripped_by is None


def test_what_was_in_flight_behind_the_last_failure_changes_nothing():
    first = fold_streak([], read("xxxxx"), limit=LIMIT)
    assert fold_streak([], read("xxxxx.xx.xxxxxx"), limit=LIMIT) == first


def test_a_streak_goes_on_where_it_was():
    before = [fail(number) for number in range(4)]
    assert fold_streak(before, [fail(9)], limit=LIMIT).tripped_by == (*before, fail(9))
    assert fold_streak(before, [None, fail(9)], limit=LIMIT) == Streak((fail(9),))


def test_no_replies_change_nothing():
    before = [fail(number) for number in range(7)]
    assert fold_streak(before, [], limit=LIMIT) == Streak(tuple(before))


def test_a_limit_that_was_lowered_trips_at_the_next_failure_only():
    before = [fail(number) for number in range(4)]
    assert fold_streak(before, [None], limit=2) == Streak(())
    assert fold_streak(before, [fail(9)], limit=2).tripped_by == (*before, fail(9))


def test_the_streak_that_was_given_is_not_touched():
    before = [fail(1)]
    fold_streak(before, [None, fail(2)], limit=LIMIT)
    assert before == [fail(1)]


@given(word=st.text("x.", max_size=60), cut=st.integers(0, 60), limit=st.integers(1, 8))
def test_it_is_what_a_person_would_count(word, cut, limit):
    """The naive reference: look for the first run of `limit` failures in the word."""
    outcomes = read(word)
    first = fold_streak([], outcomes[:cut], limit=limit)
    streak = first if first.tripped_by is not None else fold_streak(first.failures, outcomes[cut:], limit=limit)

    end = word.find("x" * limit)
    if end >= 0:
        assert streak.tripped_by == tuple(outcomes[end : end + limit])
    else:
        assert streak.tripped_by is None
        assert len(streak.failures) == len(word) - len(word.rstrip("x"))


@pytest.mark.parametrize("reason", CooldownReason)
def test_the_reason_of_a_cooldown_is_read_from_its_text(reason):
    for details in ("4 the app reached its call limit", "throttled: unreachable: no route", ""):
        assert CooldownReason.read(reason.write(details)) is reason


def test_the_text_of_a_cooldown_begins_with_the_reason_for_which_campaigns_wait():
    assert CooldownReason.UNREACHABLE.write("no route") == "unreachable: no route"
    assert CooldownReason.UNREACHABLE.waiting_reason is Reason.UNREACHABLE
    assert CooldownReason.THROTTLED.write("4 call limit") == "throttled: 4 call limit"
    assert CooldownReason.THROTTLED.waiting_reason is Reason.THROTTLED


class Marked(Language):
    """A language in which brackets mark each word that is translated."""

    def translate(self, text):
        return text

    def format(self, value, format_spec):
        return f"<{value}>" if isinstance(value, Word | StrEnum) else super().format(value, format_spec)


def explain(sentence):
    return str(sentence), sentence.fill(quote, Marked())


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("throttled: 4 call limit", "<throttled>: 4 <call limit>"),
        ("unreachable: no route", "<unreachable>: <no route>"),
        ("an old text", "<an old text>"),
        ("", "<>"),
    ],
)
def test_the_words_of_a_stored_cooldown_are_told_from_its_code(text, marked):
    assert explain(CooldownReason.explain(text)) == (text, marked)


@pytest.mark.parametrize("title", ["Marketing is off", "a: b 7", "two\nlines"])
def test_the_words_of_a_stored_deactivation_are_told_from_its_numbers(title):
    failures = [{"code": 131063, "title": title}] * 5
    text = f"5 consecutive send failures: 131063 {title}"
    assert str(explain_streak(failures)) == text
    marked = f"5 consecutive send failures: 131063 <{title}>"
    assert explain(explain_deactivation(text)) == explain(explain_streak(failures)) == (text, marked)
    assert explain(explain_deactivation(DEACTIVATED_BY_A_PERSON))[1] == "<deactivated by a person>"


@pytest.mark.parametrize("text", ["", "131048 spam limit", "unreachably far: x"])
def test_a_cooldown_without_a_known_reason_counts_as_asked_for_by_meta(text):
    assert CooldownReason.read(text) is CooldownReason.THROTTLED
