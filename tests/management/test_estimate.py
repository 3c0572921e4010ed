import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.management.preview import estimate_end, estimate_seconds

MONDAY = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def always(at):
    return at, None


def office(at):
    """09:00 to 18:00 every day."""
    opens = at.replace(hour=9, minute=0, second=0, microsecond=0)
    closes = opens + 9 * HOUR
    if at >= closes:
        opens, closes = opens + 24 * HOUR, closes + 24 * HOUR
    return max(at, opens), closes


@pytest.mark.parametrize(
    ("count", "plan", "seconds"),
    [
        (0, {"rate": 80}, 0),
        (1, {"rate": 80}, 0),
        (8_001, {"rate": 80}, 100),
        (101, {"rate": 80, "interval_seconds": 2}, 200),
        (101, {"rate": 0.1, "interval_seconds": 2}, 1000),  # the accounts are slower than the interval
        (6, {"rate": 1, "pause_after": 2, "pause_seconds": 60}, 3 + 120),
        (7, {"rate": 1, "pause_after": 2, "pause_seconds": 60}, 3 + 180),
        (3, {"rate": 1, "interval_seconds": 5, "pause_after": 1, "pause_seconds": 2}, 10),
    ],
)
def test_messages_take_their_steps_and_pauses(count, plan, seconds):
    assert estimate_seconds(count, **plan) == pytest.approx(seconds)


def test_without_a_window_it_ends_after_its_seconds():
    assert estimate_end(MONDAY, 3600, always) == MONDAY + HOUR


def test_a_window_is_waited_for_and_carries_the_rest_to_the_next_day():
    assert estimate_end(MONDAY, 8 * 3600, office) == MONDAY + 17 * HOUR
    assert estimate_end(MONDAY, 10 * 3600, office) == MONDAY + (24 + 10) * HOUR
    assert estimate_end(MONDAY + 20 * HOUR, 60, office) == MONDAY + 33 * HOUR + dt.timedelta(minutes=1)


def test_what_would_never_end_has_no_end():
    assert estimate_end(MONDAY, 9 * 3600 * 4000, office) is None


@given(st.integers(0, 47), st.integers(1, 9 * 3600 * 30))
def test_between_start_and_end_the_window_was_open_for_just_that_long(hours, seconds):
    at = MONDAY + hours * HOUR
    end = estimate_end(at, seconds, office)
    open_seconds = 0
    while at < end:
        begins, closes = office(at)
        open_seconds += (min(closes, end) - begins).total_seconds()
        at = closes
    assert open_seconds == seconds
