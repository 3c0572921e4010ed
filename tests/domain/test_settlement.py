from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.failures import FAILURES
from campaigns.domain.message import Status
from campaigns.domain.settlement import Attempt, Release, Settle, settle
from campaigns.domain.verdict import Accepted, Action, Blame, Failure, NotSent, Rejected, Unknown

MAX_ATTEMPTS = 5
RETRY_SECONDS = 2.0
ATTEMPT = Attempt(message_id=1, send_no=1, attempts=1, account_id=7)

attempts = st.integers(1, 1000).flatmap(
    lambda count: st.builds(
        Attempt,
        message_id=st.integers(1, 10**9),
        send_no=st.integers(count, 2000),
        attempts=st.just(count),
        account_id=st.integers(1, 4),
        refused_by=st.frozensets(st.integers(1, 4)),
    )
)


def refuse(action, **more):
    """A refusal whose code asks for `action`; `more` overrides what the code's row says."""
    return Rejected(Failure(131999, "meaning", Blame.UNKNOWN, action, **more), "title", "details", "trace")


def decide(verdict, attempt=ATTEMPT, *, usable=frozenset({7}), max_attempts=MAX_ATTEMPTS):
    return settle(verdict, attempt, usable=usable, max_attempts=max_attempts, retry_seconds=RETRY_SECONDS)


def tried(count, **more):
    return replace(ATTEMPT, attempts=count, send_no=count, **more)


# verdicts that are no refusal


def test_an_accepted_message_is_sent_at_once():
    assert decide(Accepted("wamid.A")) == Settle(Status.SENT, wamid="wamid.A")


def test_a_message_that_meta_keeps_back_is_held():
    assert decide(Accepted("wamid.A", is_held=True)) == Settle(Status.HELD, wamid="wamid.A")


@pytest.mark.parametrize("count", [1, MAX_ATTEMPTS, 50])
def test_a_lost_reply_is_uncertain_and_never_tried_again(count):
    assert decide(Unknown("timeout"), tried(count)) == Settle(Status.UNCERTAIN, title="timeout")


@pytest.mark.parametrize("is_unreachable", [True, False])
@pytest.mark.parametrize("count", [1, MAX_ATTEMPTS, 50])
def test_what_never_left_uses_no_attempt_and_waits_for_nothing(count, is_unreachable):
    release = Release(0.0, refunds=True, code=None, title="no connection")
    assert decide(NotSent("no connection", is_unreachable), tried(count)) == release


# one row per action: what it becomes at the first attempt and at the last

FAILED = Settle(Status.FAILED, code=131999, title="title", details="details")


def released(wait_seconds, *, refunds, **more):
    return Release(wait_seconds, refunds=refunds, code=131999, title="title", details="details", **more)


FREE = released(0.0, refunds=True)
TABLE = {
    Action.FAIL: (FAILED, FAILED),
    Action.FAIL_AND_SUPPRESS: (replace(FAILED, suppresses=True),) * 2,
    Action.UNCERTAIN: (replace(FAILED, status=Status.UNCERTAIN),) * 2,
    Action.SWITCH_ACCOUNT: (released(2.0, refunds=False, refusing=7, forgets=True), FAILED),
    Action.WAIT_TEMPLATE: (FREE, FREE),
    Action.BLOCK_ACCOUNT: (FREE, FREE),
    Action.BLOCK_WABA: (FREE, FREE),
    Action.BACK_OFF: (FREE, FREE),
    Action.SLOW_DOWN: (released(1.0, refunds=True),) * 2,
    Action.WAIT_RECIPIENT: (released(1.0, refunds=True, is_pair_refusal=True),) * 2,
    Action.RETRY: (released(2.0, refunds=False), FAILED),
}


@pytest.mark.parametrize("action", Action)
def test_an_action_becomes_what_its_row_says(action):
    verdict = refuse(action)
    assert (decide(verdict), decide(verdict, tried(MAX_ATTEMPTS))) == TABLE[action]


@given(action=st.sampled_from(Action), attempt=attempts, usable=st.frozensets(st.integers(1, 4)))
def test_only_a_retry_and_a_switch_of_account_use_attempts(action, attempt, usable):
    settlement = decide(refuse(action), attempt, usable=usable)
    if isinstance(settlement, Release) and not settlement.refunds:
        assert action in {Action.RETRY, Action.SWITCH_ACCOUNT}
        assert attempt.attempts < MAX_ATTEMPTS


@given(action=st.sampled_from(Action), attempt=attempts, usable=st.frozensets(st.integers(1, 4)))
def test_every_settlement_says_why_and_no_wait_is_longer_than_about_an_hour(action, attempt, usable):
    settlement = decide(refuse(action), attempt, usable=usable)
    assert (settlement.code, settlement.title, settlement.details) == (131999, "title", "details")
    if isinstance(settlement, Release):
        assert 0 <= settlement.wait_seconds <= 4096


@pytest.mark.parametrize("action", Action)
def test_a_refusal_without_a_title_is_told_in_our_words(action):
    verdict = replace(refuse(action), title="")
    assert decide(verdict).title == "meaning"


# retries


def test_each_wait_doubles_the_one_before_and_the_last_attempt_fails():
    waits = [decide(refuse(Action.RETRY), tried(count)) for count in range(1, MAX_ATTEMPTS)]
    assert [release.wait_seconds for release in waits] == [2, 4, 8, 16]
    assert decide(refuse(Action.RETRY), tried(MAX_ATTEMPTS)) == FAILED


def test_no_retry_waits_longer_than_ten_minutes():
    assert decide(refuse(Action.RETRY), tried(20), max_attempts=100).wait_seconds == 600


def test_a_code_with_one_retry_fails_at_its_second_attempt():
    verdict = refuse(Action.RETRY, max_attempts=2)
    assert decide(verdict, tried(1)) == released(2.0, refunds=False)
    assert decide(verdict, tried(2)) == FAILED


def test_a_code_never_gets_more_attempts_than_the_setting_allows():
    assert decide(refuse(Action.RETRY, max_attempts=2), tried(1), max_attempts=1) == FAILED


@pytest.mark.parametrize(
    "row", [row for row in FAILURES.values() if row.action is Action.RETRY and row.cooldown_seconds]
)
def test_a_retry_that_names_its_rest_waits_for_it(row):
    assert decide(Rejected(row)).wait_seconds >= row.cooldown_seconds


def test_a_setting_of_many_attempts_does_not_break_the_last_ones():
    assert decide(refuse(Action.RETRY), tried(1100), max_attempts=10_000).wait_seconds == 600


# the pair limit


def test_each_refusal_of_the_pair_waits_four_times_as_long_as_the_one_before():
    verdict = refuse(Action.WAIT_RECIPIENT)
    waits = [decide(verdict, replace(ATTEMPT, pair_refusals=count)).wait_seconds for count in range(10)]
    assert waits == [1, 4, 16, 64, 256, 1024, 4096, 4096, 4096, 4096]


def test_attempts_that_were_used_do_not_lengthen_the_wait_for_the_pair():
    assert decide(refuse(Action.WAIT_RECIPIENT), tried(4)).wait_seconds == 1


def test_sends_that_meta_throttled_do_not_lengthen_the_wait_for_the_pair():
    assert decide(refuse(Action.WAIT_RECIPIENT), replace(ATTEMPT, send_no=9)).wait_seconds == 1


# another account

SWITCH = refuse(Action.SWITCH_ACCOUNT)


def test_another_account_tries_at_once():
    expected = released(0.0, refunds=False, refusing=7)
    assert decide(SWITCH, usable={7, 8}) == expected
    assert decide(SWITCH, usable={8}) == expected  # this reply deactivated 7


def test_when_all_have_refused_a_new_round_starts_after_a_wait():
    attempt = tried(2, refused_by=frozenset({8}))
    assert decide(SWITCH, attempt, usable={7, 8}) == released(4.0, refunds=False, refusing=7, forgets=True)


def test_an_account_that_is_gone_does_not_keep_a_round_open():
    attempt = tried(3, refused_by=frozenset({8, 9}))
    assert decide(SWITCH, attempt, usable={7}) == released(8.0, refunds=False, refusing=7, forgets=True)


def test_an_account_that_came_back_keeps_the_round_open():
    attempt = tried(2, refused_by=frozenset({8}))
    assert decide(SWITCH, attempt, usable={7, 8, 9}) == released(0.0, refunds=False, refusing=7)


@pytest.mark.parametrize("refused_by", [frozenset(), frozenset({8}), frozenset({7, 8})])
def test_the_last_attempt_fails_whoever_is_left(refused_by):
    assert decide(SWITCH, tried(MAX_ATTEMPTS, refused_by=refused_by), usable={7, 8}) == FAILED


@pytest.mark.parametrize("count", [1, MAX_ATTEMPTS, 40])
def test_with_no_account_left_the_message_waits_for_one_and_loses_no_attempt(count):
    expected = released(0.0, refunds=True, refusing=7, forgets=True)
    assert decide(SWITCH, tried(count), usable=frozenset()) == expected


@given(attempt=attempts, usable=st.frozensets(st.integers(1, 4), min_size=1))
def test_a_new_round_never_comes_without_a_wait(attempt, usable):
    settlement = decide(SWITCH, attempt, usable=usable)
    if isinstance(settlement, Release):
        assert settlement.forgets == (settlement.wait_seconds > 0)
        assert settlement.refusing == attempt.account_id
