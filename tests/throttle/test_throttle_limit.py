"""The limit holds over all callers, whatever they do."""

import math
import threading
from itertools import accumulate

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from throttle_worlds import ACCOUNT

from campaigns.throttle.bucket import Ask, Throttle
from devstack.server import wait_until

LATE = 0.25  # seconds, of grant.lua

STEP = st.fixed_dictionaries(
    {
        "campaign": st.integers(1, 4),
        "wait": st.sampled_from([0, 0.0001, 0.005, 0.03]) | st.floats(0, 3),
        "want": st.sampled_from([0, 1, 1000]) | st.integers(0, 40),
        "unused": st.sampled_from([0, 0, 1, 1000]),
        "throttled": st.booleans(),
    }
)


@settings(max_examples=60, deadline=None)
@given(rate=st.sampled_from([0.3, 1, 4, 20, 80, 1000]) | st.floats(0.1, 2000), steps=st.lists(STEP, max_size=40))
def test_no_interval_gives_more_than_rate_and_capacity(make_fake_world, rate, steps):
    times, changes, held = [], [], 0
    with make_fake_world() as world:
        for step in steps:
            world.sleep(step["wait"])
            unused = min(step["unused"], held)
            grant = world.grant(
                step["want"],
                rate=rate,
                campaign=step["campaign"],
                give_back=unused,
                throttled_at=world.now() if step["throttled"] else 0,
            )
            assert 0 <= grant.tokens <= step["want"]
            assert (grant.retry_seconds == 0) == (grant.tokens == step["want"])
            assert rate / 32 * 0.999 <= grant.rate <= rate * 1.001
            held += grant.tokens - unused
            times.append(world.now())
            changes.append(grant.tokens - unused)

    totals = [0, *accumulate(changes)]
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            limit = rate * (times[last] - start) + max(1, 0.25 * rate)
            assert totals[last + 1] - totals[first] <= limit + 0.001


@settings(max_examples=40, deadline=None)
@example(rate=7, want=1, others=[1], throttled=False)  # a bucket that never holds tokens for both
@given(
    rate=st.floats(1, 20) | st.floats(0.05, 2000),
    want=st.integers(1, 1000),
    others=st.lists(st.integers(1, 1000), max_size=5),
    throttled=st.booleans(),
)
def test_a_campaign_that_waits_as_told_gets_at_least_a_token(make_fake_world, rate, want, others, throttled):
    with make_fake_world() as world:
        world.grant(0, rate=rate, throttled_at=world.now() if throttled else 0)
        for campaign, other_want in enumerate(others, start=2):
            world.grant(other_want, rate=rate, campaign=campaign)
        start = world.now()
        told = world.grant(want, rate=rate, campaign=1)
        longest, last = told.retry_seconds, 0.0
        while not told.tokens:
            last = told.retry_seconds
            world.sleep(last)
            told = world.grant(want, rate=rate, campaign=1)
        if others:  # they never ask again, so each keeps its place for LATE more, and then one more wait is needed
            longest += LATE + last
        assert world.now() - start <= longest + 0.001


@pytest.mark.parametrize("rate", [80, 1000])
def test_twenty_threads_share_one_limit(real, rate):
    """Each gets its share of a second. Between any two grants the limit holds, by Valkey's clock."""
    grants = {campaign: [] for campaign in range(20)}
    share = math.ceil(rate / len(grants))
    is_over = threading.Event()

    def send(campaign: int) -> None:
        throttle = Throttle(real.client)
        while not is_over.is_set():
            grants[campaign].append(throttle.grant(campaign, [Ask(ACCOUNT, rate, 1000)])[0])
            is_over.wait(grants[campaign][-1].retry_seconds)

    def has_share(campaign: int) -> bool:
        return sum(grant.tokens for grant in list(grants[campaign])) >= share

    threads = [threading.Thread(target=send, args=(campaign,)) for campaign in grants]
    for thread in threads:
        thread.start()
    all_have_shares = wait_until(lambda: all(map(has_share, grants)), 120)
    is_over.set()
    for thread in threads:
        thread.join()

    assert all_have_shares
    given = sorted((grant.granted_at, grant.tokens) for each in grants.values() for grant in each)
    assert given[0][0] > 0, "Valkey answered each time"
    total, least = 0, 0.0  # of the tokens given before a grant, less what the rate allows until then
    for at, tokens in given:
        allowed = rate * (at - given[0][0])
        least = min(least, total - allowed)
        total += tokens
        assert total - allowed - least <= 0.25 * rate + 0.01
