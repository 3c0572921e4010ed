"""Makes and changes campaigns: checks their settings, and writes the settings, the accounts and the recipients."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Final, NoReturn

from campaigns.domain.campaign import (
    ENDED,
    STARTED,
    CampaignFacts,
    CampaignStatus,
    Departure,
    Plan,
    check_expiry,
    check_opening,
    check_plan,
    check_schedule,
    check_start_within,
    check_started,
    decide_schedule,
    missing_campaign,
)
from campaigns.domain.filling import Filling, drop_empty, fill
from campaigns.domain.pacing import Reason
from campaigns.domain.schedule import Holidays, read_moment, write_holidays
from campaigns.domain.statement import Entry, Field, Finding, Hint, HintAction, Kind, Moment, Refusal, Severity
from campaigns.domain.users.actor import Act, Actor
from campaigns.management.drafts.import_warnings import find_import_warnings, warn_of_values
from campaigns.management.hours.departure import find_departure
from campaigns.management.hours.nights import Night, look_for_nights
from campaigns.management.hours.quiet_hours import QuietHours, close_quiet_hours, sends_marketing
from campaigns.management.hours.window import has_hours, warn_of_other_zone, warn_of_zones
from campaigns.management.recipients import (
    Imported,
    Reading,
    describe_import,
    renew_statistics,
    stage_recipients,
    write_recipients,
)
from campaigns.management.suppressions import record_refusals_in
from campaigns.management.template_choice import choose_template, fit_template, read_template, warn_of_language
from campaigns.management.users.approvals import needs_approval
from campaigns.privacy.forgotten_people import suppress_forgotten
from campaigns.store import accounts
from campaigns.store import campaigns as store
from campaigns.store.accounts import load_campaign_accounts
from campaigns.store.database import Connection, Database, read_clock
from campaigns.store.recipients import list_imported_files
from campaigns.store.templates import TemplateRow
from campaigns.store.users.audit import write_audit

# If a running campaign waits for one of these reasons, a change of its plan ends the wait. The next slice then checks
# whether the campaign must wait again. Other waits, for example for an unreachable server, do not depend on the plan.
_WAITS_OF_PLAN = frozenset({
    Reason.INTERVAL, Reason.PAUSE, Reason.WINDOW, Reason.NO_ACTIVE_ACCOUNT, Reason.DAILY_LIMIT,
})  # fmt: skip
# In these statuses a campaign sends, or will send without a further command of a person.
_STARTED = frozenset({CampaignStatus.PENDING, CampaignStatus.SCHEDULED, CampaignStatus.RUNNING})


class Clear(Enum):
    """The type of `CLEAR`, the value of a field of `CampaignChanges` that removes the setting."""

    CLEAR = "clear"


CLEAR: Final = Clear.CLEAR
# The fields of `CampaignChanges` that are written into the plan as they are given.
_PLAIN_FIELDS = (
    *("name", "time_zone", "start_within_seconds", "max_per_person", "within_days", "interval_seconds"),
    *("pause_after", "pause_seconds", "weekdays", "uses_recipient_zones"),
)
# A cleared field gets the value that it has here.
_BARE_PLAN = Plan(name="", template_id=0, time_zone="")


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignChanges:
    """The changes that a person asks for.

    If a field is None, the campaign keeps the value of that setting. If a field is CLEAR, the campaign loses the
    setting. A field that does not take CLEAR belongs to a setting that every campaign has. The start within a time
    after the schedule is cleared with the schedule.

    `template` is `name:language`. `accounts` are names or ids. `schedule` and `expire` are times in the campaign's
    zone, in a form that `read_moment` reads. `is_day_first`: 01/12/2030 means 1 December.

    `parameters`: by name of a template parameter, the value that is the same for all recipients. The value None means
    that each row of the file has a value of its own for this optional parameter. The value CLEAR removes an optional
    parameter.

    `is_standing`: a new draft becomes a standing campaign, to which programs post messages. A draft stays what it is.
    """

    name: str | None = None
    template: str | None = None
    accounts: Sequence[str] | None = None
    schedule: str | Clear | None = None
    start_within_seconds: float | Clear | None = None
    max_per_person: int | Clear | None = None
    within_days: int | Clear | None = None
    expire: str | Clear | None = None
    interval_seconds: float | Clear | None = None
    pause_after: int | Clear | None = None
    pause_seconds: float | Clear | None = None
    window: tuple[dt.time, dt.time] | Clear | None = None
    weekdays: Sequence[int] | Clear | None = None
    time_zone: str | None = None
    parameters: Mapping[str, str | Clear | None] | None = None
    uses_recipient_zones: bool | Clear | None = None
    holidays: Holidays | Clear | None = None
    is_day_first: bool = False
    is_standing: bool = False

    @property
    def changes_content(self) -> bool:
        """Whether the changes concern what is sent, or by which accounts."""
        return self.template is not None or bool(self.accounts) or bool(self.parameters)

    @property
    def changes_hours(self) -> bool:
        """Whether the changes concern the times at which messages may leave."""
        given = (
            *(self.schedule, self.start_within_seconds, self.expire, self.window, self.weekdays, self.time_zone),
            *(self.uses_recipient_zones, self.holidays),
        )
        return any(each is not None for each in given)

    @property
    def changes_sender(self) -> bool:
        """Whether the changes concern the template or the accounts, without which no message leaves."""
        return self.template is not None or bool(self.accounts)


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """A campaign that was just made or changed. `should_enqueue`: the campaign may run now, so the caller enqueues it.

    `warnings`: findings about the campaign. `nights`: the people whom a new campaign reaches at night, because its
    schedule lies at night. `departure`: when the first message may leave; None if the changes do not
    affect this time. `quiet_hours`: the hours in which the campaign does not send, if this change gave the campaign
    a window because of quiet hours. `uses_recipient_zones`: the window is on the clock of each person, not on the clock
    of the campaign. `copied_count`: the number of people that a copy got from the other campaign. `people_before`: the
    number of people who are in the campaign by an earlier import. `replaced_count`: the number of people in whose place
    an import put those of its file. `kept_count`: the number of these people who are in the file, too.
    `import_warnings`: findings about the file. `blocked_count`: the number of people of the campaign who are skipped,
    because they must not be messaged. `recorded_count`: the number of people whose no in the file was recorded as an
    opt-out.
    """

    id: int
    name: str
    status: CampaignStatus
    should_enqueue: bool = False
    imported: Imported | None = None
    warnings: Sequence[Finding] = ()
    nights: Sequence[Night] = ()
    departure: Departure | None = None
    quiet_hours: QuietHours | None = None
    uses_recipient_zones: bool = False
    copied_count: int = 0
    people_before: int = 0
    replaced_count: int = 0
    kept_count: int = 0
    import_warnings: Sequence[Finding] = ()
    blocked_count: int = 0
    recorded_count: int = 0


def draft_campaign(
    database: Database,
    changes: CampaignChanges,
    *,
    actor: Actor,
    time_zone: str,
    quiet_hours: QuietHours | None = None,
    draft_key: bytes | None = None,
) -> ChangeResult:
    """Make a draft without recipients. The draft may also lack accounts. A draft that lacks either cannot start.

    `changes` has at least a name and a template. `time_zone`: the campaign's time zone if `changes` names none.

    `quiet_hours`: if `changes` names no window, a marketing campaign gets the window outside these hours. The window is
    on the clock of each person, unless `changes` asks for the clock of the campaign. While a draft has no accounts, the
    category of the newest copy of its template counts.

    `draft_key`: if a campaign was made with this key already, it is returned, and no draft is made.

    If an error is raised, no draft is made. Raises Refusal.
    """
    return database.run(
        make_draft_in, changes, actor, time_zone=time_zone, quiet_hours=quiet_hours, draft_key=draft_key
    )


def create_campaign(
    database: Database,
    changes: CampaignChanges,
    recipients: Path,
    reading: Reading | None = None,
    *,
    actor: Actor,
    time_zone: str,
    quiet_hours: QuietHours | None = None,
    secret_key: str | None = None,
) -> ChangeResult:
    """Make a draft with accounts and with all the people of a file.

    `time_zone` and `quiet_hours`: as for `draft_campaign`. `secret_key`: the key by which forgotten people in the list
    are recognised. If an error is raised, no draft is made. Raises Refusal; OSError if the file cannot be read.
    """
    result = database.run(
        _create,
        changes,
        recipients,
        reading or Reading(),
        actor,
        time_zone=time_zone,
        quiet_hours=quiet_hours,
        secret_key=secret_key,
    )
    renew_statistics(database)
    return result


def change_campaign(
    database: Database,
    campaign_id: int,
    changes: CampaignChanges,
    *,
    actor: Actor,
    quiet_hours: QuietHours | None = None,
    approve_above: int = 0,
) -> ChangeResult:
    """Change a campaign that has not ended. The next slice of a running campaign uses the changes. Raises Refusal.

    `quiet_hours`: if the campaign becomes a marketing campaign by these changes and has no window, the campaign gets
    the window outside these hours.

    `approve_above`: a started campaign that could send more messages keeps its template, its values and its accounts,
    because they were approved; 0: a campaign needs no approval.
    """
    return database.run(
        change_campaign_in, campaign_id, changes, actor, quiet_hours=quiet_hours, approve_above=approve_above
    )


class _TriedError(Exception):
    """Rolls a transaction back that was only a trial. `departure`: the result of the trial."""

    def __init__(self, departure: Departure) -> None:
        super().__init__()
        self.departure = departure


def find_departure_of_change(
    database: Database,
    campaign_id: int,
    changes: CampaignChanges,
    *,
    actor: Actor,
    quiet_hours: QuietHours | None = None,
) -> Departure:
    """Find when the first message of a draft may leave after a change. Change nothing. Raises Refusal.

    `quiet_hours`: as for `change_campaign`.
    """

    def look(connection: Connection) -> NoReturn:
        change_campaign_in(connection, campaign_id, changes, actor, quiet_hours=quiet_hours, approve_above=0)
        (row,) = store.list_campaigns(connection, [campaign_id])
        raise _TriedError(find_departure(connection, campaign_id, row, now=row.server_now))

    try:
        database.run(look)
    except _TriedError as tried:
        return tried.departure


class _LookedError(Exception):
    """Rolls a transaction back that was only a trial. `nights`: the result of the trial."""

    def __init__(self, nights: list[Night]) -> None:
        super().__init__()
        self.nights = nights


def find_nights_of_change(
    database: Database,
    campaign_id: int,
    changes: CampaignChanges,
    *,
    actor: Actor,
    quiet_hours: QuietHours | None = None,
) -> list[Night]:
    """Find for how many people it would be night when their messages may leave after a change. Change nothing.

    The result is empty unless the change makes these people more. It is empty, too, for a draft or a paused campaign: a
    person is asked when it is started or resumed. `quiet_hours`: as for `change_campaign`. Raises Refusal.
    """
    if not changes.changes_hours:
        return []

    def look(connection: Connection) -> list[Night]:
        rows = store.list_campaigns(connection, [campaign_id])
        if not rows or rows[0].status not in STARTED:
            return []
        before = sum(each.night_count for each in look_for_nights(connection, [campaign_id], quiet=quiet_hours))
        change_campaign_in(connection, campaign_id, changes, actor, quiet_hours=quiet_hours, approve_above=0)
        after = look_for_nights(connection, [campaign_id], quiet=quiet_hours)
        raise _LookedError([each for each in after if each.night_count > before])

    try:
        return database.run(look)
    except _LookedError as looked:
        return looked.nights


@dataclass(frozen=True, slots=True)
class _PlannedDraft:
    """A draft before it is inserted. `row`: its template."""

    plan: Plan
    account_ids: Sequence[int]
    row: TemplateRow
    filling: Filling
    warnings: Sequence[Finding]


@dataclass(frozen=True, slots=True)
class _Draft:
    """A draft without recipients that was just inserted."""

    id: int
    plan: Plan
    account_ids: Sequence[int]
    warnings: Sequence[Finding]
    quiet_hours: QuietHours | None


def find_made(connection: Connection, draft_key: bytes | None) -> ChangeResult | None:
    """Return the campaign that was made with a key; None if none was, and only this transaction can make one."""
    made_id = None if draft_key is None else store.claim_draft_key(connection, draft_key)
    if made_id is None:
        return None
    made = lock_campaign(connection, made_id)
    return ChangeResult(made.id, made.name, made.facts.status)


def make_draft_in(
    connection: Connection,
    changes: CampaignChanges,
    actor: Actor,
    *,
    time_zone: str,
    quiet_hours: QuietHours | None,
    draft_key: bytes | None = None,
) -> ChangeResult:
    """Do the work of `draft_campaign` in a transaction of the caller."""
    if (made := find_made(connection, draft_key)) is not None:
        return made
    planned = _plan_draft(connection, changes, time_zone=time_zone)
    draft = _insert(connection, planned, changes, quiet_hours=quiet_hours, draft_key=draft_key)
    write_audit(connection, actor, Act.CAMPAIGN_CREATE, draft.id, after=_describe_draft(draft))
    return _conclude(connection, draft, changes, planned.row)


def _create(
    connection: Connection,
    changes: CampaignChanges,
    path: Path,
    reading: Reading,
    actor: Actor,
    *,
    time_zone: str,
    quiet_hours: QuietHours | None,
    secret_key: str | None,
) -> ChangeResult:
    if not changes.accounts:
        raise Refusal(
            "campaign_incomplete", "A campaign needs at least one account, and recipients.", kind=Kind.MISSING
        )
    planned = _plan_draft(connection, changes, time_zone=time_zone)
    # The file is read before the campaign is inserted, because a refused file would use up an id, and people would look
    # for the campaign with this id.
    staged = stage_recipients(connection, path, filling=planned.filling, reading=reading)
    draft = _insert(connection, planned, changes, quiet_hours=quiet_hours)
    imported = write_recipients(connection, draft.id, staged, components=planned.row.components)
    suppress_forgotten(connection, draft.id, secret_key=secret_key)
    recorded_count = record_refusals_in(connection, draft.id, imported.recorded, actor, secret_key=secret_key)
    after = {**_describe_draft(draft), **describe_import(path, imported)}
    write_audit(connection, actor, Act.CAMPAIGN_CREATE, draft.id, after=after)
    result = _conclude(connection, draft, changes, planned.row, imported, quiet=quiet_hours)
    return replace(result, recorded_count=recorded_count)


def _plan_draft(connection: Connection, changes: CampaignChanges, *, time_zone: str) -> _PlannedDraft:
    account_ids = _find_accounts(connection, changes.accounts) if changes.accounts else []
    row, warnings = choose_template(connection, changes.template or "", account_ids)
    template = read_template(row)
    given = drop_empty(template, _read_parameters(changes))
    filling = fill(template, given)
    plan = Plan(
        name=changes.name or "",
        template_id=row.id,
        time_zone=time_zone,
        parameters=given,
        columns=filling.names,
        is_standing=changes.is_standing,
    )
    plan = _apply(plan, changes, now=read_clock(connection))
    return _PlannedDraft(plan, account_ids, row, filling, warnings)


def _insert(
    connection: Connection,
    planned: _PlannedDraft,
    changes: CampaignChanges,
    *,
    quiet_hours: QuietHours | None,
    draft_key: bytes | None = None,
) -> _Draft:
    campaign_id = store.insert_campaign(connection, planned.plan, planned.account_ids, draft_key=draft_key)
    plan, quiet_hours = give_quiet_hours(connection, campaign_id, planned.plan, changes, quiet_hours)
    return _Draft(campaign_id, plan, planned.account_ids, planned.warnings, quiet_hours)


def _conclude(
    connection: Connection,
    draft: _Draft,
    changes: CampaignChanges,
    row: TemplateRow,
    imported: Imported | None = None,
    *,
    quiet: QuietHours | None = None,
) -> ChangeResult:
    """Return the result of a draft that was just inserted. `quiet`: as for `find_nights`."""
    departure = _check_hours(connection, draft.id, draft.plan, changes)
    # Without a schedule, the time of the first message is not known before the start.
    has_time = imported is not None and draft.plan.scheduled_at is not None
    nights = look_for_nights(connection, [draft.id], quiet=quiet) if has_time else []
    status = CampaignStatus.DRAFT
    return ChangeResult(
        draft.id,
        draft.plan.name,
        status,
        imported=imported,
        import_warnings=[] if imported is None else find_import_warnings(draft.id, status, imported.facts, file=""),
        blocked_count=0 if imported is None else store.count_pending(connection, draft.id)[1],
        warnings=[
            *draft.warnings,
            *warn_of_zones(connection, draft.id, draft.plan),
            *warn_of_other_zone(connection, draft.id, draft.plan),
            *warn_of_language(connection, draft.id, row),
        ],
        nights=nights,
        departure=departure,
        quiet_hours=draft.quiet_hours,
        uses_recipient_zones=draft.plan.uses_recipient_zones,
    )


def change_campaign_in(
    connection: Connection,
    campaign_id: int,
    changes: CampaignChanges,
    actor: Actor,
    *,
    quiet_hours: QuietHours | None,
    approve_above: int,
) -> ChangeResult:
    """Do the work of `change_campaign` in a transaction of the caller."""
    campaign = lock_campaign(connection, campaign_id)
    facts = campaign.facts
    if facts.status in ENDED:
        raise facts.conflict(
            "cannot_change",
            "Campaign {id} ({name}) is {status}: it cannot be changed. {create} makes a new campaign.",
            create=Hint(HintAction.CREATE_CAMPAIGN),
        )
    if (
        changes.changes_content
        and facts.status in _STARTED
        and needs_approval(connection, campaign_id, above=approve_above)
    ):
        raise facts.conflict(
            "change_of_approved",
            "Campaign {id} ({name}) is {status} with the approval of a second person, which a change of the template,"
            " the values or the accounts would void. {pause} lets you change it; then it needs another approval.",
            pause=Hint(HintAction.PAUSE_CAMPAIGN, campaign_id),
        )
    _check_effect(facts, changes, now=campaign.server_now)
    plan = _apply(campaign.plan, changes, now=campaign.server_now)
    was_marketing = quiet_hours is not None and sends_marketing(connection, campaign_id)
    old_ids = sorted(load_campaign_accounts(connection, [campaign_id])[campaign_id])
    account_ids = _find_accounts(connection, changes.accounts) if changes.accounts else []
    warnings: Sequence[Finding] = ()
    if changes.changes_content:
        used_ids = account_ids or old_ids
        chooses = changes.template is not None or bool(changes.accounts)
        fit = fit_template(
            connection,
            campaign,
            text=changes.template,
            account_ids=used_ids if chooses else None,
            parameters=_read_parameters(changes),
        )
        warnings = fit.warnings
        if changes.template is not None:
            files = list_imported_files(connection, campaign_id)
            values = warn_of_values(connection, campaign, files, fit.row.language)
            warnings = [*warnings, *values, *warn_of_language(connection, campaign_id, fit.row)]
        plan = replace(plan, template_id=fit.row.id, parameters=fit.parameters, columns=fit.filling.names)
    status = decide_schedule(replace(facts, scheduled_at=plan.scheduled_at), now=campaign.server_now)
    wakes = _wakes(campaign, plan)
    should_enqueue = _should_enqueue(campaign, plan, status=status, wakes=wakes)
    store.update_campaign(connection, campaign, plan, status=status, wakes=wakes, should_enqueue=should_enqueue)
    if account_ids:
        store.replace_accounts(connection, campaign_id, account_ids)
    plan, quiet_hours = give_quiet_hours(connection, campaign_id, plan, changes, None if was_marketing else quiet_hours)
    write_audit(
        connection,
        actor,
        Act.CAMPAIGN_CHANGE,
        campaign_id,
        before={**asdict(campaign.plan), "status": facts.status, "account_ids": old_ids},
        after={**asdict(plan), "status": status, "account_ids": account_ids or old_ids},
    )
    departure = None
    has_started = facts.started_at is not None
    if quiet_hours is not None or changes.changes_hours:
        departure = _check_hours(connection, campaign_id, plan, changes, has_started=has_started)
    elif changes.changes_sender:
        now = campaign.server_now
        departure = find_departure(connection, campaign_id, plan, now=now, has_started=has_started)
    warnings = [*warnings, *warn_of_zones(connection, campaign_id, plan), *_warn_of_end(campaign_id, plan, departure)]
    return ChangeResult(
        campaign_id,
        plan.name,
        status,
        should_enqueue=should_enqueue,
        warnings=warnings,
        departure=departure,
        quiet_hours=quiet_hours,
        uses_recipient_zones=plan.uses_recipient_zones,
    )


def _describe_draft(draft: _Draft) -> dict[str, object]:
    return {**asdict(draft.plan), "account_ids": draft.account_ids}


def _check_effect(facts: CampaignFacts, changes: CampaignChanges, *, now: dt.datetime) -> None:
    """Raise Refusal if the changes concern the start of a campaign that has started already.

    Older versions allowed a schedule in the future for a started campaign. Such a schedule stops the campaign, so an
    operator can remove the schedule.
    """
    is_stopped = facts.scheduled_at is not None and facts.scheduled_at > now
    check_started(
        facts,
        changes_schedule=changes.schedule is not None and not (changes.schedule is CLEAR and is_stopped),
        changes_start_within=changes.start_within_seconds is not None,
    )


def give_quiet_hours(
    connection: Connection, campaign_id: int, plan: Plan, changes: CampaignChanges, quiet: QuietHours | None
) -> tuple[Plan, QuietHours | None]:
    """Give a marketing campaign the window outside the quiet hours, unless a person has chosen a window or no window.

    Return the plan, and the quiet hours if the campaign got this window, else None.
    """
    has_window = plan.window_from is not None or changes.window is not None
    if quiet is None or has_window or not sends_marketing(connection, campaign_id):
        return plan, None
    uses_recipient_zones = changes.uses_recipient_zones in {None, True} and not plan.is_standing
    plan = close_quiet_hours(connection, campaign_id, plan, quiet, uses_recipient_zones=uses_recipient_zones)
    return plan, quiet


def _check_hours(
    connection: Connection, campaign_id: int, plan: Plan, changes: CampaignChanges, *, has_started: bool = False
) -> Departure:
    """Return when the first message may leave.

    Raises Refusal if the plan leaves no such time, or if the changes ask for the clocks of the recipients in a plan
    without hours.
    """
    if changes.uses_recipient_zones is True and not has_hours(plan):
        raise Refusal(
            "recipient_zones_without_hours",
            "{recipient_zones} has no effect without hours: give a {window}, too.",
            recipient_zones=Entry(Field.RECIPIENT_ZONES),
            window=Entry(Field.WINDOW, "09:00-18:00"),
        )
    now = read_clock(connection)
    departure = find_departure(connection, campaign_id, plan, now=now, has_started=has_started)
    ends_campaign = has_started and changes.expire is not None  # the remaining messages expire, as the person asked
    check_opening(replace(plan, expire_at=None) if ends_campaign else plan, departure.opens_at)
    if not has_started:
        check_start_within(plan, departure.opens_at)
    return departure


def _warn_of_end(campaign_id: int, plan: Plan, departure: Departure | None) -> list[Finding]:
    """If the campaign expires before its hours open, return a warning."""
    opens_at = None if departure is None else departure.opens_at
    if opens_at is None or plan.expire_at is None or plan.expire_at > opens_at:
        return []
    finding = Finding(
        "expires_unsent",
        Severity.WARNING,
        "Campaign {campaign_id} will send no more messages: it expires at {expiry}, and its hours open at {opening}.",
        "",
        campaign_id=campaign_id,
        expiry=Moment(plan.expire_at, plan.time_zone),
        opening=Moment(opens_at, plan.time_zone),
    )
    return [finding]


def lock_campaign(connection: Connection, campaign_id: int) -> store.LockedCampaign:
    """Lock a campaign until the transaction ends. Raises Refusal if there is no such campaign."""
    campaign = store.lock_campaigns(connection, [campaign_id]).get(campaign_id)
    if campaign is None:
        raise missing_campaign(campaign_id)
    return campaign


def _apply(plan: Plan, changes: CampaignChanges, *, now: dt.datetime) -> Plan:
    """Return `plan` with the changes, except changes of the template and its parameters."""
    given = {name: value for name in _PLAIN_FIELDS if (value := getattr(changes, name)) is not None}
    if changes.schedule is CLEAR:
        given.setdefault("start_within_seconds", CLEAR)
    cleared = {name: getattr(_BARE_PLAN, name) for name, value in given.items() if value is CLEAR}
    plan = _apply_times(replace(plan, **(given | cleared)), changes, now)
    return check_plan(_apply_window(plan, changes))


def _apply_times(plan: Plan, changes: CampaignChanges, now: dt.datetime) -> Plan:
    def read(text: str) -> dt.datetime:
        return read_moment(text, plan.time_zone, now=now, is_day_first=changes.is_day_first)

    if changes.schedule is CLEAR:
        plan = replace(plan, scheduled_at=None)
    elif changes.schedule is not None:
        plan = replace(plan, scheduled_at=read(changes.schedule))
        check_schedule(read(changes.schedule), plan.time_zone, now=now)
    if changes.expire is CLEAR:
        plan = replace(plan, expire_at=None)
    elif changes.expire is not None:
        plan = replace(plan, expire_at=read(changes.expire))
        check_expiry(read(changes.expire), plan.time_zone, now=now)
    return plan


def _apply_window(plan: Plan, changes: CampaignChanges) -> Plan:
    if changes.window is CLEAR:
        plan = replace(plan, window_from=None, window_to=None)
    elif changes.window is not None:
        plan = replace(plan, window_from=changes.window[0], window_to=changes.window[1])
    if changes.holidays is CLEAR:
        plan = replace(plan, holidays=None)
    elif changes.holidays is not None:
        plan = replace(plan, holidays=write_holidays(changes.holidays))
    return plan


def _read_parameters(changes: CampaignChanges) -> dict[str, str | None]:
    """Return the given parameters. The text of a cleared parameter is empty, as `drop_empty` and `fill` take it."""
    return {name: "" if value is CLEAR else value for name, value in (changes.parameters or {}).items()}


def _wakes(campaign: store.LockedCampaign, plan: Plan) -> bool:
    if campaign.waiting_reason == Reason.TEMPLATE:
        return plan.template_id != campaign.template_id or plan.parameters != campaign.parameters
    return campaign.waiting_reason in _WAITS_OF_PLAN and campaign.status == CampaignStatus.RUNNING


def _should_enqueue(campaign: store.LockedCampaign, plan: Plan, *, status: CampaignStatus, wakes: bool) -> bool:
    if status not in {CampaignStatus.PENDING, CampaignStatus.RUNNING}:
        return False
    now = campaign.server_now
    was_later = campaign.scheduled_at is not None and campaign.scheduled_at > now
    is_later = plan.scheduled_at is not None and plan.scheduled_at > now
    return not is_later and (wakes or was_later)


def _find_accounts(connection: Connection, words: Sequence[str]) -> list[int]:
    return sorted(set(accounts.find_account_ids(connection, words)))
