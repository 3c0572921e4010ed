from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.domain.pacing import Window
from campaigns.domain.phone.zones import OWN_ZONE, ZoneHours, find_zones

BRAZIL = "America/Sao_Paulo"
OFFICE = Window(BRAZIL, dt.time(9), dt.time(18))
ZONES = {1: ("America/Sao_Paulo",), 2: ("America/Manaus",), 3: ("America/Rio_Branco", "America/Noronha")}


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


@given(digits=st.text("0123456789", min_size=6, max_size=14))
def test_whatever_the_phone_each_of_its_zones_is_one_that_clocks_know(digits):
    for name in find_zones(f"+1{digits}") + find_zones(f"+{digits}"):
        ZoneInfo(name)


def test_the_window_opens_zone_by_zone():
    gate = ZoneHours(OFFICE, ZONES)
    # Noronha is an hour ahead of São Paulo, Manaus one behind, Rio Branco two.
    assert gate.open_ids(utc(2026, 11, 27, 11, 59)) == set()
    assert gate.open_ids(utc(2026, 11, 27, 12)) == {OWN_ZONE, 1}
    assert gate.open_ids(utc(2026, 11, 27, 13)) == {OWN_ZONE, 1, 2}
    assert gate.open_ids(utc(2026, 11, 27, 14)) == {OWN_ZONE, 1, 2, 3}
    assert gate.open_ids(utc(2026, 11, 27, 20)) == {OWN_ZONE, 1, 2}
    assert gate.open_ids(utc(2026, 11, 27, 21)) == {2}
    assert gate.open_ids(utc(2026, 11, 27, 12)) == {OWN_ZONE, 1}


def test_a_phone_of_several_zones_waits_for_all_of_them():
    gate = ZoneHours(OFFICE, ZONES)
    assert gate.opens_at(3, utc(2026, 11, 27, 11)) == utc(2026, 11, 27, 14)
    assert gate.opens_at(3, utc(2026, 11, 27, 15)) == utc(2026, 11, 27, 15)
    assert gate.opens_at(3, utc(2026, 11, 27, 20)) == utc(2026, 11, 28, 14)


def test_zones_that_are_never_open_together_stay_closed():
    gate = ZoneHours(OFFICE, {1: ("Asia/Tokyo", "America/New_York"), 2: ("America/Manaus",)})
    now = utc(2026, 11, 27)
    opens = {zone_id for hour in range(24 * 7) for zone_id in gate.open_ids(now + dt.timedelta(hours=hour))}
    assert opens == {OWN_ZONE, 2}
    assert gate.opens_at(1, now) == now + dt.timedelta(days=60)
    assert gate.never_open_ids(now) == {1}


def test_a_window_that_holidays_keep_closed_is_never_open_either():
    days = {dt.date(2026, 11, 25) + dt.timedelta(days=day) for day in range(100)}
    gate = ZoneHours(Window(BRAZIL, holidays=days), {1: ("America/Manaus",)})
    assert gate.never_open_ids(utc(2026, 11, 27)) == {OWN_ZONE, 1}


def test_a_zone_that_the_gate_does_not_know_is_not_open():
    gate = ZoneHours(OFFICE, {})
    now = utc(2026, 11, 27, 13)
    assert 7 not in gate.open_ids(now)
    assert gate.opens_at(7, now) == now


minutes = st.integers(0, 3 * 24 * 60).map(lambda number: dt.timedelta(minutes=number))
names = st.sampled_from(["Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Tokyo", "Australia/Lord_Howe"])
# Around clock changes of Europe, America and Lord Howe.
starts = st.sampled_from([utc(2026, 10, 24), utc(2026, 10, 31), utc(2027, 3, 13), utc(2027, 3, 27), utc(2027, 4, 3)])
clocks = st.integers(0, 47).map(lambda half: dt.time(half // 2, half % 2 * 30))


@settings(max_examples=150, deadline=None)
@given(opens=clocks, closes=clocks, sets=st.lists(st.lists(names, min_size=1, max_size=3, unique=True), max_size=4),
       start=starts, steps=st.lists(minutes, min_size=1, max_size=12))  # fmt: skip
def test_an_open_zone_is_one_whose_every_clock_is_in_the_window(opens, closes, sets, start, steps):
    window = Window(BRAZIL, opens, closes)
    zones = {number: tuple(each) for number, each in enumerate(sets, 1)}
    gate = ZoneHours(window, zones)
    for step in steps:
        now = start + step
        for zone_id in gate.open_ids(now):
            if zone_id == OWN_ZONE:
                assert window.wait(now) is None
                continue
            assert all(Window(name, opens, closes).wait(now) is None for name in zones[zone_id])


@settings(max_examples=100, deadline=None)
@given(opens=clocks, name=names, start=starts, step=minutes)
def test_a_zone_is_open_when_the_gate_says_that_it_opens(opens, name, start, step):
    closes = (dt.datetime.combine(dt.date(2026, 1, 1), opens) + dt.timedelta(hours=8)).time()
    gate = ZoneHours(Window(BRAZIL, opens, closes), {1: (name,)})
    now = start + step
    at = gate.opens_at(1, now)
    assert now <= at <= now + dt.timedelta(days=2)
    assert 1 in gate.open_ids(at)
    assert at == now or 1 not in gate.open_ids(at - dt.timedelta(seconds=1))


def test_a_british_phone_is_in_london():
    assert find_zones("+447911123456") == ("Europe/London",)
    assert find_zones("+393331234567") == ("Europe/Rome",)
