from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.failures import (
    FAILURES,
    NEVER_LEFT,
    ROWS,
    UNDER_REVIEW,
    explain_doubt,
    explain_failure,
    find_failure,
    find_http_failure,
)
from campaigns.domain.verdict import FAULTS, Action, Blame, Retry, Scope

# The verdict table of the design, written once more by hand.
DESIGN = {
    (Blame.RECIPIENT, Action.FAIL): [131026, 131049, 130472, 131021, 131030, 130497],
    (Blame.RECIPIENT, Action.FAIL_AND_SUPPRESS): [131050],
    (Blame.MESSAGE, Action.FAIL): [131008, 131009, 132000, 132005, 132012, 132018, 100],
    (Blame.TEMPLATE, Action.WAIT_TEMPLATE): [132001, 132007, 132015, 132016],
    (Blame.ACCOUNT, Action.SWITCH_ACCOUNT): [
        *(190, 0, 3, 10, 131005, 131031, 368, 131042, 131045, 133010, 33, 131064),
        *range(200, 300),
    ],
    (Blame.THROTTLE, Action.SLOW_DOWN): [130429],
    (Blame.THROTTLE, Action.BLOCK_WABA): [4, 80007],
    (Blame.THROTTLE, Action.BLOCK_ACCOUNT): [131048],
    (Blame.SERVER, Action.BLOCK_ACCOUNT): [131057],
    (Blame.THROTTLE, Action.WAIT_RECIPIENT): [131056],
    (Blame.SERVER, Action.BACK_OFF): [2, 131016],
    (Blame.SERVER, Action.DOUBT): [1, 131000],
}
CASES = [(code, *expected) for expected, codes in DESIGN.items() for code in codes]


@pytest.mark.parametrize(("code", "blame", "action"), CASES)
def test_a_code_of_the_design_has_its_blame_and_action(code, blame, action):
    failure = find_failure(code)
    assert (failure.code, failure.blame, failure.action, failure.is_known) == (code, blame, action, True)


# The codes of account failures that are about one category, repeated here by hand.
CATEGORIES = {131063: "MARKETING", 134102: "MARKETING", 131064: "UTILITY"}


def test_failures_about_a_category_are_those_that_the_design_names():
    assert {row.code for row in ROWS if row.scope is Scope.CATEGORY} == CATEGORIES.keys()
    assert {row.action for row in ROWS if row.scope is Scope.CATEGORY} == {Action.SWITCH_ACCOUNT}


@pytest.mark.parametrize("row", [row for row in ROWS if row.action is Action.SWITCH_ACCOUNT], ids=lambda row: row.code)
def test_a_failure_of_an_account_is_about_all_of_it_or_about_a_category(row):
    """A code that names marketing is about marketing, even if we knew the refused template as utility."""
    assert row.find_category("UTILITY") == CATEGORIES.get(row.code)


def test_no_code_is_listed_twice():
    assert len(ROWS) == len(FAILURES)


def test_every_meaning_is_one_short_line():
    assert all(0 < len(row.meaning) < 90 and row.meaning.isprintable() for row in ROWS)


def test_every_code_says_what_to_do_in_one_sentence():
    unlisted = [find_failure(code) for code in (999, 132999, 133999)]
    own = [NEVER_LEFT, UNDER_REVIEW, explain_doubt(None), explain_doubt(131000), explain_failure(None)]
    for row in [*ROWS, *unlisted, *own]:
        assert 10 < len(row.advice) < 120, row.code
        assert row.advice.endswith("."), row.code
        assert row.advice.isprintable(), row.code


# Whether a person may send it again, and in which class, written once more by hand.
RETRIES = {
    Retry.THROTTLED: {4, 17, 613, 80007, 130429, 131048, 131056, 131208},
    Retry.SERVER: {1, 2, 131000, 131016, 131057, 133004, 2494100},
    Retry.RECIPIENT_LATER: {130472, 131049},
}


def test_the_classes_of_a_retry_hold_the_codes_that_they_should():
    for retry, codes in RETRIES.items():
        assert {row.code for row in ROWS if row.retry is retry} == codes
    assert {row.blame for row in ROWS if row.retry is Retry.REPAIRED} == {Blame.ACCOUNT, Blame.TEMPLATE}


def test_what_never_left_may_be_sent_again_and_is_nobody_elses_fault():
    assert find_failure(NEVER_LEFT.code) is NEVER_LEFT
    assert (NEVER_LEFT.retry, FAULTS[NEVER_LEFT.blame]) == (Retry.SERVER, "us")
    assert NEVER_LEFT.code < 0  # none of Meta's


def test_what_waits_for_a_review_is_in_no_class_of_a_retry():
    assert find_failure(UNDER_REVIEW.code) is UNDER_REVIEW
    assert UNDER_REVIEW.code < 0
    assert UNDER_REVIEW.retry is None


@pytest.mark.parametrize("code", [131026, 131050, 131014, 131036, 132000, 131053, 135000, 999, 132999])
def test_what_would_fail_again_or_may_have_arrived_is_in_no_class(code):
    assert find_failure(code).retry is None


def test_what_is_withheld_from_a_person_waits_for_a_day():
    assert {row.code: row.later_seconds for row in ROWS if row.later_seconds} == {130472: 86_400, 131049: 86_400}


@pytest.mark.parametrize("http_status", [None, 200, 400, 429, 500, 503])
def test_a_known_code_means_the_same_at_any_http_status(http_status):
    for code, row in FAILURES.items():
        assert find_failure(code, http_status=http_status) is row


def test_a_block_always_says_how_long():
    blocks = [row for row in ROWS if row.action in {Action.BLOCK_ACCOUNT, Action.BLOCK_WABA}]
    assert blocks
    assert all(row.rest_seconds >= 60 for row in blocks)


def test_a_number_reported_as_spam_rests_for_an_hour():
    assert find_failure(131048).rest_seconds == 3600


def test_media_is_tried_once_more():
    failure = find_failure(131053)
    assert (failure.action, failure.max_attempts) == (Action.RETRY, 2)


def test_a_template_that_is_being_synchronised_comes_back_after_ten_minutes():
    failure = find_failure(134101)
    assert (failure.action, failure.rest_seconds) == (Action.RETRY, 600)


def test_an_unknown_phone_number_id_is_the_accounts_fault():
    failure = find_failure(100, subcode=33)
    assert (failure.code, failure.action, failure.is_known) == (100, Action.SWITCH_ACCOUNT, True)


def test_another_subcode_of_a_bad_parameter_changes_nothing():
    assert find_failure(100, subcode=2494010).blame is Blame.MESSAGE


@pytest.mark.parametrize(
    ("code", "http_status", "action"),
    [
        (131999, 500, Action.DOUBT),
        (131099, 503, Action.BACK_OFF),
        (131099, 400, Action.RETRY),
        (132999, 400, Action.FAIL),
        (133999, 400, Action.SWITCH_ACCOUNT),
        (999999, 500, Action.DOUBT),
        (999999, None, Action.RETRY),
    ],
)
def test_an_unlisted_code_is_handled_by_its_class(code, http_status, action):
    failure = find_failure(code, http_status=http_status)
    assert (failure.code, failure.action, failure.is_known) == (code, action, False)


@given(code=st.integers(), subcode=st.none() | st.integers(), http_status=st.none() | st.integers(100, 599))
def test_no_unlisted_code_is_tried_again_without_end(code, subcode, http_status):
    failure = find_failure(code, subcode=subcode, http_status=http_status)
    assert failure.code == code
    if not failure.is_known:
        assert failure.action is not Action.RETRY or failure.max_attempts == 2


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 407, 413])
def test_a_gate_that_refuses_uses_an_attempt(status):
    failure = find_http_failure(status)
    assert (failure.code, failure.action, failure.is_known) == (status, Action.RETRY, False)


def test_a_gate_that_says_too_many_slows_us_down():
    assert find_http_failure(429).action is Action.SLOW_DOWN


@pytest.mark.parametrize("status", [0, 100, 200, 204, 303, 408, 499, 500, 502, 503, 504, 599, 999])
def test_a_status_that_does_not_exclude_acceptance_is_no_failure(status):
    assert find_http_failure(status) is None
