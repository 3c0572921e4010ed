"""Where people are, by their phones, and when the window is open there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache

from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from campaigns.domain.pacing import Window

# The zone of a message whose phone says nothing: the campaign's own.
OWN_ZONE = 0
# Zones so far apart that the window is never open in all of them at once: looked for over this long.
_LOOK_AHEAD = dt.timedelta(days=60)


def find_zones(phone: str) -> tuple[str, ...]:
    """Return the time zones in which a phone (E.164) may be, by country and area code; () when nobody knows."""
    return _zones_of_prefix(phone[1 : 1 + TIMEZONE_LONGEST_PREFIX])


@lru_cache(maxsize=100_000)
def _zones_of_prefix(digits: str) -> tuple[str, ...]:
    for length in range(len(digits), 0, -1):
        if found := TIMEZONE_DATA.get(digits[:length]):
            return tuple(found)
    return ()


class ZoneGate:
    """The window of a campaign, on the clock of each person.

    A phone that may be in several zones is messaged only while the window is open in all of them; where that never
    happens (a prefix of half the world), the campaign's own zone counts, as for a phone that says nothing.
    """

    def __init__(self, window: Window, zones: Mapping[int, Iterable[str]]) -> None:
        """`window` is in the campaign's own zone; `zones`: the names of time zones by the zone's id."""
        self._own = window
        by_name: dict[str, Window] = {}
        self._windows = {OWN_ZONE: [window]} | {
            zone_id: [by_name.setdefault(name, replace(window, time_zone=name)) for name in names]
            for zone_id, names in zones.items()
        }
        self._open: frozenset[int] = frozenset()
        self._from = self._until = dt.datetime.max.replace(tzinfo=dt.UTC)

    def open_ids(self, now: dt.datetime) -> frozenset[int]:
        """Return the zones whose window is open at `now`. Looks again only when a window opens or closes."""
        if not self._from <= now < self._until:
            looks = {zone_id: self._look(zone_id, now) for zone_id in self._windows}
            self._open = frozenset(zone_id for zone_id, (is_open, _) in looks.items() if is_open)
            self._from, self._until = now, min(until for _, until in looks.values())
        return self._open

    def opens_at(self, zone_id: int, at: dt.datetime) -> dt.datetime:
        """Return when a zone is open, not before `at`; an unknown zone is looked at now."""
        if zone_id not in self._windows:
            return at
        is_open, until = self._look(zone_id, at)
        return at if is_open else until

    def _look(self, zone_id: int, now: dt.datetime) -> tuple[bool, dt.datetime]:
        """Return whether the window of a zone is open, and until when that is so."""
        opening = _open_in_all(self._windows[zone_id], now)
        windows = self._windows[zone_id] if opening is not None else [self._own]
        opening = opening or _open_in_all(windows, now) or now + _LOOK_AHEAD
        if opening > now:
            return False, opening
        return True, min(window.look(now)[1] for window in windows)


def _open_in_all(windows: Iterable[Window], now: dt.datetime) -> dt.datetime | None:
    """Return the first moment from `now` on at which all windows are open, or None if there is none for long."""
    at = now
    while at <= now + _LOOK_AHEAD:
        waits = [wait.until for window in windows if (wait := window.wait(at))]
        if not waits:
            return at
        at = max(waits)
    return None
