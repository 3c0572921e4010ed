"""Reads times, windows, durations, weekdays and holidays as people write them. A bad text raises Refusal."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from campaigns.domain.statement import Entry, Field, Refusal, Sentence
from campaigns.domain.text.dates import read_named_date
from campaigns.domain.text.normal import fold

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # the weekdays 1 to 7 of ISO 8601

_WINDOW = re.compile(r"([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})")
_HOURS = 24
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MOST_SECONDS = 366 * 86_400
_SKIPPED = "{text} does not exist: the clocks skip it in {time_zone}. Add an offset, such as {example}."
_AMBIGUOUS = "{text} happens twice: the clocks go back over it in {time_zone}. Add an offset, such as {example}."

# The words in which people write days and spans of time, in English and Portuguese, without accents.
_DAYS_AHEAD = {
    "yesterday": -1,
    "today": 0,
    "tomorrow": 1,
    "day after tomorrow": 2,
    "the day after tomorrow": 2,
    "ontem": -1,
    "hoje": 0,
    "amanha": 1,
    "depois de amanha": 2,
}
# Today, with a time of day in the evening.
_TONIGHT = ("tonight", "this evening", "hoje a noite", "hoje de noite", "esta noite")
_EVENING = dt.time(17)
# Such a weekday may be the next one or the one of the next week, so both are proposed.
_NEXT = re.compile(r"(?:next|proxim[oa]) (?P<day>.+)|(?P<before>.+) que vem")
_WEEKDAY_WORDS = (
    ("monday", "mon", "segunda", "segunda-feira", "seg"),
    ("tuesday", "tue", "terca", "terca-feira", "ter"),
    ("wednesday", "wed", "quarta", "quarta-feira", "qua"),
    ("thursday", "thu", "quinta", "quinta-feira", "qui"),
    ("friday", "fri", "sexta", "sexta-feira", "sex"),
    ("saturday", "sat", "sabado", "sab"),
    ("sunday", "sun", "domingo", "dom"),
)
_ISO_WEEKDAYS = {word: number for number, words in enumerate(_WEEKDAY_WORDS, start=1) for word in words}
_MINUTE, _HOUR, _DAY, _WEEK = (
    dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1), dt.timedelta(weeks=1),
)  # fmt: skip
_SPAN_UNITS = {
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes", "minuto", "minutos"), _MINUTE),
    **dict.fromkeys(("h", "hour", "hours", "hora", "horas"), _HOUR),
    **dict.fromkeys(("d", "day", "days", "dia", "dias"), _DAY),
    **dict.fromkeys(("week", "weeks", "semana", "semanas"), _WEEK),
}
_NUMBER_WORDS = {
    **dict.fromkeys(("a", "an", "one", "um", "uma"), 1),
    **dict.fromkeys(("two", "dois", "duas"), 2),
    **dict.fromkeys(("three", "tres"), 3),
    **dict.fromkeys(("four", "quatro"), 4),
    **dict.fromkeys(("five", "cinco"), 5),
    **dict.fromkeys(("six", "seis"), 6),
}
# Words that `_simplify` replaces in the order of this table. Midnight is not listed, because it may be the beginning or
# the end of a day.
_CLOCK_WORDS = (
    (re.compile(r"\b(?:ao )?meio[- ]dia e meia\b"), "12:30"),
    (re.compile(r"\b(?:ao )?meio[- ]dia\b|\b(?:at )?(?:12 )?(?:noon|midday)\b"), "12:00"),
    (re.compile(r"\b(?:meia hora|half an hour)\b"), "30 min"),
    (re.compile(r" (?:da manha|in the morning)\b"), " am"),
    (re.compile(r" (?:da tarde|da noite|in the afternoon|in the evening)\b"), " pm"),
)
# People live in zones with offsets between these. A text such as `09:00-18:00` is read as a time with an offset.
_LEAST_OFFSET, _MOST_OFFSET = dt.timedelta(hours=-11), dt.timedelta(hours=14)
_NOW = ("now", "agora")
_SPAN = re.compile(r"(?:in|em|daqui(?: a)?|dentro de) ([0-9]{1,3}|[a-z]+) ?([a-z]+)")
_SPAN_ALONE = re.compile(r"([0-9]{1,3}) ?([a-z]+)")
_CLOCK = (
    r"(?P<hour>[0-9]{1,2})(?:[:h](?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?| ?(?:hs?|horas?)(?![a-z])| ?(?=[ap]m))"
    r"(?: ?(?P<half>[ap])m)?"
)
_DAY_AND_CLOCK = (
    re.compile(rf"(?:on |em |no |na )?(?P<day>.+?)(?: at| as| a)? {_CLOCK}"),
    re.compile(rf"(?:at |as |a )?{_CLOCK} (?:on |em |no |na |de )?(?P<day>.+)"),
)
_CLOCK_ALONE = re.compile(rf"(?:at |as |a )?{_CLOCK}")
_HOUR_ALONE = re.compile(r".* ([0-9]{1,2})")
# An hour after the Portuguese `às`. From 9 on it is an hour of the day: 9 in the evening is said as 21, or with a word
# such as `da noite`. An earlier hour may be one of the afternoon.
_HOUR_OF_DAY = re.compile(r"(.+ )as ([0-9]{1,2})")
_LEAST_HOUR_OF_DAY = 9
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEAR_FIRST = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})")
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})")
_NO_YEAR = re.compile(r"([0-9]{1,2})([/.])([0-9]{1,2})")
_HALF_DAY = 12  # the hours of a clock with am and pm


# From this similarity on, as `difflib` measures it, a person may have meant a city by a name.
_LIKE = 0.8


def find_zones(text: str) -> list[str]:
    """Return the time zones of the city that a text names, or, if there is none, of cities with a similar name.

    The zones of `Etc` are left out: Etc/GMT-3 is three hours ahead of UTC, so most people who write GMT-3 mean another.
    """
    zones: dict[str, list[str]] = {}
    for zone in sorted(available_timezones()):
        if not zone.startswith(("Etc/", "GMT")):
            zones.setdefault(_name_city(zone), []).append(zone)
    city = _name_city(text)
    cities = [city] if city in zones else get_close_matches(city, zones, cutoff=_LIKE)
    return [zone for each in cities for zone in zones[each]]


def _name_city(zone: str) -> str:
    return fold(zone.rpartition("/")[2].replace("_", " "))


def read_zone(text: str) -> str:
    """Return the name of a time zone. Raises Refusal, which names the zones that `find_zones` finds."""
    if text not in available_timezones():
        if likely := find_zones(text):
            raise Refusal(
                "time_zone_unknown", "There is no time zone {text!r}; did you mean {zones}?", text=text, zones=likely
            )
        raise Refusal(
            "time_zone_unknown", "There is no time zone {text!r}; write one such as America/Sao_Paulo.", text=text
        )
    return text


def read_moment(
    text: str, time_zone: str, *, now: dt.datetime, is_day_first: bool = False, looks_back: bool = False
) -> dt.datetime:
    """Read a time as people type it: `tomorrow 09:00`, `amanhã às 9h`, `in 2 hours`, `2030-12-01 09:00`, or ISO.

    A time without an offset is a wall-clock time of `time_zone`. `now` (the clock of Postgres) gives a meaning to words
    such as `tomorrow`. `is_day_first`: 01/12/2030 is a day of December. If it is False, a date such as 01/12/2030,
    whose first two numbers may be day and month or month and day, is refused. `looks_back`: the caller needs a time in
    the past. The result is in UTC, and may be on either side of `now`.

    A text that may mean two times is refused: a day without a time, a time without a day, the weekday of today, and a
    wall-clock time that the zone skips or shows twice when its clocks change. 30/11 has the year that makes it the
    nearest to now. A refusal suggests only times that the caller can use: times after `now`, or before it if
    `looks_back`.
    """
    try:
        return _read(text, time_zone, now, is_day_first=is_day_first, looks_back=looks_back)
    except _NoTimeError:
        raise _no_time(text, looks_back=looks_back) from None


class _NoTimeError(Exception):
    """A text is no time. `read_moment` turns this error into a refusal with an example."""


def _read(text: str, time_zone: str, now: dt.datetime, *, is_day_first: bool, looks_back: bool) -> dt.datetime:
    plain = _simplify(text)
    here = now.astimezone(ZoneInfo(time_zone)).replace(tzinfo=None)
    if plain in _NOW:
        return now.astimezone(dt.UTC)
    if match := _SPAN.fullmatch(plain):
        return _read_span(match, text, now, here, time_zone)
    if (moment := _read_iso(text)) is None:
        moment = _read_words(plain, text, _Here(here, looks_back=looks_back), is_day_first=is_day_first)
    return _to_utc(moment, text) if moment.tzinfo is not None else _place(moment, text, time_zone)


def _simplify(text: str) -> str:
    """Return a text in lower case, without accents and commas, with words such as noon as clocks."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    words = bare.casefold().replace(",", " ").split()
    plain = " ".join(words).replace("a.m.", "am").replace("p.m.", "pm").replace(" feira", "-feira")
    for pattern, clock in _CLOCK_WORDS:
        plain = pattern.sub(clock, plain)
    return plain


@dataclass(frozen=True, slots=True)
class _Here:
    """The present time on the clocks of a zone. `looks_back`: the person gives a time in the past."""

    now: dt.datetime
    looks_back: bool

    def fits(self, moment: dt.datetime) -> bool:
        """Tell whether a wall-clock time is on the side of now on which the person gives a time."""
        return moment < self.now if self.looks_back else moment > self.now


def _read_span(match: re.Match[str], text: str, now: dt.datetime, here: dt.datetime, time_zone: str) -> dt.datetime:
    """Read a span such as `in 2 hours`. A span of days or weeks ends at the present time of day in the zone."""
    unit, number = _SPAN_UNITS.get(match[2]), _NUMBER_WORDS.get(match[1])
    if match[1].isdigit():
        number = int(match[1])
    if unit is None or number is None:
        raise _NoTimeError
    if unit < _DAY:
        return now.astimezone(dt.UTC) + number * unit
    return _place(here + number * unit, text, time_zone)


def _read_iso(text: str) -> dt.datetime | None:
    """Read an ISO time; return None for a text that is no ISO time, or is a date alone."""
    try:
        dt.date.fromisoformat(text.strip())
    except ValueError:
        try:
            return dt.datetime.fromisoformat(text.strip())
        except ValueError:
            return None
    return None


def _read_words(plain: str, text: str, here: _Here, *, is_day_first: bool) -> dt.datetime:
    """Read a day and a time of day as a wall-clock time."""
    if match := _CLOCK_ALONE.fullmatch(plain):
        raise _no_day(text, _read_clock(match), plain, here)
    if (match := _SPAN_ALONE.fullmatch(plain)) and match[2] in _SPAN_UNITS:
        raise _NoTimeError if here.looks_back else _no_preposition(text, plain)
    for pattern in _DAY_AND_CLOCK:
        if match := pattern.fullmatch(plain):
            time = _read_clock(match)
            return dt.datetime.combine(_read_day(match["day"], text, here, time, is_day_first=is_day_first), time)
    if moment := _read_hour_of_day(plain, text, here, is_day_first=is_day_first):
        return moment
    try:
        day = _read_day(plain, text, here, dt.time(9), is_day_first=is_day_first)
    except _NoTimeError:
        _refuse_hour_alone(plain, text, here, is_day_first=is_day_first)
        raise
    raise _no_clock(text, day, here)


def _read_hour_of_day(plain: str, text: str, here: _Here, *, is_day_first: bool) -> dt.datetime | None:
    """Read a day and `às 9`; None if the hour may be one of the afternoon, or is on the wrong side of now."""
    match = _HOUR_OF_DAY.fullmatch(plain)
    if match is None or not _LEAST_HOUR_OF_DAY <= int(match[2]) < _HOURS:
        return None
    try:
        moment = _read_words(f"{match[1]}as {match[2]}:00", text, here, is_day_first=is_day_first)
    except _NoTimeError:
        return None
    return moment if here.fits(moment) else None


def _refuse_hour_alone(plain: str, text: str, here: _Here, *, is_day_first: bool) -> None:
    """Raise Refusal for a day with a number such as 9, which may be an hour of the morning or of the evening."""
    match = _HOUR_ALONE.fullmatch(plain)
    if match is None:
        return
    hour = int(match[1])
    for each in (hour, *([hour + _HALF_DAY] if hour < _HALF_DAY else [])):
        example = f"{text.strip().removesuffix(match[1])}{each:02}:00"
        try:  # raises Refusal if the day may be two days
            moment = _read_words(_simplify(example), text, here, is_day_first=is_day_first)
        except _NoTimeError:
            return
        if here.fits(moment):
            raise Refusal(
                "clock_missing",
                "{text!r} has an hour without its minutes; write '{example}'.",
                text=text,
                example=example,
            )


def _no_day(text: str, time: dt.time, plain: str, here: _Here) -> Refusal:
    """Return the refusal of a time of day alone. `2h` may also be a span of time."""
    fits_today = here.fits(dt.datetime.combine(here.now.date(), time))
    match = _SPAN_ALONE.fullmatch(plain)
    if match is not None and match[2] in _SPAN_UNITS and not here.looks_back:
        sentence = (
            "{text!r} may be a time of day or a number of hours; write 'today {time:%H:%M}', 'tomorrow {time:%H:%M}' or"
            " 'in {span}'."
            if fits_today
            else "{text!r} may be a time of day or a number of hours; write 'tomorrow {time:%H:%M}' or 'in {span}'."
        )
        return Refusal("day_missing", sentence, text=text, time=time, span=plain)
    if here.looks_back:
        sentence = (
            "{text!r} has no day; write 'today {time:%H:%M}' or 'yesterday {time:%H:%M}'."
            if fits_today
            else "{text!r} has no day; write 'yesterday {time:%H:%M}'."
        )
    else:
        sentence = (
            "{text!r} has no day; write 'today {time:%H:%M}' or 'tomorrow {time:%H:%M}'."
            if fits_today
            else "{text!r} has no day; write 'tomorrow {time:%H:%M}'."
        )
    return Refusal("day_missing", sentence, text=text, time=time)


def _no_preposition(text: str, span: str) -> Refusal:
    return Refusal("span_alone", "{text!r} is a span of time; write 'in {span}'.", text=text, span=span)


def _no_clock(text: str, day: dt.date, here: _Here) -> Refusal:
    """Return the refusal of a day alone. The example is a time of that day if the day leaves a time to choose."""
    moments = [dt.datetime.combine(day, dt.time(hour)) for hour in (9, *range(24))]
    at = next((moment for moment in moments if here.fits(moment)), None)
    if at is None:
        return Refusal(
            "clock_missing",
            "{text!r} has no time of day, and this day has passed; write a later one, such as 'tomorrow 09:00'."
            if not here.looks_back
            else "{text!r} has no time of day, and this day has not begun; write an earlier one, such as"
            " 'yesterday 09:00'.",
            text=text,
        )
    return Refusal(
        "clock_missing",
        "{text!r} has no time of day; write '{day} {time:%H:%M}'.",
        text=text,
        day=text.strip(),
        time=at,
    )


def _read_clock(match: re.Match[str]) -> dt.time:
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    if match["half"]:
        if not 1 <= hour <= _HALF_DAY:
            raise _NoTimeError
        hour = hour % _HALF_DAY + _HALF_DAY * (match["half"] == "p")
    try:
        return dt.time(hour, minute, second)
    except ValueError:
        raise _NoTimeError from None


def _read_day(plain: str, text: str, here: _Here, time: dt.time, *, is_day_first: bool) -> dt.date:
    """Read a day. `time`: the time of day that belongs to this day, for the examples in a refusal."""
    today = here.now.date()
    if plain in _DAYS_AHEAD:
        return today + _DAYS_AHEAD[plain] * _DAY
    if plain in _ISO_WEEKDAYS:
        ahead = (_ISO_WEEKDAYS[plain] - today.isoweekday()) % 7
        if not ahead:
            raise _two_days(text, today, today - _WEEK if here.looks_back else today + _WEEK, time, here)
        return today + ahead * _DAY
    if plain in _TONIGHT and time >= _EVENING:
        return today
    if (match := _NEXT.fullmatch(plain)) and not here.looks_back:
        if (weekday := match["day"] or match["before"]) not in _ISO_WEEKDAYS:
            raise _NoTimeError
        day = today + ((_ISO_WEEKDAYS[weekday] - today.isoweekday() - 1) % 7 + 1) * _DAY
        raise _two_days(text, day, day + _WEEK, time, here)
    match sorted(set(_list_days(plain, here, is_day_first=is_day_first))):
        case [day]:
            return day
        case [one, other] if not any(here.fits(dt.datetime.combine(day, time)) for day in (one, other)):
            return one if here.looks_back else other  # the caller refuses it, because it is on the wrong side of now
        case [one, other]:
            raise _two_days(text, one, other, time, here)
        case _:
            raise _NoTimeError


def _list_days(plain: str, here: _Here, *, is_day_first: bool) -> list[dt.date]:
    """Return the days that a date may mean; [] if the text is no date.

    A date without a year is that of this year or of the next one (the last one if the person looks back), whichever is
    nearer. So in December, 1 January is in the next year. Yesterday's date is a mistake, and the caller refuses it.
    """
    if match := _YEAR_FIRST.fullmatch(plain):
        return [*_make_days(match[1], match[3], match[4])]
    if match := _YEAR_LAST.fullmatch(plain):
        days = [*_make_days(match[4], match[3], match[1])]
        if not is_day_first and match[2] != ".":
            days += _make_days(match[4], match[1], match[3])
        return days
    if match := _NO_YEAR.fullmatch(plain):
        days = _find_nearest(int(match[3]), int(match[1]), here)
        if not is_day_first and match[2] != ".":
            days += _find_nearest(int(match[1]), int(match[3]), here)
        return days
    if (date := read_named_date(plain)) is None:
        return []
    year, month, day = date
    return _find_nearest(month, day, here) if year is None else [*_make_days(year, month, day)]


def _find_nearest(month: int, day: int, here: _Here) -> list[dt.date]:
    """Return the day with this date that is the nearest one, of this year or of the next (or last) one."""
    today = here.now.date()
    years = (today.year, today.year + (-1 if here.looks_back else 1))
    days = [date for each in years for date in _make_days(each, month, day)]
    return sorted(days, key=lambda date: abs(date - today))[:1]


def _make_days(year: str | int, month: str | int, day: str | int) -> Iterator[dt.date]:
    """Yield the date if it exists in the calendar."""
    try:
        yield dt.date(int(year), int(month), int(day))
    except ValueError:
        return


def _two_days(text: str, one: dt.date, other: dt.date, time: dt.time, here: _Here) -> Refusal:
    days = [day for day in sorted((one, other)) if here.fits(dt.datetime.combine(day, time))]
    if len(days) == 1:
        return Refusal(
            "day_ambiguous",
            "{text!r} may be {possible:%Y-%m-%d} or {impossible:%Y-%m-%d}, which is still to come; write"
            " '{possible:%Y-%m-%d} {time:%H:%M}' for the first."
            if here.looks_back
            else "{text!r} may be {possible:%Y-%m-%d} or {impossible:%Y-%m-%d}, which has passed; write"
            " '{possible:%Y-%m-%d} {time:%H:%M}' for the first.",
            text=text,
            possible=days[0],
            impossible=one if other == days[0] else other,
            time=time,
        )
    return Refusal(
        "day_ambiguous",
        "{text!r} may be {one:%Y-%m-%d} or {other:%Y-%m-%d}; write '{one:%Y-%m-%d} {time:%H:%M}' or"
        " '{other:%Y-%m-%d} {time:%H:%M}'.",
        text=text,
        one=min(one, other),
        other=max(one, other),
        time=time,
    )


def _no_time(text: str, *, looks_back: bool) -> Refusal:
    return Refusal(
        "time_invalid",
        "{text!r} is not a time; write one such as 'yesterday 09:00' or YYYY-MM-DD HH:MM."
        if looks_back
        else "{text!r} is not a time; write one such as 'tomorrow 09:00', 'in 2 hours' or YYYY-MM-DD HH:MM.",
        text=text,
    )


def _place(moment: dt.datetime, text: str, time_zone: str) -> dt.datetime:
    """Return the time in UTC at which the clocks of a zone show `moment`."""
    earlier, later = (moment.replace(tzinfo=ZoneInfo(time_zone), fold=fold) for fold in (0, 1))
    if earlier.utcoffset() == later.utcoffset():
        return _to_utc(earlier, text)
    is_skipped = _to_utc(earlier, text).astimezone(ZoneInfo(time_zone)).replace(tzinfo=None) != moment
    example = earlier.isoformat(timespec="minutes")
    if is_skipped:
        raise Refusal("time_skipped", _SKIPPED, text=text, time_zone=time_zone, example=example)
    raise Refusal("time_ambiguous", _AMBIGUOUS, text=text, time_zone=time_zone, example=example)


def suggest_later(passed: dt.datetime, time_zone: str, *, now: dt.datetime) -> Sentence:
    """Return a text that `read_moment` reads: a time after `now` that a person may have meant, by the clocks of a zone.

    If the time is more than a week ago, the person may have given the last year. In all other cases the text is the
    next moment with the same time of day: a date of the next year would hide a typing error for a year.
    """
    zone = ZoneInfo(time_zone)
    moment, here = passed.astimezone(zone).replace(tzinfo=None), now.astimezone(zone).replace(tzinfo=None)
    if here - moment > _WEEK:
        is_leap_day = (moment.month, moment.day) == (2, 29)
        later = moment.replace(year=here.year, day=28 if is_leap_day else moment.day)
        if later > here:
            return Sentence("{later:%Y-%m-%d %H:%M}", later=later)
    is_today = moment.time().replace(second=0, microsecond=0) > here.time()  # the text has no seconds
    day = here.date() + dt.timedelta(days=0 if is_today else 1)
    return Sentence("{later:%Y-%m-%d %H:%M}", later=dt.datetime.combine(day, moment.time()))


def read_day(text: str) -> dt.date | None:
    """Return a day such as 2026-10-01; None for another text. 01/10 has two senses, so no other form is read."""
    try:
        return dt.date.fromisoformat(text) if _ISO_DAY.fullmatch(text) else None
    except ValueError:
        return None


def read_window(text: str) -> tuple[dt.time, dt.time]:
    """Read `09:00-18:00`. The end of the day is 24:00.

    If the end of a window is before its opening, the window runs over midnight.
    """
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise Refusal("window_invalid", "{text!r} is not a window; write one such as 09:00-18:00.", text=text)
    opens_hour, opens_minute, closes_hour, closes_minute = (int(part) for part in match.groups())
    if (closes_hour, closes_minute) == (_HOURS, 0):
        closes_hour = 0
    try:
        opens, closes = dt.time(opens_hour, opens_minute), dt.time(closes_hour, closes_minute)
    except ValueError:
        raise Refusal(
            "window_beyond_day", "{text!r} is not a window: a day has 24 hours of 60 minutes.", text=text
        ) from None
    if opens == closes and not text.strip().endswith("24:00"):
        raise Refusal("window_empty", "The window {text!r} closes when it opens; all day is 00:00-24:00.", text=text)
    return opens, closes


def read_duration(text: str) -> float:
    """Read `30m`, `2h`, `1d` or `90s` as seconds. A number without a unit is ambiguous, so it is refused."""
    match = _DURATION.fullmatch(text.strip())
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= _MOST_SECONDS:
        raise Refusal(
            "duration_invalid",
            "{text!r} is not a duration of up to a year; write one such as 30m, 2h or 1d.",
            text=text,
        )
    return float(seconds)


@dataclass(frozen=True, slots=True)
class Holidays:
    """The public holidays of a country (`BR`) or of a part of a country (`BR-SP`), in any year."""

    country: str
    part: str | None = None

    def __contains__(self, day: object) -> bool:
        return isinstance(day, dt.date) and day in _holidays_of(self, day.year)


def read_holidays(text: str) -> Holidays:
    """Read a country such as `BR`, or a part of a country such as `BR-SP`."""
    country, _, part = text.partition("-")
    if (part or None) not in (None, *_known_countries().get(country, ())) or country not in _known_countries():
        raise Refusal(
            "holidays_unknown",
            "The public holidays of {text!r} are not known; write BR, or BR-SP for a part.",
            text=text,
        )
    return Holidays(country, part or None)


def write_holidays(holidays: Holidays) -> str:
    """Return a text that `read_holidays` reads."""
    return f"{holidays.country}-{holidays.part}" if holidays.part else holidays.country


@cache
def _known_countries() -> dict[str, list[str]]:
    import holidays  # noqa: PLC0415  a large module, and most campaigns have no holidays

    return holidays.list_supported_countries()


@cache
def _holidays_of(which: Holidays, year: int) -> frozenset[dt.date]:
    # The holidays are copied into a frozen set, because slices run in several threads. The library's own object is not
    # safe for threads: it adds the holidays of a year when a day of that year is first looked up, so a look-up changes
    # the object.
    import holidays  # noqa: PLC0415

    return frozenset(holidays.country_holidays(which.country, subdiv=which.part, years=year))


def read_weekdays(text: str) -> list[int]:
    """Read `mon-fri`, `mon,wed,sat` or `sat-mon`, in English or Portuguese (`seg-sex`, `sáb`); 1 is Monday."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = (_simplify(word) for word in part.replace("-feira", "").partition("-"))
        last = last if dash else first
        if first not in _ISO_WEEKDAYS or last not in _ISO_WEEKDAYS:
            raise Refusal(
                "weekdays_invalid", "{text!r} is not a list of weekdays; write mon-fri or mon,wed,sat.", text=text
            )
        start, end = _ISO_WEEKDAYS[first], _ISO_WEEKDAYS[last]
        found.update(1 + (day - 1) % 7 for day in range(start, end + 1 + 7 * (end < start)))
    return sorted(found)


def write_weekdays(weekdays: list[int], names: Sequence[str] = DAYS) -> str:
    """Return a text that `read_weekdays` reads. `names`: the names of the days, from Monday.

    Three or more days in a row become a range such as `mon-fri`. All other days are listed by name.
    """
    runs: list[list[int]] = []
    for day in sorted(weekdays):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    named = ([names[day - 1] for day in run] for run in runs)
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(run) for run in named)  # noqa: PLR2004


def _to_utc(moment: dt.datetime, text: str) -> dt.datetime:
    offset = moment.utcoffset()
    if offset is not None and not _LEAST_OFFSET <= offset <= _MOST_OFFSET:
        raise Refusal(
            "offset_out_of_range",
            "{text!r} ends with an offset that no time zone has. It looks like the hours of a window: write one time"
            " here, and give the hours as {window}.",
            text=text,
            window=Entry(Field.WINDOW),
        )
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:
        raise Refusal("time_out_of_range", "{text!r} is outside the years 1 to 9999 in UTC.", text=text) from None
