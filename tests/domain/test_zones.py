from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.domain.pacing import Window
from campaigns.domain.zones import OWN_ZONE, ZoneGate, find_zones

BRAZIL = "America/Sao_Paulo"
OFFICE = Window(BRAZIL, dt.time(9), dt.time(18))
ZONES = {1: ("America/Sao_Paulo",), 2: ("America/Manaus",), 3: ("America/Rio_Branco", "America/Noronha")}


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("phone", "zones"),
    [
        ("+5511999990000", ("America/Sao_Paulo",)),
        ("+5592999990000", ("America/Manaus",)),
        ("+5568999990000", ("America/Rio_Branco",)),
        ("+491701234567", ("Europe/Berlin",)),
        ("+12125550123", ("America/New_York",)),
        ("+14805550123", ("America/Phoenix",)),
        ("+883510000000", ()),
    ],
)
def test_a_phone_tells_its_zone_by_country_and_area_code(phone, zones):
    assert find_zones(phone) == zones


@given(digits=st.text("0123456789", min_size=6, max_size=14))
def test_whatever_the_phone_each_of_its_zones_is_one_that_clocks_know(digits):
    for name in find_zones(f"+1{digits}") + find_zones(f"+{digits}"):
        ZoneInfo(name)


def test_the_window_opens_zone_by_zone():
    gate = ZoneGate(OFFICE, ZONES)
    # Noronha is an hour ahead of São Paulo, Manaus one behind, Rio Branco two.
    assert gate.open_ids(utc(2026, 11, 27, 11, 59)) == set()
    assert gate.open_ids(utc(2026, 11, 27, 12)) == {OWN_ZONE, 1}
    assert gate.open_ids(utc(2026, 11, 27, 13)) == {OWN_ZONE, 1, 2}
    assert gate.open_ids(utc(2026, 11, 27, 14)) == {OWN_ZONE, 1, 2, 3}
    assert gate.open_ids(utc(2026, 11, 27, 20)) == {OWN_ZONE, 1, 2}
    assert gate.open_ids(utc(2026, 11, 27, 21)) == {2}
    assert gate.open_ids(utc(2026, 11, 27, 12)) == {OWN_ZONE, 1}


def test_a_phone_of_several_zones_waits_for_all_of_them():
    gate = ZoneGate(OFFICE, ZONES)
    assert gate.opens_at(3, utc(2026, 11, 27, 11)) == utc(2026, 11, 27, 14)
    assert gate.opens_at(3, utc(2026, 11, 27, 15)) == utc(2026, 11, 27, 15)
    assert gate.opens_at(3, utc(2026, 11, 27, 20)) == utc(2026, 11, 28, 14)


def test_zones_that_are_never_open_together_have_the_window_of_the_campaign():
    gate = ZoneGate(OFFICE, {1: ("Asia/Tokyo", "America/New_York")})
    assert gate.open_ids(utc(2026, 11, 27, 13)) == {OWN_ZONE, 1}
    assert gate.opens_at(1, utc(2026, 11, 27, 3)) == utc(2026, 11, 27, 12)


def test_a_zone_that_the_gate_does_not_know_is_not_open():
    gate = ZoneGate(OFFICE, {})
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
    gate = ZoneGate(window, zones)
    for step in steps:
        now = start + step
        for zone_id in gate.open_ids(now):
            if zone_id == OWN_ZONE:
                assert window.wait(now) is None
                continue
            each_open = [Window(name, opens, closes).wait(now) is None for name in zones[zone_id]]
            is_hopeless = ZoneGate(window, {1: zones[zone_id]}).opens_at(1, now) == now and not all(each_open)
            assert all(each_open) or (is_hopeless and window.wait(now) is None)


@settings(max_examples=100, deadline=None)
@given(opens=clocks, name=names, start=starts, step=minutes)
def test_a_zone_is_open_when_the_gate_says_that_it_opens(opens, name, start, step):
    closes = (dt.datetime.combine(dt.date(2026, 1, 1), opens) + dt.timedelta(hours=8)).time()
    gate = ZoneGate(Window(BRAZIL, opens, closes), {1: (name,)})
    now = start + step
    at = gate.opens_at(1, now)
    assert now <= at <= now + dt.timedelta(days=2)
    assert 1 in gate.open_ids(at)
    assert at == now or 1 not in gate.open_ids(at - dt.timedelta(seconds=1))
