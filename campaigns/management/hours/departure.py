"""Finds when the first or the next message of a campaign may leave, and why it leaves late or not at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace

from campaigns.domain.campaign import Departure
from campaigns.domain.filling import find_misfit
from campaigns.domain.message import Status
from campaigns.domain.phone.zones import OWN_ZONE
from campaigns.domain.statement import Entry, Field, Finding, Hint, HintAction, Kind, Moment, Severity, Word
from campaigns.domain.template import TemplateError, TemplateStatus
from campaigns.management.hours.window import Hours, find_start, has_hours, read_zone_hours
from campaigns.management.template_choice import read_template
from campaigns.store import campaigns as store
from campaigns.store.accounts import AccountListing, list_accounts, load_campaign_accounts
from campaigns.store.database import Connection
from campaigns.store.installation import load_campaign_states
from campaigns.store.portfolios import list_portfolios
from campaigns.store.recipients import count_pending_by_zone
from campaigns.store.templates import load_template


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
    start = find_start(hours, now, has_started=has_started)
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
    departure = Departure(opens_at, now, hours.time_zone, people, starts_at=start)
    obstacles = (
        [] if hours.is_standing or any(counts.values()) else [_report_nobody(campaign_id, has_started=has_started)]
    )
    obstacles += _find_obstacles(connection, campaign_id, hours, opens_at)
    if opens_at is not None and opens_at > start > now:
        obstacles.append(_report_closed_schedule(campaign_id, hours.time_zone, start))
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


def _report_closed_schedule(campaign_id: int, time_zone: str, start: dt.datetime) -> Finding:
    return Finding(
        "schedule_outside_hours",
        Severity.NOTE,
        "The schedule of campaign {campaign_id}, {time}, is outside the hours in which it sends, so its first message"
        " waits until they open.",
        "",
        campaign_id=campaign_id,
        time=Moment(start, time_zone),
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
            "See what to do: {diagnose}.",
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
        "See what to do: {diagnose}.",
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
        "See what to do: {diagnose}. To let an account send again after that: {activate}. Or take another account:"
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
