"""The hours in which a campaign may send, by the clock of the campaign or by that of each person."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from campaigns.domain.pacing import Window
from campaigns.domain.phone.zones import ZoneHours
from campaigns.domain.schedule import read_holidays
from campaigns.domain.statement import Count, Entry, Field, Finding, Hint, HintAction, Severity
from campaigns.store.database import Connection, read_clock
from campaigns.store.recipients import count_never_open, count_pending_by_zone, load_zones

_ALL_DAYS = 7


class Hours(Protocol):
    """The settings that decide when, and whether, a campaign may send. Plans and rows of campaigns have them."""

    @property
    def scheduled_at(self) -> dt.datetime | None: ...
    @property
    def window_from(self) -> dt.time | None: ...
    @property
    def window_to(self) -> dt.time | None: ...
    @property
    def weekdays(self) -> list[int]: ...
    @property
    def time_zone(self) -> str: ...
    @property
    def uses_recipient_zones(self) -> bool: ...
    @property
    def holidays(self) -> str | None: ...
    @property
    def parameters(self) -> Mapping[str, str | None]: ...
    @property
    def columns(self) -> Sequence[str]: ...
    @property
    def is_standing(self) -> bool: ...


def read_window_of(hours: Hours) -> Window:
    holidays = read_holidays(hours.holidays) if hours.holidays else None
    return Window(hours.time_zone, hours.window_from, hours.window_to, frozenset(hours.weekdays), holidays)


def read_zone_hours(connection: Connection, campaign_id: int, hours: Hours) -> ZoneHours:
    zones: Mapping[int, Sequence[str]] = load_zones(connection, campaign_id) if hours.uses_recipient_zones else {}
    return ZoneHours(read_window_of(hours), zones)


def has_hours(hours: Hours) -> bool:
    """Tell whether there are times at which the campaign may not send."""
    return hours.window_from is not None or len(hours.weekdays) < _ALL_DAYS or hours.holidays is not None


def count_by_zone(connection: Connection, campaign_id: int, hours: Hours) -> Mapping[int, int] | None:
    """Return the number of pending messages by time zone if the hours follow the clock of each person, else None.

    The count reads the whole campaign, so a caller that locks the campaign counts before that.
    """
    return count_pending_by_zone(connection, campaign_id) if hours.uses_recipient_zones and has_hours(hours) else None


def find_start(hours: Hours, now: dt.datetime, *, has_started: bool) -> dt.datetime:
    """Return the time from which a campaign may send, apart from its hours: now, or its schedule."""
    return now if has_started or hours.scheduled_at is None else max(hours.scheduled_at, now)


def warn_of_zones(connection: Connection, campaign_id: int, hours: Hours) -> list[Finding]:
    """If the window of a campaign is never open for some pending messages, return a warning with their number."""
    if not hours.uses_recipient_zones:
        return []
    count = count_never_open(connection, campaign_id, read_window_of(hours))
    if not count:
        return []
    finding = Finding(
        "zones_never_open",
        Severity.WARNING,
        "{messages} would never be sent. The area code of such a phone fits several time zones, and this window is"
        " never open in all of them at the same time, so there is no hour that is right for the person.",
        "Widen the window: {widen}. Or send by the campaign's own clock: {own_zone}.",
        campaign_id=campaign_id,
        messages=Count(count, "message"),
        widen=Hint(HintAction.CHANGE_CAMPAIGN, campaign_id, Entry(Field.WINDOW, "08:00-20:00")),
        own_zone=Hint(HintAction.CHANGE_CAMPAIGN, campaign_id, Entry(Field.RECIPIENT_ZONES, None)),
    )
    return [finding]


def find_clock(
    hours: Hours, zone_ids: Collection[int], zones: Mapping[int, Sequence[str]], *, at: dt.datetime
) -> Entry | None:
    """Return the setting that puts the hours of a campaign on the clock of all its people; None if they are on it.

    `zone_ids`: those of the people. `zones`: by zone id, the names of the time zones where a person may be. `at`: the
    time for which clocks are compared.
    """
    if hours.uses_recipient_zones:
        return None
    names = {zone_id: zones.get(zone_id) or (hours.time_zone,) for zone_id in zone_ids}
    if all(_has_same_clock(name, hours.time_zone, at) for found in names.values() for name in found):
        return None
    common = set[str]().union(*names.values()).intersection(*names.values())
    return Entry(Field.TIME_ZONE, *common) if len(common) == 1 else Entry(Field.RECIPIENT_ZONES)


def _has_same_clock(one: str, other: str, at: dt.datetime) -> bool:
    return at.astimezone(ZoneInfo(one)).utcoffset() == at.astimezone(ZoneInfo(other)).utcoffset()


def warn_of_other_zone(connection: Connection, campaign_id: int, hours: Hours) -> list[Finding]:
    """Return a warning if most people are on another clock than the window, or than the schedule.

    The query reads the whole campaign.
    """
    has_window = hours.window_from is not None and not hours.uses_recipient_zones
    if not has_window and hours.scheduled_at is None:
        return []
    counts = count_pending_by_zone(connection, campaign_id)
    zones = load_zones(connection, campaign_id)
    now = read_clock(connection)
    at = find_start(hours, now, has_started=False)
    by_zone = Counter[str]()
    for zone_id, count in counts.items():
        names = zones.get(zone_id) or (hours.time_zone,)
        if not any(_has_same_clock(name, hours.time_zone, at) for name in names):
            by_zone[names[0]] += count
    if by_zone.total() * 2 <= sum(counts.values()):
        return []
    zone = by_zone.most_common(1)[0][0]
    values = {
        "campaign_id": campaign_id,
        "count": by_zone.total(),
        "people": Count(sum(counts.values()), "recipient"),
        "zone": zone,
        "own": hours.time_zone,
    }
    found = []
    if has_window:
        found.append(_warn_of_window(hours, at, find_clock(hours, [*counts], zones, at=at), values))
    if hours.scheduled_at is not None and hours.scheduled_at > now:
        found.append(_warn_of_schedule(hours, hours.scheduled_at, values))
    return found


def _warn_of_window(hours: Hours, at: dt.datetime, clock: Entry | None, values: dict[str, Any]) -> Finding:
    assert hours.window_from is not None
    assert hours.window_to is not None
    own = ZoneInfo(hours.time_zone)
    opens, closes = (
        dt.datetime.combine(at.astimezone(own), time, own).astimezone(ZoneInfo(values["zone"]))
        for time in (hours.window_from, hours.window_to)
    )
    all_share = clock is not None and clock.field is Field.TIME_ZONE
    return Finding(
        "window_of_other_zone",
        Severity.WARNING,
        "All people of campaign {campaign_id} ({people}) are in {zone}. The window {opens:%H:%M}-{closes:%H:%M} of"
        " {own} is {opens_there:%H:%M}-{closes_there:%H:%M} there."
        if all_share
        else "Most people of campaign {campaign_id} ({count:,} of {people}) are in other time zones than {own}, and"
        " most of these in {zone}. The window {opens:%H:%M}-{closes:%H:%M} of {own} is"
        " {opens_there:%H:%M}-{closes_there:%H:%M} there.",
        "If these hours are meant on the clock of the people: {change}.",
        **values,
        opens=hours.window_from,
        closes=hours.window_to,
        opens_there=opens,
        closes_there=closes,
        change=Hint(HintAction.CHANGE_CAMPAIGN, values["campaign_id"], clock),
    )


def _warn_of_schedule(hours: Hours, scheduled_at: dt.datetime, values: dict[str, Any]) -> Finding:
    at = scheduled_at.astimezone(ZoneInfo(hours.time_zone))
    entry = Entry(Field.SCHEDULE_AT, f"{at:%Y-%m-%d %H:%M}")
    return Finding(
        "schedule_of_other_zone",
        Severity.WARNING,
        "Most people of campaign {campaign_id} ({count:,} of {people}) are in other time zones than {own}, and most of"
        " these in {zone}. The schedule, {at:%Y-%m-%d %H:%M} in {own}, is {at_there:%Y-%m-%d %H:%M} in {zone}.",
        "If this time is meant on the clock of {zone}: {change}.",
        **values,
        at=at,
        at_there=scheduled_at.astimezone(ZoneInfo(values["zone"])),
        change=Hint(
            HintAction.CHANGE_CAMPAIGN, values["campaign_id"], entry, also=(Entry(Field.TIME_ZONE, values["zone"]),)
        ),
    )
