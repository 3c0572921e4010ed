"""Finds the time zones in which a person may be, by phone, and the times at which a campaign's window is open there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import cycle

from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from campaigns.domain.pacing import Window
from campaigns.domain.phone.area_codes import BRAZIL, BY_CODE, NORTH_AMERICA
from campaigns.domain.phone.person import recipient_key

# The zone of a message whose phone says nothing: the campaign's own.
OWN_ZONE = 0
# How far ahead to search for a moment at which the window is open in several zones at once.
_LOOK_AHEAD = dt.timedelta(days=60)
_LONGEST_CODE = max(map(len, BY_CODE))


def find_zones(phone: str) -> tuple[str, ...]:
    """Return the time zones in which a phone (E.164) may be, in their order; () if they are unknown."""
    return _zones_of_prefix(recipient_key(phone)[1 : 1 + TIMEZONE_LONGEST_PREFIX])


@lru_cache(maxsize=100_000)
def _zones_of_prefix(digits: str) -> tuple[str, ...]:
    if digits.startswith("55"):
        return BRAZIL.get(digits[2:4], ())
    if digits.startswith("1"):
        return _zones_of_area(digits[1:4])
    return _find_longest(digits[:_LONGEST_CODE], BY_CODE) or _find_longest(digits, TIMEZONE_DATA)


@lru_cache
def _zones_of_area(area: str) -> tuple[str, ...]:
    """Return the zones of a North American area code: those of all its exchanges, for numbers move within their area.

    A phone with a code of no place (toll-free, or not assigned yet) may be anywhere between Bermuda and Guam.
    """
    if zones := NORTH_AMERICA.get(area):
        return zones
    of_exchanges = {zone for prefix, zones in TIMEZONE_DATA.items() if prefix.startswith(f"1{area}") for zone in zones}
    return tuple(sorted(of_exchanges)) or tuple(TIMEZONE_DATA["1"])


def _find_longest(digits: str, zones_by_code: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    for length in range(len(digits), 0, -1):
        if zones := zones_by_code.get(digits[:length]):
            return tuple(zones)
    return ()


class ZoneGate:
    """The window of a campaign, on the clock of each person.

    A phone that may be in several zones is messaged only while the window is open in all of them. If that never
    happens (a code of half the world and a short window), it is not messaged until the window is changed: at any other
    hour, it may be night where the person is. A phone of unknown zone has the campaign's own.
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

    def never_open_ids(self, now: dt.datetime) -> frozenset[int]:
        """Return the zones in which the window is not open within 60 days."""
        return frozenset(zone_id for zone_id, windows in self._windows.items() if _open_in_all(windows, now) is None)

    def _look(self, zone_id: int, now: dt.datetime) -> tuple[bool, dt.datetime]:
        """Return whether the window of a zone is open, and until when that is so."""
        windows = self._windows[zone_id]
        opening = _open_in_all(windows, now) or now + _LOOK_AHEAD
        if opening > now:
            return False, opening
        return True, min(window.look(now)[1] for window in windows)


def _open_in_all(windows: Sequence[Window], now: dt.datetime) -> dt.datetime | None:
    """Return the first moment from `now` on at which all windows are open, or None if there is none for long."""
    at, open_count = now, 0
    for window in cycle(windows):
        wait = window.wait(at)
        if wait is None:
            open_count += 1
        elif wait.until >= now + _LOOK_AHEAD:
            return None
        else:
            at, open_count = wait.until, 1
        if open_count == len(windows):
            return at
    return None
