"""The life cycle of a campaign: its commands, the statuses in which a command is possible, and the next status."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from campaigns.domain.schedule import DAYS, suggest_later, write_weekdays
from campaigns.domain.statement import (
    Duration,
    Entry,
    Field,
    Finding,
    Hint,
    HintAction,
    Kind,
    Moment,
    Refusal,
    Sentence,
    Severity,
)


class CampaignStatus(StrEnum):
    DRAFT = "draft"
    PENDING = "pending"  # started by a person, not yet run by a worker
    SCHEDULED = "scheduled"  # started by a person, with a schedule in the future
    RUNNING = "running"  # also while the campaign waits; it then has a waiting reason
    PAUSED = "paused"  # only a person pauses a campaign
    COMPLETED = "completed"
    CANCELLED = "cancelled"


MAX_INTERVAL_SECONDS = 86_400
MAX_PAUSE_AFTER = 2**31 - 1
MAX_PAUSE_SECONDS = 366 * 86_400

# These statuses are final, except that a retry by a person turns `completed` into `running`.
ENDED = frozenset({CampaignStatus.COMPLETED, CampaignStatus.CANCELLED})


# In these statuses a campaign sends by itself when its time has come.
STARTED = frozenset({CampaignStatus.PENDING, CampaignStatus.SCHEDULED, CampaignStatus.RUNNING})


class Command(StrEnum):
    """A command that changes the status of a campaign. Workers give the last two, people the others."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"  # failed or uncertain messages become pending again
    RECOVER = "recover"  # after a restore, when the database may not know that messages were sent
    RUN = "run"  # a worker takes the lease
    COMPLETE = "complete"  # nothing is left to send


_DRAFT, _PENDING, _SCHEDULED, _RUNNING, _PAUSED, _COMPLETED, _CANCELLED = CampaignStatus
_WAITING_TO_RUN = frozenset({_PENDING, _SCHEDULED})

# By command and present status, the possible next statuses. In every other present status, the command is refused.
TRANSITIONS: Mapping[Command, Mapping[CampaignStatus, frozenset[CampaignStatus]]] = MappingProxyType({
    Command.START: {_DRAFT: _WAITING_TO_RUN},
    Command.PAUSE: dict.fromkeys((_PENDING, _SCHEDULED, _RUNNING), frozenset({_PAUSED})),
    Command.RESUME: {_PAUSED: frozenset({_PENDING, _SCHEDULED, _RUNNING})},
    Command.CANCEL: dict.fromkeys((_DRAFT, _PENDING, _SCHEDULED, _RUNNING, _PAUSED), frozenset({_CANCELLED})),
    Command.RETRY: {_RUNNING: frozenset({_RUNNING}), _PAUSED: frozenset({_PAUSED}), _COMPLETED: frozenset({_RUNNING})},
    Command.RECOVER: dict.fromkeys((_DRAFT, _PENDING, _SCHEDULED, _RUNNING, _PAUSED), frozenset({_PAUSED})),
    Command.RUN: dict.fromkeys((_PENDING, _SCHEDULED, _RUNNING), frozenset({_RUNNING})),
    Command.COMPLETE: {_RUNNING: frozenset({_COMPLETED})},
})  # fmt: skip

# The commands of people who want messages to be sent.
_SENDING_COMMANDS = frozenset({Command.START, Command.RESUME, Command.RETRY})
# The end of the sentence that refuses a command.
_CANNOT = {
    Command.START: Sentence("it cannot be started"),
    Command.PAUSE: Sentence("it cannot be paused"),
    Command.RESUME: Sentence("it cannot be resumed"),
    Command.CANCEL: Sentence("it cannot be cancelled"),
    Command.RETRY: Sentence("it cannot be retried"),
    Command.RECOVER: Sentence("it cannot be recovered"),
    Command.RUN: Sentence("it cannot be run"),
    Command.COMPLETE: Sentence("it cannot be completed"),
}


@dataclass(frozen=True, slots=True)
class CampaignFacts:
    """The facts that decide about a change of status. `pace`: the result of `list_pace`."""

    id: int
    name: str
    status: CampaignStatus
    scheduled_at: dt.datetime | None = None
    start_within_seconds: float | None = None
    expire_at: dt.datetime | None = None
    started_at: dt.datetime | None = None
    recipient_count: int = 0
    account_count: int = 0
    time_zone: str = "UTC"
    pace: tuple[Entry, ...] = ()
    is_standing: bool = False

    def identify(self) -> Sentence:
        return Sentence("Campaign {id} ({name})", id=self.id, name=self.name)

    def conflict(self, code: str, text: str, /, **values: object) -> Refusal:
        """Return a refusal by the campaign's state. The text may have the placeholders {id}, {name} and {status}."""
        return Refusal(code, text, kind=Kind.CONFLICT, id=self.id, name=self.name, status=self.status, **values)

    def is_late(self, now: dt.datetime) -> bool:
        """Tell whether the campaign is not started, and `start_within_seconds` have passed since its scheduled time."""
        if self.started_at is not None or self.scheduled_at is None or self.start_within_seconds is None:
            return False
        return (now - self.scheduled_at).total_seconds() > self.start_within_seconds


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of a campaign, except its recipients and accounts.

    None means that the campaign has no such setting: no schedule, no pause, and so on. `parameters` has, by the name of
    a template parameter, the value for all recipients. The value is None for an optional parameter whose values come
    from each row. `columns`: the names of the parameters whose values come from each row, in the order in which a send
    takes them. `is_standing`: programs post the messages of the campaign, which has no list and does not complete.
    """

    name: str
    template_id: int
    time_zone: str
    scheduled_at: dt.datetime | None = None
    start_within_seconds: float | None = None
    expire_at: dt.datetime | None = None
    max_per_person: int | None = None
    within_days: int | None = None
    interval_seconds: float = 0.0
    pause_after: int | None = None
    pause_seconds: float | None = None
    window_from: dt.time | None = None
    window_to: dt.time | None = None
    weekdays: list[int] = field(default_factory=lambda: list(range(1, 8)))
    parameters: Mapping[str, str | None] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    uses_recipient_zones: bool = False
    holidays: str | None = None
    is_standing: bool = False


@dataclass(frozen=True, slots=True)
class Departure:
    """When the first or the next message of a campaign may leave, and why it leaves late or not at all.

    `opens_at`: the first time at which the schedule and the hours allow a message; None: the hours open for no
    recipient within 60 days. `at`: the time at which the first message may leave; None: no message leaves before a
    person acts, or nothing is left to send. `now`: the time at which these times were computed. `people`: the number of
    people by the time at which their hours open, in the order of these times.

    `obstacles`: an error if no message leaves before a person acts, a note if the message leaves later than the hours
    open. `delayed_until`: the end of the reason for which the message leaves later. `starts_at`: the time from which
    the campaign may send, apart from its hours.
    """

    opens_at: dt.datetime | None
    now: dt.datetime
    time_zone: str
    people: Mapping[dt.datetime, int] = field(default_factory=dict)
    obstacles: Sequence[Finding] = ()
    delayed_until: dt.datetime | None = None
    starts_at: dt.datetime | None = None

    @property
    def waits_for_hours(self) -> bool:
        """Whether the hours are still closed for somebody when the schedule allows the first message."""
        return self.opens_at is None or any(at > (self.starts_at or self.now) for at in self.people)

    @property
    def people_count(self) -> int:
        return sum(self.people.values())

    @property
    def at(self) -> dt.datetime | None:
        if (
            self.opens_at is None
            or not self.people_count
            or any(each.severity is Severity.ERROR for each in self.obstacles)
        ):
            return None
        return self.opens_at if self.delayed_until is None else max(self.opens_at, self.delayed_until)


@dataclass(frozen=True, slots=True)
class Move:
    """A decided change of status.

    `should_enqueue`: the campaign may run now, so the caller enqueues the campaign after the commit. `departure`: after
    a start or a resume, when the first message may leave; None after other changes.
    """

    id: int
    name: str
    old: CampaignStatus
    new: CampaignStatus
    should_enqueue: bool
    departure: Departure | None = None


def decide_move(command: Command, facts: CampaignFacts, *, now: dt.datetime) -> Move:
    """Return the change of status that a person's `command` makes.

    Raises Refusal with the reason if the command is not possible.
    """
    possible = TRANSITIONS[command].get(facts.status)
    if possible is None:
        raise _refuse_move(command, facts)
    if command is Command.START:
        _check_start(facts, now)
    if command is Command.RETRY and facts.expire_at is not None and facts.expire_at <= now:
        raise _refuse_expired_retry(facts)
    if command is Command.RESUME and facts.is_late(now):
        raise facts.conflict(
            "resume_too_late",
            "Campaign {id} ({name}) is later than its {start_within} allows: {cannot}, unless {change} gives it another"
            " {schedule_at} or {no_start_within}.",
            cannot=_CANNOT[command],
            change=Hint(HintAction.CHANGE_CAMPAIGN, facts.id),
            start_within=Entry(Field.START_WITHIN),
            no_start_within=Entry(Field.START_WITHIN, None),
            schedule_at=Entry(Field.SCHEDULE_AT),
        )
    is_later = facts.scheduled_at is not None and facts.scheduled_at > now
    if len(possible) == 1:
        (new,) = possible
        return Move(facts.id, facts.name, facts.status, new, should_enqueue=new is _RUNNING and not is_later)
    new = _RUNNING if facts.started_at is not None else _SCHEDULED if is_later else _PENDING
    return Move(facts.id, facts.name, facts.status, new, should_enqueue=not is_later)


def _refuse_expired_retry(facts: CampaignFacts) -> Refusal:
    if facts.status in ENDED:
        return facts.conflict(
            "retry_after_expiry",
            "Campaign {id} ({name}) has expired: it cannot be retried. {instead}",
            instead=make_again(facts.id, "failed", facts.pace),
        )
    return facts.conflict(
        "retry_after_expiry",
        "Campaign {id} ({name}) has expired: it cannot be retried. {change} gives it another {expire_at} or"
        " {no_expire_at}.",
        change=Hint(HintAction.CHANGE_CAMPAIGN, facts.id),
        expire_at=Entry(Field.EXPIRE_AT),
        no_expire_at=Entry(Field.EXPIRE_AT, None),
    )


def _refuse_move(command: Command, facts: CampaignFacts) -> Refusal:
    cannot, instead = _CANNOT[command], _find_alternative(command, facts)
    if instead is None:
        return facts.conflict(f"cannot_{command}", "Campaign {id} ({name}) is {status}: {cannot}.", cannot=cannot)
    return facts.conflict(
        f"cannot_{command}",
        "Campaign {id} ({name}) is {status}: {cannot}. {instead}",
        cannot=cannot,
        instead=instead,
    )


def _find_alternative(command: Command, facts: CampaignFacts) -> Sentence | None:
    """Return what a person can do who gave a command that is not possible; None if no person gives the command."""
    if facts.status in ENDED:
        return _advise_ended(command, facts)
    if command is Command.PAUSE:
        return _advise_silent(facts)
    return _advise_active(facts) if command in _SENDING_COMMANDS else None


def _advise_active(facts: CampaignFacts) -> Sentence:
    """Return what a person can do who wanted a campaign to send that has not ended."""
    if facts.status is _SCHEDULED and facts.scheduled_at is not None:
        return Sentence(
            "It begins at {moment}. To let it begin now: {at_once}.",
            moment=Moment(facts.scheduled_at, facts.time_zone),
            at_once=Hint(HintAction.CHANGE_CAMPAIGN, facts.id, Entry(Field.SCHEDULE_AT, None)),
        )
    if facts.status in {_PENDING, _SCHEDULED, _RUNNING}:
        return Sentence("{diagnose} says what it waits for.", diagnose=Hint(HintAction.DIAGNOSE_CAMPAIGN, facts.id))
    if facts.status is _PAUSED:
        return Sentence("{resume} resumes it.", resume=Hint(HintAction.RESUME_CAMPAIGN, facts.id))
    return Sentence("{start} starts it.", start=Hint(HintAction.START_CAMPAIGN, facts.id))


def _advise_silent(facts: CampaignFacts) -> Sentence:
    """Return what a person can do who wanted to pause a draft, or a campaign that is paused already."""
    if facts.status is _DRAFT:
        return Sentence(
            "A draft sends nothing before {start}. {discard} deletes it.",
            start=Hint(HintAction.START_CAMPAIGN, facts.id),
            discard=Hint(HintAction.DISCARD_CAMPAIGN, facts.id),
        )
    return Sentence(
        "It sends nothing now. {resume} resumes it, and {cancel} ends it for ever.",
        resume=Hint(HintAction.RESUME_CAMPAIGN, facts.id),
        cancel=Hint(HintAction.CANCEL_CAMPAIGN, facts.id),
    )


def _advise_ended(command: Command, facts: CampaignFacts) -> Sentence:
    if command not in _SENDING_COMMANDS:
        return Sentence("It sends nothing any more. {show} shows it.", show=Hint(HintAction.SHOW_CAMPAIGN, facts.id))
    if facts.status is _COMPLETED:
        return Sentence(
            "It has nothing left to send. If messages failed, {errors} says why, and {retry} sends them again."
            " {create} makes a new campaign, which skips the people who have got a message.",
            errors=Hint(HintAction.SHOW_ERRORS, facts.id),
            retry=Hint(HintAction.RETRY_CAMPAIGN, facts.id, Entry(Field.RETRY_CLASS, "all-retryable")),
            create=Hint(
                HintAction.CREATE_CAMPAIGN,
                entry=Entry(Field.MAX_PER_PERSON, "1"),
                also=(Entry(Field.WITHIN_DAYS, "7"),),
            ),
        )
    return make_again(facts.id, "cancelled,failed" if command is Command.RETRY else "cancelled", facts.pace)


class Paced(Protocol):
    """The settings that decide how fast and in which hours a campaign sends. Plans and rows of campaigns have them."""

    @property
    def max_per_person(self) -> int | None: ...
    @property
    def within_days(self) -> int | None: ...
    @property
    def interval_seconds(self) -> float: ...
    @property
    def pause_after(self) -> int | None: ...
    @property
    def pause_seconds(self) -> float | None: ...
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


def list_pace(plan: Paced) -> tuple[Entry, ...]:
    """Return the fields that give another campaign the same pace, hours and limits."""
    entries = []
    if plan.max_per_person is not None:
        entries += [
            Entry(Field.MAX_PER_PERSON, str(plan.max_per_person)),
            Entry(Field.WITHIN_DAYS, str(plan.within_days)),
        ]
    if plan.interval_seconds:
        entries.append(Entry(Field.INTERVAL, f"{plan.interval_seconds:g}"))
    if plan.pause_after is not None:
        entries += [Entry(Field.PAUSE, str(plan.pause_after)), Entry(Field.PAUSE_FOR, f"{plan.pause_seconds:g}")]
    hours = []
    if plan.window_from is not None:
        end = "24:00" if plan.window_to == dt.time() else f"{plan.window_to:%H:%M}"
        hours.append(Entry(Field.WINDOW, f"{plan.window_from:%H:%M}-{end}"))
    if len(plan.weekdays) < len(DAYS):
        hours.append(Entry(Field.WEEKDAYS, write_weekdays(plan.weekdays)))
    if plan.holidays is not None:
        hours.append(Entry(Field.HOLIDAYS, plan.holidays))
    if hours:
        by_person = plan.uses_recipient_zones
        hours.append(Entry(Field.RECIPIENT_ZONES) if by_person else Entry(Field.TIME_ZONE, plan.time_zone))
    return (*entries, *hours)


def make_again(campaign_id: int, status: str, pace: tuple[Entry, ...]) -> Sentence:
    """Return how a person makes a new campaign for the people whose messages in this one have a status.

    `pace`: the result of `list_pace`.
    """
    return Sentence(
        "To send to its people, make a new campaign: {export} lists those who got no message, with their values of now,"
        " and {create} makes the campaign from such a file. If a list was wrong, take the right list in its place;"
        " {limit} {within} leaves out those who have got this message. {show} shows the pace, the hours and the limits"
        " to give it again.",
        export=Hint(HintAction.EXPORT_CAMPAIGN, campaign_id, Entry(Field.STATUS, status)),
        create=Hint(HintAction.CREATE_CAMPAIGN, also=pace),
        limit=Entry(Field.MAX_PER_PERSON, "1"),
        within=Entry(Field.WITHIN_DAYS, "7"),
        show=Hint(HintAction.SHOW_CAMPAIGN, campaign_id),
    )


def decide_schedule(facts: CampaignFacts, *, now: dt.datetime) -> CampaignStatus:
    """Return the campaign's status after a change of its schedule."""
    if facts.status not in _WAITING_TO_RUN:
        return facts.status
    return _SCHEDULED if facts.scheduled_at is not None and facts.scheduled_at > now else _PENDING


def check_plan(plan: Plan) -> Plan:
    """Return `plan`. Raises Refusal if a setting in it is invalid."""
    if not plan.name.strip() or not plan.name.isprintable():
        raise Refusal("campaign_name_invalid", "The name of a campaign is one line of text.")
    if not 0 <= plan.interval_seconds <= MAX_INTERVAL_SECONDS:
        raise Refusal(
            "interval_out_of_range",
            "The interval is {seconds:g} s: it must be between 0 and a day of 86400 s.",
            seconds=plan.interval_seconds,
        )
    if (plan.pause_after is None) != (plan.pause_seconds is None):
        raise Refusal("pause_incomplete", "A pause needs both: after how many messages, and for how many seconds.")
    if plan.pause_after is not None and not 0 < plan.pause_after <= MAX_PAUSE_AFTER:
        raise Refusal("pause_after_out_of_range", "A pause comes after a number of messages above 0.")
    if plan.pause_seconds is not None and not 0 < plan.pause_seconds <= MAX_PAUSE_SECONDS:
        raise Refusal("pause_out_of_range", "A pause lasts longer than 0 s and no longer than a year.")
    if (plan.max_per_person is None) != (plan.within_days is None):
        raise Refusal(
            "cap_incomplete",
            "{max_per_person} and {within} belong together: 2 messages, within 7 days.",
            max_per_person=Entry(Field.MAX_PER_PERSON),
            within=Entry(Field.WITHIN_DAYS),
        )
    if plan.start_within_seconds is not None and plan.scheduled_at is None:
        raise Refusal(
            "start_within_without_schedule",
            "{start_within} counts from {schedule_at}: give both.",
            start_within=Entry(Field.START_WITHIN),
            schedule_at=Entry(Field.SCHEDULE_AT),
        )
    if plan.is_standing and plan.uses_recipient_zones:
        raise Refusal(
            "standing_without_recipient_zones",
            "A standing campaign sends by its own clock, because it has no list: {recipient_zones} is not possible.",
            recipient_zones=Entry(Field.RECIPIENT_ZONES),
        )
    if plan.expire_at is not None and plan.scheduled_at is not None and plan.expire_at <= plan.scheduled_at:
        raise Refusal(
            "expiry_before_schedule",
            "A campaign expires after its schedule: {expire_at} must be later than {schedule_at}.",
            expire_at=Entry(Field.EXPIRE_AT),
            schedule_at=Entry(Field.SCHEDULE_AT),
        )
    return plan


def check_schedule(scheduled_at: dt.datetime, time_zone: str, *, now: dt.datetime) -> None:
    """Check the schedule that a person gives. Raises Refusal if this time has passed.

    A time in the past is probably a typing error.
    """
    if scheduled_at <= now:
        raise Refusal(
            "schedule_passed",
            "{schedule_at} is {moment}, and that was {ago} ago. Give a later time, such as '{later}'"
            " ({time_zone}). Without a schedule, the campaign sends as soon as it is started.",
            schedule_at=Entry(Field.SCHEDULE_AT),
            moment=Moment(scheduled_at, time_zone),
            ago=Duration((now - scheduled_at).total_seconds()),
            later=suggest_later(scheduled_at, time_zone, now=now),
            time_zone=time_zone,
        )


def check_expiry(expire_at: dt.datetime, time_zone: str, *, now: dt.datetime) -> None:
    """Check the time of expiry that a person gives. Raises Refusal if this time has passed."""
    if expire_at <= now:
        raise Refusal(
            "expiry_passed",
            "{expire_at} is {moment}, and that was {ago} ago: no message could be sent. Give a later time, such as"
            " '{later}' ({time_zone}).",
            expire_at=Entry(Field.EXPIRE_AT),
            moment=Moment(expire_at, time_zone),
            ago=Duration((now - expire_at).total_seconds()),
            later=suggest_later(expire_at, time_zone, now=now),
            time_zone=time_zone,
        )


def check_started(facts: CampaignFacts, *, changes_schedule: bool, changes_start_within: bool) -> None:
    """Check a change of the schedule. Raises Refusal if the campaign has started.

    After the start, the change would have no effect.
    """
    if facts.started_at is not None and (changes_schedule or changes_start_within):
        raise facts.conflict(
            "schedule_after_start",
            "Campaign {id} ({name}) has started already, so {field} has no effect. {pause} stops it, and {window}"
            " limits its hours.",
            field=Entry(Field.SCHEDULE_AT if changes_schedule else Field.START_WITHIN),
            pause=Hint(HintAction.PAUSE_CAMPAIGN, facts.id),
            window=Hint(HintAction.CHANGE_CAMPAIGN, facts.id, Entry(Field.WINDOW, "09:00-18:00")),
        )


def check_opening(plan: Plan, first_at: dt.datetime | None) -> None:
    """Check that a plan leaves a time for sending. Raises Refusal.

    `first_at`: the first time at which the hours of the plan are open for a recipient; None: the hours do not open for
    any recipient within 60 days.
    """
    if first_at is None:
        raise Refusal(
            "never_open",
            "Campaign {name} could send no message: its window, weekdays and holidays leave no time for any recipient"
            " in the next 60 days. Give a wider {window}.",
            kind=Kind.CONFLICT,
            name=plan.name,
            window=Entry(Field.WINDOW),
        )
    if plan.expire_at is not None and plan.expire_at <= first_at:
        raise Refusal(
            "expires_before_opening",
            "Campaign {name} could send no message: it expires at {expiry}, and its hours open at {opening}. Give a"
            " later {expire_at}, or a wider {window}.",
            kind=Kind.CONFLICT,
            name=plan.name,
            expiry=Moment(plan.expire_at, plan.time_zone),
            opening=Moment(first_at, plan.time_zone),
            expire_at=Entry(Field.EXPIRE_AT),
            window=Entry(Field.WINDOW),
        )


def check_start_within(plan: Plan, first_at: dt.datetime | None) -> None:
    """Check that the hours of a campaign that has not started open within the time that it allows for its start.

    Raises Refusal. `first_at`: as for `check_opening`.
    """
    if first_at is None or plan.scheduled_at is None or plan.start_within_seconds is None:
        return
    late_seconds = (first_at - plan.scheduled_at).total_seconds()
    if late_seconds > plan.start_within_seconds:
        raise Refusal(
            "opens_too_late",
            "Campaign {name} could send no message in time: its hours open at {opening}, which is {late} after its"
            " schedule, and {start_within} allows {most}. Give another {schedule_at}, a wider {window}, or"
            " {no_start_within}.",
            kind=Kind.CONFLICT,
            name=plan.name,
            opening=Moment(first_at, plan.time_zone),
            late=Duration(late_seconds),
            most=Duration(plan.start_within_seconds),
            start_within=Entry(Field.START_WITHIN),
            schedule_at=Entry(Field.SCHEDULE_AT),
            window=Entry(Field.WINDOW),
            no_start_within=Entry(Field.START_WITHIN, None),
        )


def missing_campaign(campaign_id: int) -> Refusal:
    """Return the refusal of an id that no campaign has."""
    return Refusal(
        "campaign_missing",
        "Campaign {id} does not exist: {list_campaigns} shows all.",
        kind=Kind.MISSING,
        id=campaign_id,
        list_campaigns=Hint(HintAction.LIST_CAMPAIGNS),
    )


def _check_start(facts: CampaignFacts, now: dt.datetime) -> None:
    if not facts.recipient_count and not facts.is_standing:
        raise facts.conflict(
            "start_without_recipients",
            "Campaign {id} ({name}) has no recipients: it cannot be started. {add} adds some.",
            add=Hint(HintAction.IMPORT_RECIPIENTS, facts.id),
        )
    if not facts.account_count:
        raise facts.conflict(
            "start_without_account",
            "Campaign {id} ({name}) has no account: it cannot be started. {change} gives it one.",
            change=Hint(HintAction.CHANGE_CAMPAIGN, facts.id, Entry(Field.ACCOUNT)),
        )
    if facts.expire_at is not None and facts.expire_at <= now:
        raise facts.conflict(
            "start_after_expiry",
            "Campaign {id} ({name}) has expired: {change} gives it another {expire_at} or {no_expire_at}.",
            change=Hint(HintAction.CHANGE_CAMPAIGN, facts.id),
            expire_at=Entry(Field.EXPIRE_AT),
            no_expire_at=Entry(Field.EXPIRE_AT, None),
        )
    if facts.scheduled_at is not None and facts.scheduled_at <= now:
        raise facts.conflict(
            "start_after_schedule",
            "Campaign {id} ({name}) was scheduled for {moment}, and that was {ago} ago. To start it now:"
            " {at_once}. To start it at another time: {later}.",
            moment=Moment(facts.scheduled_at, facts.time_zone),
            ago=Duration((now - facts.scheduled_at).total_seconds()),
            at_once=Hint(HintAction.CHANGE_CAMPAIGN, facts.id, Entry(Field.SCHEDULE_AT, None)),
            later=Hint(
                HintAction.CHANGE_CAMPAIGN,
                facts.id,
                Entry(Field.SCHEDULE_AT, suggest_later(facts.scheduled_at, facts.time_zone, now=now)),
            ),
        )
