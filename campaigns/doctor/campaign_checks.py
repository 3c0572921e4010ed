"""Why one campaign does not move, in the order in which one would look: its state, what it waits for, who runs it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from campaigns.domain.account import InactiveCategory
from campaigns.domain.campaign import ENDED, CampaignStatus
from campaigns.domain.failures import find_failure
from campaigns.domain.finding import Finding, Severity, spell_count, spell_seconds, spell_time
from campaigns.domain.message import OPEN, Status
from campaigns.domain.pacing import Reason, Window

_ALIVE = frozenset({CampaignStatus.PENDING, CampaignStatus.SCHEDULED, CampaignStatus.RUNNING})
# A rate that Meta has halved twice is worth a word.
_SLOW = 0.5
# Less than that is the time that any ring takes.
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """An account of a campaign. `is_readable`: its token is. `rate`: messages per second in force; None: not known.

    `sent_count`: accepted within the last hour, among the last messages of its campaigns; `told_count`: those of them
    of which a webhook has told anything.
    """

    id: int
    name: str
    active: bool
    inactive_reason: str | None
    blocked_until: dt.datetime | None
    blocked_reason: str | None
    messages_per_second: int
    is_readable: bool = True
    rate: float | None = None
    sent_count: int = 0
    told_count: int = 0
    inactive_categories: Mapping[str, InactiveCategory] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CampaignState:
    """All facts that may keep a campaign. `runner_seen_seconds`: when the lease's owner last reported; None: never.

    `categories`: the category of its template in the account's WABA, by account id.
    """

    id: int
    status: CampaignStatus
    time_zone: str
    counts: Mapping[Status, int]
    template: str
    template_status: str
    template_blocked_until: dt.datetime | None
    accounts: Sequence[AccountFacts]
    categories: Mapping[int, str]
    scheduled_at: dt.datetime | None = None
    waiting_reason: Reason | None = None
    due_at: dt.datetime | None = None
    enqueued_at: dt.datetime | None = None
    window: Window | None = None  # None: that of each person
    never_open_count: int = 0  # messages to phones in zones that never share an hour of the window
    lease_owner: str = ""
    lease_until: dt.datetime | None = None
    runner_seen_seconds: float | None = None
    next_message_at: dt.datetime | None = None
    uncertain_since: dt.datetime | None = None

    @property
    def open_count(self) -> int:
        return sum(self.counts.get(status, 0) for status in OPEN)

    def may_run(self, now: dt.datetime) -> bool:
        return self.status in _ALIVE and (self.scheduled_at is None or self.scheduled_at <= now)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is normal: between ticks, of a worker between reports, of an uncertain message until its webhook."""

    tick_seconds: float
    silent_seconds: float
    grace_seconds: float


def judge_campaign(state: CampaignState, now: dt.datetime, patience: Patience) -> list[Finding]:
    """Return what keeps a campaign, first what one would look at first."""
    judge = _Judge(state, now, patience)
    judge.judge_status()
    if state.may_run(now):
        judge.judge_wait()
        judge.judge_zones()
        judge.judge_template()
        judge.judge_accounts()
        judge.judge_runner()
    judge.judge_messages()
    return judge.findings


def judge_tallies(campaign_id: int, repaired: Mapping[Status, int]) -> list[Finding]:
    """Tell of counters that differed from a recount, by what was added to each."""
    if not repaired:
        return []
    changes = ", ".join(f"{status} {change:+,}" for status, change in repaired.items())
    text = f"The counters of campaign {campaign_id} differed from a recount and were repaired: {changes}."
    advice = "Nothing more, unless it comes again: then something changes rows without triggers; tell us."
    return [Finding("counters", Severity.WARNING, text, advice, campaign_id)]


def judge_traffic(accounts: Iterable[AccountFacts]) -> list[Finding]:
    """Tell of accounts that send, and of whose messages no webhook tells."""
    findings = []
    for account in accounts:
        if account.sent_count and not account.told_count:
            text = (
                f"Account {account.name} had {spell_count(account.sent_count, 'message')} accepted in the last hour,"
                " and no webhook told of any."
            )
            advice = "`revoada check-setup` tests the webhook and the subscription of its WABA."
            findings.append(Finding("no_webhooks", Severity.WARNING, text, advice))
    return findings


class _Judge:
    def __init__(self, state: CampaignState, now: dt.datetime, patience: Patience) -> None:
        self._state, self._now, self._patience = state, now, patience
        self._name = f"Campaign {state.id}"
        self.findings: list[Finding] = []

    def _add(self, kind: str, severity: Severity, text: str, advice: str) -> None:
        self.findings.append(Finding(kind, severity, text, advice, self._state.id))

    def _time(self, at: dt.datetime) -> str:
        return spell_time(at, self._state.time_zone)

    def judge_status(self) -> None:
        state = self._state
        note, command = Severity.NOTE, f"`revoada campaign {{}} {state.id}`"
        if state.status is CampaignStatus.DRAFT:
            self._add("draft", note, f"{self._name} is a draft.", f"Start it: {command.format('start')}.")
        elif state.status is CampaignStatus.PAUSED:
            self._add("paused", note, f"{self._name} was paused by a person.", f"{command.format('resume')} goes on.")
        elif state.status in ENDED:
            self._add("ended", note, f"{self._name} is {state.status}.", f"Look at it: {command.format('show')}.")
        elif state.scheduled_at is not None and state.scheduled_at > self._now:
            text = f"{self._name} begins at {self._time(state.scheduled_at)}."
            self._add("scheduled", note, text, f"Sooner: `revoada campaign set {state.id} --no-schedule`.")
        elif not state.open_count:
            text = f"{self._name} has nothing left to send; its next slice completes it."
            self._add("done", note, text, "Nothing: it takes seconds.")

    def judge_wait(self) -> None:
        state = self._state
        if state.waiting_reason is not None:
            until = "" if state.due_at is None else f" until {self._time(state.due_at)}"
            text = _WAITS[state.waiting_reason].format(name=self._name, until=until)
            severity, advice = _ADVICE[state.waiting_reason]
            self._add(f"waits_{state.waiting_reason}", severity, text, advice.format(id=state.id))
        elif state.window is not None and (closed := state.window.wait(self._now)):
            text = f"The window of {self._name.lower()} is closed until {self._time(closed.until)}."
            advice = _ADVICE[Reason.WINDOW][1].format(id=state.id)
            self._add(f"waits_{Reason.WINDOW}", Severity.NOTE, text, advice)
        elif state.next_message_at is not None and state.next_message_at > self._now:
            text = f"{self._name} sends its next message at {self._time(state.next_message_at)}: that is its pace."
            advice = _ADVICE[Reason.INTERVAL][1].format(id=state.id)
            self._add(f"waits_{Reason.INTERVAL}", Severity.NOTE, text, advice)

    def judge_zones(self) -> None:
        state = self._state
        if state.never_open_count:
            text = (
                f"{spell_count(state.never_open_count, 'message')} of {self._name.lower()} will not be sent: by their"
                " area codes the phones may be in time zones that never share an hour of the window."
            )
            advice = f"A wider one: `revoada campaign set {state.id} --window 08:00-20:00`; or --no-recipient-timezone."
            self._add("zones_never_open", Severity.WARNING, text, advice)

    def judge_template(self) -> None:
        state = self._state
        if state.template_status == "approved":
            return
        text = f"The template {state.template} of {self._name.lower()} is {state.template_status}, says Meta."
        if state.template_blocked_until is not None and state.template_blocked_until > self._now:
            text += f" One message is tried after {self._time(state.template_blocked_until)}."
        advice = f"Look at it in WhatsApp Manager, then `revoada template sync`; or `revoada campaign set {state.id}"
        self._add("template", Severity.ERROR, text, f"{advice} --template NAME:LANG`.")

    def judge_accounts(self) -> None:
        accounts = self._state.accounts
        usable = [
            account
            for account in accounts
            if account.active and account.is_readable and self._find_inactive(account) is None
        ]
        for account in accounts:
            self._judge_account(account, is_alone=not usable)
        if not usable:
            text = f"{self._name} has no account that may send."
            advice = f"Activate one, or add another: `revoada campaign set {self._state.id} --account NAME`."
            self._add("no_active_account", Severity.ERROR, text, advice)

    def _find_inactive(self, account: AccountFacts) -> InactiveCategory | None:
        """Return the reason why the account does not send the category of the campaign; None: it may."""
        return account.inactive_categories.get(self._state.categories[account.id])

    def _judge_account(self, account: AccountFacts, *, is_alone: bool) -> None:
        severity = Severity.ERROR if is_alone else Severity.WARNING
        if not account.active:
            text = f"Account {account.name} is inactive: {account.inactive_reason}."
            advice = f"Mend it at Meta, then `revoada account activate {account.name}`."
            self._add("account_inactive", severity, text, advice)
        elif not account.is_readable:
            text = f"The token of account {account.name} cannot be read with this REVOADA_SECRET_KEY."
            advice = f"Set the old key, or give the token again: `revoada account set {account.name} --token-stdin`."
            self._add("account_token", severity, text, advice)
        elif (inactive := self._find_inactive(account)) is not None:
            text = (
                f"Account {account.name} sends no {self._state.categories[account.id]} templates"
                f" since {self._time(inactive.since)}: {inactive.reason}."
            )
            advice = f"{find_failure(inactive.code).advice} Then `revoada account activate {account.name}`."
            self._add("account_category_inactive", severity, text, advice)
        elif account.blocked_until is not None and account.blocked_until > self._now:
            until = self._time(account.blocked_until)
            text = f"Account {account.name} rests until {until}: {account.blocked_reason}."
            advice = f"It goes on by itself; `revoada account activate {account.name}` ends the rest."
            self._add("account_rests", Severity.WARNING, text, advice)
        elif account.rate is not None and account.rate < _SLOW * account.messages_per_second:
            text = (
                f"Account {account.name} sends at most {account.rate:.1f} messages/s instead of"
                f" {account.messages_per_second}, because Meta throttled it."
            )
            advice = f"The rate climbs by itself; if it stays low: `revoada account set {account.name} --rate N`."
            self._add("account_slow", Severity.WARNING, text, advice)

    def judge_runner(self) -> None:
        state, now = self._state, self._now
        if state.lease_until is not None and state.lease_until > now:
            self._judge_lease(state.lease_until)
            return
        if state.due_at is not None and state.due_at > now:
            return
        if state.enqueued_at is not None:
            seconds = (now - state.enqueued_at).total_seconds()
            if seconds > _PATIENCE_SECONDS:
                text = f"{self._name} was rung {spell_seconds(seconds)} ago, and no worker has taken it."
                advice = "Look whether a `worker` runs and has a free slot; start one more."
                self._add("not_taken", Severity.WARNING, text, advice)
            return
        late = (now - state.due_at).total_seconds() if state.due_at is not None else 0.0
        if late > 3 * self._patience.tick_seconds:
            text = f"{self._name} is due for {spell_seconds(late)}, and no tick has rung it."
            self._add("not_rung", Severity.ERROR, text, "Look whether `beat` and `events` run.")
        else:
            text = f"{self._name} may run, and the next tick rings it."
            self._add("is_due", Severity.NOTE, text, f"Nothing: a tick comes every {self._patience.tick_seconds:g} s.")

    def _judge_lease(self, until: dt.datetime) -> None:
        state = self._state
        seen = state.runner_seen_seconds
        end = self._time(until)
        if seen is not None and seen > self._patience.silent_seconds:
            text = (
                f"The lease of {self._name.lower()} is held until {end} by {state.lease_owner},"
                f" which has said nothing for {spell_seconds(seen)}."
            )
            advice = "Nothing: when the lease has run out, another worker goes on. Start that one again."
            self._add("lease_of_silent", Severity.WARNING, text, advice)
        else:
            text = f"{self._name} is in its slice: {state.lease_owner} holds its lease until {end}, and renews it."
            self._add("runs", Severity.NOTE, text, f"Watch it: `revoada campaign watch {state.id}`.")

    def judge_messages(self) -> None:
        state = self._state
        count = state.counts.get(Status.UNCERTAIN, 0)
        if not count or state.uncertain_since is None:
            return
        seconds = (self._now - state.uncertain_since).total_seconds()
        text = (
            f"{spell_count(count, 'message')} of {self._name.lower()} {'is' if count == 1 else 'are'} uncertain,"
            f" the oldest since {self._time(state.uncertain_since)}: the reply was lost, and no webhook has settled it."
        )
        if seconds <= self._patience.grace_seconds:
            self._add("uncertain", Severity.NOTE, text, "Wait for the webhooks: they settle it.")
            return
        advice = (
            "Look whether webhooks arrive (`revoada check-setup`). Sending again is your decision, for some may get it"
            f" twice: `revoada campaign retry-uncertain {state.id}`."
        )
        self._add("uncertain", Severity.WARNING, text, advice)


_WAITS = {
    Reason.INTERVAL: "{name} waits{until}: the time between two messages.",
    Reason.PAUSE: "{name} pauses{until}, as its pace says.",
    Reason.WINDOW: "The window in which {name} sends is closed{until}.",
    Reason.RETRY: "All that {name} has left waits for its next attempt{until}.",
    Reason.THROTTLED: "All active accounts of {name} rest{until}, because Meta asked for it.",
    Reason.UNREACHABLE: "No account of {name} reaches the Graph API; the next try is due{until}.",
    Reason.NO_ACTIVE_ACCOUNT: "{name} found no account that may send, and looks again{until}.",
    Reason.TEMPLATE: "{name} waits for its template{until}: it was refused, or the list does not fit it.",
    Reason.DAILY_LIMIT: "{name} has used up the daily limit of its portfolio{until}.",
}
_ADVICE = {
    Reason.INTERVAL: (Severity.NOTE, "Faster: `revoada campaign set {id} --interval 0`."),
    Reason.PAUSE: (Severity.NOTE, "Without pauses: `revoada campaign set {id} --no-pause`."),
    Reason.WINDOW: (Severity.NOTE, "At all hours: `revoada campaign set {id} --no-window`."),
    Reason.RETRY: (Severity.NOTE, "Why they failed: `revoada campaign errors {id}`."),
    Reason.THROTTLED: (Severity.WARNING, "It goes on by itself; another `--account` helps."),
    Reason.UNREACHABLE: (Severity.WARNING, "Look at the network of the workers, and at GRAPH_API_URL."),
    Reason.NO_ACTIVE_ACCOUNT: (
        Severity.WARNING,
        "Once an account may send its template it goes on by itself, within a minute.",
    ),
    Reason.TEMPLATE: (Severity.ERROR, "`revoada campaign errors {id}` says what Meta refused."),
    Reason.DAILY_LIMIT: (
        Severity.NOTE,
        "It goes on as slots free; an account of another portfolio helps, or `revoada portfolio set -h`.",
    ),
}
