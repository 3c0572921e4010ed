"""Gives campaigns default hours; finds when first messages may leave, why they do not, and for whom it is night."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from campaigns.domain.campaign import ENDED, Departure, Plan
from campaigns.domain.filling import find_misfit
from campaigns.domain.message import Status
from campaigns.domain.pacing import Window
from campaigns.domain.phone.zones import OWN_ZONE, ZoneHours
from campaigns.domain.schedule import read_holidays
from campaigns.domain.statement import Entry, Field, Finding, Hint, HintAction, Kind, Moment, Severity, Word
from campaigns.domain.template import TemplateError, TemplateStatus, is_marketing
from campaigns.management.template_choice import read_template
from campaigns.store import campaigns as store
from campaigns.store.accounts import AccountListing, list_accounts, load_campaign_accounts
from campaigns.store.database import Connection, Database
from campaigns.store.installation import load_campaign_states
from campaigns.store.portfolios import list_portfolios
from campaigns.store.recipients import count_pending_by_zone, load_zones
from campaigns.store.templates import load_template

# The beginning and the end of the hours in which people get no marketing messages.
QuietHours = tuple[dt.time, dt.time]
# The hours that count as night if the settings have no quiet hours.
NIGHT: QuietHours = (dt.time(20), dt.time(8))

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


@dataclass(frozen=True, slots=True)
class Night:
    """The people of a campaign for whom it is night when the first message to people in their time zone may leave.

    `night_count`: the number of these people. `at` and `time_zone`: the time of a first message, and the time zone,
    that most of these people share. `is_now`: the time `at` is not in the future. `people_count`: the number of all
    people to whom the campaign has a pending message.
    """

    campaign_id: int
    name: str
    night_count: int
    people_count: int
    at: dt.datetime
    time_zone: str
    is_now: bool


def read_window_of(hours: Hours) -> Window:
    holidays = read_holidays(hours.holidays) if hours.holidays else None
    return Window(hours.time_zone, hours.window_from, hours.window_to, frozenset(hours.weekdays), holidays)


def read_zone_hours(connection: Connection, campaign_id: int, hours: Hours) -> ZoneHours:
    zones: Mapping[int, Sequence[str]] = load_zones(connection, campaign_id) if hours.uses_recipient_zones else {}
    return ZoneHours(read_window_of(hours), zones)


def has_hours(hours: Hours) -> bool:
    """Tell whether there are times at which the campaign may not send."""
    return hours.window_from is not None or len(hours.weekdays) < _ALL_DAYS or hours.holidays is not None


def sends_marketing(connection: Connection, campaign_id: int) -> bool:
    """Tell whether an account of the campaign sends its template as marketing.

    If the campaign has no account, the category of its template counts. So a draft gets its window, or a person chooses
    no window, once: before the draft gets accounts.
    """
    categories = [*load_campaign_accounts(connection, [campaign_id])[campaign_id].values()]
    if not categories:
        categories = [load_template(connection, store.find_template_id(connection, campaign_id)).category]
    return any(is_marketing(category) for category in categories)


def close_quiet_hours(
    connection: Connection, campaign_id: int, plan: Plan, quiet: QuietHours, *, uses_recipient_zones: bool = True
) -> Plan:
    """Store the window outside the quiet hours for a campaign; return the changed plan.

    `uses_recipient_zones`: the window is on the clock of each person, not on the clock of the campaign.
    """
    plan = replace(plan, window_from=quiet[1], window_to=quiet[0], uses_recipient_zones=uses_recipient_zones)
    store.set_window(connection, campaign_id, plan)
    return plan


def count_by_zone(connection: Connection, campaign_id: int, hours: Hours) -> Mapping[int, int] | None:
    """Return the number of pending messages by time zone if the hours follow the clock of each person, else None.

    The count reads the whole campaign, so a caller that locks the campaign counts before that.
    """
    return count_pending_by_zone(connection, campaign_id) if hours.uses_recipient_zones and has_hours(hours) else None


def find_departure(
    connection: Connection,
    campaign_id: int,
    hours: Hours,
    *,
    now: dt.datetime,
    has_started: bool = False,
    counts: Mapping[int, int] | None = None,
) -> Departure:
    """Find when the first or the next message of a campaign may leave, and why it leaves late or not at all.

    `hours`: the settings of the campaign. `has_started`: the campaign has started, so its schedule does not count any
    more. Whether a worker runs is not considered. `counts`: the result of `count_by_zone`, if the caller has counted.
    """
    start = _find_start(hours, now, has_started=has_started)
    if not (hours.uses_recipient_zones and has_hours(hours)):
        counts = {OWN_ZONE: store.load_counters(connection, campaign_id).get(Status.PENDING, 0)}
    elif counts is None:
        counts = count_pending_by_zone(connection, campaign_id)
    zone_hours = read_zone_hours(connection, campaign_id, hours)
    zone_ids = {*(counts or [OWN_ZONE])} - zone_hours.never_open_ids(start)
    openings = {zone_id: zone_hours.opens_at(zone_id, start) for zone_id in zone_ids}
    people = {
        at: sum(counts.get(zone_id, 0) for zone_id in zone_ids if openings[zone_id] == at)
        for at in sorted({*openings.values()})
    }
    opens_at = min(people, default=None)
    departure = Departure(opens_at, now, hours.time_zone, people)
    obstacles = [] if any(counts.values()) else [_report_nobody(campaign_id, has_started=has_started)]
    obstacles += _find_obstacles(connection, campaign_id, hours, opens_at)
    categories = load_campaign_accounts(connection, [campaign_id])[campaign_id]
    accounts = list_accounts(connection, list(categories))
    senders = [account for account in accounts if account.may_send(categories[account.id])]
    if not senders:
        return replace(departure, obstacles=[*obstacles, _report_no_sender(campaign_id, accounts)])
    delay = None if opens_at is None else _find_delay(connection, campaign_id, hours.time_zone, senders, opens_at)
    if delay is None:
        return replace(departure, obstacles=obstacles)
    finding, until = delay
    return replace(departure, obstacles=[*obstacles, finding], delayed_until=until)


def _report_nobody(campaign_id: int, *, has_started: bool) -> Finding:
    if has_started:
        return Finding(
            "nothing_left",
            Severity.NOTE,
            "Campaign {campaign_id} has no message left to send.",
            "",
            campaign_id=campaign_id,
        )
    return Finding(
        "no_recipients",
        Severity.ERROR,
        "Campaign {campaign_id} has no recipients to whom it could send.",
        "Add some: {add}.",
        kind=Kind.MISSING,
        campaign_id=campaign_id,
        add=Hint(HintAction.IMPORT_RECIPIENTS, campaign_id),
    )


def _find_obstacles(
    connection: Connection, campaign_id: int, hours: Hours, opens_at: dt.datetime | None
) -> list[Finding]:
    """Return why no message leaves because of the hours or the template."""
    found = []
    if opens_at is None:
        finding = Finding(
            "hours_never_open",
            Severity.ERROR,
            "The hours of campaign {campaign_id} open for nobody in the next 60 days.",
            "Give it other hours: {widen}.",
            campaign_id=campaign_id,
            widen=Hint(HintAction.CHANGE_CAMPAIGN, campaign_id, Entry(Field.WINDOW, "08:00-20:00")),
        )
        found.append(finding)
    return [*found, *_judge_template(connection, campaign_id, hours)]


def _judge_template(connection: Connection, campaign_id: int, hours: Hours) -> list[Finding]:
    row = load_template(connection, store.find_template_id(connection, campaign_id))
    copy_status = load_campaign_states(connection, [campaign_id])[campaign_id].copy_status
    status = (row.status == TemplateStatus.APPROVED and copy_status) or row.status
    diagnose = Hint(HintAction.DIAGNOSE_CAMPAIGN, campaign_id)
    if status != TemplateStatus.APPROVED:
        finding = Finding(
            "template_not_sent",
            Severity.ERROR,
            "No message of campaign {campaign_id} can leave now: its template {template} is {status}.",
            "{diagnose} says what to do.",
            campaign_id=campaign_id,
            template=f"{row.name}:{row.language}",
            status=Word(status),
            diagnose=diagnose,
        )
        return [finding]
    try:
        misfit = find_misfit(read_template(row), hours.parameters, hours.columns)
    except TemplateError as error:
        misfit = error
    if misfit is None:
        return []
    finding = Finding(
        "values_misfit",
        Severity.ERROR,
        "No message of campaign {campaign_id} can leave now: {misfit}",
        "{diagnose} says what to do.",
        campaign_id=campaign_id,
        misfit=misfit,
        diagnose=diagnose,
    )
    return [finding]


def _report_no_sender(campaign_id: int, accounts: Sequence[AccountListing]) -> Finding:
    if not accounts:
        return Finding(
            "no_account",
            Severity.ERROR,
            "Campaign {campaign_id} has no account that could send it.",
            "Give it one: {change}.",
            kind=Kind.MISSING,
            campaign_id=campaign_id,
            change=Hint(HintAction.CHANGE_CAMPAIGN, campaign_id, Entry(Field.ACCOUNT)),
        )
    return Finding(
        "no_sender",
        Severity.ERROR,
        "No message of campaign {campaign_id} can leave now, because none of its accounts may send ({accounts}).",
        "{diagnose} says what to do. After that, let an account send again: {activate}. Or take another account:"
        " {change}.",
        kind=Kind.MISSING,
        campaign_id=campaign_id,
        accounts=", ".join(account.name for account in accounts),
        activate=Hint(HintAction.ACTIVATE_ACCOUNT, accounts[0].name if len(accounts) == 1 else ""),
        change=Hint(HintAction.CHANGE_CAMPAIGN, campaign_id, Entry(Field.ACCOUNT)),
        diagnose=Hint(HintAction.DIAGNOSE_CAMPAIGN, campaign_id),
    )


def _find_delay(
    connection: Connection, campaign_id: int, time_zone: str, senders: Sequence[AccountListing], opens_at: dt.datetime
) -> tuple[Finding, dt.datetime] | None:
    """Return why the first message leaves later than the hours open, and when it leaves: a cooldown or a daily limit.

    The result is None if an account of `senders` may send at `opens_at`.
    """
    rested_at = min(account.blocked_until or opens_at for account in senders)
    if rested_at > opens_at:
        finding = Finding(
            "senders_rest",
            Severity.NOTE,
            "Until {until}, all accounts of campaign {campaign_id} have a cooldown that Meta asked for.",
            "",
            campaign_id=campaign_id,
            until=Moment(rested_at, time_zone),
        )
        return finding, rested_at
    names = {account.portfolio for account in senders}
    if None in names:
        return None
    portfolios = [each for each in list_portfolios(connection) if each.name in names]
    free_at = min(each.next_slot_at or opens_at for each in portfolios)
    if free_at <= opens_at:
        return None
    finding = Finding(
        "quota_full",
        Severity.NOTE,
        "The daily limit of {portfolios} is used up until {until}. Only people who got a message in the last 24 hours"
        " may get one sooner.",
        "",
        campaign_id=campaign_id,
        portfolios=", ".join(each.name for each in portfolios),
        until=Moment(free_at, time_zone),
    )
    return finding, free_at


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
            start = _find_start(row, row.server_now, has_started=row.started_at is not None)
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
    )


def _find_start(hours: Hours, now: dt.datetime, *, has_started: bool) -> dt.datetime:
    return now if has_started or hours.scheduled_at is None else max(hours.scheduled_at, now)
