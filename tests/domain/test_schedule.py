from __future__ import annotations

import datetime as dt
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.schedule import (
    find_zones,
    read_duration,
    read_holidays,
    read_moment,
    read_weekdays,
    read_window,
    read_zone,
    suggest_later,
    write_holidays,
    write_weekdays,
)
from campaigns.domain.statement import Refusal

NEW_YORK = "America/New_York"


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


# A Wednesday; 11:30 in São Paulo.
NOW = utc(2030, 3, 6, 14, 30)


def read(text, time_zone="America/Sao_Paulo", **more):
    return read_moment(text, time_zone, now=NOW, **more)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2031-11-27T09:00", utc(2031, 11, 27, 12)),
        ("2031-11-27 09:00:30", utc(2031, 11, 27, 12, 0, 30)),
        ("2031-11-27T09:00Z", utc(2031, 11, 27, 9)),
        ("2031-11-27T09:00+01:00", utc(2031, 11, 27, 8)),
        ("2031/11/27 9:00", utc(2031, 11, 27, 12)),
    ],
)
def test_a_time_without_offset_is_in_the_campaigns_zone(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today 18:30", utc(2030, 3, 6, 21, 30)),
        ("hoje às 18h30", utc(2030, 3, 6, 21, 30)),
        ("tomorrow 09:00", utc(2030, 3, 7, 12)),
        ("Tomorrow at 9 a.m.", utc(2030, 3, 7, 12)),
        ("AMANHÃ, 9h", utc(2030, 3, 7, 12)),
        ("às 9h de amanhã", utc(2030, 3, 7, 12)),
        ("9:15 pm tomorrow", utc(2030, 3, 8, 0, 15)),
        ("tomorrow 12am", utc(2030, 3, 7, 3)),
        ("tomorrow 12:30 pm", utc(2030, 3, 7, 15, 30)),
        ("depois de amanhã 08:00", utc(2030, 3, 8, 11)),
        ("the day after tomorrow 08:00", utc(2030, 3, 8, 11)),
        ("friday 9am", utc(2030, 3, 8, 12)),
        ("on Monday at 10:00", utc(2030, 3, 11, 13)),
        ("segunda-feira às 10h", utc(2030, 3, 11, 13)),
        ("Terça feira 10h", utc(2030, 3, 12, 13)),
        ("sáb 10:00", utc(2030, 3, 9, 13)),
        ("yesterday 09:00", utc(2030, 3, 5, 12)),
        ("in 2 hours", utc(2030, 3, 6, 16, 30)),
        ("in 45 min", utc(2030, 3, 6, 15, 15)),
        ("em 2 horas", utc(2030, 3, 6, 16, 30)),
        ("daqui a 3 dias", utc(2030, 3, 9, 14, 30)),
        ("em 1 semana", utc(2030, 3, 13, 14, 30)),
        ("agora", NOW),
        ("daqui 2 horas", utc(2030, 3, 6, 16, 30)),
        ("daqui a duas horas", utc(2030, 3, 6, 16, 30)),
        ("in an hour", utc(2030, 3, 6, 15, 30)),
        ("daqui a meia hora", utc(2030, 3, 6, 15)),
        ("in half an hour", utc(2030, 3, 6, 15)),
        ("amanhã ao meio-dia", utc(2030, 3, 7, 15)),
        ("amanhã ao meio dia e meia", utc(2030, 3, 7, 15, 30)),
        ("meio-dia de amanhã", utc(2030, 3, 7, 15)),
        ("tomorrow at noon", utc(2030, 3, 7, 15)),
        ("amanhã às 9 horas", utc(2030, 3, 7, 12)),
        ("amanhã às 8 da noite", utc(2030, 3, 7, 23)),
        ("amanhã 9h da manhã", utc(2030, 3, 7, 12)),
        ("tomorrow at 9 in the morning", utc(2030, 3, 7, 12)),
        ("tomorrow 9am", utc(2030, 3, 7, 12)),
        ("tonight 19:00", utc(2030, 3, 6, 22)),
        ("tonight at 7pm", utc(2030, 3, 6, 22)),
        ("this evening at 19:30", utc(2030, 3, 6, 22, 30)),
        ("hoje à noite 19h", utc(2030, 3, 6, 22)),
        ("hoje à noite, às 20:00", utc(2030, 3, 6, 23)),
        ("1 December 09:00", utc(2030, 12, 1, 12)),
        ("1 dez 9h", utc(2030, 12, 1, 12)),
        ("1 de dezembro 9h", utc(2030, 12, 1, 12)),
        ("1º de dezembro de 2031, às 9h30", utc(2031, 12, 1, 12, 30)),
        ("9h de 1 de dezembro", utc(2030, 12, 1, 12)),
        ("Dec 1st, 2031 at 9am", utc(2031, 12, 1, 12)),
        ("13/3 9h", utc(2030, 3, 13, 12)),
        ("13/03 às 9h", utc(2030, 3, 13, 12)),
        ("13.03, 09:00", utc(2030, 3, 13, 12)),
        ("3/13 9am", utc(2030, 3, 13, 12)),
        ("9h30 de 13/03", utc(2030, 3, 13, 12, 30)),
        ("01.02 9h", utc(2030, 2, 1, 12)),
        ("quinta as 9", utc(2030, 3, 7, 12)),
        ("quinta-feira às 9", utc(2030, 3, 7, 12)),
        ("13/03 às 12", utc(2030, 3, 13, 15)),
        ("amanhã às 15", utc(2030, 3, 7, 18)),
        ("amanhã às 23", utc(2030, 3, 8, 2)),
    ],
)
def test_a_time_is_read_in_words_of_two_languages(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "looks_back", "expected"),
    [
        ("5 March 09:00", False, utc(2030, 3, 5, 12)),  # yesterday: the caller refuses it
        ("1 October 09:00", False, utc(2030, 10, 1, 12)),
        ("1 October 09:00", True, utc(2029, 10, 1, 12)),
        ("5 March 09:00", True, utc(2030, 3, 5, 12)),
    ],
)
def test_a_date_without_a_year_is_the_nearest_one(text, looks_back, expected):
    assert read(text, looks_back=looks_back) == expected


@pytest.mark.parametrize(
    ("text", "looks_back", "expected"),
    [
        ("15/10 9h", False, utc(2030, 10, 15, 12)),
        ("15/10 9h", True, utc(2029, 10, 15, 12)),
        ("04/03 9h", False, utc(2030, 3, 4, 12)),  # two days ago: the caller refuses it
        ("05/06 9h", False, utc(2030, 6, 5, 12)),
    ],
)
def test_digits_without_a_year_are_the_nearest_day_of_a_person_who_writes_the_day_first(text, looks_back, expected):
    assert read(text, is_day_first=True, looks_back=looks_back) == expected


@pytest.mark.parametrize(
    ("text", "is_day_first", "reason"),
    [
        ("05/06 9h", False, "may be 2030-05-06 or 2030-06-05; write '2030-05-06 09:00' or '2030-06-05 09:00'"),
        ("05/06 às 9", False, "may be 2030-05-06 or 2030-06-05"),
        ("3/13 9am", True, "is not a time"),
        ("31/04 9h", True, "is not a time"),
        ("13/03/30 9h", True, "is not a time"),
        ("13/03", True, "has no time of day; write '13/03 09:00'"),
    ],
)
def test_digits_without_a_year_that_may_be_two_days_or_none_are_refused(text, is_day_first, reason):
    with pytest.raises(Refusal, match=reason):
        read(text, is_day_first=is_day_first)


def test_a_date_of_january_is_in_the_next_year_if_it_is_december():
    assert read_moment("2 January 09:00", "UTC", now=utc(2030, 12, 30)) == utc(2031, 1, 2, 9)


@pytest.mark.parametrize("hours", ["09:00-18:00", "09:00-12:00", "08:00-20:00", "20:00+15:00"])
def test_hours_of_a_window_are_no_time_with_an_offset(hours):
    with pytest.raises(Refusal) as caught:
        read(f"2030-12-01 {hours}")
    assert caught.value.code == "offset_out_of_range"
    assert "looks like the hours of a window" in str(caught.value)


@pytest.mark.parametrize("offset", ["-11:00", "+14:00", "-03:00"])
def test_an_offset_of_a_time_zone_is_read(offset):
    assert read(f"2030-12-01T09:00{offset}") == dt.datetime.fromisoformat(f"2030-12-01T09:00{offset}")


def test_a_time_in_days_keeps_the_hour_of_the_clocks():
    """The clocks of New York go forward on 10 March 2030."""
    assert read("in 7 days", NEW_YORK) == utc(2030, 3, 13, 13, 30)
    assert read("in 168 hours", NEW_YORK) == utc(2030, 3, 13, 14, 30)


def test_tomorrow_follows_the_calendar_of_the_zone():
    assert read_moment("tomorrow 09:00", "Asia/Tokyo", now=utc(2030, 3, 6, 16)) == utc(2030, 3, 8)


@pytest.mark.parametrize("text", ["01/12/2030 09:00", "1/12/2030 9h", "01-12-2030 às 9:00"])
def test_a_date_in_numbers_is_read_if_the_day_comes_first(text):
    assert read(text, is_day_first=True) == utc(2030, 12, 1, 12)
    refusal = r"may be 2030-12-01 or 2030-01-12, which has passed; write '2030-12-01 09:00' for the first"
    with pytest.raises(Refusal, match=refusal):
        read(text)
    refusal = r"may be 2031-01-12 or 2031-12-01; write '2031-01-12 09:00' or '2031-12-01 09:00'"
    with pytest.raises(Refusal, match=refusal):
        read(text.replace("2030", "2031"))
    with pytest.raises(Refusal, match=r"may be 2030-01-12 or 2030-12-01, which is still to come; write '2030-01-12"):
        read(text, looks_back=True)


def test_a_date_of_the_past_in_either_order_is_left_to_the_caller():
    """The caller refuses a time that has passed, and suggests a later time."""
    assert read("01/02/2029 09:00") == utc(2029, 2, 1, 12)


@pytest.mark.parametrize("text", ["27/11/2030 09:00", "11/27/2030 09:00", "27.11.2030 09:00"])
def test_a_date_in_numbers_that_means_one_day_is_read(text):
    assert read(text) == utc(2030, 11, 27, 12)


def test_a_date_with_dots_has_the_day_first():
    assert read("1.12.2030 09:00") == utc(2030, 12, 1, 12)


def test_a_month_that_does_not_exist_is_not_taken_for_a_day():
    with pytest.raises(Refusal, match="is not a time"):
        read("11/27/2030 09:00", is_day_first=True)


def test_the_weekday_of_today_is_refused_with_both_days():
    with pytest.raises(Refusal, match=r"write '2030-03-06 15:00' or '2030-03-13 15:00'"):
        read("Wednesday 3pm")
    with pytest.raises(Refusal, match=r"may be 2030-03-13 or 2030-03-06, which has passed; write '2030-03-13 09:00'"):
        read("Wednesday 9am")
    with pytest.raises(Refusal, match=r"write '2030-02-27 09:00' or '2030-03-06 09:00'"):
        read("Wednesday 9am", looks_back=True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2031-11-27", "has no time of day; write '2031-11-27 09:00'"),
        ("amanhã", "has no time of day; write 'amanhã 09:00'"),
        ("hoje", "has no time of day; write 'hoje 12:00'"),
        ("2029-11-27", "this day has passed; write a later one, such as 'tomorrow 09:00'"),
        ("18:00", "has no day; write 'today 18:00' or 'tomorrow 18:00'"),
        ("09:00", "has no day; write 'tomorrow 09:00'"),
        ("às 9h30", "has no day; write 'tomorrow 09:30'"),
        ("tomorrow 9", "has an hour without its minutes; write 'tomorrow 09:00'"),
        ("amanhã 9", "has an hour without its minutes; write 'amanhã 09:00'"),
        ("amanhã às 8", "has an hour without its minutes; write 'amanhã às 08:00'"),
        ("tomorrow at 15", "has an hour without its minutes; write 'tomorrow at 15:00'"),
        ("1 December", "has no time of day; write '1 December 09:00'"),
        ("quarta as 9", "'quarta as 9' may be"),
        ("quinta as 7", "has an hour without its minutes; write 'quinta as 07:00'"),
        ("hoje as 9", "has an hour without its minutes; write 'hoje as 21:00'"),
        ("1 December 9", "has an hour without its minutes; write '1 December 09:00'"),
        ("2h", "may be a time of day or a number of hours; write 'tomorrow 02:00' or 'in 2h'"),
        ("15 horas", "a number of hours; write 'today 15:00', 'tomorrow 15:00' or 'in 15 horas'"),
        ("30 minutes", "is a span of time; write 'in 30 minutes'"),
        ("2d", "is a span of time; write 'in 2d'"),
    ],
)
def test_half_a_time_is_refused_with_the_other_half(text, reason):
    with pytest.raises(Refusal, match=reason):
        read(text)


@pytest.mark.parametrize("text", ["next monday 9am", "próxima segunda 9h", "segunda-feira que vem, às 9h"])
def test_a_next_weekday_is_refused_with_both_days(text):
    """On a Sunday, people mean the day of tomorrow or that of the week after."""
    with pytest.raises(Refusal) as caught:
        read_moment(text, "America/Sao_Paulo", now=utc(2026, 11, 29, 12))
    assert str(caught.value) == (
        f"{text!r} may be 2026-11-30 or 2026-12-07; write '2026-11-30 09:00' or '2026-12-07 09:00'."
    )


@pytest.mark.parametrize("looks_back", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        *("2h", "9h", "23:59", "0:00", "15 horas", "noon", "30m", "today", "hoje", "wednesday", "quarta 9h"),
        *("today 9", "hoje 15", "yesterday 9", "6 March 9", "6 mar 15", "05/06/2030 9"),
        *("next friday 09:00", "próxima quarta 9h", "quarta-feira que vem às 9h", "next wednesday"),
        *("13/03 9", "05/06 9h", "06/03 9h", "6/3 as 9", "quinta as 7", "hoje as 9", "06/03 10:00"),
        *("quarta 23:30", "05/06/2030 9h", "06/03/2030 10:00", "2030-03-06", "2029-01-01", "yesterday"),
    ],
)
def test_each_time_that_a_refusal_suggests_is_on_the_right_side_of_now(text, looks_back):
    refusals = 0
    for hour in range(24):
        now = utc(2030, 3, 6, 3, 30) + dt.timedelta(hours=hour)
        suggested = suggest(text, now, looks_back=looks_back)
        refusals += bool(suggested)
        for each in suggested:
            at = read_moment(each, "America/Sao_Paulo", now=now)
            assert at < now if looks_back else at > now, (each, now)
    assert refusals or "/" in text  # of two dates on the wrong side, the caller refuses one


def suggest(text, now, *, looks_back):
    """Return the times that the refusal of a text suggests; [] if the text is read."""
    try:
        read_moment(text, "America/Sao_Paulo", now=now, looks_back=looks_back)
    except Refusal as refusal:
        return re.findall(r"'([^']+)'", str(refusal).replace(repr(text), ""))
    return []


def test_a_time_in_place_of_a_passed_one_is_in_the_future_to_the_second():
    """The suggestion has no seconds."""
    now = utc(2030, 3, 6, 14, 30, 10)
    passed = utc(2030, 3, 5, 14, 30, 20)
    assert read_moment(str(suggest_later(passed, "UTC", now=now)), "UTC", now=now) > now


@pytest.mark.parametrize("example", ["tomorrow 09:00", "in 2 hours"])
def test_the_examples_of_a_refusal_are_read(example):
    with pytest.raises(Refusal, match=example):
        read("soon")
    assert read(example) > NOW


def test_a_time_that_the_clocks_skip_is_refused():
    with pytest.raises(Refusal, match=r"2026-03-08T02:30 does not exist: the clocks skip it in America/New_York"):
        read("2026-03-08T02:30", NEW_YORK)


def test_a_time_that_comes_twice_is_refused_with_one_that_does_not():
    with pytest.raises(Refusal, match=r"2026-11-01T01:30 happens twice") as refused:
        read("2026-11-01T01:30", NEW_YORK)
    assert read(refused.value.values["example"], NEW_YORK) == utc(2026, 11, 1, 5, 30)


def test_an_offset_says_which_of_two_is_meant():
    assert read("2026-11-01T01:30-05:00", NEW_YORK) == utc(2026, 11, 1, 6, 30)


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "9", "tomorrow 9", "tomorrow 25:00", "tomorrow 9:60", "tomorrow 13 pm", "tomorrow 24:00"),
        *("2026-13-01 09:00", "31/02/2030 10:00", "01/12/30 09:00", "01/12 09:00", "0001-01-01T00:00+14:00"),
        *(
            "31 February 09:00",
            "1 Smarch 09:00",
            "December 09:00",
            "today 9",
            "next friday 09:00",
            "next moon 09:00",
            "in 5 parsecs",
            "in many hours",
            "tomorrow midnight",
            "tonight 09:00",
            "tomorrow morning",
            "in 9999 days",
        ),
    ],
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(Refusal):
        read(text, "Pacific/Kiritimati")


@pytest.mark.parametrize(
    ("passed", "later"),
    [
        (utc(2030, 3, 5, 12), "2030-03-07 09:00"),
        (utc(2030, 3, 5, 18), "2030-03-06 15:00"),
        (utc(2029, 4, 1, 12), "2030-04-01 09:00"),
        (utc(2030, 1, 31, 12), "2030-03-07 09:00"),
        (utc(2029, 11, 20, 12), "2030-11-20 09:00"),
        (utc(2028, 2, 29, 12), "2030-03-07 09:00"),
    ],
)
def test_the_later_time_that_is_suggested_is_a_time_to_come(passed, later):
    assert str(suggest_later(passed, "America/Sao_Paulo", now=NOW)) == later
    assert read(later) > NOW


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
    with pytest.raises(Refusal, match="window"):
        read_window(text)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon-fri", [1, 2, 3, 4, 5]),
        ("Mon, WED ,sat", [1, 3, 6]),
        ("sat-mon", [1, 6, 7]),
        ("sun", [7]),
        ("mon-sun", [1, 2, 3, 4, 5, 6, 7]),
        ("seg-sex", [1, 2, 3, 4, 5]),
        ("Seg, qua,SÁB", [1, 3, 6]),
        ("sexta-feira", [5]),
        ("sábado-segunda", [1, 6, 7]),
    ],
)
def test_weekdays_are_ranges_and_lists(text, days):
    assert read_weekdays(text) == days


@pytest.mark.parametrize("text", ["", "mondays", "feira", "mon-", "-fri", "mon--fri", "1-5", "mon;tue"])
def test_what_are_no_weekdays_is_refused(text):
    with pytest.raises(Refusal, match="weekdays"):
        read_weekdays(text)


@given(st.sets(st.integers(1, 7), min_size=1))
def test_weekdays_that_are_written_can_be_read(days):
    assert read_weekdays(write_weekdays(list(days))) == sorted(days)
    portuguese = ("seg", "ter", "qua", "qui", "sex", "sáb", "dom")
    assert read_weekdays(write_weekdays(list(days), portuguese)) == sorted(days)


@pytest.mark.parametrize("text", ["GMT-3", "UTC-3", "", "Brazil"])
def test_a_zone_with_other_hours_is_not_proposed(text):
    assert find_zones(text) == []


def test_an_unknown_zone_is_refused():
    with pytest.raises(Refusal, match="no time zone 'Brazil'"):
        read_zone("Brazil")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("1d", 86_400)])
def test_a_duration_is_a_number_with_a_unit(text, seconds):
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2.5h", "0m", "9999d", "2 hours"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(Refusal, match="is not a duration"):
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
    with pytest.raises(Refusal, match="are not known"):
        read_holidays(text)
