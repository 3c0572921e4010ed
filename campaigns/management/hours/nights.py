"""Finds the people for whom it is night when their message may leave."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from campaigns.domain.campaign import ENDED
from campaigns.domain.pacing import Window
from campaigns.domain.phone.zones import OWN_ZONE
from campaigns.domain.statement import Entry
from campaigns.management.hours.quiet_hours import QuietHours
from campaigns.management.hours.window import find_clock, find_start, read_zone_hours
from campaigns.store import campaigns as store
from campaigns.store.database import Connection, Database
from campaigns.store.recipients import count_pending_by_zone, load_zones

# The hours that count as night if the settings have no quiet hours.
NIGHT: QuietHours = (dt.time(20), dt.time(8))


@dataclass(frozen=True, slots=True)
class Night:
    """The people of a campaign for whom it is night when the first message to people in their time zone may leave.

    `night_count`: the number of these people. `at` and `time_zone`: the time of a first message, and the time zone,
    that most of these people share. `is_now`: the time `at` is not in the future. `people_count`: the number of all
    people to whom the campaign has a pending message. `clock`: the setting that puts the hours of the campaign on the
    clock of all its people; None if they are on it.
    """

    campaign_id: int
    name: str
    night_count: int
    people_count: int
    at: dt.datetime
    time_zone: str
    is_now: bool
    clock: Entry | None = None


def find_nights(database: Database, campaign_ids: Sequence[int], *, quiet: QuietHours | None) -> list[Night]:
    """Find the campaigns whose first messages would reach people at night if an operator started the campaigns now.

    A campaign that has started already is judged as if an operator resumed it now.

    `quiet`: the hours of the night, on the clock of each person; None: from 20:00 to 8:00. For a person who may be in
    several time zones, it counts as night if it is night in one of these zones.
    """
    return database.run(look_for_nights, campaign_ids, quiet=quiet)


def look_for_nights(connection: Connection, campaign_ids: Sequence[int], *, quiet: QuietHours | None) -> list[Night]:
    """Do the work of `find_nights` in a transaction of the caller."""
    nights = []
    for row in store.list_campaigns(connection, campaign_ids):
        if row.status not in ENDED:
            start = find_start(row, row.server_now, has_started=row.started_at is not None)
            counts = count_pending_by_zone(connection, row.id)
            nights.append(find_night(connection, row, {(zone, start): count for zone, count in counts.items()}, quiet))
    return [night for night in nights if night is not None]


def find_night(
    connection: Connection,
    row: store.CampaignListing,
    counts: Mapping[tuple[int, dt.datetime], int],
    quiet: QuietHours | None,
) -> Night | None:
    """Return the people for whom it is night when their message may leave; None if it is night for nobody.

    `counts`: the number of messages by `zone_id` and by the time from which they may be sent.
    """
    zones = {OWN_ZONE: (row.time_zone,)} | load_zones(connection, row.id)
    zone_hours = read_zone_hours(connection, row.id, row)
    never_open = zone_hours.never_open_ids(row.server_now)
    by_place: dict[tuple[dt.datetime, str], int] = {}
    for (zone_id, start), count in counts.items():
        hours_id = zone_id if row.uses_recipient_zones else OWN_ZONE
        if hours_id in never_open:
            continue
        at = zone_hours.opens_at(hours_id, max(start, row.server_now))
        dark = next((name for name in zones[zone_id] if Window(name, *(quiet or NIGHT)).wait(at) is None), None)
        if dark is not None:
            by_place[at, dark] = by_place.get((at, dark), 0) + count
    if not by_place:
        return None
    at, time_zone = max(by_place, key=by_place.__getitem__)
    return Night(
        row.id,
        row.name,
        night_count=sum(by_place.values()),
        people_count=sum(counts.values()),
        at=at,
        time_zone=time_zone,
        is_now=at <= row.server_now,
        clock=find_clock(row, {zone_id for zone_id, _start in counts}, zones, at=at),
    )
