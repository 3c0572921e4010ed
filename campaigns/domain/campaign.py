"""The life cycle of a campaign: every command, from which statuses it is possible, and where it leads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class CampaignError(ValueError):
    """A campaign cannot be made or changed as asked. The message is one sentence for a person."""


class TransitionError(CampaignError):
    """A command is impossible in the campaign's status; nothing was changed."""


class CampaignStatus(StrEnum):
    DRAFT = "draft"
    PENDING = "pending"  # started by a person, not yet picked up
    SCHEDULED = "scheduled"  # the same, for later
    RUNNING = "running"  # also while it waits: then it has a waiting reason
    PAUSED = "paused"  # by a person, always
    COMPLETED = "completed"
    CANCELLED = "cancelled"


MAX_INTERVAL_SECONDS = 86_400
MAX_PAUSE_AFTER = 2**31 - 1
MAX_PAUSE_SECONDS = 366 * 86_400

# Nothing but a person's retry moves a campaign out of these, and only out of `completed`.
ENDED = frozenset({CampaignStatus.COMPLETED, CampaignStatus.CANCELLED})


class Command(StrEnum):
    """What moves a campaign: the last two its runner, all else a person."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"  # failed or uncertain messages are pending again
    RECOVER = "recover"  # a restore may have forgotten what was sent of it
    RUN = "run"  # a runner takes the lease
    COMPLETE = "complete"  # nothing is left to send


_DRAFT, _PENDING, _SCHEDULED, _RUNNING, _PAUSED, _COMPLETED, _CANCELLED = CampaignStatus
_WAITING_TO_RUN = frozenset({_PENDING, _SCHEDULED})

# command → status → the statuses it may lead to. What is not here is refused.
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

_PARTICIPLES = {
    Command.START: "started",
    Command.PAUSE: "paused",
    Command.RESUME: "resumed",
    Command.CANCEL: "cancelled",
    Command.RETRY: "retried",
    Command.RECOVER: "recovered",
    Command.RUN: "run",
    Command.COMPLETE: "completed",
}


@dataclass(frozen=True, slots=True)
class CampaignFacts:
    """What the life cycle asks of a campaign."""

    id: int
    name: str
    status: CampaignStatus
    scheduled_at: dt.datetime | None = None
    start_within_seconds: float | None = None
    expire_at: dt.datetime | None = None
    started_at: dt.datetime | None = None
    recipient_count: int = 0
    account_count: int = 0

    def __str__(self) -> str:
        return f"Campaign {self.id} ({self.name})"

    def is_late(self, now: dt.datetime) -> bool:
        """Whether its first message would go later than its plan allows."""
        if self.started_at is not None or self.scheduled_at is None or self.start_within_seconds is None:
            return False
        return (now - self.scheduled_at).total_seconds() > self.start_within_seconds


@dataclass(frozen=True, slots=True)
class Plan:
    """What a person decides of a campaign beside its people and accounts. None: no schedule, pause or window.

    `parameters`: what fills the template for all alike; None: an optional one that each row brings. `columns`: all that
    each row brings, as sent.
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


@dataclass(frozen=True, slots=True)
class Move:
    """A decided change of status. `rings`: the campaign may run now, so whoever commits this rings it."""

    id: int
    name: str
    old: CampaignStatus
    new: CampaignStatus
    rings: bool


def decide_move(command: Command, facts: CampaignFacts, *, now: dt.datetime) -> Move:
    """Return where a person's `command` leads. Raise TransitionError with the reason why it cannot be done."""
    possible = TRANSITIONS[command].get(facts.status)
    if possible is None:
        raise TransitionError(f"{facts} is {facts.status}: it cannot be {_PARTICIPLES[command]}.")
    if command is Command.START:
        _check_start(facts, now)
    if command is Command.RETRY and facts.expire_at is not None and facts.expire_at <= now:
        raise TransitionError(f"{facts} has expired: it cannot be retried.")
    if command in {Command.START, Command.RESUME} and facts.is_late(now):
        raise TransitionError(
            f"{facts} is later than its --start-within allows: it cannot be {_PARTICIPLES[command]}, "
            "unless `campaign set` gives it another --schedule-at or --no-start-within."
        )
    is_later = facts.scheduled_at is not None and facts.scheduled_at > now
    if len(possible) == 1:
        (new,) = possible
        return Move(facts.id, facts.name, facts.status, new, rings=new is _RUNNING and not is_later)
    new = _RUNNING if facts.started_at is not None else _SCHEDULED if is_later else _PENDING
    return Move(facts.id, facts.name, facts.status, new, rings=not is_later)


def decide_schedule(facts: CampaignFacts, *, now: dt.datetime) -> CampaignStatus:
    """Return the status that fits the campaign's schedule, after a change of it."""
    if facts.status not in _WAITING_TO_RUN:
        return facts.status
    return _SCHEDULED if facts.scheduled_at is not None and facts.scheduled_at > now else _PENDING


def check_plan(plan: Plan) -> Plan:
    """Return `plan`, or raise CampaignError with what is wrong with it."""
    if not plan.name.strip() or not plan.name.isprintable():
        raise CampaignError("The name of a campaign is one line of text.")
    if not 0 <= plan.interval_seconds <= MAX_INTERVAL_SECONDS:
        raise CampaignError(f"The interval is {plan.interval_seconds:g} s: it must be between 0 and a day of 86400 s.")
    if (plan.pause_after is None) != (plan.pause_seconds is None):
        raise CampaignError("A pause needs both: after how many messages, and for how many seconds.")
    if plan.pause_after is not None and not 0 < plan.pause_after <= MAX_PAUSE_AFTER:
        raise CampaignError("A pause comes after a number of messages above 0.")
    if plan.pause_seconds is not None and not 0 < plan.pause_seconds <= MAX_PAUSE_SECONDS:
        raise CampaignError("A pause lasts longer than 0 s and no longer than a year.")
    if (plan.max_per_person is None) != (plan.within_days is None):
        raise CampaignError("--max-per-person and --within belong together: 2 messages, within 7 days.")
    if plan.start_within_seconds is not None and plan.scheduled_at is None:
        raise CampaignError("--start-within counts from --schedule-at: give both.")
    if plan.expire_at is not None and plan.scheduled_at is not None and plan.expire_at <= plan.scheduled_at:
        raise CampaignError("A campaign expires after its schedule: --expire-at must be later than --schedule-at.")
    return plan


def missing_campaign(campaign_id: int) -> str:
    return f"Campaign {campaign_id} does not exist."


def _check_start(facts: CampaignFacts, now: dt.datetime) -> None:
    if not facts.recipient_count:
        raise TransitionError(f"{facts} has no recipients: it cannot be started.")
    if not facts.account_count:
        raise TransitionError(f"{facts} has no account: it cannot be started.")
    if facts.expire_at is not None and facts.expire_at <= now:
        raise TransitionError(f"{facts} has expired: `campaign set` gives it another --expire-at or --no-expire.")
