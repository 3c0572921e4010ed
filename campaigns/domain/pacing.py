"""When a campaign may send its next message: interval, pause after a number of messages, sending window."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container
from dataclasses import dataclass, replace
from enum import StrEnum
from zoneinfo import ZoneInfo

# A campaign that is late by no more than this catches up: a pace of ten a second stays one over a busy machine.
_CATCH_UP_SECONDS = 1.0
# A window that holidays keep closed is looked for this far; after that it is looked for again.
_LOOK_AHEAD = dt.timedelta(days=60)


class Reason(StrEnum):
    """Why a running campaign waits. Each ends by itself; a person's stop is the status `paused`, never one of these."""

    INTERVAL = "interval"
    PAUSE = "pause"
    WINDOW = "window"
    RETRY = "retry"  # all that is left waits for its next attempt
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"
    NO_ACTIVE_ACCOUNT = "no_active_account"
    TEMPLATE = "template"
    DAILY_LIMIT = "daily_limit"


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may be sent before `until`, because of `reason`."""

    reason: Reason
    until: dt.datetime


@dataclass(frozen=True, slots=True)
class Window:
    """Hours, weekdays (1 = Monday) and zone in which a campaign may send. `opens` after `closes` runs over midnight.

    Both None: all day. The night part of a window belongs to the day on which it opened.
    """

    time_zone: str
    opens: dt.time | None = None
    closes: dt.time | None = None
    weekdays: frozenset[int] = frozenset(range(1, 8))
    holidays: Container[dt.date] | None = None  # days on which the window does not open

    def wait(self, now: dt.datetime) -> Wait | None:
        """Return None while the window is open, else when it opens. `now` is aware."""
        is_open, until = self.look(now)
        return None if is_open else Wait(Reason.WINDOW, until)

    def look(self, now: dt.datetime) -> tuple[bool, dt.datetime]:
        """Return whether the window is open at `now`, and until when at least that is so."""
        if self.opens is None and len(self.weekdays) == 7 and self.holidays is None:  # noqa: PLR2004  a week
            return True, now + _LOOK_AHEAD
        zone = ZoneInfo(self.time_zone)
        now = now.astimezone(dt.UTC)
        today = now.astimezone(zone).date()
        for days in range(-1, _LOOK_AHEAD.days):
            start, end = self._span(today + dt.timedelta(days=days), zone)
            # A span may be empty: a window in the hour that the clocks skip does not open that day.
            if start is not None and end > max(now, start):
                return (True, end) if start <= now else (False, start)
        return False, now + _LOOK_AHEAD

    def _span(self, day: dt.date, zone: ZoneInfo) -> tuple[dt.datetime | None, dt.datetime]:
        """Return the span that opens on `day`, in UTC (clock changes make days of 23 and 25 hours), or (None, …)."""
        opens, closes = self.opens or dt.time(0), self.closes or dt.time(0)
        last = day + dt.timedelta(days=1) if closes <= opens else day
        end = dt.datetime.combine(last, closes, zone).astimezone(dt.UTC)
        if day.isoweekday() not in self.weekdays or (self.holidays is not None and day in self.holidays):
            return None, end
        return dt.datetime.combine(day, opens, zone).astimezone(dt.UTC), end


@dataclass(frozen=True, slots=True)
class Pace:
    """A campaign's own pace. 0 stands for none: no interval, no pause."""

    window: Window
    interval_seconds: float = 0.0
    pause_after: int = 0
    pause_seconds: float = 0.0

    @property
    def is_counted(self) -> bool:
        """Whether claims move the pace, so that where it stands must be kept."""
        return bool(self.interval_seconds or self.pause_after)


@dataclass(frozen=True, slots=True)
class PaceState:
    """Where the pace stands: when the next message may go (None: at once), and how many went since the last pause."""

    next_message_at: dt.datetime | None = None
    burst_count: int = 0


def allow(pace: Pace, state: PaceState, now: dt.datetime, *, want: int) -> int | Wait:
    """Return how many messages (1 to `want`) may be claimed now, or what to wait for."""
    if closed := pace.window.wait(now):
        return closed
    if state.next_message_at is not None and state.next_message_at > now:
        is_pause = pace.pause_after > 0 and state.burst_count == 0 and _gap(state, now) > pace.interval_seconds
        return Wait(Reason.PAUSE if is_pause else Reason.INTERVAL, state.next_message_at)
    count = want
    if pace.interval_seconds:
        count = min(count, 1 + int(_lateness(state, now) / pace.interval_seconds))
    if pace.pause_after:
        count = min(count, pace.pause_after - state.burst_count)
    return max(count, 1)


def advance(pace: Pace, state: PaceState, now: dt.datetime, *, claimed: int) -> PaceState:
    """Return where the pace stands after `claimed` messages were taken at `now`."""
    if not claimed or not pace.is_counted:
        return state
    burst_count = state.burst_count + claimed
    if pace.pause_after and burst_count >= pace.pause_after:
        return PaceState(now + dt.timedelta(seconds=max(pace.pause_seconds, pace.interval_seconds)), 0)
    if not pace.interval_seconds:
        return replace(state, next_message_at=None, burst_count=burst_count)
    # Counted from when it was due, not from when we came: lateness does not add up over a campaign.
    start = now - dt.timedelta(seconds=_lateness(state, now))
    return PaceState(start + dt.timedelta(seconds=claimed * pace.interval_seconds), burst_count)


def _lateness(state: PaceState, now: dt.datetime) -> float:
    if state.next_message_at is None:
        return 0.0
    late = (now - state.next_message_at).total_seconds()
    # Later than that is not a hiccup: the campaign was stopped, and what it missed then is not made up.
    return late if 0 < late < _CATCH_UP_SECONDS else 0.0


def _gap(state: PaceState, now: dt.datetime) -> float:
    return (state.next_message_at - now).total_seconds() if state.next_message_at else 0.0
