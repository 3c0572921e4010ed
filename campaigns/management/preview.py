"""Previews a campaign: its first messages, the number of messages, the rate of sending, and the approximate end."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from campaigns.domain.campaign import ENDED, Departure
from campaigns.domain.filling import fill, find_misfit
from campaigns.domain.message import Status
from campaigns.domain.phone.zones import OWN_ZONE, ZoneHours
from campaigns.management.hours.departure import find_departure
from campaigns.management.hours.window import count_by_zone, read_window_of, read_zone_hours
from campaigns.management.layouts import Preview, preview
from campaigns.management.reports import find_campaign
from campaigns.management.template_choice import read_template
from campaigns.store import accounts, campaigns, portfolios, templates
from campaigns.store.accounts import load_campaign_accounts
from campaigns.store.campaigns import CampaignListing
from campaigns.store.database import Connection, Database

_DAY = dt.timedelta(days=1)
# No end is estimated if the sending takes longer than this time.
_LONGEST = dt.timedelta(days=3650)
# For more people, nobody counts how many of them have had as many messages as the campaign allows. The count reads the
# messages of all recent campaigns, and a start must not wait for it for long.
_MOST_COUNTED = 100_000

# A function that takes a time, and returns the beginning and the end of the next period in which sending is possible.
# The end is None if the period has no end.
Opening = Callable[[dt.datetime], tuple[dt.datetime, dt.datetime | None]]


@dataclass(frozen=True, slots=True)
class CampaignPreview:
    """A preview of a campaign. `category`: the category of the template.

    `send_count`: the number of pending messages that will be sent. `suppressed_count`: the number of pending messages
    to suppressed people, which will not be sent. `capped_count`: the number of those that the limit per person holds
    back.

    `messages`: the phones and the texts of the first messages. `rate`: the messages per second of all accounts that may
    send the campaign. `departure`: when the first message may leave, if the campaign is started or resumed now.
    `seconds`: the time that the messages take at this rate and pace, without the time in which nobody may get one.
    `ends_at`: the approximate end, at a time at which a message may leave; None if no account may send the campaign, if
    the hours never open, if the campaign takes more than ten years, or if it has ended. `limited_by`: the portfolios
    whose daily limit determines the end; [] if another reason does. `limit_days`: the number of days that the daily
    limits make of the sending, with the first day; 1 without a limit.
    """

    campaign: CampaignListing
    category: str
    send_count: int
    suppressed_count: int
    capped_count: int
    messages: list[tuple[str, Preview]]
    rate: int
    starts_at: dt.datetime
    departure: Departure
    seconds: float
    ends_at: dt.datetime | None
    limited_by: list[str]
    limit_days: int


def preview_campaign(database: Database, campaign_id: int, *, rows: int) -> CampaignPreview:
    """Return numbers about a campaign's pending messages, and the texts of the first `rows` messages.

    Raises Refusal.
    """
    return database.run(_load, campaign_id, rows)


def list_capped(connection: Connection, row: CampaignListing, departure: Departure | None = None) -> list[int]:
    """Return the pending messages that the limit per person will hold back when the first message may leave.

    The result is empty for a campaign of many people. `departure`: that of the campaign, if the caller knows it.
    """
    if row.max_per_person is None or row.counts.get(Status.PENDING, 0) > _MOST_COUNTED:
        return []
    if departure is None:
        departure = find_departure(connection, row.id, row, now=row.server_now, has_started=row.started_at is not None)
    return campaigns.list_capped(connection, row.id, at=departure.delayed_until or departure.at or row.server_now)


def preview_messages(
    connection: Connection,
    row: CampaignListing,
    template: templates.TemplateRow,
    *,
    limit: int,
    capped: Sequence[int],
) -> list[tuple[str, Preview]]:
    """Return the phones and the texts of the first messages of a campaign that will be sent.

    `template`: the template of the campaign. `capped`: the result of `list_capped`. Raises TemplateError if the
    template cannot be sent with the values of the campaign.
    """
    show = _make_writer(row, template)
    first = campaigns.list_pending_after(connection, row.id, 0, limit=limit, capped=capped)
    return [(phone, show(variables)) for _id, phone, variables in first]


def preview_first_between(
    connection: Connection,
    row: CampaignListing,
    template: templates.TemplateRow,
    first_id: int,
    before_id: int | None,
    *,
    capped: Sequence[int],
) -> Preview | None:
    """Return the text of the first message from `first_id` on that will be sent; None if there is none.

    `before_id`: the message must have a smaller id. Raises TemplateError, as `preview_messages` does.
    """
    show = _make_writer(row, template)
    found = campaigns.list_pending_after(connection, row.id, first_id - 1, limit=1, capped=capped)
    return next((show(variables) for id_, _phone, variables in found if before_id is None or id_ < before_id), None)


def _make_writer(row: CampaignListing, template: templates.TemplateRow) -> Callable[[Sequence[str]], Preview]:
    """Return a function that writes the message with the values of one person. Raises TemplateError."""
    form = read_template(template)
    if misfit := find_misfit(form, row.parameters, row.columns):
        raise misfit
    filling = fill(form, row.parameters)

    def show(variables: Sequence[str]) -> Preview:
        values = {**filling.fixed, **dict(zip(row.columns, variables, strict=False))}
        return preview(filling.template, template.components, values)

    return show


def _load(connection: Connection, campaign_id: int, rows: int) -> CampaignPreview:
    row = find_campaign(connection, campaign_id)
    template = templates.load_template(connection, campaigns.find_template_id(connection, campaign_id))
    pending_count, suppressed_count = campaigns.count_pending(connection, campaign_id)
    categories = load_campaign_accounts(connection, [campaign_id])[campaign_id]
    listed = accounts.list_accounts(connection, list(categories))
    sending = [account for account in listed if account.may_send(categories[account.id])]
    rate = sum(account.messages_per_second for account in sending)
    starts_at = max(row.scheduled_at or row.server_now, row.server_now)
    has_ended = row.status in ENDED
    counts = count_by_zone(connection, campaign_id, row) or {OWN_ZONE: pending_count}
    departure = (
        Departure(None, row.server_now, row.time_zone)
        if has_ended
        else find_departure(
            connection,
            campaign_id,
            row,
            now=row.server_now,
            has_started=row.started_at is not None,
            counts=counts if row.uses_recipient_zones else None,
        )
    )
    capped = [] if has_ended else list_capped(connection, row, departure)
    send_count = pending_count - suppressed_count - len(capped)
    seconds = _count_seconds(row, send_count, rate) if rate else 0.0
    ends_at: dt.datetime | None = None
    limited_by: list[str] = []
    days = 0
    hours = read_zone_hours(connection, campaign_id, row)
    zone_ids = {*counts} - hours.never_open_ids(starts_at)
    if rate and zone_ids and not has_ended:
        begins_at = departure.at or starts_at
        people = {each: min(counts[each], send_count) for each in zone_ids}
        needs = {each: _count_seconds(row, count, rate) for each, count in people.items()}
        ends_at = _find_end(begins_at, seconds, hours, needs)
        limits = _find_limits(connection, sending)
        days = _days_of_limits(limits, send_count)
        limited_at = _find_limited_end(starts_at, days, partial(hours.find_period, zone_ids))
        limited_by = [each.name for each in limits] if ends_at and limited_at and limited_at > ends_at else []
        ends_at = max(ends_at, limited_at) if ends_at and limited_at else None
    return CampaignPreview(
        row,
        template.category,
        send_count,
        suppressed_count,
        len(capped),
        preview_messages(connection, row, template, limit=rows, capped=capped),
        rate,
        starts_at,
        departure,
        seconds,
        ends_at,
        limited_by,
        days + 1,
    )


def estimate_rest(row: CampaignListing, count: int, rate: float) -> dt.datetime | None:
    """Return about when the last of `count` messages of a running campaign leaves. `rate`: messages per second.

    None if the hours are on the clock of each person, because the function does not know the people. Daily limits are
    not counted.
    """
    if row.uses_recipient_zones:
        return None
    begins_at = row.due_at if row.waiting_reason and row.due_at else row.server_now
    hours = ZoneHours(read_window_of(row), {})
    return estimate_end(begins_at, _count_seconds(row, count, rate), partial(hours.find_period, [OWN_ZONE]))


def _count_seconds(row: CampaignListing, count: int, rate: float) -> float:
    return estimate_seconds(
        count,
        rate=rate,
        interval_seconds=row.interval_seconds,
        pause_after=row.pause_after or 0,
        pause_seconds=row.pause_seconds or 0.0,
    )


def _find_end(
    begins_at: dt.datetime, seconds: float, hours: ZoneHours, needs: Mapping[int, float]
) -> dt.datetime | None:
    """Return the end without the daily limits. `seconds`: those of all messages. `needs`: those of each zone.

    All messages share the rate, and those to the people of one zone wait for the hours of this zone.
    """
    together = estimate_end(begins_at, seconds, partial(hours.find_period, [*needs]))
    apart = [estimate_end(begins_at, each, partial(hours.find_period, [zone_id])) for zone_id, each in needs.items()]
    found = [each for each in (together, *apart) if each is not None]
    return max(found) if len(found) == len(apart) + 1 else None


def _find_limited_end(starts_at: dt.datetime, days: int, opening: Opening) -> dt.datetime | None:
    """Return the first time of the last day of the daily limits. Each day begins 24 hours after the one before."""
    at, _closes = opening(starts_at)
    for _day in range(days):
        at, _closes = opening(at + _DAY)
        if at - starts_at > _LONGEST:
            return None
    return at


def _find_limits(
    connection: Connection, sending: Sequence[accounts.AccountListing]
) -> list[portfolios.PortfolioListing]:
    """Return the portfolios of the accounts; [] if an account is in no portfolio, because it has no daily limit."""
    names = {account.portfolio for account in sending}
    return [] if None in names else [each for each in portfolios.list_portfolios(connection) if each.name in names]


def _days_of_limits(limits: Sequence[portfolios.PortfolioListing], count: int) -> int:
    """Return the number of days, after the first, that the campaign needs because of daily limits."""
    if not limits:
        return 0
    free = sum(max(each.daily_limit - each.people_count, 0) for each in limits)
    return max(math.ceil((count - free) / sum(each.daily_limit for each in limits)), 0)


def estimate_seconds(
    count: int, *, rate: float, interval_seconds: float = 0.0, pause_after: int = 0, pause_seconds: float = 0.0
) -> float:
    """Return the seconds that the sending of `count` messages takes. `rate`: messages per second of all accounts."""
    if count <= 1:
        return 0.0
    step = max(interval_seconds, 1 / rate)
    pauses = (count - 1) // pause_after if pause_after else 0
    return (count - 1 - pauses) * step + pauses * max(pause_seconds, step)


def estimate_end(start: dt.datetime, seconds: float, opening: Opening) -> dt.datetime | None:
    """Return the time at which the sending ends, or None if the sending ends more than ten years after `start`.

    The sending begins at `start`. It takes `seconds`, not counting the time in which sending is not possible.
    """
    at, left = start, dt.timedelta(seconds=seconds)
    while at - start < _LONGEST:
        begins, ends = opening(at)
        if ends is None or begins + left <= ends:
            return begins + left
        left -= ends - begins
        at = ends
    return None
