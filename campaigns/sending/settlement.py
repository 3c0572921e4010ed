"""Stores the results of replies in Postgres, with one transaction for many replies.

This module counts failures of accounts, settles messages or makes them pending again, and starts cooldowns.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from campaigns.alerts import Alerts
from campaigns.clock import clock
from campaigns.config import Settings
from campaigns.domain.account import CooldownReason, FailureRecord
from campaigns.domain.failures import STRAY_REPLY, advise_repair, find_failure
from campaigns.domain.message import Status
from campaigns.domain.settlement import Attempt, Release, Settle, Settlement, settle, settle_accepted
from campaigns.domain.statement import Sentence, Word
from campaigns.domain.verdict import Accepted, Action, Failure, NotSent, Rejected, Unknown, Verdict
from campaigns.logs import event
from campaigns.sending.template_probation import TemplateChange, TemplateProbation
from campaigns.store import messages
from campaigns.store.accounts import (
    AccountRow,
    StreakOutcomes,
    StreakResult,
    block_accounts,
    count_outcomes,
    lock_accounts_to_block,
)
from campaigns.store.database import Connection, Database, DatabaseError, DatabaseUnavailable
from campaigns.store.messages import ClaimedMessage, EvidenceRow, ReleaseRow
from campaigns.store.optouts.suppressions import suppress_refusing
from campaigns.store.templates import Recategorised, recategorise_template

_log = logging.getLogger(__name__)

_Unavailable = (DatabaseError, *DatabaseUnavailable)

# An account that cannot reach the API gets a cooldown of about 1 s. Each further cooldown is twice as long, up to 60 s.
_UNREACHABLE_COOLDOWN_SECONDS = 1.0
_UNREACHABLE_MOST_SECONDS = 60.0
_LONGEST_COOLDOWN_SECONDS = 3600.0

_WAMID_OF_ANOTHER = "the reply brings the wamid of another message"
# A slice stops trying to settle its replies only after at least this many tries have failed.
_MIN_TRIES = 5
# A log line shows at most this many message ids.
_MAX_LOGGED_IDS = 20


@dataclass(slots=True)  # not frozen, because a frozen object takes longer to make
class InFlight:
    """A message that is claimed and not settled. `account` is the row at the time of the claim.

    `category`: the category of the template in the account's WABA, as known at the time of the claim. `granted_at`: the
    time at which the throttle granted the token, on Valkey's clock.
    """

    message: ClaimedMessage
    account: AccountRow
    category: str
    granted_at: float


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A time in which an account, or all accounts of its WABA, must not send."""

    account_id: int
    reason: CooldownReason
    details: str
    seconds: float
    most_seconds: float = _LONGEST_COOLDOWN_SECONDS
    is_for_waba: bool = False


Decision = tuple[InFlight, Verdict, Settlement]


@dataclass(frozen=True, slots=True)
class Settled:
    """The results of one settlement, for the slice.

    `throttled_at`: by account, the time of the latest grant whose message Meta refused because the account sent too
    fast. `changed_accounts`: ids of accounts whose row may have changed. `categories`: by account, the category of the
    template that a refusal named.
    """

    decisions: list[Decision]
    throttled_at: dict[int, float]
    changed_accounts: set[int]
    categories: dict[int, str]


class Settler:
    """Settles the replies of one slice. If Postgres fails, the settler keeps the replies for the next call."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        alerts: Alerts,
        probation: TemplateProbation,
        *,
        campaign_id: int,
        now: Callable[[], dt.datetime],
    ) -> None:
        """`now`: the time of the Postgres server, because the worker's clock may be wrong."""
        self._database, self._settings, self._alerts, self._probation = database, settings, alerts, probation
        self._campaign_id, self._now = campaign_id, now
        self._replies: list[tuple[InFlight, Verdict]] = []
        # The failed tries since Postgres last accepted replies: the time of the first failure (on `clock`), and the
        # number of failures.
        self._first_failed_at: float | None = None
        self._failed_count = 0
        # The number of replies in `_replies` whose failures are counted already, and the ids of the accounts that these
        # failures deactivated, wholly or for the category of the template.
        self._counted_count = 0
        self._deactivated_ids: set[int] = set()
        self._reported_codes: set[int] = set()
        self._stray_count = 0

    @property
    def has_replies(self) -> bool:
        """Return whether replies wait to be settled."""
        return bool(self._replies)

    def add(self, in_flight: InFlight, verdict: Verdict) -> None:
        self._replies.append((in_flight, verdict))

    def has_failed_for(self, seconds: float) -> bool:
        """Return whether settlements have failed for longer than `seconds` and in several tries.

        The time is measured from the first failure and not from the start of the slice, because the process may have
        been frozen before. A time alone is not enough, because the process may be frozen between two tries.
        """
        is_long = self._first_failed_at is not None and clock() - self._first_failed_at > seconds
        return is_long and self._failed_count >= _MIN_TRIES

    def settle(self, *, usable: set[int]) -> Settled:
        """Write the results of all replies, in the order in which the replies came.

        `usable`: ids of the accounts that could send the campaign before these replies. Failures of accounts are
        counted first, in a transaction of their own, for two reasons. The failures decide which accounts remain usable.
        And a transaction that changes messages and accounts must lock the messages first. Raises the errors of
        `store.database`. The caller then calls this method again, perhaps after it has added replies. No failure is
        counted twice.
        """
        try:
            settled = self._count_and_settle(usable)
        except _Unavailable:
            self._first_failed_at = self._first_failed_at or clock()
            self._failed_count += 1
            raise
        self._replies, self._first_failed_at, self._failed_count = [], None, 0
        return settled

    def _count_and_settle(self, usable: set[int]) -> Settled:
        replies = self._replies
        uncounted = replies[self._counted_count :]
        # `_write` counts the outcomes only if none of the replies is a failure of an account. If an earlier try has
        # counted such a failure, the replies that were added since then must be counted here.
        if uncounted and (self._counted_count or any(_is_account_fault(verdict) for _, verdict in uncounted)):
            counted, recategorised = self._database.run(self._count_failures, uncounted)
            self._counted_count = len(replies)
            self._deactivated_ids |= {each.account_id for each in counted if each.is_inactive}
            for account in counted:
                report_deactivation(account, self._alerts)
            for template in recategorised:
                report_category_change(template)
        settled = self._decide_and_write(replies, usable - self._deactivated_ids)
        self._counted_count, self._deactivated_ids = 0, set()
        return settled

    def _count_failures(
        self, connection: Connection, replies: Sequence[tuple[InFlight, Verdict]]
    ) -> tuple[list[StreakResult], list[Recategorised]]:
        """Count the failures and successes of accounts, and store the template categories that refusals name."""
        counted = count_outcomes(connection, _outcomes(replies))
        recategorised = []
        for account_id, failure in sorted(_find_named_categories(replies).items()):
            category, at = failure.category, self._now()
            recategorised.append(
                recategorise_template(
                    connection, self._campaign_id, account_id, category=category, code=failure.code, at=at
                )
            )
        return counted, [each for each in recategorised if each is not None]

    def _decide_and_write(self, replies: Sequence[tuple[InFlight, Verdict]], usable: set[int]) -> Settled:
        throttled_at: dict[int, float] = {}
        decisions = [(in_flight, verdict, self._decide(in_flight, verdict, usable)) for in_flight, verdict in replies]
        refused = [each for each in replies if not isinstance(each[1], Accepted)]
        for in_flight, verdict in refused:
            self._report_unknown_code(verdict)
            if isinstance(verdict, Rejected) and verdict.failure.action is Action.SLOW_DOWN:
                latest = throttled_at.get(in_flight.account.id, 0.0)
                throttled_at[in_flight.account.id] = max(latest, in_flight.granted_at)
        change = self._probation.decide([(in_flight.account.id, verdict) for in_flight, verdict in replies])
        cooldown_until, wamid_owners = self._database.run(self._write, decisions, change)
        if wamid_owners:
            decisions = [self._correct(*decision, wamid_owners, usable) for decision in decisions]
        outcomes = [(in_flight.account.id, verdict) for in_flight, verdict, _ in decisions]
        self._probation.apply(change, outcomes, until=cooldown_until)
        self._report_stray_replies(decisions)
        changed_accounts = {in_flight.account.id for in_flight, verdict in refused if _may_change_account(verdict)}
        categories = {account_id: failure.category for account_id, failure in _find_named_categories(refused).items()}
        return Settled(decisions, throttled_at, changed_accounts, categories)

    def _correct(
        self,
        in_flight: InFlight,
        verdict: Verdict,
        settlement: Settlement,
        wamid_owners: Mapping[int, int],
        usable: set[int],
    ) -> Decision:
        """Return the decision that `_write` has stored.

        `_write` makes a message uncertain if another message already has the wamid that the reply brings.
        """
        if in_flight.message.id not in wamid_owners:
            return in_flight, verdict, settlement
        corrected = Unknown(_WAMID_OF_ANOTHER, STRAY_REPLY.code)
        return in_flight, corrected, self._decide(in_flight, corrected, usable)

    def _report_stray_replies(self, decisions: Sequence[Decision]) -> None:
        """Log the replies that belonged to other requests, and the messages that are uncertain because of them."""
        strays = [
            (in_flight.message.id, verdict.reason)
            for in_flight, verdict, _ in decisions
            if isinstance(verdict, Unknown) and verdict.code == STRAY_REPLY.code
        ]
        if not strays:
            return
        self._stray_count += len(strays)
        message_ids = [message_id for message_id, _ in strays]
        bound = event(
            "stray_reply",
            campaign_id=self._campaign_id,
            messages=message_ids[:_MAX_LOGGED_IDS],
            count=self._stray_count,
        )
        _log.warning(
            "Campaign %s: %s replies belonged to other requests (%s in this slice): %s; uncertain: messages %s",
            self._campaign_id,
            len(strays),
            self._stray_count,
            ", ".join(sorted({reason for _, reason in strays})),
            ", ".join(map(str, message_ids[:_MAX_LOGGED_IDS])),
            extra=bound,
        )

    def _report_unknown_code(self, verdict: Verdict) -> None:
        """Log a code of Meta that the failure table lacks, and send an alert, once per code and slice."""
        if not isinstance(verdict, Rejected) or verdict.failure.is_known or verdict.code in self._reported_codes:
            return
        self._reported_codes.add(verdict.code)
        text = f"Campaign {self._campaign_id}: Meta answers with the unknown code {verdict.code} ({verdict.title})"
        bound = event("unknown_code", campaign_id=self._campaign_id, code=verdict.code)
        _log.warning("%s; the HTTP status or the range of the code decides the outcome", text, extra=bound)
        self._alerts.send("unknown_code", text, campaign_id=self._campaign_id, code=verdict.code)

    def _decide(self, in_flight: InFlight, verdict: Verdict, usable: set[int]) -> Settlement:
        if isinstance(verdict, Accepted):
            return settle_accepted(verdict)
        message = in_flight.message
        attempt = Attempt(
            message.id,
            message.send_no,
            message.attempts,
            message.account_id,
            frozenset(message.refused_by or ()),
            message.pair_refusals,
        )
        return settle(
            verdict,
            attempt,
            usable=usable,
            max_attempts=self._settings.max_attempts,
            retry_seconds=self._settings.retry_seconds,
        )

    def _write(
        self, connection: Connection, decisions: Sequence[Decision], change: TemplateChange
    ) -> tuple[dt.datetime | None, Mapping[int, int]]:
        """Write the decisions. Return the end of the template's cooldown, if any, and the owners of duplicate wamids.

        A wamid is a duplicate if another message already has this wamid. That other message is the owner. The returned
        mapping has, by the id of the message that got the reply, the id of the owner.
        """
        now = self._now()
        wamid_owners: Mapping[int, int] = {}
        evidence = [
            _evidence(in_flight, settlement, now)
            for in_flight, _, settlement in decisions
            if isinstance(settlement, Settle)
        ]
        if evidence:
            wamid_owners = messages.merge_replies(
                connection, evidence, stray_code=STRAY_REPLY.code, stray_title=_WAMID_OF_ANOTHER
            )
        releases = [
            ReleaseRow(in_flight.message.id, in_flight.message.send_no, settlement)
            for in_flight, _, settlement in decisions
            if isinstance(settlement, Release)
        ]
        if releases:
            messages.release_messages(connection, releases, campaign_ids=[self._campaign_id])
        optouts = {
            in_flight.message.id: now
            for in_flight, _, settlement in decisions
            if isinstance(settlement, Settle) and settlement.suppresses
        }
        suppress_refusing(connection, optouts)
        replies = [(in_flight, verdict) for in_flight, verdict, _ in decisions]
        cooldowns = _find_cooldowns(replies)
        if cooldowns:
            lock_accounts_to_block(
                connection,
                [each.account_id for each in cooldowns],
                of_wabas=[each.account_id for each in cooldowns if each.is_for_waba],
            )
        if not any(_is_account_fault(verdict) for _, verdict in replies):
            count_outcomes(connection, _successes(replies))
        for cooldown in cooldowns:
            block_accounts(
                connection,
                cooldown.account_id,
                is_for_waba=cooldown.is_for_waba,
                reason=cooldown.reason,
                details=cooldown.details,
                cooldown_seconds=cooldown.seconds,
                most_seconds=cooldown.most_seconds,
            )
        return self._probation.write(connection, change), wamid_owners


def report_deactivation(account: StreakResult, alerts: Alerts) -> None:
    """If an account was deactivated, wholly or for a category of templates, log this fact and send an alert."""
    if account.tripped_by is None:
        return
    last = account.tripped_by[-1]
    if account.category is not None:
        _report_category_deactivation(account, account.category, last, alerts)
        return
    text = Sentence(
        "Account {account} deactivated after {count} consecutive send failures: {code} {title}",
        account=account.account_id,
        count=len(account.tripped_by),
        code=last["code"],
        title=Word(last["title"]),
    )
    _log.warning(text, extra=event("account_deactivated", account_id=account.account_id, name_=account.name))
    advice = advise_repair(find_failure(last["code"])).aim(account=[account.name])
    alerts.send("account_deactivated", f"{text}. {advice}", account_id=account.account_id, account=account.name)


def _report_category_deactivation(account: StreakResult, category: str, last: FailureRecord, alerts: Alerts) -> None:
    failure = find_failure(last["code"])
    text = Sentence(
        "Account {account} ({name}) sends no {category} templates any more, after {count} consecutive send failures:"
        " {code} {meaning}. {advice}",
        account=account.account_id,
        name=account.name,
        category=category,
        count=len(account.tripped_by or ()),
        code=failure.code,
        meaning=Word(failure.meaning),
        advice=advise_repair(failure).aim(account=[account.name]),
    )
    bound = {"account_id": account.account_id, "category": category, "code": failure.code}
    _log.warning(text, extra=event("account_category_deactivated", name_=account.name, **bound))
    alerts.send("account_category_deactivated", str(text), account=account.name, **bound)


def report_category_change(template: Recategorised) -> None:
    """Log that a refusal by Meta named a category of the template that differs from the stored category."""
    text = f"Template {template.name}:{template.language} is {template.category} now, was "
    text += f"{template.old_category or 'unknown'}: Meta refused it with {template.code}"
    _log.warning(text, extra=event("template_recategorised", category=template.category, code=template.code))


def _is_account_fault(verdict: Verdict) -> bool:
    return isinstance(verdict, Rejected) and verdict.failure.action is Action.SWITCH_ACCOUNT


def _find_named_categories(replies: Iterable[tuple[InFlight, Verdict]]) -> dict[int, Failure]:
    """Return, by account, the failure whose code names a template category that differs from the known category."""
    return {
        in_flight.account.id: verdict.failure
        for in_flight, verdict in replies
        if isinstance(verdict, Rejected) and verdict.failure.category not in ("", in_flight.category)
    }


def _outcomes(replies: Iterable[tuple[InFlight, Verdict]]) -> list[StreakOutcomes]:
    """Return the failures and successes by account and category. All other verdicts are left out.

    A success counts for two streaks: the streak of the whole account, and the account's streak for this category.
    """
    gathered: dict[tuple[int, dt.datetime, str | None], list[FailureRecord | None]] = {}
    for in_flight, verdict in replies:
        account = in_flight.account
        if isinstance(verdict, Accepted):
            for category in (None, in_flight.category):
                gathered.setdefault((account.id, account.activated_at, category), []).append(None)
        elif isinstance(verdict, Rejected) and _is_account_fault(verdict):
            key = (account.id, account.activated_at, verdict.failure.find_category(in_flight.category))
            gathered.setdefault(key, []).append(_failure_record(in_flight.message.id, verdict))
    return [
        StreakOutcomes(account_id, category, at, tuple(each)) for (account_id, at, category), each in gathered.items()
    ]


def _successes(replies: Iterable[tuple[InFlight, Verdict]]) -> list[StreakOutcomes]:
    """Return one success for each streak that has any. More successes without a failure between them change nothing."""
    accepting = {
        (in_flight.account.id, in_flight.account.activated_at, in_flight.category)
        for in_flight, verdict in replies
        if isinstance(verdict, Accepted)
    }
    return [
        StreakOutcomes(account_id, each, at, (None,))
        for account_id, at, category in accepting
        for each in (None, category)
    ]


def _failure_record(message_id: int, verdict: Rejected) -> FailureRecord:
    return {
        "code": verdict.code,
        "title": verdict.title or verdict.failure.meaning,
        "details": verdict.details,
        "fbtrace_id": verdict.fbtrace_id,
        "message_id": message_id,
    }


def _may_change_account(verdict: Verdict) -> bool:
    """Return whether settling this reply may change the row of the account."""
    match verdict:
        case NotSent(_, is_unreachable):
            return is_unreachable
        case Rejected(failure):
            return failure.action in _ACCOUNT_ACTIONS
        case _:
            return False


_ACCOUNT_ACTIONS = (Action.SWITCH_ACCOUNT, Action.BLOCK_ACCOUNT, Action.BLOCK_WABA, Action.BACK_OFF)


def _find_cooldowns(replies: Iterable[tuple[InFlight, Verdict]]) -> list[Cooldown]:
    """Return the cooldowns that the verdicts require, one per account, in the order of the account ids."""
    cooldowns: dict[int, Cooldown] = {}
    for in_flight, verdict in replies:
        if isinstance(verdict, Accepted):
            continue
        cooldown = _find_cooldown(in_flight.account.id, verdict)
        if cooldown is not None:
            cooldowns.setdefault(cooldown.account_id, cooldown)
    return [cooldowns[account_id] for account_id in sorted(cooldowns)]


def _find_cooldown(account_id: int, verdict: Verdict) -> Cooldown | None:
    match verdict:
        case NotSent(reason, is_unreachable=True):
            return _back_off(account_id, reason)
        case Rejected(failure) if failure.action is Action.BACK_OFF:
            return _back_off(account_id, f"{failure.code} {failure.meaning}")
        case Rejected(failure) if failure.action in (Action.BLOCK_ACCOUNT, Action.BLOCK_WABA):
            return Cooldown(
                account_id,
                CooldownReason.THROTTLED,
                f"{failure.code} {failure.meaning}",
                failure.cooldown_seconds,
                is_for_waba=failure.action is Action.BLOCK_WABA,
            )
        case _:
            return None


def _back_off(account_id: int, details: str) -> Cooldown:
    return Cooldown(
        account_id,
        CooldownReason.UNREACHABLE,
        details,
        _UNREACHABLE_COOLDOWN_SECONDS,
        _UNREACHABLE_MOST_SECONDS,
    )


def _evidence(in_flight: InFlight, settlement: Settle, now: dt.datetime) -> EvidenceRow:
    return EvidenceRow(
        message_id=in_flight.message.id,
        send_no=in_flight.message.send_no,
        status=settlement.status,
        wamid=settlement.wamid,
        sent_at=now if settlement.status is Status.SENT else None,
        failed_at=now if settlement.status is Status.FAILED else None,
        error_code=settlement.code,
        error_title=settlement.title,
        error_details=settlement.details,
    )
