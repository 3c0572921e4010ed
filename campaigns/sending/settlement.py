"""Turns replies into what they mean: streaks counted, messages settled or released in sets, accounts given a rest."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.domain.account import FailureRecord
from campaigns.domain.failures import STRAY_REPLY, find_failure
from campaigns.domain.message import Status
from campaigns.domain.settlement import Attempt, Settle, Settlement, settle
from campaigns.domain.verdict import Accepted, Action, Blame, Failure, NotSent, Rejected, Unknown, Verdict
from campaigns.logs import event
from campaigns.store import messages, templates
from campaigns.store.accounts import AccountRow, Counted, Outcomes, block_accounts, count_outcomes
from campaigns.store.database import Connection, Database
from campaigns.store.messages import Claimed, EvidenceRow, ReleaseRow
from campaigns.store.suppressions import suppress_refusing
from campaigns.store.templates import Recategorised, recategorise_template

_log = logging.getLogger(__name__)

# An API that cannot be reached is tried again after 1, 2, 4 … 60 s, per account.
_UNREACHABLE_REST_SECONDS = 1.0
_UNREACHABLE_MOST_SECONDS = 60.0
_REST_MOST_SECONDS = 3600.0

_WAMID_OF_ANOTHER = "the reply brings the wamid of another message"
# Ids in one log line.
_SHOWN = 20

# What Meta's refusal of a template says about it.
_TEMPLATE_STATUS = {132001: "missing", 132007: "rejected", 132015: "paused", 132016: "disabled"}


@dataclass(frozen=True, slots=True)
class Flying:
    """A claimed message on its way, with the account as it was when it was claimed and the time of its grant.

    `category`: the category of the template in the account's WABA, as far as it was known at that time.
    """

    message: Claimed
    account: AccountRow
    category: str
    granted_at: float


@dataclass(frozen=True, slots=True)
class Rest:
    """An account, or its whole WABA, must not send for a while."""

    account_id: int
    reason: str
    seconds: float
    most_seconds: float = _REST_MOST_SECONDS
    is_for_waba: bool = False


@dataclass(slots=True)
class Settled:
    """One set of replies, decided: the facts that the slice needs beyond the rows.

    `categories`: the categories of the template that Meta's refusals have named, by account.
    """

    decisions: list[tuple[Flying, Verdict, Settlement]] = field(default_factory=list)
    throttled_at: dict[int, float] = field(default_factory=dict)
    changed_accounts: set[int] = field(default_factory=set)
    template_blocked_until: dt.datetime | None = None
    categories: dict[int, str] = field(default_factory=dict)


class Settler:
    """Settles the replies of one campaign's slice."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        alerts: Alerts,
        *,
        campaign_id: int,
        template_id: int,
        now: Callable[[], dt.datetime],
    ) -> None:
        """`now` is the server's clock: the worker's own may be wrong."""
        self._database, self._settings, self._alerts = database, settings, alerts
        self._campaign_id, self._template_id, self._now = campaign_id, template_id, now
        # Meta's word on the template is only written down when a message is the first to prove it good again.
        self.is_template_doubted = False
        # About the set being settled: the number of replies counted already, and the accounts that these replies have
        # deactivated, wholly or for the category of the template.
        self._counted = 0
        self._gone: set[int] = set()
        self._reported: set[int] = set()
        self._stray_count = 0

    def settle(self, replies: Sequence[tuple[Flying, Verdict]], *, usable: set[int]) -> Settled:
        """Write one set of replies, in the order in which they came. Raises DatabaseError with nothing half done.

        `usable`: the accounts that may send the campaign, as far as is known before these replies. Failures of accounts
        are counted first, in a transaction of their own: they decide which accounts remain, and a transaction must lock
        messages before accounts. After an error the caller settles the same replies again, perhaps with more: none
        counts twice.
        """
        fresh = replies[self._counted :]
        if any(_is_account_fault(verdict) for _, verdict in fresh):
            counted, recategorised = self._database.run(self._count, fresh)
            self._counted = len(replies)
            self._gone |= {each.account_id for each in counted if each.is_inactive}
            for account in counted:
                report_deactivation(account, self._alerts)
            for template in recategorised:
                report_category(template)
        settled = self._settle(replies, usable - self._gone)
        self._counted, self._gone = 0, set()
        return settled

    def _count(
        self, connection: Connection, replies: Sequence[tuple[Flying, Verdict]]
    ) -> tuple[list[Counted], list[Recategorised]]:
        """Count replies, some of which are failures of accounts, and note the template categories that they name."""
        counted = count_outcomes(connection, _outcomes(replies))
        recategorised = []
        for account_id, failure in sorted(_find_named(replies).items()):
            category, at = failure.category, self._now()
            recategorised.append(
                recategorise_template(
                    connection, self._campaign_id, account_id, category=category, code=failure.code, at=at
                )
            )
        return counted, [each for each in recategorised if each is not None]

    def _settle(self, replies: Sequence[tuple[Flying, Verdict]], usable: set[int]) -> Settled:
        settled = Settled()
        for flying, verdict in replies:
            self._report_unknown(verdict)
            settled.decisions.append((flying, verdict, self._decide(flying, verdict, usable)))
            if isinstance(verdict, Rejected) and verdict.failure.action is Action.SLOW_DOWN:
                before = settled.throttled_at.get(flying.account.id, 0.0)
                settled.throttled_at[flying.account.id] = max(before, flying.granted_at)
        settled.changed_accounts = {flying.account.id for flying, verdict in replies if _is_of_account(verdict)}
        settled.categories = {account_id: failure.category for account_id, failure in _find_named(replies).items()}
        settled.template_blocked_until, owners = self._database.run(self._write, settled.decisions)
        if owners:
            settled.decisions = [self._retract(*decision, owners, usable) for decision in settled.decisions]
        self._report_strays(settled.decisions)
        return settled

    def _retract(
        self, flying: Flying, verdict: Verdict, settlement: Settlement, owners: Mapping[int, int], usable: set[int]
    ) -> tuple[Flying, Verdict, Settlement]:
        """Return the decision as it was written: a message is uncertain if another message has its wamid."""
        if flying.message.id not in owners:
            return flying, verdict, settlement
        retracted = Unknown(_WAMID_OF_ANOTHER, STRAY_REPLY.code)
        return flying, retracted, self._decide(flying, retracted, usable)

    def _report_strays(self, decisions: Sequence[tuple[Flying, Verdict, Settlement]]) -> None:
        """Warn of replies that belonged to other requests, with the messages that are uncertain because of them."""
        strays = [
            (flying.message.id, verdict.reason)
            for flying, verdict, _ in decisions
            if isinstance(verdict, Unknown) and verdict.code == STRAY_REPLY.code
        ]
        if not strays:
            return
        self._stray_count += len(strays)
        message_ids = [message_id for message_id, _ in strays]
        bound = event(
            "stray_reply", campaign_id=self._campaign_id, messages=message_ids[:_SHOWN], count=self._stray_count
        )
        _log.warning(
            "Campaign %s: %s replies belonged to other requests (%s in this slice): %s; uncertain: messages %s",
            self._campaign_id,
            len(strays),
            self._stray_count,
            ", ".join(sorted({reason for _, reason in strays})),
            ", ".join(map(str, message_ids[:_SHOWN])),
            extra=bound,
        )

    def _report_unknown(self, verdict: Verdict) -> None:
        """Tell a person, once per code and slice, of a code that the table does not hold."""
        if not isinstance(verdict, Rejected) or verdict.failure.is_known or verdict.code in self._reported:
            return
        self._reported.add(verdict.code)
        text = f"Campaign {self._campaign_id}: Meta answers with the unknown code {verdict.code} ({verdict.title})"
        bound = event("unknown_code", campaign_id=self._campaign_id, code=verdict.code)
        _log.warning("%s, it is handled by its class", text, extra=bound)
        self._alerts.send("unknown_code", text, campaign_id=self._campaign_id, code=verdict.code)

    def _decide(self, flying: Flying, verdict: Verdict, usable: set[int]) -> Settlement:
        message = flying.message
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
        self, connection: Connection, decisions: Sequence[tuple[Flying, Verdict, Settlement]]
    ) -> tuple[dt.datetime | None, Mapping[int, int]]:
        """Return the end of the template's cooldown, and the messages with a wamid that another message has already."""
        now = self._now()
        owners: Mapping[int, int] = {}
        evidence = [
            _evidence(flying, settlement, now) for flying, _, settlement in decisions if isinstance(settlement, Settle)
        ]
        if evidence:
            owners = messages.merge_replies(
                connection, evidence, stray_code=STRAY_REPLY.code, stray_title=_WAMID_OF_ANOTHER
            )
        releases = [
            _release(flying, settlement) for flying, _, settlement in decisions if not isinstance(settlement, Settle)
        ]
        if releases:
            messages.release_messages(connection, releases, campaign_ids=[self._campaign_id])
        optouts = {
            flying.message.id: now
            for flying, _, settlement in decisions
            if isinstance(settlement, Settle) and settlement.suppresses
        }
        suppress_refusing(connection, optouts)
        replies = [(flying, verdict) for flying, verdict, _ in decisions]
        if not any(_is_account_fault(verdict) for _, verdict in replies):
            count_outcomes(connection, _outcomes(replies))
        for rest in _rests(decisions):
            block_accounts(
                connection,
                rest.account_id,
                is_for_waba=rest.is_for_waba,
                reason=rest.reason,
                rest_seconds=rest.seconds,
                most_seconds=rest.most_seconds,
            )
        return self._judge_template(connection, decisions), owners

    def _judge_template(
        self, connection: Connection, decisions: Sequence[tuple[Flying, Verdict, Settlement]]
    ) -> dt.datetime | None:
        refusals = [
            (flying.account.id, verdict.code)
            for flying, verdict, _ in decisions
            if isinstance(verdict, Rejected) and verdict.failure.action is Action.WAIT_TEMPLATE
        ]
        if refusals:
            self.is_template_doubted = True
            account_id, code = refusals[-1]
            status = _TEMPLATE_STATUS.get(code, "refused")
            retry_seconds = self._settings.template_retry_seconds
            return templates.block_template(
                connection, self._template_id, account_id=account_id, status=status, retry_seconds=retry_seconds
            ) or self._now() + dt.timedelta(seconds=retry_seconds)
        accepting = {flying.account.id for flying, verdict, _ in decisions if isinstance(verdict, Accepted)}
        if self.is_template_doubted and accepting:
            self.is_template_doubted = False
            templates.approve_template(connection, self._template_id, account_ids=accepting)
        return None


def report_deactivation(account: Counted, alerts: Alerts) -> None:
    """Report that an account, or a category of its templates, was deactivated, if it was."""
    if account.tripped_by is None:
        return
    last = account.tripped_by[-1]
    if account.category is not None:
        _report_category_deactivation(account, account.category, last, alerts)
        return
    text = (
        f"Account {account.account_id} deactivated after {len(account.tripped_by)} consecutive send failures: "
        f"{last['code']} {last['title']}"
    )
    _log.warning(text, extra=event("account_deactivated", account_id=account.account_id, name_=account.name))
    alerts.send("account_deactivated", text, account_id=account.account_id, account=account.name)


def _report_category_deactivation(account: Counted, category: str, last: FailureRecord, alerts: Alerts) -> None:
    failure = find_failure(last["code"])
    text = (
        f"Account {account.account_id} ({account.name}) sends no {category} templates any more, after"
        f" {len(account.tripped_by or ())} consecutive send failures: {failure.code} {failure.meaning}."
        f" {failure.advice} Then: revoada account activate {account.account_id}"
    )
    bound = {"account_id": account.account_id, "category": category, "code": failure.code}
    _log.warning(text, extra=event("account_category_deactivated", name_=account.name, **bound))
    alerts.send("account_category_deactivated", text, account=account.name, **bound)


def report_category(template: Recategorised) -> None:
    """Report that a template has another category than we knew."""
    text = f"Template {template.name}:{template.language} is {template.category} now, was "
    text += f"{template.old_category or 'unknown'}: Meta refused it with {template.code}"
    _log.warning(text, extra=event("template_recategorised", category=template.category, code=template.code))


def is_content_fault(verdict: Verdict) -> bool:
    """Tell whether the message's own variables were refused: many in a row mean the list does not fit the template."""
    return isinstance(verdict, Rejected) and verdict.failure.blame is Blame.MESSAGE


def _is_account_fault(verdict: Verdict) -> bool:
    return isinstance(verdict, Rejected) and verdict.failure.action is Action.SWITCH_ACCOUNT


def _find_named(replies: Iterable[tuple[Flying, Verdict]]) -> dict[int, Failure]:
    """Return the refusals that name a category of the template other than the known one, one for each account."""
    return {
        flying.account.id: verdict.failure
        for flying, verdict in replies
        if isinstance(verdict, Rejected) and verdict.failure.category not in ("", flying.category)
    }


def _outcomes(replies: Iterable[tuple[Flying, Verdict]]) -> list[Outcomes]:
    """Return the failures and successes of the accounts that carried the replies; other verdicts do not count.

    A success counts for the account and for the category of the template there.
    """
    gathered: dict[tuple[int, dt.datetime, str | None], list[FailureRecord | None]] = {}
    for flying, verdict in replies:
        account = flying.account
        if isinstance(verdict, Accepted):
            for category in (None, flying.category):
                gathered.setdefault((account.id, account.activated_at, category), []).append(None)
        elif isinstance(verdict, Rejected) and _is_account_fault(verdict):
            key = (account.id, account.activated_at, verdict.failure.find_category(flying.category))
            gathered.setdefault(key, []).append(_record(flying.message.id, verdict))
    return [Outcomes(account_id, category, at, tuple(each)) for (account_id, at, category), each in gathered.items()]


def _record(message_id: int, verdict: Rejected) -> FailureRecord:
    return {
        "code": verdict.code,
        "title": verdict.title or verdict.failure.meaning,
        "details": verdict.details,
        "fbtrace_id": verdict.fbtrace_id,
        "message_id": message_id,
    }


def _is_of_account(verdict: Verdict) -> bool:
    """Whether the account's row may have changed by this reply."""
    match verdict:
        case NotSent(_, is_unreachable):
            return is_unreachable
        case Rejected(failure):
            return failure.action in _ACCOUNT_ACTIONS
        case _:
            return False


_ACCOUNT_ACTIONS = (Action.SWITCH_ACCOUNT, Action.BLOCK_ACCOUNT, Action.BLOCK_WABA, Action.BACK_OFF)


def _rests(decisions: Iterable[tuple[Flying, Verdict, Settlement]]) -> list[Rest]:
    """Return the rests that a set of replies asks for, one per account, in the order of the accounts."""
    rests: dict[int, Rest] = {}
    for flying, verdict, _ in decisions:
        rest = _rest(flying.account.id, verdict)
        if rest is not None:
            rests.setdefault(rest.account_id, rest)
    return [rests[account_id] for account_id in sorted(rests)]


def _rest(account_id: int, verdict: Verdict) -> Rest | None:
    match verdict:
        case NotSent(reason, is_unreachable=True):
            return Rest(account_id, f"unreachable: {reason}", _UNREACHABLE_REST_SECONDS, _UNREACHABLE_MOST_SECONDS)
        case Rejected(failure) if failure.action is Action.BACK_OFF:
            reason = f"unreachable: {failure.code} {failure.meaning}"
            return Rest(account_id, reason, _UNREACHABLE_REST_SECONDS, _UNREACHABLE_MOST_SECONDS)
        case Rejected(failure) if failure.action in (Action.BLOCK_ACCOUNT, Action.BLOCK_WABA):
            reason = f"throttled: {failure.code} {failure.meaning}"
            is_for_waba = failure.action is Action.BLOCK_WABA
            return Rest(account_id, reason, failure.rest_seconds, is_for_waba=is_for_waba)
        case _:
            return None


def _evidence(flying: Flying, settlement: Settle, now: dt.datetime) -> EvidenceRow:
    return EvidenceRow(
        message_id=flying.message.id,
        send_no=flying.message.send_no,
        status=settlement.status,
        wamid=settlement.wamid,
        sent_at=now if settlement.status is Status.SENT else None,
        failed_at=now if settlement.status is Status.FAILED else None,
        error_code=settlement.code,
        error_title=settlement.title,
        error_details=settlement.details,
    )


def _release(flying: Flying, settlement: Settlement) -> ReleaseRow:
    assert not isinstance(settlement, Settle)
    return ReleaseRow(
        message_id=flying.message.id,
        send_no=flying.message.send_no,
        wait_seconds=settlement.wait_seconds,
        refunds=settlement.refunds,
        error_code=settlement.code,
        error_title=settlement.title,
        error_details=settlement.details,
        refusing=settlement.refusing,
        forgets=settlement.forgets,
        is_pair_refusal=settlement.is_pair_refusal,
    )
