from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaigns.domain.congestion import ConnectionLimit, FlightWindow, Shares

LIMIT = 512

events = st.lists(
    st.tuples(st.sampled_from(["reply", "silence", "departure"]), st.floats(0.001, 30), st.floats(0, 30)), max_size=200
)


def grow(window, replies, *, seconds=0.15, start=0.0):
    """Let `replies` come, a millisecond apart; return the time after the last."""
    now = start
    for _ in range(replies):
        now += 0.001
        window.note_reply(now, seconds)
    return now


@given(limit=st.integers(1, 1000), events=events)
def test_the_window_stays_between_least_and_limit(limit, events):
    window, now = FlightWindow(limit=limit), 1000.0
    for kind, seconds, later in events:
        now += later
        if kind == "reply":
            window.note_reply(now, seconds)
        elif kind == "silence":
            window.note_silence(now, seconds)
        else:
            window.note_departure(now, in_flight=0)
        assert min(8, limit) <= window.room(now, in_flight=0) <= limit


@given(in_flight=st.integers(0, 2000))
def test_what_is_out_takes_room(in_flight):
    window = FlightWindow(limit=LIMIT)
    window.note_departure(10.0, in_flight=0)
    assert window.room(10.0, in_flight=in_flight) == max(32 - in_flight, 0)


def test_each_round_trip_doubles_the_window_up_to_the_limit():
    window = FlightWindow(limit=LIMIT)
    now = grow(window, 32)
    assert window.room(now, in_flight=0) == 64
    now = grow(window, 64, start=now)
    assert window.room(now, in_flight=0) == 128
    now = grow(window, 2000, start=now)
    assert window.room(now, in_flight=0) == LIMIT


def test_a_latency_that_grows_shrinks_the_window_by_a_quarter_per_round_trip():
    """Replies that come together left together: the window had not shrunk yet when they left."""
    window = FlightWindow(limit=LIMIT)
    now = grow(window, 1000)
    grow(window, 400, seconds=2.0, start=now)
    assert window.room(now + 1, in_flight=0) == LIMIT * 3 // 4
    grow(window, 400, seconds=2.0, start=now + 2.1)
    assert window.room(now + 3, in_flight=0) == LIMIT * 9 // 16
    for trip in range(2, 30):
        now = grow(window, 10, seconds=2.0, start=now + 2.1 * trip)
    assert window.room(now, in_flight=0) == 8


def test_a_latency_that_is_always_high_is_not_a_queue():
    window = FlightWindow(limit=LIMIT)
    now = grow(window, 1000, seconds=3.0)
    assert window.room(now, in_flight=0) == LIMIT


def test_one_event_halves_the_window_once():
    window = FlightWindow(limit=LIMIT)
    now = grow(window, 1000) + 20.0
    for late in range(100):  # a hundred that left within a second end within a second
        window.note_silence(now + late / 100, 20.0)
    assert window.room(now + 1, in_flight=0) == LIMIT // 2


def test_the_next_event_halves_it_again():
    window = FlightWindow(limit=LIMIT)
    now = grow(window, 1000) + 20.0
    window.note_silence(now, 20.0)
    window.note_silence(now + 20.1, 20.0)
    assert window.room(now + 20.1, in_flight=0) == LIMIT // 4


@pytest.mark.parametrize("limit", [1, 4, 8, 512])
def test_no_number_of_events_closes_it_for_good(limit):
    window = FlightWindow(limit=limit)
    for event in range(1, 50):
        window.note_silence(100.0 * event, 20.0)
    assert window.room(5000.0, in_flight=0) == min(8, limit)


def test_in_silence_nothing_more_leaves():
    window = FlightWindow(limit=LIMIT)
    window.note_departure(100.0, in_flight=0)
    assert window.room(100.9, in_flight=4) == 28
    assert window.room(101.1, in_flight=4) == 0


def test_a_slow_api_is_given_more_time_before_it_is_silent():
    window = FlightWindow(limit=LIMIT)
    now = grow(window, 100, seconds=2.0)
    assert window.room(now + 8.9, in_flight=4) > 0
    assert window.room(now + 9.1, in_flight=4) == 0


def test_a_reply_ends_the_silence():
    window = FlightWindow(limit=LIMIT)
    window.note_departure(100.0, in_flight=0)
    assert window.room(105.0, in_flight=4) == 0
    window.note_reply(105.0, 0.2)
    assert window.room(105.0, in_flight=3) == 30


def test_departures_behind_others_do_not_end_the_silence():
    window = FlightWindow(limit=LIMIT)
    window.note_departure(100.0, in_flight=0)
    window.note_departure(100.9, in_flight=5)
    assert window.room(101.1, in_flight=6) == 0


def test_a_rest_with_nothing_out_is_no_silence():
    window = FlightWindow(limit=LIMIT)
    window.note_departure(100.0, in_flight=0)
    window.note_reply(100.2, 0.2)
    assert window.room(500.0, in_flight=0) == 33
    window.note_departure(500.0, in_flight=0)
    assert window.room(500.5, in_flight=33) == 0
    assert window.room(500.5, in_flight=1) == 32


# shares

rates = st.lists(st.sampled_from([1.0, 5.0, 80.0]) | st.floats(0.1, 1000), min_size=1, max_size=8).map(
    lambda values: dict(enumerate(values, 1))
)
wants = st.lists(st.integers(1, 40), min_size=1, max_size=60)
UNEVEN = {1: 5.0, 2: 5.0, 3: 5.0, 4: 38.0, 5: 38.0}  # two of them are due at the same time


def carry(shares, wants, rates):
    """Split each of `wants`; return what each account carried in all."""
    carried = dict.fromkeys(rates, 0)
    for want in wants:
        for account_id, count in shares.split(want, rates).items():
            carried[account_id] += count
    return carried


@settings(deadline=None)
@given(rates=rates, count=st.integers(1, 150))
@example(rates=UNEVEN, count=12)
def test_one_message_at_a_time_goes_round_in_proportion(rates, count):
    carried = carry(Shares(), [1] * count, rates)
    total = sum(rates.values())
    assert sum(carried.values()) == count
    assert all(abs(carried[account_id] - count * rate / total) < 2.5 for account_id, rate in rates.items())


def test_three_equal_accounts_take_turns():
    shares, even = Shares(), {1: 80.0, 2: 80.0, 3: 80.0}
    turns = [next(iter(shares.split(1, even))) for _ in range(9)]
    assert all(sorted(turns[start : start + 3]) == [1, 2, 3] for start in (0, 3, 6))


def test_the_faster_account_carries_its_part_of_a_large_set():
    assert Shares().split(100, {1: 60.0, 2: 20.0}) == {1: 75, 2: 25}


@settings(deadline=None)
@given(rates=rates, wants=wants)
@example(rates=UNEVEN, wants=[1] * 12)
def test_the_parts_of_the_same_accounts_add_up_to_what_was_wanted(rates, wants):
    shares = Shares()
    for want in wants:
        parts = shares.split(want, rates)
        assert all(count > 0 for count in parts.values())
        assert sum(parts.values()) == want


@settings(deadline=None)
@given(rates=rates, splits=st.lists(st.tuples(st.integers(1, 5), st.sets(st.integers(1, 8), max_size=4)), max_size=40))
def test_the_parts_never_exceed_what_was_wanted_while_accounts_come_and_go(rates, splits):
    shares = Shares()
    for want, away in splits:
        awake = {account_id: rate for account_id, rate in rates.items() if account_id not in away}
        assert sum(shares.split(want, awake).values()) <= want


def test_one_message_stays_one_when_the_accounts_that_had_their_turn_are_gone():
    shares, five = Shares(), dict.fromkeys(range(1, 6), 80.0)
    for _ in range(3):
        shares.split(1, five)
    left = {account_id: 80.0 for account_id in five if shares.credits[account_id] > 0}
    assert sum(shares.split(1, left).values()) == 1


@pytest.mark.parametrize(("want", "rates"), [(0, {1: 80.0}), (5, {}), (5, {1: 0.0, 2: 0.0})])
def test_nothing_wanted_or_nobody_to_carry_is_nothing(want, rates):
    assert Shares().split(want, rates) == {}


def test_an_account_without_a_rate_does_not_hold_the_others_back():
    carried = carry(Shares(), [1] * 100, {1: 0.0, 2: 80.0})
    assert carried == {1: 0, 2: 100}


def test_an_account_that_was_away_does_not_take_all_when_it_is_back():
    shares = Shares()
    carry(shares, [10] * 50, {1: 80.0})
    carried = carry(shares, [10] * 10, {1: 80.0, 2: 80.0})
    assert abs(carried[1] - carried[2]) <= 2


def use_all(limit, seconds):
    """Use as many connections as `limit` allows, for some seconds; return the number at the end."""
    used = 0
    for step in range(int(seconds * 100)):
        while used < limit.allowed:
            used += 1
        limit.note(100 + step / 100, used=used)
    return used


def test_a_burst_gets_256_connections_at_once_and_waits_for_more():
    limit = ConnectionLimit(2048, 100.0)
    assert limit.allowed == 256


def test_the_limit_grows_while_all_connections_stay_in_use():
    """Requests that get no reply keep their connections, and must not hold back other requests."""
    assert 300 < use_all(ConnectionLimit(2048, 100.0), 1.0) < 600
    assert use_all(ConnectionLimit(2048, 100.0), 10.0) == 2048


def test_short_bursts_do_not_raise_the_limit():
    """Each second a burst of 1,000 requests lasts for 0.15 s."""
    limit, most = ConnectionLimit(2048, 100.0), 0
    for step in range(2000):
        wanted, used = (1000 if step % 100 < 15 else 0), 0
        while used < wanted and used < limit.allowed:
            used += 1
        limit.note(100 + step / 100, used=used)
        most = max(most, used)
    assert most == 256


def test_the_limit_stays_below_the_number_of_descriptors():
    limit = ConnectionLimit(100, 100.0)
    assert limit.allowed == 100
    assert limit.is_exceeded(waiting=100)


def test_a_single_campaign_never_waits_for_its_own_queue():
    limit = ConnectionLimit(2048, 100.0)
    assert not limit.is_exceeded(waiting=511)
    assert limit.is_exceeded(waiting=512)
