from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from campaigns.domain.pacing import Pace, PaceState, Reason, Wait, Window, advance, allow

ALWAYS = Window("UTC")
START = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
ZONES = ("America/New_York", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "UTC")
WORKDAYS = frozenset({1, 2, 3, 4, 5})

intervals = st.floats(0.05, 600)
paces = st.builds(
    Pace,
    st.just(ALWAYS),
    interval_seconds=st.just(0.0) | intervals,
    pause_after=st.integers(0, 40),
    pause_seconds=st.floats(1, 600),
)


def seconds(value):
    return dt.timedelta(seconds=value)


def send(pace, count, *, late=(0.0,), want=50):
    """Run a campaign that wakes late by `late` in turn after each wait; return when each message went, in seconds."""
    now, state, times, wakes = START, PaceState(), [], 0
    while len(times) < count:
        allowed = allow(pace, state, now, want=want)
        if isinstance(allowed, Wait):
            assert allowed.until > now
            now = allowed.until + seconds(late[wakes % len(late)])
            wakes += 1
            continue
        times += [(now - START).total_seconds()] * allowed
        state = advance(pace, state, now, claimed=allowed)
    return times[:count]


def test_an_interval_of_twelve_seconds_is_twelve_seconds():
    assert send(Pace(ALWAYS, interval_seconds=12), 1000) == [12.0 * i for i in range(1000)]


@settings(max_examples=20, deadline=None)
@given(late=st.lists(st.floats(0, 0.9), min_size=1, max_size=50))
def test_lateness_does_not_add_up_over_a_thousand_messages(late):
    times = send(Pace(ALWAYS, interval_seconds=12), 1000, late=late)
    assert all(12 * i - 0.01 <= at <= 12 * i + 0.91 for i, at in enumerate(times))


@settings(max_examples=50, deadline=None)
@given(interval=st.floats(1, 60), late=st.lists(st.floats(0, 0.99), min_size=1, max_size=30))
def test_two_messages_are_never_closer_than_the_interval_less_a_second(interval, late):
    times = send(Pace(ALWAYS, interval_seconds=interval), 60, late=late)
    assert all(b - a > interval - 1 for a, b in pairwise(times))


@settings(max_examples=50, deadline=None)
@given(interval=st.floats(0.02, 1), late=st.lists(st.floats(0, 0.9), min_size=1, max_size=30))
def test_a_fast_pace_catches_up_and_never_runs_ahead(interval, late):
    times = send(Pace(ALWAYS, interval_seconds=interval), 200, late=late)
    # Each time is rounded to a microsecond.
    assert all(at >= interval * i - 0.001 for i, at in enumerate(times))
    assert all(at <= interval * i + 0.901 for i, at in enumerate(times))


@pytest.mark.parametrize("interval", [0.1, 2, 12])
def test_what_a_stopped_campaign_missed_is_not_made_up(interval):
    pace = Pace(ALWAYS, interval_seconds=interval)
    state = PaceState(next_message_at=START)
    now = START + dt.timedelta(hours=3)
    assert allow(pace, state, now, want=500) == 1
    assert advance(pace, state, now, claimed=1).next_message_at == now + seconds(interval)


def test_no_pace_lets_all_go_and_keeps_nothing():
    pace = Pace(ALWAYS)
    assert allow(pace, PaceState(), START, want=500) == 500
    assert advance(pace, PaceState(), START, claimed=500) == PaceState()
    assert not pace.is_counted


def test_after_three_messages_comes_a_pause_of_a_minute():
    pace = Pace(ALWAYS, interval_seconds=2, pause_after=3, pause_seconds=60)
    assert send(pace, 9) == [0, 2, 4, 64, 66, 68, 128, 130, 132]


def test_a_pause_without_interval_parts_bursts():
    assert send(Pace(ALWAYS, pause_after=4, pause_seconds=30), 10) == [0] * 4 + [30] * 4 + [60] * 2


def test_a_pause_is_never_shorter_than_the_interval():
    assert send(Pace(ALWAYS, interval_seconds=20, pause_after=2, pause_seconds=5), 4) == [0, 20, 40, 60]


@pytest.mark.parametrize(("burst_count", "reason"), [(0, Reason.PAUSE), (2, Reason.INTERVAL)])
def test_a_wait_says_whether_it_is_the_pause_or_the_interval(burst_count, reason):
    pace = Pace(ALWAYS, interval_seconds=5, pause_after=3, pause_seconds=60)
    until = START + seconds(60 if reason is Reason.PAUSE else 5)
    assert allow(pace, PaceState(until, burst_count), START, want=9) == Wait(reason, until)


@given(pace=paces, want=st.integers(1, 600), burst=st.integers(0, 39), late=st.floats(0, 5))
def test_no_more_is_allowed_than_is_wanted_and_left_before_the_pause(pace, want, burst, late):
    assume(not pace.pause_after or burst < pace.pause_after)
    allowed = allow(pace, PaceState(START, burst), START + seconds(late), want=want)
    assert 1 <= allowed <= want
    assert not pace.pause_after or allowed <= pace.pause_after - burst


def test_a_pause_made_shorter_than_what_went_already_is_due_after_one_more():
    pace = Pace(ALWAYS, pause_after=10, pause_seconds=60)
    assert allow(pace, PaceState(None, 50), START, want=100) == 1
    assert advance(pace, PaceState(None, 50), START, claimed=1) == PaceState(START + seconds(60), 0)


@given(pace=paces, burst=st.integers(0, 39))
def test_nothing_claimed_moves_nothing(pace, burst):
    state = PaceState(START, burst)
    assert advance(pace, state, START, claimed=0) is state


def test_a_closed_window_comes_before_the_interval():
    window = Window("UTC", dt.time(18), dt.time(20))
    wait = allow(Pace(window, interval_seconds=5), PaceState(START + seconds(3)), START, want=1)
    assert wait == Wait(Reason.WINDOW, dt.datetime(2026, 11, 27, 18, tzinfo=dt.UTC))


# windows


def in_zone(zone, text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def opens_at(window, text):
    """Return when a window that is closed at the local time `text` opens, as local text; "" if it is open."""
    wait = window.wait(in_zone(window.time_zone, text))
    return "" if wait is None else f"{wait.until.astimezone(ZoneInfo(window.time_zone)):%Y-%m-%dT%H:%M}"


OFFICE = Window("America/Sao_Paulo", dt.time(9), dt.time(18), WORKDAYS)
NIGHT = Window("Europe/Berlin", dt.time(22), dt.time(6), frozenset({5}))  # opens on Fridays
WEEKEND = Window("Europe/Berlin", weekdays=frozenset({6, 7}))
ROUND = Window("Europe/Berlin", dt.time(10), dt.time(10), frozenset({1}))  # Monday 10:00 to Tuesday 10:00


@pytest.mark.parametrize(
    ("window", "now", "expected"),
    [
        (OFFICE, "2026-11-27T08:59:59", "2026-11-27T09:00"),
        (OFFICE, "2026-11-27T09:00", ""),
        (OFFICE, "2026-11-27T17:59:59", ""),
        (OFFICE, "2026-11-27T18:00", "2026-11-30T09:00"),  # Friday evening: Monday
        (NIGHT, "2026-11-27T21:59", "2026-11-27T22:00"),
        (NIGHT, "2026-11-27T22:00", ""),
        (NIGHT, "2026-11-28T05:59", ""),  # Saturday, but it opened on Friday
        (NIGHT, "2026-11-28T06:00", "2026-12-04T22:00"),
        (NIGHT, "2026-11-27T05:00", "2026-11-27T22:00"),  # the night from Thursday
        (WEEKEND, "2026-11-27T23:59", "2026-11-28T00:00"),
        (WEEKEND, "2026-11-28T00:00", ""),
        (WEEKEND, "2026-11-29T23:59", ""),
        (WEEKEND, "2026-11-30T00:00", "2026-12-05T00:00"),
        (ROUND, "2026-11-30T09:59", "2026-11-30T10:00"),
        (ROUND, "2026-12-01T09:59", ""),
        (ROUND, "2026-12-01T10:00", "2026-12-07T10:00"),
    ],
)
def test_a_window_opens_and_closes_to_the_minute(window, now, expected):
    assert opens_at(window, now) == expected


@pytest.mark.parametrize("zone", ZONES)
def test_a_window_of_24_hours_on_all_days_never_closes(zone):
    window = Window(zone, dt.time(7, 30), dt.time(7, 30))
    hours = [START + dt.timedelta(hours=hour) for hour in range(0, 24 * 366, 5)]
    assert all(window.wait(now) is None for now in hours)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", "2027-03-14", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Europe/Berlin", "2027-03-28", 23),
        ("Europe/Berlin", "2026-10-25", 25),
    ],
)
def test_a_day_of_a_clock_change_is_open_for_all_its_hours(zone, day, hours):
    midnight = in_zone(zone, f"{day}T00:00").astimezone(dt.UTC)
    window = Window(zone, weekdays=frozenset({7}))
    minutes = [midnight + dt.timedelta(minutes=minute) for minute in range(-60, 27 * 60)]
    assert sum(window.wait(now) is None for now in minutes) == hours * 60


@pytest.mark.parametrize(
    ("zone", "evening", "hours"),
    [
        ("America/New_York", "2027-03-13", 7),
        ("America/New_York", "2026-10-31", 9),
        ("Europe/Berlin", "2027-03-27", 7),
        ("Europe/Berlin", "2026-10-24", 9),
        ("Europe/Berlin", "2026-11-27", 8),
    ],
)
def test_a_night_of_a_clock_change_closes_by_the_wall_clock(zone, evening, hours):
    window = Window(zone, dt.time(22), dt.time(6))
    opened = in_zone(zone, f"{evening}T22:00").astimezone(dt.UTC)
    assert window.wait(opened) is None
    assert window.wait(opened + dt.timedelta(hours=hours, seconds=-1)) is None
    assert window.wait(opened + dt.timedelta(hours=hours)) is not None


def test_an_opening_hour_that_the_clocks_skip_is_the_hour_after():
    window = Window("America/New_York", dt.time(2, 30), dt.time(12))
    assert opens_at(window, "2027-03-14T01:00") == "2027-03-14T03:30"


def test_a_window_that_the_clocks_skip_is_not_announced():
    window = Window("America/New_York", dt.time(2, 30), dt.time(3))
    wait = window.wait(in_zone("America/New_York", "2027-03-14T01:00"))
    assert window.wait(wait.until) is None


def test_a_window_does_not_open_on_a_holiday():
    christmas = frozenset({dt.date(2026, 12, 25), dt.date(2026, 12, 28)})  # Friday, and the Monday after
    closed = replace(OFFICE, holidays=christmas)
    assert opens_at(closed, "2026-12-24T18:00") == "2026-12-29T09:00"
    assert opens_at(closed, "2026-12-25T12:00") == "2026-12-29T09:00"
    night = replace(NIGHT, holidays=christmas)
    assert opens_at(night, "2026-12-25T23:00") == "2027-01-01T22:00"


def test_holidays_close_also_a_campaign_without_hours():
    window = Window("America/Sao_Paulo", holidays=frozenset({dt.date(2026, 12, 25)}))
    assert opens_at(window, "2026-12-24T23:59") == ""
    assert opens_at(window, "2026-12-25T00:00") == "2026-12-26T00:00"


def test_a_holiday_is_a_day_in_the_zone_of_the_window():
    christmas = frozenset({dt.date(2026, 12, 25)})
    now = dt.datetime(2026, 12, 25, 2, tzinfo=dt.UTC)  # still the 24th in São Paulo
    assert Window("America/Sao_Paulo", holidays=christmas).wait(now) is None
    assert Window("Europe/Berlin", holidays=christmas).wait(now) is not None


@settings(max_examples=100, deadline=None)
@given(days=st.frozensets(st.integers(0, 400).map(lambda n: dt.date(2026, 1, 1) + dt.timedelta(days=n)), max_size=60),
       hours=st.integers(0, 380 * 24))  # fmt: skip
def test_whatever_the_holidays_a_look_tells_until_when_it_is_true(days, hours):
    window = replace(OFFICE, holidays=days)
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hours)
    is_open, until = window.find_change(now)
    assert until > now
    assert window.find_change(now + (until - now) / 2)[0] == is_open
    if is_open:
        assert now.astimezone(ZoneInfo(OFFICE.time_zone)).date() not in days


clock_changes = st.sampled_from(["2026-10-24", "2026-10-31", "2027-03-13", "2027-03-27", "2026-12-30"])
moments = st.builds(
    lambda day, minute: dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC) + dt.timedelta(minutes=minute),
    clock_changes,
    st.integers(0, 4 * 24 * 60),
)
quarters = st.integers(0, 95).map(lambda quarter: dt.time(quarter // 4, quarter % 4 * 15))
windows = st.builds(
    Window,
    st.sampled_from(ZONES),
    quarters,
    quarters,
    st.frozensets(st.integers(1, 7), min_size=1),
)


def length(window):
    """In minutes."""
    day = 24 * 60
    minutes = [time.hour * 60 + time.minute for time in (window.opens, window.closes)]
    return (minutes[1] - minutes[0]) % day or day


@settings(max_examples=300, deadline=None)
@given(window=windows, now=moments)
def test_a_wait_ends_in_the_future_when_the_window_is_open_and_not_before(window, now):
    assume(length(window) > 60)  # else the clocks may skip it
    wait = window.wait(now)
    if wait is None:
        return
    assert wait.reason is Reason.WINDOW
    assert now < wait.until <= now + dt.timedelta(days=8)
    assert window.wait(wait.until) is None
    middle = now + (wait.until - now) / 2
    assert window.wait(middle) == wait


@settings(max_examples=300, deadline=None)
@given(window=windows, now=moments)
def test_a_window_is_open_when_the_wall_clock_says_so(window, now):
    zone = ZoneInfo(window.time_zone)
    day = dt.timedelta(days=1)
    offsets = {(now + days).astimezone(zone).utcoffset() for days in (-day, day)}
    assume(len(offsets) == 1)
    local = now.astimezone(zone)
    today, yesterday = local.isoweekday(), (local - day).isoweekday()
    time = local.time()
    if window.opens < window.closes:
        is_open = today in window.weekdays and window.opens <= time < window.closes
    else:
        evening = today in window.weekdays and time >= window.opens
        is_open = evening or (yesterday in window.weekdays and time < window.closes)
    assert (window.wait(now) is None) == is_open
