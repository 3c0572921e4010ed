"""Finds the time zones where the owner of a phone may be, and the times at which a campaign's window is open there."""

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

# The zone id of a message whose phone reveals no zone. This id stands for the campaign's own zone.
OWN_ZONE = 0
# A moment at which the window is open in several zones at once is searched within this time from now.
_LOOK_AHEAD = dt.timedelta(days=60)
_LONGEST_CODE = max(map(len, BY_CODE))
# Names of zones that have the clock of another zone. A British mobile phone has three such names.
_SAME_CLOCKS = {
    "Europe/Guernsey": "Europe/London",
    "Europe/Isle_of_Man": "Europe/London",
    "Europe/Jersey": "Europe/London",
    "Europe/San_Marino": "Europe/Rome",
    "Europe/Vatican": "Europe/Rome",
}


def find_zones(phone: str) -> tuple[str, ...]:
    """Return the time zones in which a phone (E.164) may be; () if they are unknown."""
    return _zones_of_prefix(recipient_key(phone)[1 : 1 + TIMEZONE_LONGEST_PREFIX])


@lru_cache(maxsize=100_000)
def _zones_of_prefix(digits: str) -> tuple[str, ...]:
    if digits.startswith("55"):
        return BRAZIL.get(digits[2:4], ())
    if digits.startswith("1"):
        return _zones_of_area(digits[1:4])
    found = _find_longest(digits[:_LONGEST_CODE], BY_CODE) or _find_longest(digits, TIMEZONE_DATA)
    return tuple(dict.fromkeys(_SAME_CLOCKS.get(zone, zone) for zone in found))


@lru_cache
def _zones_of_area(area: str) -> tuple[str, ...]:
    """Return the zones of all exchanges of a North American area code, because numbers move between exchanges.

    A phone whose area code has no place (toll-free, or not assigned yet) may be anywhere between Bermuda and Guam.
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


class ZoneHours:
    """The window of a campaign, on the clock of each person.

    A phone that may be in several zones gets messages only while the window is open in all of these zones, so that no
    message arrives at night. A short window may never be open in all zones of a code that covers half the world. In
    that case the phone gets no message until an operator changes the window. A phone of unknown zone has the campaign's
    own zone.
    """

    def __init__(self, window: Window, zones: Mapping[int, Iterable[str]]) -> None:
        """`window` is in the campaign's zone. `zones`: by zone id, the names of the time zones where a phone may be."""
        self._own = window
        by_name: dict[str, Window] = {}
        self._windows = {OWN_ZONE: [window]} | {
            zone_id: [by_name.setdefault(name, replace(window, time_zone=name)) for name in names]
            for zone_id, names in zones.items()
        }
        self._open: frozenset[int] = frozenset()
        self._from = self._until = dt.datetime.max.replace(tzinfo=dt.UTC)

    def open_ids(self, now: dt.datetime) -> frozenset[int]:
        """Return the ids of the zones whose window is open at `now`.

        The ids are computed again only after a window has opened or closed.
        """
        if not self._from <= now < self._until:
            changes = {zone_id: self._find_change(zone_id, now) for zone_id in self._windows}
            self._open = frozenset(zone_id for zone_id, (is_open, _) in changes.items() if is_open)
            self._from, self._until = now, min(until for _, until in changes.values())
        return self._open

    def opens_at(self, zone_id: int, at: dt.datetime) -> dt.datetime:
        """Return the first time from `at` on at which the window of a zone is open, at most 60 days later.

        For a zone that is not in the mapping, return `at`.
        """
        if zone_id not in self._windows:
            return at
        is_open, until = self._find_change(zone_id, at)
        return at if is_open else until

    def find_period(self, zone_ids: Iterable[int], at: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
        """Return the next period from `at` on in which the window of one of the zones is open, and stays open.

        The window of each of these zones opens within 60 days.
        """
        openings = ((self.opens_at(zone_id, at), zone_id) for zone_id in zone_ids)
        return min((begins, self._find_change(zone_id, begins)[1]) for begins, zone_id in openings)

    def never_open_ids(self, now: dt.datetime) -> frozenset[int]:
        """Return the ids of the zones in which the window does not open within 60 days."""
        return frozenset(zone_id for zone_id, windows in self._windows.items() if _open_in_all(windows, now) is None)

    def _find_change(self, zone_id: int, now: dt.datetime) -> tuple[bool, dt.datetime]:
        """Return whether the window of a zone is open, and a time until which the answer does not change."""
        windows = self._windows[zone_id]
        opening = _open_in_all(windows, now) or now + _LOOK_AHEAD
        if opening > now:
            return False, opening
        return True, min(window.find_change(now)[1] for window in windows)


def _open_in_all(windows: Sequence[Window], now: dt.datetime) -> dt.datetime | None:
    """Return the first moment from `now` on at which all windows are open, or None if there is none within 60 days."""
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
