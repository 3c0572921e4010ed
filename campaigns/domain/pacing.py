"""Decides when a campaign may send its next message, by its interval, its pauses and its sending window."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container
from dataclasses import dataclass, replace
from enum import StrEnum
from zoneinfo import ZoneInfo

# A campaign makes up for a delay that is shorter than this time, so that it keeps its pace on a busy machine.
_CATCH_UP_SECONDS = 1.0
# The next opening of a window is searched within this time from now. If the window does not open within this time, the
# campaign waits for this time, and then the search is repeated.
_LOOK_AHEAD = dt.timedelta(days=60)


class Reason(StrEnum):
    """The reason for which a running campaign waits.

    The campaign continues by itself once the reason is gone. A campaign that a person has paused has no such reason.
    """

    INTERVAL = "interval"
    PAUSE = "pause"
    WINDOW = "window"
    RETRY = "retry"  # all remaining messages wait for their next attempts
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"
    NO_ACTIVE_ACCOUNT = "no_active_account"
    TEMPLATE = "template"
    DAILY_LIMIT = "daily_limit"
    IDLE = "idle"  # a standing campaign has no message to send: docs/decisions/0113


# Waits for these reasons often last until a person acts. The other waits usually end by themselves.
NEEDS_PERSON = frozenset({Reason.NO_ACTIVE_ACCOUNT, Reason.TEMPLATE})


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may be sent before `until`, because of `reason`."""

    reason: Reason
    until: dt.datetime


@dataclass(frozen=True, slots=True)
class Window:
    """The hours, the weekdays (1 = Monday) and the time zone in which a campaign may send.

    If both `opens` and `closes` are None, the window is open all day. If `opens` is later than `closes`, the window
    runs over midnight. After midnight, this window still belongs to the day on which it opened.
    """

    time_zone: str
    opens: dt.time | None = None
    closes: dt.time | None = None
    weekdays: frozenset[int] = frozenset(range(1, 8))
    holidays: Container[dt.date] | None = None  # days on which the window does not open

    def wait(self, now: dt.datetime) -> Wait | None:
        """Return None while the window is open, else the wait until the window opens. `now` has a time zone."""
        is_open, until = self.find_change(now)
        return None if is_open else Wait(Reason.WINDOW, until)

    def find_change(self, now: dt.datetime) -> tuple[bool, dt.datetime]:
        """Return whether the window is open at `now`, and a time until which the answer does not change."""
        if self.opens is None and len(self.weekdays) == 7 and self.holidays is None:  # noqa: PLR2004  a week
            return True, now + _LOOK_AHEAD
        zone = ZoneInfo(self.time_zone)
        now = now.astimezone(dt.UTC)
        today = now.astimezone(zone).date()
        for days in range(-1, _LOOK_AHEAD.days):
            start, end = self._span(today + dt.timedelta(days=days), zone)
            # A span is empty if the whole window is in the hour that the clocks skip. Such a window does not open that
            # day.
            if start is not None and end > max(now, start):
                return (True, end) if start <= now else (False, start)
        return False, now + _LOOK_AHEAD

    def _span(self, day: dt.date, zone: ZoneInfo) -> tuple[dt.datetime | None, dt.datetime]:
        """Return the times at which the window of `day` opens (None: it does not open) and closes.

        Both times are in UTC, because clock changes make days of 23 and 25 hours.
        """
        opens, closes = self.opens or dt.time(0), self.closes or dt.time(0)
        last = day + dt.timedelta(days=1) if closes <= opens else day
        end = dt.datetime.combine(last, closes, zone).astimezone(dt.UTC)
        if day.isoweekday() not in self.weekdays or (self.holidays is not None and day in self.holidays):
            return None, end
        return dt.datetime.combine(day, opens, zone).astimezone(dt.UTC), end


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace that a person has set. 0 means that there is no interval, or no pause."""

    window: Window
    interval_seconds: float = 0.0
    pause_after: int = 0
    pause_seconds: float = 0.0

    @property
    def is_counted(self) -> bool:
        """Whether claims change the state of the pace, so that the state must be stored."""
        return bool(self.interval_seconds or self.pause_after)


@dataclass(frozen=True, slots=True)
class PaceState:
    """The time of the next message (None: now), and the number of messages since the last pause."""

    next_message_at: dt.datetime | None = None
    burst_count: int = 0


def allow(pace: Pace, state: PaceState, now: dt.datetime, *, want: int) -> int | Wait:
    """Return the number of messages (1 to `want`) that may be claimed now, or else the wait."""
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
    """Return the state of the pace after `claimed` messages were claimed at `now`."""
    if not claimed or not pace.is_counted:
        return state
    burst_count = state.burst_count + claimed
    if pace.pause_after and burst_count >= pace.pause_after:
        return PaceState(now + dt.timedelta(seconds=max(pace.pause_seconds, pace.interval_seconds)), 0)
    if not pace.interval_seconds:
        return replace(state, next_message_at=None, burst_count=burst_count)
    # The interval is counted from the time at which these messages were due, not from now. So delays do not add up over
    # a campaign.
    start = now - dt.timedelta(seconds=_lateness(state, now))
    return PaceState(start + dt.timedelta(seconds=claimed * pace.interval_seconds), burst_count)


def _lateness(state: PaceState, now: dt.datetime) -> float:
    if state.next_message_at is None:
        return 0.0
    late = (now - state.next_message_at).total_seconds()
    # A longer delay means that the campaign was stopped. The campaign does not make up for such a delay.
    return late if 0 < late < _CATCH_UP_SECONDS else 0.0


def _gap(state: PaceState, now: dt.datetime) -> float:
    return (state.next_message_at - now).total_seconds() if state.next_message_at else 0.0
