"""Campaigns made and changed: what a person wants of one, checked and written with its accounts and recipients."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from campaigns.domain.campaign import (
    ENDED,
    CampaignError,
    CampaignStatus,
    Plan,
    TransitionError,
    check_plan,
    decide_schedule,
    missing_campaign,
)
from campaigns.domain.filling import Filling, drop_empty, fill, list_parameters
from campaigns.domain.finding import spell_count
from campaigns.domain.pacing import Reason, Window
from campaigns.domain.schedule import Holidays, read_holidays, read_moment, write_holidays
from campaigns.domain.template import TemplateError
from campaigns.management.recipients import Imported, Reading, import_recipients
from campaigns.management.template_choice import choose_template, read_template
from campaigns.privacy.forgotten_people import suppress_forgotten
from campaigns.store import accounts, templates
from campaigns.store import campaigns as store
from campaigns.store.accounts import load_campaign_accounts
from campaigns.store.database import Connection, Database
from campaigns.store.recipients import count_never_open

# A change ends these waits: the next look decides anew. Throttles and unreachable servers are not the plan's.
_WAITS_OF_PLAN = frozenset({
    Reason.INTERVAL, Reason.PAUSE, Reason.WINDOW, Reason.NO_ACTIVE_ACCOUNT, Reason.DAILY_LIMIT,
})  # fmt: skip
# With a runner on it a campaign may complete while the file is read.
_TAKES_RECIPIENTS = frozenset({CampaignStatus.DRAFT, CampaignStatus.PAUSED})
# Wishes that take something away.
NO_SCHEDULE = "none"
NO_EXPIRY = "none"
NO_WINDOW = (None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was asked for; None: nothing was said about it, so it stays.

    `template` is `name:language`, `accounts` are names or ids, `schedule` and `expire` are ISO times in the campaign's
    zone. `recipients` and how to read them are those of a new campaign; `add_recipients` brings more.
    `parameters` fill the template for all alike, by name; None leaves an optional one to the rows, "" takes it away.
    """

    name: str | None = None
    template: str | None = None
    accounts: Sequence[str] = ()
    recipients: Path | None = None
    reading: Reading = field(default_factory=Reading)
    schedule: str | None = None
    start_within_seconds: float | None = None
    has_no_start_within: bool = False
    max_per_person: int | None = None
    within_days: int | None = None
    has_no_cap: bool = False
    expire: str | None = None
    interval_seconds: float | None = None
    pause_after: int | None = None
    pause_seconds: float | None = None
    has_no_pause: bool = False
    window: tuple[dt.time | None, dt.time | None] | None = None
    weekdays: Sequence[int] | None = None
    time_zone: str | None = None
    parameters: Mapping[str, str | None] | None = None
    uses_recipient_zones: bool | None = None
    holidays: Holidays | None = None
    has_no_holidays: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """A campaign as just made or changed. `rings`: it may run now, so the caller rings it."""

    id: int
    name: str
    status: CampaignStatus
    rings: bool = False
    imported: Imported | None = None
    warnings: Sequence[str] = ()


def create_campaign(database: Database, wishes: Wishes, *, time_zone: str, secret_key: str | None = None) -> Planned:
    """Make a draft with all its recipients, or nothing at all. `time_zone` is that of a campaign that names none.

    `secret_key` tells who of the list was forgotten. Raises CampaignError, RecipientsError, TemplateError,
    ForgettingError, OSError (the file).
    """
    return database.run(_create, wishes, time_zone=time_zone, secret_key=secret_key)


def change_campaign(database: Database, campaign_id: int, wishes: Wishes) -> Planned:
    """Change a campaign that has not ended; a running one reads it in its next slice. Raises as `create_campaign`.

    People are added by `add_recipients`.
    """
    if wishes.recipients is not None:
        raise CampaignError(f"People are added by `revoada campaign import {campaign_id} FILE`.")
    return database.run(_change, campaign_id, wishes)


def add_recipients(
    database: Database, campaign_id: int, path: Path, reading: Reading, *, secret_key: str | None = None
) -> Planned:
    """Add the people of a file to a draft or a paused campaign. Raises as `create_campaign`."""
    return database.run(_add_recipients, campaign_id, path, reading, secret_key=secret_key)


def _create(connection: Connection, wishes: Wishes, *, time_zone: str, secret_key: str | None) -> Planned:
    name, template_text, path = wishes.name or "", wishes.template or "", wishes.recipients
    if path is None or not wishes.accounts:
        raise CampaignError("A campaign needs at least one account, and recipients.")
    account_ids = _find_accounts(connection, wishes.accounts)
    row, warnings = choose_template(connection, template_text, account_ids)
    template = read_template(row)
    given = drop_empty(template, wishes.parameters or {})
    filling = fill(template, given)
    plan = Plan(name=name, template_id=row.id, time_zone=time_zone, parameters=given, columns=filling.names)
    plan = _apply(plan, wishes)
    campaign_id = store.insert_campaign(connection, plan, account_ids)
    imported = import_recipients(connection, campaign_id, path, filling=filling, reading=wishes.reading)
    suppress_forgotten(connection, campaign_id, secret_key=secret_key)
    warnings = [*warnings, *_warn_of_zones(connection, campaign_id, plan)]
    return Planned(campaign_id, name, CampaignStatus.DRAFT, imported=imported, warnings=warnings)


def _change(connection: Connection, campaign_id: int, wishes: Wishes) -> Planned:
    campaign = store.lock_campaigns(connection, [campaign_id]).get(campaign_id)
    if campaign is None:
        raise CampaignError(missing_campaign(campaign_id))
    facts = campaign.facts
    if facts.status in ENDED:
        raise TransitionError(f"{facts} is {facts.status}: it cannot be changed.")
    plan = _apply(campaign.plan, wishes)
    account_ids = _find_accounts(connection, wishes.accounts) if wishes.accounts else []
    warnings: Sequence[str] = ()
    if wishes.template is not None or wishes.accounts or wishes.parameters:
        used_ids = account_ids or list(load_campaign_accounts(connection, [campaign_id])[campaign_id])
        template_id, filling, given, warnings = _refill(connection, campaign, wishes, used_ids)
        plan = replace(plan, template_id=template_id, parameters=given, columns=filling.names)
    status = decide_schedule(replace(facts, scheduled_at=plan.scheduled_at), now=campaign.server_now)
    wakes = _wakes(campaign, plan)
    rings = _rings(campaign, plan, status=status, wakes=wakes)
    store.update_campaign(connection, campaign, plan, status=status, wakes=wakes, rings=rings)
    if account_ids:
        store.replace_accounts(connection, campaign_id, account_ids)
    warnings = [*warnings, *_warn_of_zones(connection, campaign_id, plan)]
    return Planned(campaign_id, plan.name, status, rings=rings, warnings=warnings)


def _add_recipients(
    connection: Connection, campaign_id: int, path: Path, reading: Reading, *, secret_key: str | None
) -> Planned:
    campaign = store.lock_campaigns(connection, [campaign_id]).get(campaign_id)
    if campaign is None:
        raise CampaignError(missing_campaign(campaign_id))
    facts = campaign.facts
    if facts.status in ENDED:
        raise TransitionError(f"{facts} is {facts.status}: it takes no more recipients.")
    if facts.status not in _TAKES_RECIPIENTS:
        raise TransitionError(f"{facts} is {facts.status}: pause it to add recipients.")
    _, filling, _, _ = _refill(connection, campaign, Wishes(), [])
    imported = import_recipients(connection, campaign_id, path, filling=filling, reading=reading)
    suppress_forgotten(connection, campaign_id, secret_key=secret_key)
    warnings = _warn_of_zones(connection, campaign_id, campaign.plan)
    return Planned(campaign_id, campaign.plan.name, facts.status, imported=imported, warnings=warnings)


def _warn_of_zones(connection: Connection, campaign_id: int, plan: Plan) -> list[str]:
    """Return a warning with the number of messages that the window of the plan never admits, if there are any."""
    if not plan.uses_recipient_zones:
        return []
    holidays = read_holidays(plan.holidays) if plan.holidays else None
    window = Window(plan.time_zone, plan.window_from, plan.window_to, frozenset(plan.weekdays), holidays)
    count = count_never_open(connection, campaign_id, window)
    if not count:
        return []
    text = (
        f"{spell_count(count, 'message')} will wait: by their area codes the phones may be in time zones that never"
        f" share an hour of this window. A wider one sends them, such as `revoada campaign set {campaign_id} --window"
        " 08:00-20:00`, or --no-recipient-timezone."
    )
    return [text]


def _apply(plan: Plan, wishes: Wishes) -> Plan:
    """Return `plan` with the wishes in it, but for the template."""
    if wishes.time_zone is not None:
        plan = replace(plan, time_zone=wishes.time_zone)
    return check_plan(_apply_window(_apply_pace(_apply_limits(plan, wishes), wishes), wishes))


def _apply_limits(plan: Plan, wishes: Wishes) -> Plan:
    if wishes.name is not None:
        plan = replace(plan, name=wishes.name)
    if wishes.schedule == NO_SCHEDULE:
        plan = replace(plan, scheduled_at=None, start_within_seconds=None)
    elif wishes.schedule is not None:
        plan = replace(plan, scheduled_at=read_moment(wishes.schedule, plan.time_zone))
    if wishes.has_no_start_within:
        plan = replace(plan, start_within_seconds=None)
    if wishes.start_within_seconds is not None:
        plan = replace(plan, start_within_seconds=wishes.start_within_seconds)
    if wishes.has_no_cap:
        plan = replace(plan, max_per_person=None, within_days=None)
    if wishes.max_per_person is not None:
        plan = replace(plan, max_per_person=wishes.max_per_person)
    if wishes.within_days is not None:
        plan = replace(plan, within_days=wishes.within_days)
    if wishes.expire is not None:
        is_none = wishes.expire == NO_EXPIRY
        plan = replace(plan, expire_at=None if is_none else read_moment(wishes.expire, plan.time_zone))
    return plan


def _apply_pace(plan: Plan, wishes: Wishes) -> Plan:
    if wishes.interval_seconds is not None:
        plan = replace(plan, interval_seconds=wishes.interval_seconds)
    if wishes.has_no_pause:
        plan = replace(plan, pause_after=None, pause_seconds=None)
    if wishes.pause_after is not None:
        plan = replace(plan, pause_after=wishes.pause_after)
    if wishes.pause_seconds is not None:
        plan = replace(plan, pause_seconds=wishes.pause_seconds)
    return plan


def _apply_window(plan: Plan, wishes: Wishes) -> Plan:
    if wishes.window is not None:
        plan = replace(plan, window_from=wishes.window[0], window_to=wishes.window[1])
    if wishes.weekdays is not None:
        plan = replace(plan, weekdays=list(wishes.weekdays))
    if wishes.uses_recipient_zones is not None:
        plan = replace(plan, uses_recipient_zones=wishes.uses_recipient_zones)
    if wishes.has_no_holidays:
        plan = replace(plan, holidays=None)
    if wishes.holidays is not None:
        plan = replace(plan, holidays=write_holidays(wishes.holidays))
    return plan


def _wakes(campaign: store.LockedCampaign, plan: Plan) -> bool:
    if campaign.waiting_reason == Reason.TEMPLATE:
        return plan.template_id != campaign.template_id or plan.parameters != campaign.parameters
    return campaign.waiting_reason in _WAITS_OF_PLAN and campaign.status == CampaignStatus.RUNNING


def _rings(campaign: store.LockedCampaign, plan: Plan, *, status: CampaignStatus, wakes: bool) -> bool:
    if status not in {CampaignStatus.PENDING, CampaignStatus.RUNNING}:
        return False
    now = campaign.server_now
    was_later = campaign.scheduled_at is not None and campaign.scheduled_at > now
    is_later = plan.scheduled_at is not None and plan.scheduled_at > now
    return not is_later and (wakes or was_later)


def _refill(
    connection: Connection, campaign: store.LockedCampaign, wishes: Wishes, account_ids: Sequence[int]
) -> tuple[int, Filling, Mapping[str, str | None], Sequence[str]]:
    """Return template, filling, parameters and warnings of a changed campaign, whose recipients stay as they are."""
    row = templates.load_template(connection, campaign.template_id)
    warnings: Sequence[str] = ()
    if wishes.template is not None or wishes.accounts:
        text = wishes.template or f"{row.name}:{row.language}"
        row, warnings = choose_template(connection, text, account_ids)
    template = read_template(row)
    # What another template does not take is not asked for any more.
    taken = {parameter.name for parameter in list_parameters(template)}
    kept = {key: value for key, value in campaign.parameters.items() if key in taken}
    given = drop_empty(template, kept | dict(wishes.parameters or {}))
    filling = fill(template, given)
    if filling.names != campaign.columns and not _brings_the_same(connection, campaign, filling):
        raise CampaignError(
            f"The recipients of {campaign.facts} bring {_list(campaign.columns)}, "
            f"the template {template} would take {_list(filling.names)} of each."
        )
    return row.id, filling, given, warnings


def _brings_the_same(connection: Connection, campaign: store.LockedCampaign, filling: Filling) -> bool:
    """Tell whether only the names of what the recipients bring are others."""
    row = templates.load_template(connection, campaign.template_id)
    try:
        current = fill(read_template(row), campaign.parameters)
    except TemplateError:
        return False
    kinds = [column.kind for column in current.columns]
    return current.names == campaign.columns and kinds == [column.kind for column in filling.columns]


def _list(names: Sequence[str]) -> str:
    return f"{len(names)} value{'' if len(names) == 1 else 's'} ({', '.join(names)})" if names else "no values"


def _find_accounts(connection: Connection, words: Sequence[str]) -> list[int]:
    found = accounts.find_account_ids(connection, words)
    if missing := [word for word, account_id in found.items() if account_id is None]:
        raise CampaignError(f"There is no account {', '.join(missing)}; `revoada account list` shows all.")
    return sorted({account_id for account_id in found.values() if account_id is not None})
