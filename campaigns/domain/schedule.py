"""What people write about time: a moment, a sending window, weekdays. Everything is read in the campaign's own zone."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from campaigns.domain.campaign import CampaignError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # 1 to 7, as ISO counts them

_WINDOW = re.compile(r"([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})")
_HOURS = 24
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MOST_SECONDS = 366 * 86_400


def read_zone(text: str) -> str:
    if text not in available_timezones():
        raise CampaignError(f"There is no time zone {text!r}; write one such as America/Sao_Paulo.")
    return text


def read_moment(text: str, time_zone: str) -> dt.datetime:
    """Read an ISO time; without an offset it is the wall clock of `time_zone`. The result is UTC.

    A wall clock that the zone skips or shows twice when its clocks change is refused: an offset says what is meant.
    """
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise CampaignError(f"{text!r} is not a time; write one such as 2026-11-27T09:00.") from None
    if moment.tzinfo is not None:
        return _to_utc(moment, text)
    earlier, later = (moment.replace(tzinfo=ZoneInfo(time_zone), fold=fold) for fold in (0, 1))
    if earlier.utcoffset() == later.utcoffset():
        return _to_utc(earlier, text)
    is_skipped = _to_utc(earlier, text).astimezone(ZoneInfo(time_zone)).replace(tzinfo=None) != moment
    what = "does not exist: the clocks skip it" if is_skipped else "happens twice: the clocks go back over it"
    raise CampaignError(f"{text} {what} in {time_zone}. Add an offset, such as {moment.isoformat()}-03:00.")


def read_window(text: str) -> tuple[dt.time, dt.time]:
    """Read `09:00-18:00`. A window that ends before it opens runs over midnight; 24:00 is the end of the day."""
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise CampaignError(f"{text!r} is not a window; write one such as 09:00-18:00.")
    opens_hour, opens_minute, closes_hour, closes_minute = (int(part) for part in match.groups())
    if (closes_hour, closes_minute) == (_HOURS, 0):
        closes_hour = 0
    try:
        opens, closes = dt.time(opens_hour, opens_minute), dt.time(closes_hour, closes_minute)
    except ValueError:
        raise CampaignError(f"{text!r} is not a window: a day has 24 hours of 60 minutes.") from None
    if opens == closes and not text.strip().endswith("24:00"):
        raise CampaignError(f"The window {text!r} closes when it opens; all day is 00:00-24:00.")
    return opens, closes


def read_duration(text: str) -> float:
    """Read `30m`, `2h`, `1d` or `90s` as seconds; a number without a unit is refused, because people mean both."""
    match = _DURATION.fullmatch(text.strip())
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= _MOST_SECONDS:
        raise CampaignError(f"{text!r} is not a duration of up to a year; write one such as 30m, 2h or 1d.")
    return float(seconds)


@dataclass(frozen=True, slots=True)
class Holidays:
    """The public holidays of a country (`BR`) or a part of one (`BR-SP`), of any year."""

    country: str
    part: str | None = None

    def __contains__(self, day: object) -> bool:
        return isinstance(day, dt.date) and day in _holidays_of(self, day.year)


def read_holidays(text: str) -> Holidays:
    """Read a country, or a part of one, as `BR` or `BR-SP`."""
    country, _, part = text.partition("-")
    if (part or None) not in (None, *_known_countries().get(country, ())) or country not in _known_countries():
        raise CampaignError(f"The public holidays of {text!r} are not known; write BR, or BR-SP for a part.")
    return Holidays(country, part or None)


def write_holidays(holidays: Holidays) -> str:
    """Return what `read_holidays` takes."""
    return f"{holidays.country}-{holidays.part}" if holidays.part else holidays.country


@cache
def _known_countries() -> dict[str, list[str]]:
    import holidays  # noqa: PLC0415  large, and most campaigns have none

    return holidays.list_supported_countries()


@cache
def _holidays_of(which: Holidays, year: int) -> frozenset[dt.date]:
    # Whole and unchangeable: the library fills its own object year by year, and slices are threads.
    import holidays  # noqa: PLC0415

    return frozenset(holidays.country_holidays(which.country, subdiv=which.part, years=year))


def read_weekdays(text: str) -> list[int]:
    """Read `mon-fri`, `mon,wed,sat` or `sat-mon`; 1 is Monday."""
    found: set[int] = set()
    for part in text.lower().replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if first not in DAYS or last not in DAYS:
            raise CampaignError(f"{text!r} is not a list of weekdays; write mon-fri or mon,wed,sat.")
        start, end = DAYS.index(first), DAYS.index(last)
        found.update(1 + day % 7 for day in range(start, end + 1 + 7 * (end < start)))
    return sorted(found)


def write_weekdays(weekdays: list[int]) -> str:
    """Return what `read_weekdays` takes: `mon-fri` for a run of three or more days, else each by its name."""
    runs: list[list[int]] = []
    for day in sorted(weekdays):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    names = ([DAYS[day - 1] for day in run] for run in runs)
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(run) for run in names)  # noqa: PLR2004


def _to_utc(moment: dt.datetime, text: str) -> dt.datetime:
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:
        raise CampaignError(f"{text!r} is not a time that clocks show.") from None
