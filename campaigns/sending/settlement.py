"""Turns replies into what they mean: streaks counted, messages settled or released in sets, accounts given a rest."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from campaigns.alerts import Alerts
from campaigns.clock import clock
from campaigns.config import Settings
from campaigns.domain.account import FailureRecord
from campaigns.domain.failures import STRAY_REPLY, find_failure
from campaigns.domain.message import Status
from campaigns.domain.settlement import Attempt, Settle, Settlement, settle
from campaigns.domain.verdict import Accepted, Action, Failure, NotSent, Rejected, Unknown, Verdict
from campaigns.logs import event
from campaigns.sending.template_probation import TemplateChange, TemplateProbation
from campaigns.store import messages
from campaigns.store.accounts import AccountRow, Counted, Outcomes, block_accounts, count_outcomes
from campaigns.store.database import Connection, Database, DatabaseError, DatabaseUnavailable
from campaigns.store.messages import Claimed, EvidenceRow, ReleaseRow
from campaigns.store.suppressions import suppress_refusing
from campaigns.store.templates import Recategorised, recategorise_template

_log = logging.getLogger(__name__)

_Unavailable = (DatabaseError, *DatabaseUnavailable)

# An API that cannot be reached is tried again after 1, 2, 4 … 60 s, per account.
_UNREACHABLE_REST_SECONDS = 1.0
_UNREACHABLE_MOST_SECONDS = 60.0
_REST_MOST_SECONDS = 3600.0

_WAMID_OF_ANOTHER = "the reply brings the wamid of another message"
# Tries to settle before a slice gives up.
_LEAST_TRIES = 5
# Ids in one log line.
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class InFlight:
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


Decision = tuple[InFlight, Verdict, Settlement]


@dataclass(frozen=True, slots=True)
class Settled:
    """One set of replies, decided: the facts that the slice needs beyond the rows.

    By account: `throttled_at`, the latest grant of a message that Meta throttled; `categories`, the category of the
    template that a refusal has named.
    """

    decisions: list[Decision]
    throttled_at: dict[int, float]
    changed_accounts: set[int]
    categories: dict[int, str]


class Settler:
    """Settles the replies of one campaign's slice. Replies that Postgres does not take are kept for the next try."""

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
        """`now` is the server's clock: the worker's own may be wrong."""
        self._database, self._settings, self._alerts, self._probation = database, settings, alerts, probation
        self._campaign_id, self._now = campaign_id, now
        self._replies: list[tuple[InFlight, Verdict]] = []
        self._failing_since: float | None = None
        self._failed_count = 0
        # About the set being settled: the number of replies counted already, and the accounts that these replies have
        # deactivated, wholly or for the category of the template.
        self._counted = 0
        self._gone: set[int] = set()
        self._reported: set[int] = set()
        self._stray_count = 0

    @property
    def has_replies(self) -> bool:
        """Whether replies wait to be settled."""
        return bool(self._replies)

    def add(self, in_flight: InFlight, verdict: Verdict) -> None:
        self._replies.append((in_flight, verdict))

    def has_failed_for(self, seconds: float) -> bool:
        """Whether Postgres has taken no settlement for this time, and in several tries.

        Counted from the first failure: after a freeze the slice and its lease may be long over. A freeze between two
        tries takes time too, so time alone is not enough.
        """
        is_long = self._failing_since is not None and clock() - self._failing_since > seconds
        return is_long and self._failed_count >= _LEAST_TRIES

    def settle(self, *, usable: set[int]) -> Settled:
        """Write all replies, in the order in which they came. Raises DatabaseError with nothing half done.

        `usable`: the accounts that may send the campaign, as far as is known before these replies. Failures of accounts
        are counted first, in a transaction of their own: they decide which accounts remain, and a transaction must lock
        messages before accounts. After an error the caller settles again, perhaps more replies: none counts twice.
        """
        try:
            settled = self._settle_all(usable)
        except _Unavailable:
            self._failing_since = self._failing_since or clock()
            self._failed_count += 1
            raise
        self._replies, self._failing_since, self._failed_count = [], None, 0
        return settled

    def _settle_all(self, usable: set[int]) -> Settled:
        replies = self._replies
        fresh = replies[self._counted :]
        # After a failed try with failures of accounts, replies that joined are counted here too: `_write` counts only
        # sets without such failures.
        if fresh and (self._counted or any(_is_account_fault(verdict) for _, verdict in fresh)):
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
        self, connection: Connection, replies: Sequence[tuple[InFlight, Verdict]]
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

    def _settle(self, replies: Sequence[tuple[InFlight, Verdict]], usable: set[int]) -> Settled:
        throttled_at: dict[int, float] = {}
        decisions: list[Decision] = []
        for in_flight, verdict in replies:
            self._report_unknown(verdict)
            decisions.append((in_flight, verdict, self._decide(in_flight, verdict, usable)))
            if isinstance(verdict, Rejected) and verdict.failure.action is Action.SLOW_DOWN:
                before = throttled_at.get(in_flight.account.id, 0.0)
                throttled_at[in_flight.account.id] = max(before, in_flight.granted_at)
        change = self._probation.judge([(in_flight.account.id, verdict) for in_flight, verdict in replies])
        blocked_until, owners = self._database.run(self._write, decisions, change)
        if owners:
            decisions = [self._retract(*decision, owners, usable) for decision in decisions]
        self._probation.note(change, [verdict for _, verdict, _ in decisions], until=blocked_until)
        self._report_strays(decisions)
        changed_accounts = {in_flight.account.id for in_flight, verdict in replies if _is_of_account(verdict)}
        categories = {account_id: failure.category for account_id, failure in _find_named(replies).items()}
        return Settled(decisions, throttled_at, changed_accounts, categories)

    def _retract(
        self, in_flight: InFlight, verdict: Verdict, settlement: Settlement, owners: Mapping[int, int], usable: set[int]
    ) -> Decision:
        """Return the decision as it was written: a message is uncertain if another message has its wamid."""
        if in_flight.message.id not in owners:
            return in_flight, verdict, settlement
        retracted = Unknown(_WAMID_OF_ANOTHER, STRAY_REPLY.code)
        return in_flight, retracted, self._decide(in_flight, retracted, usable)

    def _report_strays(self, decisions: Sequence[Decision]) -> None:
        """Warn of replies that belonged to other requests, with the messages that are uncertain because of them."""
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

    def _decide(self, in_flight: InFlight, verdict: Verdict, usable: set[int]) -> Settlement:
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
        """Return the end of the template's cooldown, and the messages with a wamid that another message has already."""
        now = self._now()
        owners: Mapping[int, int] = {}
        evidence = [
            _evidence(in_flight, settlement, now)
            for in_flight, _, settlement in decisions
            if isinstance(settlement, Settle)
        ]
        if evidence:
            owners = messages.merge_replies(
                connection, evidence, stray_code=STRAY_REPLY.code, stray_title=_WAMID_OF_ANOTHER
            )
        releases = [
            _release(in_flight, settlement)
            for in_flight, _, settlement in decisions
            if not isinstance(settlement, Settle)
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
        return self._probation.write(connection, change), owners


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


def _is_account_fault(verdict: Verdict) -> bool:
    return isinstance(verdict, Rejected) and verdict.failure.action is Action.SWITCH_ACCOUNT


def _find_named(replies: Iterable[tuple[InFlight, Verdict]]) -> dict[int, Failure]:
    """Return the refusals that name a category of the template other than the known one, one for each account."""
    return {
        in_flight.account.id: verdict.failure
        for in_flight, verdict in replies
        if isinstance(verdict, Rejected) and verdict.failure.category not in ("", in_flight.category)
    }


def _outcomes(replies: Iterable[tuple[InFlight, Verdict]]) -> list[Outcomes]:
    """Return the failures and successes of the accounts that carried the replies; other verdicts do not count.

    A success counts for the account and for the category of the template there.
    """
    gathered: dict[tuple[int, dt.datetime, str | None], list[FailureRecord | None]] = {}
    for in_flight, verdict in replies:
        account = in_flight.account
        if isinstance(verdict, Accepted):
            for category in (None, in_flight.category):
                gathered.setdefault((account.id, account.activated_at, category), []).append(None)
        elif isinstance(verdict, Rejected) and _is_account_fault(verdict):
            key = (account.id, account.activated_at, verdict.failure.find_category(in_flight.category))
            gathered.setdefault(key, []).append(_record(in_flight.message.id, verdict))
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


def _rests(decisions: Iterable[Decision]) -> list[Rest]:
    """Return the rests that a set of replies asks for, one per account, in the order of the accounts."""
    rests: dict[int, Rest] = {}
    for in_flight, verdict, _ in decisions:
        rest = _rest(in_flight.account.id, verdict)
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


def _release(in_flight: InFlight, settlement: Settlement) -> ReleaseRow:
    assert not isinstance(settlement, Settle)
    return ReleaseRow(
        message_id=in_flight.message.id,
        send_no=in_flight.message.send_no,
        wait_seconds=settlement.wait_seconds,
        refunds=settlement.refunds,
        error_code=settlement.code,
        error_title=settlement.title,
        error_details=settlement.details,
        refusing=settlement.refusing,
        forgets=settlement.forgets,
        is_pair_refusal=settlement.is_pair_refusal,
    )
