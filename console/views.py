"""What pages derive from a campaign: the parts of its bar, the reason why it waits, and the possible commands."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from campaigns.doctor.causes import find_causes
from campaigns.domain.campaign import ENDED, STARTED, TRANSITIONS, CampaignStatus, Command
from campaigns.domain.message import Status
from campaigns.domain.pacing import NEEDS_PERSON
from campaigns.domain.statement import Finding, Severity
from campaigns.domain.users.rights import Right
from campaigns.management.listings.recipients import Group
from campaigns.management.preview import estimate_rest
from campaigns.management.reports import CampaignErrors, Funnel, LeftOutRows, read_funnel, show_errors
from campaigns.store.campaigns import CampaignListing
from console.context import may, parts
from console.rights import explain_right
from console.texts import (
    _,
    duplicate_words,
    group_words,
    hidden_words,
    marked_words,
    reason_words,
    refused_words,
    rejected_words,
    unanswered_words,
    unexplained_words,
    word,
)

# The reasons why messages failed are found by a query that reads all messages of the campaign.
_MOST_READ = 100_000
# The code in an address for errors without a code.
NO_CODE = "none"

_RIGHTS = {
    Command.PAUSE: Right.CAMPAIGN_PAUSE,
    Command.RESUME: Right.CAMPAIGN_RESUME,
    Command.CANCEL: Right.CAMPAIGN_CANCEL,
}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a campaign's people. `name` is the class of its colour. `start`: the number of people before it."""

    name: str
    label: str
    count: int
    start: int


@dataclass(frozen=True, slots=True)
class Action:
    """A command that the page offers. `obstacle`: why it is not possible; "" if it is possible."""

    endpoint: str
    label: str
    right: Right
    obstacle: str


@dataclass(frozen=True)
class CampaignView:
    """`rate`: messages per second; None if it is not known. `causes`: why nothing of the campaign is sent now."""

    row: CampaignListing
    rate: float | None = None
    causes: Sequence[Finding] = ()

    @cached_property
    def funnel(self) -> Funnel:
        return read_funnel(self.row)

    @property
    def pending(self) -> int:
        return self.funnel.to_send - self.sending

    @property
    def sending(self) -> int:
        return self.row.counts.get(Status.SENDING, 0)

    @property
    def possible_count(self) -> int:
        """The number of messages that the campaign could still send, also by a retry. An approval depends on it."""
        statuses = (Status.PENDING, Status.SENDING, Status.UNCERTAIN, Status.FAILED)
        return sum(self.row.counts.get(status, 0) for status in statuses)

    @property
    def without_receipt(self) -> int:
        """The messages that WhatsApp has and has not reported as delivered."""
        return self.funnel.sent - self.funnel.held - self.funnel.delivered

    @property
    def may_change(self) -> bool:
        """Messages are sent or will be, or WhatsApp has not reported yet whether some arrived."""
        return not self.has_ended or self.funnel.to_send > 0 or self.without_receipt > 0

    @property
    def is_draft(self) -> bool:
        return self.row.status == CampaignStatus.DRAFT

    @property
    def is_running(self) -> bool:
        return self.row.status == CampaignStatus.RUNNING

    @property
    def goes_on(self) -> bool:
        """Messages leave, or may leave at any moment, and a person may stop them by a pause."""
        return self.row.status in STARTED and may(Right.CAMPAIGN_PAUSE)

    @property
    def has_ended(self) -> bool:
        return self.row.status in ENDED

    @property
    def shows_rate(self) -> bool:
        return self.is_running and not self.row.waiting_reason and self.rate is not None

    @property
    def ends_at(self) -> dt.datetime | None:
        """About when the last message leaves; None if this is not known."""
        rate = math.inf if self.row.interval_seconds else self.rate
        if not self.is_running or self.needs_person or not self.pending or not rate:
            return None
        return estimate_rest(self.row, self.pending, rate)

    @property
    def needs_person(self) -> bool:
        return bool(self._errors) or self.waits_for_person

    @property
    def waits_for_person(self) -> bool:
        """The campaign itself waits for a person, so no time ends its wait."""
        return self.is_running and self.row.waiting_reason in NEEDS_PERSON

    @property
    def _errors(self) -> list[Finding]:
        return [each for each in self.causes if each.severity is Severity.ERROR]

    @property
    def shown_causes(self) -> Sequence[Finding]:
        """The causes to show beside `wait`: a wait that ends by itself is told by `wait` already."""
        return self.causes if self._errors or not self.wait else []

    @property
    def parts(self) -> list[Part]:
        """The parts of the bar: each person is in one of them."""
        funnel = self.funnel
        counts = (
            ("read", _("read"), funnel.read),
            ("delivered", _("delivered, not read"), funnel.delivered - funnel.read),
            ("sent", _("with WhatsApp, no receipt yet"), self.without_receipt),
            ("held", _("held by Meta"), funnel.held),
            ("failed", _("failed"), funnel.failed),
            ("uncertain", _("uncertain"), funnel.uncertain),
            ("skipped", _("not sent on purpose"), funnel.skipped),
            ("sending", _("being sent"), self.sending),
            ("queue", _("waiting for the start") if self.is_draft else _("in our queue"), self.pending),
        )
        parts, start = [], 0
        for name, label, count in counts:
            if count:
                parts.append(Part(name, label, count, start))
            start += count
        return parts

    @property
    def wait(self) -> str:
        """Why nothing is sent now; "" if messages may be sent."""
        row = self.row
        is_alive = row.status in {CampaignStatus.PENDING, CampaignStatus.SCHEDULED, CampaignStatus.RUNNING}
        if is_alive and row.scheduled_at is not None and row.scheduled_at > row.server_now:
            return _("waits for its scheduled time")
        if not self.is_running or row.waiting_reason is None:
            return ""
        if self._errors and not self.waits_for_person:
            return ""  # the causes say what is wrong, and no time ends this wait
        return reason_words(row.waiting_reason)

    @property
    def retry_obstacle(self) -> str:
        """Why no failed message can be sent again; "" if the campaign takes a retry."""
        status, expires = CampaignStatus(self.row.status), self.row.expire_at
        if status not in TRANSITIONS[Command.RETRY]:
            return _("It is cancelled.") if status is CampaignStatus.CANCELLED else _("It has not started.")
        return _("The campaign has expired.") if expires is not None and expires <= self.row.server_now else ""

    @property
    def actions(self) -> list[Action]:
        """The commands for this campaign, each with the reason if it is not possible now or for this user.

        A draft has none: a person deletes it instead.
        """
        if self.is_draft:
            return []
        return [
            self._offer(Command.PAUSE, "confirm_pause", _("Pause")),
            self._offer(Command.RESUME, "confirm_resume", _("Resume")),
            self._offer(Command.CANCEL, "confirm_cancel", _("Cancel for ever")),
        ]

    def _offer(self, command: Command, endpoint: str, label: str) -> Action:
        status = CampaignStatus(self.row.status)
        if status not in TRANSITIONS[command]:
            return Action(endpoint, label, _RIGHTS[command], _OBSTACLES[command](status))
        return Action(endpoint, label, _RIGHTS[command], explain_right(_RIGHTS[command]))


def view_campaigns(rows: Sequence[CampaignListing]) -> list[CampaignView]:
    """Return campaigns as pages show them, with the causes why nothing is sent."""
    started = [row.id for row in rows if row.status in STARTED]
    causes = find_causes(parts().database, parts().settings, started)
    return [CampaignView(row, causes=causes.get(row.id, ())) for row in rows]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A number of people or rows without a message, with the reason.

    `code`: the code of the error, if the reason is one. `group`: these people in the list of people; None if they are
    rows of the list.
    """

    label: str
    count: int
    group: Group | None = None
    code: int | str | None = None


def read_left_out(view: CampaignView) -> list[Skipped]:
    """Return the reasons for which people get no message, in detail if the campaign has ended and is not very large."""
    has_reasons = any(view.row.counts.get(each) for each in (Status.FAILED, Status.SUPPRESSED))
    if not (view.has_ended and has_reasons and view.funnel.recipients <= _MOST_READ):
        return list_left_out(view)
    return list_left_out(view, show_errors(parts().database, view.row.id))


def list_left_out(view: CampaignView, errors: CampaignErrors | None = None) -> list[Skipped]:
    """Return the reasons for which people of a campaign get no message, without those that concern nobody.

    `errors`: the reasons in detail; None if nobody has read them.
    """
    funnel = view.funnel
    uncertain = Skipped(group_words(Group.UNCERTAIN), funnel.uncertain, Group.UNCERTAIN)
    if errors is None:
        failed = [Skipped(group_words(Group.FAILED), funnel.failed, Group.FAILED)]
        return [each for each in (*failed, uncertain, *list_skipped(funnel)) if each.count]
    codes: dict[int | None, Skipped] = {}
    for each in errors.errors:
        if each.reason.status == Status.FAILED:
            code = each.reason.error_code
            count = each.reason.count + (codes[code].count if code in codes else 0)
            codes[code] = Skipped(word(each.meaning), count, Group.FAILED, NO_CODE if code is None else code)
    skipped = list_skipped(funnel, errors)
    return [each for each in (*codes.values(), uncertain, *skipped) if each.count]


def list_skipped(funnel: Funnel, errors: CampaignErrors | None = None) -> list[Skipped]:
    """Return the reasons for which people get no message on purpose, without those that concern nobody.

    `errors`: has the parts of the people whose message is suppressed; None if the parts are not known.
    """
    if errors is None:
        suppressed = [(Group.SUPPRESSED, funnel.suppressed)]
    else:
        parts = [
            (Group.CAPPED, errors.capped_count),
            (Group.IN_REVIEW, errors.review_count),
            (Group.LEFT_AUDIENCE, errors.left_audience_count),
        ]
        suppressed = [(Group.OPTED_OUT, funnel.suppressed - sum(count for _group, count in parts)), *parts]
    groups = [*suppressed, (Group.EXPIRED, funnel.expired), (Group.CANCELLED, funnel.cancelled)]
    return [Skipped(group_words(group), count, group) for group, count in groups if count]


def list_rows(rows: LeftOutRows) -> list[Skipped]:
    """Return the reasons for which rows of a list made no recipient, without those that concern no row."""
    found = (
        (refused_words, rows.refused),
        (unanswered_words, rows.unanswered),
        (marked_words, rows.marked),
        (rejected_words, rows.invalid),
        (unexplained_words, rows.unexplained),
        (duplicate_words, rows.duplicates),
        (hidden_words, rows.hidden),
    )
    return [Skipped(describe(count), count) for describe, count in found if count]


def _explain_end(status: CampaignStatus) -> str:
    return _("It is completed.") if status is CampaignStatus.COMPLETED else _("It is cancelled.")


def _explain_no_pause(status: CampaignStatus) -> str:
    if status is CampaignStatus.PAUSED:
        return _("It is paused already.")
    return _("It has not started.") if status is CampaignStatus.DRAFT else _explain_end(status)


def _explain_no_resume(status: CampaignStatus) -> str:
    return _explain_end(status) if status in ENDED else _("It is not paused.")


_OBSTACLES = {
    Command.PAUSE: _explain_no_pause,
    Command.RESUME: _explain_no_resume,
    Command.CANCEL: _explain_end,
}
