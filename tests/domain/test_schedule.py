from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.campaign import CampaignError
from campaigns.domain.schedule import (
    read_duration,
    read_holidays,
    read_moment,
    read_weekdays,
    read_window,
    read_zone,
    write_holidays,
    write_weekdays,
)

NEW_YORK = "America/New_York"


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-27T09:00", utc(2026, 11, 27, 12)),
        ("2026-11-27 09:00:30", utc(2026, 11, 27, 12, 0, 30)),
        ("2026-11-27", utc(2026, 11, 27, 3)),
        ("2026-11-27T09:00Z", utc(2026, 11, 27, 9)),
        ("2026-11-27T09:00+01:00", utc(2026, 11, 27, 8)),
    ],
)
def test_a_time_without_offset_is_in_the_campaigns_zone(text, expected):
    assert read_moment(text, "America/Sao_Paulo") == expected


def test_a_time_that_the_clocks_skip_is_refused():
    with pytest.raises(CampaignError, match=r"2026-03-08T02:30 does not exist: the clocks skip it in America/New_York"):
        read_moment("2026-03-08T02:30", NEW_YORK)


def test_a_time_that_comes_twice_is_refused():
    with pytest.raises(CampaignError, match=r"2026-11-01T01:30 happens twice"):
        read_moment("2026-11-01T01:30", NEW_YORK)


def test_an_offset_says_which_of_two_is_meant():
    assert read_moment("2026-11-01T01:30-05:00", NEW_YORK) == utc(2026, 11, 1, 6, 30)


@pytest.mark.parametrize("text", ["", "tomorrow", "09:00", "2026-13-01", "0001-01-01T00:00+14:00"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(CampaignError):
        read_moment(text, "Pacific/Kiritimati")


@pytest.mark.parametrize(
    ("text", "opens", "closes"),
    [
        ("09:00-18:00", dt.time(9), dt.time(18)),
        ("9:05-18:30", dt.time(9, 5), dt.time(18, 30)),
        ("22:00-06:00", dt.time(22), dt.time(6)),
        ("00:00-24:00", dt.time(0), dt.time(0)),
    ],
)
def test_a_window_has_two_ends(text, opens, closes):
    assert read_window(text) == (opens, closes)


@pytest.mark.parametrize("text", ["", "9-18", "09:00", "09:00-25:00", "09:60-10:00", "09:00-09:00", "24:00-09:00"])
def test_what_is_no_window_is_refused(text):
    with pytest.raises(CampaignError, match="window"):
        read_window(text)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon-fri", [1, 2, 3, 4, 5]),
        ("Mon, WED ,sat", [1, 3, 6]),
        ("sat-mon", [1, 6, 7]),
        ("sun", [7]),
        ("mon-sun", [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_weekdays_are_ranges_and_lists(text, days):
    assert read_weekdays(text) == days


@pytest.mark.parametrize("text", ["", "monday", "mon-", "-fri", "mon--fri", "1-5", "mon;tue"])
def test_what_are_no_weekdays_is_refused(text):
    with pytest.raises(CampaignError, match="weekdays"):
        read_weekdays(text)


@given(st.sets(st.integers(1, 7), min_size=1))
def test_weekdays_that_are_written_can_be_read(days):
    assert read_weekdays(write_weekdays(list(days))) == sorted(days)


def test_an_unknown_zone_is_refused():
    with pytest.raises(CampaignError, match="no time zone 'Brazil'"):
        read_zone("Brazil")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("1d", 86_400)])
def test_a_duration_is_a_number_with_a_unit(text, seconds):
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2.5h", "0m", "9999d", "2 hours"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(CampaignError, match="is not a duration"):
        read_duration(text)


def test_a_part_of_a_country_has_holidays_of_its_own():
    revolution = dt.date(2026, 7, 9)  # of 1932, in the state of São Paulo
    assert revolution in read_holidays("BR-SP")
    assert revolution not in read_holidays("BR")
    assert dt.date(2031, 12, 25) in read_holidays("BR")
    assert "2026-12-25" not in read_holidays("BR")


@pytest.mark.parametrize("text", ["BR", "BR-SP"])
def test_holidays_are_written_as_they_are_read(text):
    assert write_holidays(read_holidays(text)) == text


@pytest.mark.parametrize("text", ["", "XX", "BR-XX", "br", "date", "BR-SP-1"])
def test_unknown_holidays_are_refused(text):
    with pytest.raises(CampaignError, match="are not known"):
        read_holidays(text)
