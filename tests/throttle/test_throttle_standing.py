"""The throttle gives tokens to standing campaigns before all others."""

from __future__ import annotations

import pytest

from tests.throttle.throttle_worlds import Caller, drive, fake_world

RATE, SECONDS = 80, 10


def make_standing(*, comes_first=True):
    """A campaign that wants a token, and a tenth of a second after it got one the next."""
    return Caller(99, want=1, pause=0.1, comes_first=comes_first)


@pytest.mark.parametrize(("comes_first", "at_least", "at_most"), [(True, 75, 100), (False, 0, 60)])
def test_a_standing_campaign_waits_for_no_other_campaign(comes_first, at_least, at_most):
    """Twenty campaigns want all tokens of a number, so a fair share is about four tokens a second."""
    with fake_world() as world:
        crowd = [Caller(campaign) for campaign in range(1, 21)]
        drive(world, crowd, rate=RATE, seconds=3)
        *_, got = drive(world, [*crowd, make_standing(comes_first=comes_first)], rate=RATE, seconds=SECONDS)
        assert at_least <= got <= at_most


def test_the_others_share_what_a_standing_campaign_leaves():
    with fake_world() as world:
        one, other, got = drive(world, [Caller(1), Caller(2), make_standing()], rate=RATE, seconds=SECONDS)
        assert abs(one - other) <= RATE * 0.25
        assert 0.95 * RATE * SECONDS <= one + other + got <= RATE * (SECONDS + 1)


def test_a_new_campaign_goes_behind_the_first_ordinary_one_although_a_standing_campaign_waits():
    with fake_world() as world:
        old, standing = Caller(1), Caller(99, want=2 * RATE, comes_first=True)
        drive(world, [old], rate=RATE, seconds=5)
        assert world.grant(standing.want, rate=RATE, campaign=99, comes_first=True).retry_seconds > 0
        new, before = Caller(2), old.tokens
        drive(world, [old, new], rate=RATE, seconds=5)
        assert abs((old.tokens - before) - new.tokens) <= RATE * 0.5
