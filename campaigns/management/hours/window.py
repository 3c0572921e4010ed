"""The hours in which a campaign may send, by the clock of the campaign or by that of each person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol
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


def warn_of_other_zone(connection: Connection, campaign_id: int, hours: Hours) -> list[Finding]:
    """If all people are in one zone, and the window is on another clock, return a warning with the hours there.

    The query reads the whole campaign.
    """
    if hours.window_from is None or hours.window_to is None or hours.uses_recipient_zones:
        return []
    counts = count_pending_by_zone(connection, campaign_id)
    zones = load_zones(connection, campaign_id)
    common = set[str]().union(*zones.values()).intersection(*(zones.get(each, ()) for each in counts))
    at = find_start(hours, read_clock(connection), has_started=False)
    if not counts or len(common) != 1:
        return []
    (zone,) = common
    own = ZoneInfo(hours.time_zone)
    opens, closes = (
        dt.datetime.combine(at.astimezone(own), time, own).astimezone(ZoneInfo(zone))
        for time in (hours.window_from, hours.window_to)
    )
    if opens.time() == hours.window_from:
        return []
    finding = Finding(
        "window_of_other_zone",
        Severity.WARNING,
        "All people of campaign {campaign_id} ({people}) are in {zone}. The window {opens:%H:%M}-{closes:%H:%M} of"
        " {own} is {opens_there:%H:%M}-{closes_there:%H:%M} there.",
        "If these hours are meant on the clock of the people: {change}.",
        campaign_id=campaign_id,
        people=Count(sum(counts.values()), "recipient"),
        zone=zone,
        own=hours.time_zone,
        opens=hours.window_from,
        closes=hours.window_to,
        opens_there=opens,
        closes_there=closes,
        change=Hint(HintAction.CHANGE_CAMPAIGN, campaign_id, Entry(Field.TIME_ZONE, zone)),
    )
    return [finding]
