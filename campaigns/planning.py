"""Campaigns made and changed: what a person wants of one, checked and written with its accounts and recipients."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from campaigns.domain.pacing import Reason
from campaigns.domain.schedule import Holidays, read_moment, write_holidays
from campaigns.domain.template import HeaderMedia, Template, template_from_components
from campaigns.importing import import_recipients
from campaigns.store import campaigns as store
from campaigns.store import directory
from campaigns.store.database import Connection, Database
from campaigns.store.recipients import ImportCounts

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

    `template` is `name:language`, `accounts` are names or ids, `schedule` and
    `expire` are ISO times in the campaign's zone.
    """

    name: str | None = None
    template: str | None = None
    accounts: Sequence[str] = ()
    recipients: Path | None = None
    schedule: str | None = None
    start_within_seconds: float | None = None
    has_no_start_within: bool = False
    expire: str | None = None
    interval_seconds: float | None = None
    pause_after: int | None = None
    pause_seconds: float | None = None
    has_no_pause: bool = False
    window: tuple[dt.time | None, dt.time | None] | None = None
    weekdays: Sequence[int] | None = None
    time_zone: str | None = None
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
    counts: ImportCounts | None = None


def create_campaign(database: Database, wishes: Wishes, *, time_zone: str) -> Planned:
    """Make a draft with all its recipients, or nothing at all. `time_zone` is that of a campaign that names none.

    Raises CampaignError, RecipientsError, TemplateError, OSError (the file).
    """
    return database.run(_create, wishes, time_zone=time_zone)


def change_campaign(database: Database, campaign_id: int, wishes: Wishes) -> Planned:
    """Change a campaign that has not ended; a running one reads it in its next slice. Raises as `create_campaign`."""
    return database.run(_change, campaign_id, wishes)


def _create(connection: Connection, wishes: Wishes, *, time_zone: str) -> Planned:
    name, template_text, path = wishes.name or "", wishes.template or "", wishes.recipients
    if path is None or not wishes.accounts:
        raise CampaignError("A campaign needs at least one account, and recipients.")
    template_id, template = _find_template(connection, template_text)
    account_ids = _find_accounts(connection, wishes.accounts)
    plan = _apply(Plan(name=name, template_id=template_id, time_zone=time_zone), wishes)
    campaign_id = store.insert_campaign(connection, plan, account_ids)
    counts = import_recipients(connection, campaign_id, path, template=template)
    return Planned(campaign_id, name, CampaignStatus.DRAFT, counts=counts)


def _change(connection: Connection, campaign_id: int, wishes: Wishes) -> Planned:
    campaign = store.lock_campaigns(connection, [campaign_id]).get(campaign_id)
    if campaign is None:
        raise CampaignError(missing_campaign(campaign_id))
    facts = campaign.facts
    if facts.status in ENDED:
        raise TransitionError(f"{facts} is {facts.status}: it cannot be changed.")
    if wishes.recipients is not None and facts.status not in _TAKES_RECIPIENTS:
        raise TransitionError(f"{facts} is {facts.status}: pause it to add recipients.")
    plan = _apply(campaign.plan, wishes)
    if wishes.template is not None:
        plan = replace(plan, template_id=_find_other_template(connection, campaign, wishes.template))
    status = decide_schedule(replace(facts, scheduled_at=plan.scheduled_at), now=campaign.server_now)
    wakes = _wakes(campaign, plan)
    rings = _rings(campaign, plan, status=status, wakes=wakes)
    store.update_campaign(connection, campaign, plan, status=status, wakes=wakes, rings=rings)
    if wishes.accounts:
        store.replace_accounts(connection, campaign_id, _find_accounts(connection, wishes.accounts))
    counts = None
    if wishes.recipients is not None:
        row = directory.load_template(connection, plan.template_id)
        counts = import_recipients(connection, campaign_id, wishes.recipients, template=_read_template(row))
    return Planned(campaign_id, plan.name, status, rings=rings, counts=counts)


def _apply(plan: Plan, wishes: Wishes) -> Plan:
    """Return `plan` with the wishes in it, but for the template."""
    if wishes.time_zone is not None:
        plan = replace(plan, time_zone=wishes.time_zone)
    return check_plan(_apply_window(_apply_pace(_apply_times(plan, wishes), wishes), wishes))


def _apply_times(plan: Plan, wishes: Wishes) -> Plan:
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
        return plan.template_id != campaign.template_id
    return campaign.waiting_reason in _WAITS_OF_PLAN and campaign.status == CampaignStatus.RUNNING


def _rings(campaign: store.LockedCampaign, plan: Plan, *, status: CampaignStatus, wakes: bool) -> bool:
    if status not in {CampaignStatus.PENDING, CampaignStatus.RUNNING}:
        return False
    now = campaign.server_now
    was_later = campaign.scheduled_at is not None and campaign.scheduled_at > now
    is_later = plan.scheduled_at is not None and plan.scheduled_at > now
    return not is_later and (wakes or was_later)


def _find_other_template(connection: Connection, campaign: store.LockedCampaign, text: str) -> int:
    template_id, template = _find_template(connection, text)
    current = _read_template(directory.load_template(connection, campaign.template_id))
    if template.variable_count != current.variable_count:
        raise CampaignError(
            f"The recipients of {campaign.facts} have {current.variable_count} variables, "
            f"the template {text} takes {template.variable_count}."
        )
    return template_id


def _find_template(connection: Connection, text: str) -> tuple[int, Template]:
    name, _, language = text.partition(":")
    if not name or not language:
        raise CampaignError(f"{text!r} is not NAME:LANGUAGE, such as promo:pt_BR.")
    row = directory.find_template(connection, name, language)
    if row is None:
        raise CampaignError(f"There is no template {text}; `revoada template list` shows all.")
    return row.id, _read_template(row)


def _read_template(row: directory.TemplateRow) -> Template:
    """Return the template of a row. Raise CampaignError for one that a campaign cannot fill."""
    template = template_from_components(row.name, row.language, row.components)
    lacking = [*template.unsupported]
    if isinstance(template.header, HeaderMedia):
        lacking.append(f"header {template.header.kind}")
    if lacking:
        raise CampaignError(f"A campaign cannot fill the template {row.name}:{row.language}: {', '.join(lacking)}.")
    return template


def _find_accounts(connection: Connection, words: Sequence[str]) -> list[int]:
    found = directory.find_account_ids(connection, words)
    if missing := [word for word, account_id in found.items() if account_id is None]:
        raise CampaignError(f"There is no account {', '.join(missing)}; `revoada account list` shows all.")
    return sorted({account_id for account_id in found.values() if account_id is not None})
