"""Decides the next status of a claimed message from the reply. `sending/settlement.py` stores the decisions."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import assert_never

from campaigns.domain.message import Status
from campaigns.domain.verdict import Accepted, Action, Failure, NotSent, Rejected, Unknown, Verdict

# Meta limits the messages from one account to one person (a pair). If Meta has refused a message n times before by this
# limit, the wait is 4^n seconds, at most 4^6 seconds (68 minutes).
_PAIR_BASE = 4
_PAIR_MOST = 6
_RETRY_MOST_SECONDS = 600.0
# After a refusal with the action `SLOW_DOWN`, the account's lower rate delays the next attempt. This wait only prevents
# an immediate second attempt.
_THROTTLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to send a claimed message.

    `attempts`: the number of attempts of the message, including this one. `send_no`: the number of this send. The
    request contains this number in `biz_opaque_callback_data`, which Meta repeats in each webhook about the message.
    `refused_by`: the accounts that could not send the message. `pair_refusals`: the number of earlier refusals by the
    limit for a pair of account and person.
    """

    message_id: int
    send_no: int
    attempts: int
    account_id: int
    refused_by: frozenset[int] = frozenset()
    pair_refusals: int = 0


@dataclass(slots=True)  # not frozen, because a frozen object takes longer to make
class Settle:
    """The message gets `status`. `code`, `title` and `details` describe a failure.

    `suppresses`: the person to whom the message goes is suppressed, too.
    """

    status: Status
    wamid: str | None = None
    code: int | None = None
    title: str | None = None
    details: str | None = None
    suppresses: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """Meta did not accept the message. The message becomes pending again, and may be sent after `wait_seconds`.

    `refunds`: this attempt does not count. `refusing`: the account that could not send the message, so that another
    account sends it. `forgets`: all accounts have failed to send the message, so `refused_by` is emptied, and all of
    them may try again.
    """

    wait_seconds: float
    refunds: bool
    code: int | None
    title: str
    details: str = ""
    refusing: int | None = None
    forgets: bool = False
    is_pair_refusal: bool = False


Settlement = Settle | Release


def settle(
    verdict: Verdict, attempt: Attempt, *, usable: AbstractSet[int], max_attempts: int, retry_seconds: float
) -> Settlement:
    """Return the decision about a message after `attempt`.

    `usable`: the accounts that may send the campaign after this verdict was counted in their streaks. `retry_seconds`:
    the wait before a second attempt; the wait doubles with each further attempt.
    """
    match verdict:
        case Accepted():
            return settle_accepted(verdict)
        case Unknown(reason, code):
            return Settle(Status.UNCERTAIN, code=code, title=reason)
        case NotSent(reason):
            return Release(wait_seconds=0.0, refunds=True, code=None, title=reason)
        case Rejected():
            return _settle_rejected(verdict, attempt, usable, max_attempts, retry_seconds)
        case _:
            assert_never(verdict)


def settle_accepted(verdict: Accepted) -> Settle:
    """Return the decision about an accepted message, which does not depend on the attempt."""
    return Settle(Status.HELD if verdict.is_held else Status.SENT, verdict.wamid)


def _settle_rejected(  # noqa: PLR0911  one return per action
    verdict: Rejected, attempt: Attempt, usable: AbstractSet[int], max_attempts: int, retry_seconds: float
) -> Settlement:
    failure, code = verdict.failure, verdict.code
    title, details = verdict.title or failure.meaning, verdict.details
    failed = Settle(Status.FAILED, code=code, title=title, details=details)
    match failure.action:
        case Action.FAIL:
            return failed
        case Action.FAIL_AND_SUPPRESS:
            return Settle(Status.FAILED, code=code, title=title, details=details, suppresses=True)
        case Action.UNCERTAIN:
            return Settle(Status.UNCERTAIN, code=code, title=title, details=details)
        case Action.WAIT_TEMPLATE | Action.BLOCK_ACCOUNT | Action.BLOCK_WABA | Action.BACK_OFF:
            return Release(0.0, refunds=True, code=code, title=title, details=details)
        case Action.SLOW_DOWN:
            return Release(_THROTTLE_SECONDS, refunds=True, code=code, title=title, details=details)
        case Action.WAIT_RECIPIENT:
            wait = float(_PAIR_BASE ** min(attempt.pair_refusals, _PAIR_MOST))
            return Release(wait, refunds=True, code=code, title=title, details=details, is_pair_refusal=True)
        case Action.RETRY:
            if attempt.attempts >= _budget(failure, max_attempts):
                return failed
            wait = max(_retry_wait(attempt, retry_seconds), failure.cooldown_seconds)
            return Release(wait, refunds=False, code=code, title=title, details=details)
        case Action.SWITCH_ACCOUNT:
            return _switch_account(attempt, failed, usable, max_attempts, retry_seconds)
        case _:
            assert_never(failure.action)


def _switch_account(
    attempt: Attempt, failed: Settle, usable: AbstractSet[int], max_attempts: int, retry_seconds: float
) -> Settlement:
    """Return the decision about a message that failed by the account's fault.

    Such a failure does not make the message `failed` while attempts are left (docs/decisions/0004). Another account
    sends the message next. When all accounts have failed to send the message, all of them may try again after a wait.
    If no account is usable, the message waits for an account, and this attempt does not count.
    """
    refused = attempt.refused_by | {attempt.account_id}
    is_round_over = usable <= refused
    if usable and attempt.attempts >= max_attempts:
        return failed
    return Release(
        wait_seconds=_retry_wait(attempt, retry_seconds) if is_round_over and usable else 0.0,
        refunds=not usable,
        code=failed.code,
        title=failed.title or "",
        details=failed.details or "",
        refusing=attempt.account_id,
        forgets=is_round_over,
    )


def _budget(failure: Failure, max_attempts: int) -> int:
    return max_attempts if failure.max_attempts is None else min(failure.max_attempts, max_attempts)


def _retry_wait(attempt: Attempt, retry_seconds: float) -> float:
    return min(retry_seconds * 2.0 ** min(attempt.attempts - 1, 20), _RETRY_MOST_SECONDS)
