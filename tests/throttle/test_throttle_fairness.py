"""How campaigns share the tokens of an account. Campaigns that wait as long as they are told lose no tokens."""

import pytest
from throttle_worlds import Caller, drive


@pytest.mark.parametrize("rate", [0.5, 1, 4, 20, 80, 1000])
@pytest.mark.parametrize("callers", [1, 10])
def test_callers_that_wait_as_told_get_the_whole_rate(fake, rate, callers):
    seconds = max(5, 20 / rate)

    got = drive(fake, [Caller(i) for i in range(callers)], rate=rate, seconds=seconds)

    assert sum(got) >= 0.97 * rate * seconds - 1  # the bucket was empty at first
    assert max(got) - min(got) <= max(2, 0.03 * rate * seconds / callers + 0.1 * rate / callers)


@pytest.mark.parametrize("rate", [1, 80])
def test_waiting_as_told_is_no_busy_loop(fake, rate):
    callers = [Caller(i) for i in range(10)]
    drive(fake, callers, rate=rate, seconds=5)
    assert sum(caller.calls for caller in callers) <= 5 * rate * 1.2 + 30


def test_one_message_a_second_among_five_starves_nobody(fake):
    got = drive(fake, [Caller(i) for i in range(5)], rate=1, seconds=51)
    assert all(9 <= tokens <= 11 for tokens in got)


def test_three_hundred_campaigns_of_one_account_get_their_first_token_in_turn(fake):
    got = drive(fake, [Caller(i) for i in range(300)], rate=80, seconds=5)
    assert min(got) >= 1
    assert max(got) <= 2


def test_hasty_caller_gets_no_more_than_one_that_waits_as_told(fake):
    hasty, calm = drive(fake, [Caller(1, hasty=True, pause=0.005), Caller(2)], rate=80, seconds=2)
    assert hasty <= calm + 8  # what a tenth of a second brings


def test_hasty_caller_does_not_starve_another_at_a_low_rate(fake):
    hasty, calm = drive(fake, [Caller(1, hasty=True, pause=0.05), Caller(2)], rate=1, seconds=20)
    assert hasty <= calm + 1


@pytest.mark.parametrize("rate", [20, 80, 1000])
def test_what_a_modest_caller_leaves_is_not_lost(fake, rate):
    modest, greedy = drive(fake, [Caller(1, want=1, pause=0.5), Caller(2)], rate=rate, seconds=10)

    assert modest >= 18
    assert modest + greedy >= 0.97 * rate * 10


@pytest.mark.parametrize("pause", [0.3, 1.1, 2.5])
def test_newcomers_do_not_push_aside_those_that_wait(fake, pause):
    """A campaign that asks for one token, gets it and returns after its removal is new each time."""
    _, *others = drive(fake, [Caller(1, want=1, pause=pause), *(Caller(i) for i in range(2, 6))], rate=1, seconds=60)
    assert min(others) >= 9


@pytest.mark.parametrize("rate", [4, 20, 80, 1000])
def test_callers_that_never_come_back_cost_next_to_nothing(fake, rate):
    gone = [Caller(i, leaves_at=0) for i in range(5)]
    *_, left = drive(fake, [*gone, Caller(9)], rate=rate, seconds=20)
    assert left >= 0.9 * rate * 20


def test_first_to_come_takes_only_its_half_of_what_two_wait_for(fake):
    fake.grant(1000, rate=1000, campaign=1)
    fake.grant(1000, rate=1000, campaign=2)
    fake.sleep(0.06)
    assert fake.grant(1000, rate=1000, campaign=2).tokens == pytest.approx(30, abs=1)


def test_caller_that_wants_nothing_more_gives_up_its_turn(fake):
    fake.grant(1, rate=1, campaign=1)
    fake.grant(1, rate=1, campaign=2)
    fake.grant(0, rate=1, campaign=1)
    fake.sleep(1)
    assert fake.grant(1, rate=1, campaign=2).tokens == 1


def test_tokens_of_a_waiting_campaign_are_kept_for_it_while_it_is_a_little_late(fake):
    fake.grant(1, rate=1, campaign=1)
    fake.grant(1, rate=1, campaign=2)
    fake.sleep(1.1)

    assert fake.grant(1, rate=1, campaign=2).tokens == 0
    assert fake.grant(1, rate=1, campaign=1).tokens == 1


def test_campaign_that_had_the_bucket_alone_does_not_lose_its_share_to_a_newcomer(fake):
    old, new = Caller(1), Caller(2)
    drive(fake, [old], rate=80, seconds=20)
    old.tokens = 0
    drive(fake, [new, old], rate=80, seconds=5)
    assert abs(old.tokens - new.tokens) <= 0.1 * (old.tokens + new.tokens)
