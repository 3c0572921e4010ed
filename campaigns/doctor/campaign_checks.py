"""Finds why a campaign is not sent: because of its status, a wait, its template, its accounts or the workers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from campaigns.domain.account import CooldownReason, InactiveCategory, explain_deactivation
from campaigns.domain.campaign import ENDED, STARTED, CampaignStatus
from campaigns.domain.failures import advise_repair, advise_template, find_failure
from campaigns.domain.message import OPEN, Status
from campaigns.domain.pacing import Reason, Window
from campaigns.domain.statement import (
    Count,
    Duration,
    Entry,
    Field,
    Finding,
    Hint,
    HintAction,
    Kind,
    Moment,
    Sentence,
    Severity,
    Word,
    deferred,
)
from campaigns.domain.template import TemplateError, TemplateStatus

# An account is slow if its rate in force is below this part of its configured rate. The rate is halved each time Meta
# throttles the account, so the rate of a slow account was halved more than once.
_SLOW = 0.5
# An enqueued campaign is reported if no worker has taken the campaign within this time. A shorter wait is usual.
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """Facts about an account of a campaign.

    `blocked_until`: the end of the account's cooldown; None if it has no cooldown now.

    `inactive_code`: the code of the failures because of which the account was deactivated; None if a person deactivated
    the account. `is_readable`: the token can be decrypted. `is_refused`: Meta refused the token when it was asked last,
    outside of sending. `rate`: the account's present limit in messages per second;
    None if the limit is not known.

    `sent_count`: the number of messages that Meta accepted from the account in the last hour. The messages of the last
    two minutes are not counted, because their webhooks may still come. Only the last messages of each campaign are
    counted. `told_count`: the number of the counted messages about which a webhook came.
    """

    id: int
    name: str
    active: bool
    inactive_reason: str | None
    blocked_until: dt.datetime | None
    blocked_reason: str | None
    messages_per_second: int
    inactive_code: int | None = None
    is_readable: bool = True
    is_refused: bool = False
    rate: float | None = None
    sent_count: int = 0
    told_count: int = 0
    inactive_categories: Mapping[str, InactiveCategory] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CampaignState:
    """All facts that may keep a campaign from being sent.

    `runner_seen_seconds`: the seconds since the last report of the worker that owns the lease; None if it never
    reported. `categories`: by account id, the category that the template has in the account's WABA. `template_status`:
    `approved` only if the template is approved in the WABAs of all accounts. `misfit`: why the values of the recipients
    no longer fit the template; None if the values fit. `missed_quiet_hours`: the quiet hours of the installation, if
    this is a marketing campaign without a window; else None.
    """

    id: int
    status: CampaignStatus
    time_zone: str
    counts: Mapping[Status, int]
    template: str
    template_status: str
    template_blocked_until: dt.datetime | None
    misfit: TemplateError | None
    accounts: Sequence[AccountFacts]
    categories: Mapping[int, str]
    scheduled_at: dt.datetime | None = None
    waiting_reason: Reason | None = None
    due_at: dt.datetime | None = None
    untaken_since: dt.datetime | None = None
    window: Window | None = None  # None: the window is on the clock of each recipient
    never_open_count: int = 0  # messages to phones whose possible zones never share an hour of the window
    lease_owner: str = ""
    lease_until: dt.datetime | None = None
    runner_seen_seconds: float | None = None
    next_message_at: dt.datetime | None = None
    uncertain_since: dt.datetime | None = None
    missed_quiet_hours: tuple[dt.time, dt.time] | None = None
    is_standing: bool = False

    @property
    def open_count(self) -> int:
        return sum(self.counts.get(status, 0) for status in OPEN)

    def may_run(self, now: dt.datetime) -> bool:
        return self.status in STARTED and (self.scheduled_at is None or self.scheduled_at <= now)


@dataclass(frozen=True, slots=True)
class Patience:
    """Durations that the checks regard as normal.

    `tick_seconds`: the time between two ticks. `silent_seconds`: the longest time between two reports of a worker.
    `grace_seconds`: the longest time until the webhook of an uncertain message comes.
    """

    tick_seconds: float
    silent_seconds: float
    grace_seconds: float


def judge_campaign(state: CampaignState, now: dt.datetime, patience: Patience) -> list[Finding]:
    """Return the findings that say why a campaign is not sent, in the order in which a person would check causes."""
    judge = _Judge(state, now, patience)
    if state.status not in ENDED:
        judge.judge_tokens()
    judge.judge_status()
    if state.may_run(now):
        judge.judge_wait()
    if state.status not in ENDED:
        judge.judge_zones()
        judge.judge_quiet_hours()
    if state.status not in ENDED or state.counts.get(Status.FAILED):  # a retry sends failed messages again
        judge.judge_template()
    if state.status not in ENDED:
        judge.judge_accounts()
    if state.may_run(now):
        judge.judge_runner()
    judge.judge_messages()
    return judge.findings


def judge_counters(campaign_id: int, repaired: Mapping[str, int]) -> list[Finding]:
    """Report counters that differed from a recount.

    `repaired`: by name of a counter, the difference that the repair added to the counter.
    """
    if not repaired:
        return []
    finding = Finding(
        "counters",
        Severity.WARNING,
        "The counters of campaign {campaign_id} differed from a recount and were repaired: {changes}.",
        "Do nothing. If it happens again, something changes rows without triggers: report it to the project.",
        campaign_id=campaign_id,
        changes=[f"{name} {change:+,}" for name, change in repaired.items()],
    )
    return [finding]


def judge_traffic(accounts: Iterable[AccountFacts]) -> list[Finding]:
    """Report accounts that send while no webhook comes about their messages."""
    return [
        Finding(
            "no_webhooks",
            Severity.WARNING,
            "Meta accepted {messages} of account {account} in the last hour, and no webhook came about any of them.",
            "{check} tests the webhook and the subscription of its WABA.",
            kind=Kind.AWAY,
            account=account.name,
            messages=Count(account.sent_count, "message"),
            check=Hint(HintAction.CHECK_SETUP),
        )
        for account in accounts
        if account.sent_count and not account.told_count
    ]


class _Judge:
    def __init__(self, state: CampaignState, now: dt.datetime, patience: Patience) -> None:
        self._state, self._now, self._patience = state, now, patience
        self.findings: list[Finding] = []

    def _add_finding(self, code: str, severity: Severity, text: str, advice: str, **values: Any) -> None:
        self.findings.append(Finding(code, severity, text, advice, campaign_id=self._state.id, **values))

    def _moment(self, at: dt.datetime) -> Moment:
        return Moment(at, self._state.time_zone)

    def _hint(self, action: HintAction) -> Hint:
        return Hint(action, self._state.id)

    def _change(self, field: Field, value: str | None = "") -> Hint:
        return Hint(HintAction.CHANGE_CAMPAIGN, self._state.id, Entry(field, value))

    def judge_status(self) -> None:
        state = self._state
        if state.status is CampaignStatus.DRAFT and not state.open_count:
            text = "Campaign {campaign_id} is a draft without recipients."
            self._add_finding(
                "draft", Severity.NOTE, text, "Add some: {add}.", add=self._hint(HintAction.IMPORT_RECIPIENTS)
            )
        elif state.status is CampaignStatus.DRAFT:
            is_refused = any(account.is_refused for account in state.accounts)
            self._add_finding(
                "draft",
                Severity.NOTE,
                "Campaign {campaign_id} is a draft.",
                "Once the token is right, start it: {start}." if is_refused else "Start it: {start}.",
                start=self._hint(HintAction.START_CAMPAIGN),
            )
        elif state.status is CampaignStatus.PAUSED:
            resume = self._hint(HintAction.RESUME_CAMPAIGN)
            text = "Campaign {campaign_id} was paused by a person."
            self._add_finding("paused", Severity.NOTE, text, "{resume} resumes it.", resume=resume)
        elif state.status in ENDED:
            show = self._hint(HintAction.SHOW_CAMPAIGN)
            text = "Campaign {campaign_id} is {status}."
            self._add_finding("ended", Severity.NOTE, text, "Look at it: {show}.", status=state.status, show=show)
        elif state.scheduled_at is not None and state.scheduled_at > self._now:
            self._add_finding(
                "scheduled",
                Severity.NOTE,
                "Campaign {campaign_id} begins at {at}.",
                "Sooner: {change}.",
                at=self._moment(state.scheduled_at),
                change=self._change(Field.SCHEDULE_AT, None),
            )
        elif not state.open_count and not state.is_standing:
            text = "Campaign {campaign_id} has nothing left to send; its next slice completes it."
            self._add_finding("done", Severity.NOTE, text, "Nothing: it takes seconds.")

    def judge_tokens(self) -> None:
        """Report tokens that Meta refuses before all else, because a start or a resume would send nothing.

        The sends of a running campaign tell more about the token than an earlier question, so they decide there.
        """
        refused = [account for account in self._state.accounts if account.active and account.is_refused]
        stops = self._state.status not in STARTED and len(refused) == len(self._state.accounts)
        for account in refused:
            self._add_finding(
                "account_token_refused",
                Severity.ERROR if stops else Severity.WARNING,
                "Meta refused the token of account {account} when it was asked last.",
                "Give the account a token that is valid: {change}. If the token has become valid again: {check}.",
                account=account.name,
                change=Hint(HintAction.CHANGE_ACCOUNT, account.name, Entry(Field.TOKEN)),
                check=Hint(HintAction.CHECK_ACCOUNT, account.name),
            )

    def judge_wait(self) -> None:
        state = self._state
        if state.waiting_reason is Reason.TEMPLATE and not self._is_template_sendable():
            return  # `judge_template` reports why the template cannot be sent
        if state.waiting_reason is Reason.NO_ACTIVE_ACCOUNT and not self._usable_accounts():
            return  # `judge_accounts` reports why no account may send
        # A person may have ended the wait by a change. The reason stays in the row until the next slice deletes it.
        is_over = state.due_at is None and state.untaken_since is not None
        if (reason := state.waiting_reason) is not None and not is_over:
            self._add_wait(reason, _WAITS[reason].text, state.due_at)
        elif state.window is not None and (closed := state.window.wait(self._now)):
            is_closed = deferred("The window of campaign {campaign_id} is closed{until}.")
            self._add_wait(Reason.WINDOW, is_closed, closed.until)
        elif state.next_message_at is not None and state.next_message_at > self._now:
            text = "Campaign {campaign_id} sends its next message at {at}: that is its pace."
            self._add_wait(Reason.INTERVAL, text, state.next_message_at)

    def _add_wait(self, reason: Reason, text: str, at: dt.datetime | None) -> None:
        wait = _WAITS[reason]
        moment = None if at is None else self._moment(at)
        self._add_finding(
            f"waits_{reason}",
            wait.severity,
            text,
            wait.advice,
            kind=wait.kind,
            at=moment,
            until="" if moment is None else Sentence(" until {at}", at=moment),
            hint=None if wait.action is None else Hint(wait.action, self._state.id, wait.entry),
            sync=Hint(HintAction.SYNC_TEMPLATES),
        )

    def judge_zones(self) -> None:
        if self._state.never_open_count:
            self._add_finding(
                "zones_never_open",
                Severity.WARNING,
                "{messages} of campaign {campaign_id} will never be sent. The area code of such a phone fits several"
                " time zones, and the window is never open in all of them at the same time, so there is no hour that is"
                " right for the person.",
                "Widen the window: {widen}. Or send by the campaign's own clock: {own_zone}.",
                messages=Count(self._state.never_open_count, "message"),
                widen=self._change(Field.WINDOW, "08:00-20:00"),
                own_zone=self._change(Field.RECIPIENT_ZONES, None),
            )

    def judge_quiet_hours(self) -> None:
        """Report a marketing campaign that sends at all hours. Meta may have changed its category after it was made."""
        if (quiet := self._state.missed_quiet_hours) is None:
            return
        self._add_finding(
            "no_quiet_hours",
            Severity.WARNING,
            "Campaign {campaign_id} sends marketing at all hours, also from {begins:%H:%M} to {ends:%H:%M}"
            " (REVOADA_QUIET_HOURS), because it has no window. Meta may have changed the category of its template.",
            "Give it hours: {window}; {zones} puts them on the clock of each person. If it shall send at all hours:"
            " {all_hours}.",
            begins=quiet[0],
            ends=quiet[1],
            window=self._change(Field.WINDOW, f"{quiet[1]:%H:%M}-{quiet[0]:%H:%M}"),
            zones=Entry(Field.RECIPIENT_ZONES),
            all_hours=self._change(Field.WINDOW, "00:00-24:00"),
        )

    def _is_template_sendable(self) -> bool:
        return self._state.template_status == TemplateStatus.APPROVED and self._state.misfit is None

    def judge_template(self) -> None:
        state = self._state
        if state.template_status == TemplateStatus.APPROVED:
            self._judge_fit()
            return
        retry: Sentence | str = ""
        if state.template_blocked_until is not None and state.template_blocked_until > self._now:
            retry = Sentence(" One message is tried after {at}.", at=self._moment(state.template_blocked_until))
        self._add_finding(
            "template",
            Severity.ERROR,
            "Meta reports that the template {template} of campaign {campaign_id} is {status}.{retry}",
            "{repair} Or take another template: {change}.",
            template=state.template,
            status=Word(state.template_status),
            retry=retry,
            repair=advise_template(state.template_status),
            change=self._change(Field.TEMPLATE),
        )

    def _judge_fit(self) -> None:
        """Report a template that was edited at Meta and now needs other values than the recipients have."""
        if self._state.misfit is not None:
            self._add_finding(
                "template_misfit",
                Severity.ERROR,
                "The template {template} of campaign {campaign_id} was edited and takes other values now: {misfit}",
                "Edit it back in WhatsApp Manager, then {sync}. Or take another template: {change}.",
                template=self._state.template,
                misfit=self._state.misfit,
                sync=Hint(HintAction.SYNC_TEMPLATES),
                change=self._change(Field.TEMPLATE),
            )

    def judge_accounts(self) -> None:
        usable = self._usable_accounts()
        for account in self._state.accounts:
            self._judge_account(account, is_alone=not usable)
        if not usable:
            # The findings about the accounts say what to do, so this finding only names the consequence and another
            # way out.
            self._add_finding(
                "no_active_account",
                Severity.ERROR,
                "So campaign {campaign_id} has no account that may send.",
                "It goes on by itself within a minute after the account is repaired. Or take another account: {change}."
                if len(self._state.accounts) == 1
                else "It goes on by itself within a minute after one of its accounts is repaired. Or take another"
                " account: {change}.",
                kind=Kind.MISSING,
                change=self._change(Field.ACCOUNT),
            )

    def _usable_accounts(self) -> list[AccountFacts]:
        return [
            account
            for account in self._state.accounts
            if account.active and account.is_readable and self._find_inactive(account) is None
        ]

    def _find_inactive(self, account: AccountFacts) -> InactiveCategory | None:
        """Return why the account sends no templates of the campaign's category; None if the account sends them."""
        return account.inactive_categories.get(self._state.categories[account.id])

    def _judge_account(self, account: AccountFacts, *, is_alone: bool) -> None:
        found = judge_account(
            account,
            self._state.categories[account.id],
            self._state.time_zone,
            severity=Severity.ERROR if is_alone else Severity.WARNING,
            campaign_id=self._state.id,
        )
        if found is not None:
            self.findings.append(found)

    def judge_runner(self) -> None:
        state, now = self._state, self._now
        if state.lease_until is not None and state.lease_until > now:
            self._judge_lease(state.lease_until)
            return
        if state.due_at is not None and state.due_at > now:
            return
        if state.untaken_since is not None:
            self._judge_enqueued((now - state.untaken_since).total_seconds())
            return
        late = (now - state.due_at).total_seconds() if state.due_at is not None else 0.0
        if late > 3 * self._patience.tick_seconds:
            self._add_finding(
                "not_rung",
                Severity.ERROR,
                "Campaign {campaign_id} has been due for {late}, and no tick has enqueued it.",
                "Look whether `beat` and `events` run.",
                kind=Kind.AWAY,
                late=Duration(late),
            )
        else:
            self._add_finding(
                "is_due",
                Severity.NOTE,
                "Campaign {campaign_id} may run, and the next tick enqueues it.",
                "Nothing: a tick comes every {seconds:g} s.",
                seconds=self._patience.tick_seconds,
            )

    def _judge_enqueued(self, seconds: float) -> None:
        if seconds > _PATIENCE_SECONDS:
            self._add_finding(
                "not_taken",
                Severity.WARNING,
                "Campaign {campaign_id} was first enqueued {ago} ago, and no worker has taken it.",
                "Look whether a `worker` runs and has a free slot; start one more.",
                kind=Kind.AWAY,
                ago=Duration(seconds),
            )

    def _judge_lease(self, until: dt.datetime) -> None:
        state = self._state
        seen = state.runner_seen_seconds
        end = self._moment(until)
        if seen is not None and seen > self._patience.silent_seconds:
            self._add_finding(
                "lease_of_silent",
                Severity.WARNING,
                "The lease of campaign {campaign_id} is held until {until} by {owner}, which has reported nothing for"
                " {silent}.",
                "When the lease has expired, another worker goes on. Start the silent worker again.",
                kind=Kind.AWAY,
                until=end,
                owner=state.lease_owner,
                silent=Duration(seen),
            )
        else:
            self._add_finding(
                "runs",
                Severity.NOTE,
                "Campaign {campaign_id} is being sent: {owner} holds its lease until {until}, and renews it.",
                "Watch it: {watch}.",
                owner=state.lease_owner,
                until=end,
                watch=self._hint(HintAction.WATCH_CAMPAIGN),
            )

    def judge_messages(self) -> None:
        state = self._state
        count = state.counts.get(Status.UNCERTAIN, 0)
        if not count or state.uncertain_since is None:
            return
        is_late = (self._now - state.uncertain_since).total_seconds() > self._patience.grace_seconds
        self._add_finding(
            "uncertain",
            Severity.WARNING if is_late else Severity.NOTE,
            _ONE_UNCERTAIN if count == 1 else _MANY_UNCERTAIN,
            _UNCERTAIN_TOO_LONG if is_late else "Wait for the webhooks, which settle uncertain messages.",
            kind=Kind.AWAY,
            messages=Count(count, "message"),
            since=self._moment(state.uncertain_since),
            retry=self._hint(HintAction.RETRY_UNCERTAIN) if is_late else None,
            check=Hint(HintAction.CHECK_SETUP),
        )


def judge_account(
    account: AccountFacts, category: str, time_zone: str, *, severity: Severity, campaign_id: int | None = None
) -> Finding | None:
    """Return why an account does not send templates of a category, or only slowly; None if nothing is wrong.

    `time_zone`: that of the times in the finding. `severity`: that of the finding if the account sends none of these
    templates.
    """
    activate = Hint(HintAction.ACTIVATE_ACCOUNT, account.name)
    if not account.active:
        return Finding(
            "account_inactive",
            severity,
            "Account {account} is inactive: {reason}.",
            "{repair}",
            account=account.name,
            reason=explain_deactivation(account.inactive_reason or ""),
            repair=Sentence("To let it send again: {activate}.", activate=activate)
            if account.inactive_code is None
            else _advise_repair(account, account.inactive_code),
            campaign_id=campaign_id,
        )
    if not account.is_readable:
        return Finding(
            "account_token",
            severity,
            "The token of account {account} cannot be read with this REVOADA_SECRET_KEY.",
            "Add the old key to REVOADA_SECRET_KEY, behind the newest key and a comma, or give the token again:"
            " {change}.",
            kind=Kind.INVALID,
            account=account.name,
            change=Hint(HintAction.CHANGE_ACCOUNT, account.name, Entry(Field.TOKEN)),
            campaign_id=campaign_id,
        )
    if (inactive := account.inactive_categories.get(category)) is not None:
        return Finding(
            "account_category_inactive",
            severity,
            "Account {account} sends no {category} templates since {since}: {reason}.",
            "{repair}",
            account=account.name,
            category=category,
            since=Moment(inactive.since, time_zone),
            reason=explain_deactivation(inactive.reason),
            repair=_advise_repair(account, inactive.code),
            campaign_id=campaign_id,
        )
    return _judge_rate(account, time_zone, campaign_id)


def _judge_rate(account: AccountFacts, time_zone: str, campaign_id: int | None) -> Finding | None:
    """Report an account that may send, but has a cooldown or a low rate now."""
    if account.blocked_until is not None:
        return Finding(
            "account_rests",
            Severity.WARNING,
            "Account {account} has a cooldown until {until}: {reason}.",
            "It goes on by itself. To end the cooldown at once: {activate}.",
            account=account.name,
            until=Moment(account.blocked_until, time_zone),
            reason=CooldownReason.explain(account.blocked_reason or ""),
            activate=Hint(HintAction.ACTIVATE_ACCOUNT, account.name),
            campaign_id=campaign_id,
        )
    if account.rate is not None and account.rate < _SLOW * account.messages_per_second:
        return Finding(
            "account_slow",
            Severity.WARNING,
            "Account {account} sends at most {rate:.1f} messages/s instead of {configured}, because Meta throttled it.",
            "The rate climbs by itself; if it stays low: {change}.",
            account=account.name,
            rate=account.rate,
            configured=account.messages_per_second,
            change=Hint(HintAction.CHANGE_ACCOUNT, account.name, Entry(Field.MESSAGES_PER_SECOND)),
            campaign_id=campaign_id,
        )
    return None


def _advise_repair(account: AccountFacts, code: int) -> Sentence:
    return advise_repair(find_failure(code)).aim(account=[account.name])


_ONE_UNCERTAIN = (
    "{messages} of campaign {campaign_id} is uncertain since {since}: nobody knows whether Meta has it, and no webhook"
    " has settled it."
)
_MANY_UNCERTAIN = (
    "{messages} of campaign {campaign_id} are uncertain, the oldest since {since}: nobody knows whether Meta has them,"
    " and no webhook has settled them."
)
_UNCERTAIN_TOO_LONG = (
    "Look whether webhooks arrive ({check}). You may send again, but then some people may get it twice: {retry}."
)


class _WaitTexts(NamedTuple):
    """The report of a wait.

    In the texts, `{until}` stands for " until" and the end of the wait, or for "" if the end is unknown. `{hint}`
    stands for the command that does `action`, and `{sync}` for the command that reads the templates from Meta.
    """

    severity: Severity
    text: str
    advice: str
    action: HintAction | None = None
    entry: Entry | None = None
    kind: Kind = Kind.CONFLICT


_WAITS = {
    Reason.INTERVAL: _WaitTexts(
        Severity.NOTE,
        deferred("Campaign {campaign_id} waits{until}: the time between two messages."),
        deferred("Faster: {hint}."),
        HintAction.CHANGE_CAMPAIGN,
        Entry(Field.INTERVAL, "0"),
    ),
    Reason.PAUSE: _WaitTexts(
        Severity.NOTE,
        deferred("Campaign {campaign_id} pauses{until}, as its pace says."),
        deferred("Without pauses: {hint}."),
        HintAction.CHANGE_CAMPAIGN,
        Entry(Field.PAUSE, None),
    ),
    Reason.WINDOW: _WaitTexts(
        Severity.NOTE,
        deferred("The window in which campaign {campaign_id} sends is closed{until}."),
        deferred("At all hours, also at night: {hint}."),
        HintAction.CHANGE_CAMPAIGN,
        Entry(Field.WINDOW, None),
    ),
    Reason.RETRY: _WaitTexts(
        Severity.NOTE,
        deferred("All remaining messages of campaign {campaign_id} wait for their next attempt{until}."),
        deferred("Why they failed: {hint}."),
        HintAction.SHOW_ERRORS,
    ),
    Reason.THROTTLED: _WaitTexts(
        Severity.WARNING,
        deferred("All active accounts of campaign {campaign_id} have a cooldown{until}, because Meta asked for it."),
        deferred("It goes on by itself; one more account helps: {hint}."),
        HintAction.CHANGE_CAMPAIGN,
        Entry(Field.ACCOUNT),
    ),
    Reason.UNREACHABLE: _WaitTexts(
        Severity.WARNING,
        deferred("Campaign {campaign_id} waits{until}, because none of its accounts reaches the Graph API."),
        deferred("Look at the network of the workers, and at GRAPH_API_URL."),
        kind=Kind.AWAY,
    ),
    Reason.NO_ACTIVE_ACCOUNT: _WaitTexts(
        Severity.WARNING,
        deferred("Campaign {campaign_id} waits{until}, because none of its accounts may send."),
        deferred("It goes on by itself within a minute after one of its accounts may send its template."),
        kind=Kind.MISSING,
    ),
    Reason.TEMPLATE: _WaitTexts(
        Severity.ERROR,
        deferred("Campaign {campaign_id} waits{until}, because Meta refused the values of several messages in a row."),
        deferred("{hint} says what Meta refused. If the template was edited at Meta, {sync} ends the wait."),
        HintAction.SHOW_ERRORS,
    ),
    Reason.DAILY_LIMIT: _WaitTexts(
        Severity.NOTE,
        deferred("Campaign {campaign_id} has used up the daily limit of its portfolio{until}."),
        deferred("It goes on when quota becomes free; an account of another portfolio helps, or {hint}."),
        HintAction.CHANGE_PORTFOLIO,
    ),
    Reason.IDLE: _WaitTexts(
        Severity.NOTE,
        deferred("Campaign {campaign_id} is a standing campaign, and waits for the next message that a program posts."),
        deferred("Nothing: each message leaves at once."),
    ),
}
