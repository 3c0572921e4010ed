from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.cli.hints import in_commands
from campaigns.domain.failures import (
    FAILURES,
    INVALID_TOKEN,
    NEVER_LEFT,
    OWN_FAILURES,
    ROWS,
    STOPPED_MARKETING,
    UNDER_REVIEW,
    UNKNOWN_NUMBER,
    VARIABLES_DO_NOT_FIT,
    advise_repair,
    advise_request,
    advise_template,
    explain_failure,
    explain_uncertain,
    find_failure,
    find_http_failure,
)
from campaigns.domain.template import TemplateStatus
from campaigns.domain.verdict import FAULTS, Action, Blame, Retry, Scope

# `tests/golden` compares each row with the table of codes in docs/life-cycles.md. Here stand rules for all rows.


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_a_listed_code_is_found_as_its_row(row):
    assert row.is_known
    assert find_failure(row.code) is row


@pytest.mark.parametrize("action", Action)
def test_every_action_has_a_code(action):
    assert [row for row in ROWS if row.action is action]


def test_the_action_fits_the_blame():
    """An action concerns the party at fault: a fault of the account, for example, never fails a message at once."""
    actions = {blame: {row.action for row in ROWS if row.blame is blame} for blame in Blame}
    assert actions[Blame.RECIPIENT] == {Action.FAIL, Action.FAIL_AND_SUPPRESS}
    assert actions[Blame.MESSAGE] == {Action.FAIL, Action.RETRY}
    assert actions[Blame.TEMPLATE] == {Action.WAIT_TEMPLATE, Action.RETRY}
    assert actions[Blame.ACCOUNT] == {Action.SWITCH_ACCOUNT}
    throttles = {Action.SLOW_DOWN, Action.BLOCK_ACCOUNT, Action.BLOCK_WABA, Action.WAIT_RECIPIENT}
    assert actions[Blame.THROTTLE] == throttles
    assert actions[Blame.SERVER] == {Action.BLOCK_ACCOUNT, Action.BACK_OFF, Action.UNCERTAIN}
    assert actions[Blame.OURS] == set()
    assert actions[Blame.UNKNOWN] == {Action.RETRY}


def test_only_a_failure_of_an_account_may_be_about_a_category():
    assert {row.action for row in ROWS if row.scope is Scope.CATEGORY} == {Action.SWITCH_ACCOUNT}
    assert not [row for row in ROWS if row.scope is Scope.ACCOUNT and row.category]


@pytest.mark.parametrize("row", [row for row in ROWS if row.action is Action.SWITCH_ACCOUNT], ids=lambda row: row.code)
def test_a_failure_of_an_account_is_about_all_of_it_or_about_a_category(row):
    """A code that names marketing is about marketing, even if we knew the refused template as utility."""
    about = {Scope.ACCOUNT: None, Scope.CATEGORY: row.category or "UTILITY"}
    assert row.find_category("UTILITY") == about[row.scope]


def test_what_waits_for_a_template_says_why_the_template_is_not_sent():
    assert not [row for row in ROWS if row.template_status is TemplateStatus.APPROVED]
    named = [row.template_status for row in ROWS if row.template_status is not TemplateStatus.REFUSED]
    assert len(set(named)) == len(named)
    assert {row.action for row in ROWS if row.template_status is not TemplateStatus.REFUSED} == {Action.WAIT_TEMPLATE}


def test_each_row_that_a_module_asks_for_by_name_has_the_policy_of_its_name():
    assert [row for row in ROWS if row.action is Action.FAIL_AND_SUPPRESS] == [STOPPED_MARKETING]
    assert (INVALID_TOKEN.blame, INVALID_TOKEN.action) == (Blame.ACCOUNT, Action.SWITCH_ACCOUNT)
    assert (VARIABLES_DO_NOT_FIT.blame, VARIABLES_DO_NOT_FIT.action) == (Blame.MESSAGE, Action.FAIL)


def test_no_code_is_listed_twice():
    assert len(ROWS) == len(FAILURES)
    assert not FAILURES.keys() & OWN_FAILURES.keys()
    assert all(code < 0 for code in OWN_FAILURES)  # none of Meta's


def test_every_meaning_is_one_short_line():
    assert all(0 < len(row.meaning) < 90 and row.meaning.isprintable() for row in ROWS)


def test_every_code_says_what_to_do_in_one_sentence():
    unlisted = [find_failure(code) for code in (999, 132999, 133999)]
    own = [
        NEVER_LEFT,
        UNDER_REVIEW,
        UNKNOWN_NUMBER,
        explain_uncertain(None),
        explain_uncertain(131000),
        explain_failure(None),
    ]
    for row in [*ROWS, *unlisted, *own]:
        for advice in (str(row.advice), in_commands(row.advice)):
            assert 10 < len(advice) < 140, row.code
            assert advice.endswith("."), row.code
            assert advice.isprintable(), row.code


def test_the_class_of_a_retry_follows_from_the_blame():
    classes = {blame: {row.retry for row in ROWS if row.blame is blame} for blame in Blame}
    assert classes[Blame.THROTTLE] == {Retry.THROTTLED}
    assert classes[Blame.SERVER] == {Retry.SERVER}
    assert classes[Blame.ACCOUNT] == classes[Blame.TEMPLATE] == {Retry.REPAIRED}
    assert classes[Blame.RECIPIENT] == {Retry.RECIPIENT_LATER, None}
    assert classes[Blame.UNKNOWN] == {None}
    messages = [row for row in ROWS if row.blame is Blame.MESSAGE]
    assert {(row.is_of_form, row.retry) for row in messages} == {(True, Retry.REPAIRED), (False, None)}
    assert {row.code for row in ROWS if row.is_of_form} == {131008, 132000, 132012, 132018}


def test_what_never_left_may_be_sent_again_and_is_nobody_elses_fault():
    assert find_failure(NEVER_LEFT.code) is NEVER_LEFT
    assert (NEVER_LEFT.retry, FAULTS[NEVER_LEFT.blame]) == (Retry.SERVER, "us")


def test_what_waits_for_a_review_is_in_no_class_of_a_retry():
    assert find_failure(UNDER_REVIEW.code) is UNDER_REVIEW
    assert UNDER_REVIEW.retry is None


@pytest.mark.parametrize("code", [999, 132999])
def test_an_unlisted_code_is_in_no_class_of_a_retry(code):
    assert find_failure(code).retry is None


def test_what_is_withheld_from_a_person_waits_for_a_day():
    later = [row for row in ROWS if row.later_seconds]
    assert {(row.blame, row.action, row.retry) for row in later} == {
        (Blame.RECIPIENT, Action.FAIL, Retry.RECIPIENT_LATER)
    }
    assert {row.later_seconds for row in later} == {86_400}


@pytest.mark.parametrize("http_status", [None, 200, 400, 429, 500, 503])
def test_a_known_code_means_the_same_at_any_http_status(http_status):
    for code, row in FAILURES.items():
        assert find_failure(code, http_status=http_status) is row


def test_a_block_always_says_how_long():
    blocks = [row for row in ROWS if row.action in {Action.BLOCK_ACCOUNT, Action.BLOCK_WABA}]
    assert blocks
    assert all(row.cooldown_seconds >= 60 for row in blocks)


def test_a_retry_is_limited_or_waits_for_minutes():
    """Neither would repeat at once what Meta has just refused."""
    retries = [row for row in ROWS if row.action is Action.RETRY]
    assert all((row.max_attempts == 2) != (row.cooldown_seconds >= 600) for row in retries)


def test_only_blocks_and_retries_have_a_time_and_only_retries_a_limit():
    timed = {Action.BLOCK_ACCOUNT, Action.BLOCK_WABA, Action.RETRY}
    assert {row.action for row in ROWS if row.cooldown_seconds} == timed
    assert {row.action for row in ROWS if row.max_attempts is not None} == {Action.RETRY}


def test_an_unknown_phone_number_id_is_the_accounts_fault():
    failure = find_failure(100, subcode=33)
    assert (failure.action, failure.is_known) == (Action.SWITCH_ACCOUNT, True)


def test_the_stored_code_of_each_failure_keeps_its_meaning():
    """Postgres stores only the code of a failure, without the subcode."""
    for failure in (find_failure(100, subcode=33), find_failure(100), *ROWS, *OWN_FAILURES.values()):
        assert find_failure(failure.code) is failure


@pytest.mark.parametrize("failure", [find_failure(100, subcode=33), find_failure(803)])
def test_the_advice_about_an_unknown_id_names_the_kind_of_the_id(failure):
    assert "--phone-number-id ID" in in_commands(advise_request(failure))
    advice = in_commands(advise_request(failure, is_about_waba=True))
    assert "--waba-id ID" in advice
    assert "phone" not in advice


def test_another_subcode_of_a_bad_parameter_changes_nothing():
    assert find_failure(100, subcode=2494010).blame is Blame.MESSAGE


@pytest.mark.parametrize(
    ("code", "http_status", "action"),
    [
        (131999, 500, Action.UNCERTAIN),
        (131099, 503, Action.BACK_OFF),
        (131099, 400, Action.RETRY),
        (132999, 400, Action.FAIL),
        (133999, 400, Action.SWITCH_ACCOUNT),
        (999999, 500, Action.UNCERTAIN),
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


@pytest.mark.parametrize("code", [row.code for row in ROWS if row.action is Action.SWITCH_ACCOUNT] + [133999])
def test_the_repair_of_an_account_ends_with_its_activation(code):
    """The advice alone must not activate: it is also printed for an account that is not inactive."""
    failure = find_failure(code)
    assert "account activate" not in in_commands(failure.advice)
    repair = in_commands(advise_repair(failure).aim(account=["sales"]))
    assert repair.endswith(" Then `revoada account activate sales`.")
    assert "ACCOUNT" not in repair


@pytest.mark.parametrize("code", [0, 104, 190])
def test_a_dead_token_is_replaced_before_the_account_is_activated(code):
    repair = in_commands(advise_repair(find_failure(code)).aim(account=["sales"]))
    assert repair.index("account set sales --token-stdin") < repair.index("account activate sales")


def test_other_repairs_are_the_advice_of_the_row():
    assert [
        row for row in ROWS if row.action is not Action.SWITCH_ACCOUNT and advise_repair(row) is not row.advice
    ] == []


def test_each_status_of_a_template_has_an_advice_and_that_of_its_code_if_it_has_one():
    for status in TemplateStatus:
        assert str(advise_template(status))
    for row in ROWS:
        if row.action is Action.WAIT_TEMPLATE and row.template_status is not TemplateStatus.REFUSED:
            assert advise_template(row.template_status) is row.advice
    assert "list" not in in_commands(advise_template("paused"))


def test_without_an_error_code_the_network_is_to_be_looked_at():
    assert "GRAPH_API_URL" in str(advise_request(None))
    assert advise_request(INVALID_TOKEN) is INVALID_TOKEN.advice
