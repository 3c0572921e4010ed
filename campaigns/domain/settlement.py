"""What becomes of a claimed message after its reply: one pure decision per verdict, applied in sets elsewhere."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import assert_never

from campaigns.domain.message import Status
from campaigns.domain.verdict import Accepted, Action, Failure, NotSent, Rejected, Unknown, Verdict

# Pair limit: 4^n seconds for the n-th refusal in a row, up to about an hour.
_PAIR_BASE = 4
_PAIR_MOST = 6
_RETRY_MOST_SECONDS = 600.0
# After a throttle the rate is what holds the next try back; this only parts it from the same instant.
_THROTTLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A claimed message as its runner knows it. `attempts` counts this one; `send_no` numbers it.

    `refused_by`: accounts that could not send it; `pair_refusals`: how often it met the pair limit before.
    """

    message_id: int
    send_no: int
    attempts: int
    account_id: int
    refused_by: frozenset[int] = frozenset()
    pair_refusals: int = 0


@dataclass(frozen=True, slots=True)
class Settle:
    """Evidence: the status climbs to `status`. `code`, `title` and `details` say why, where it is bad news."""

    status: Status
    wamid: str | None = None
    code: int | None = None
    title: str | None = None
    details: str | None = None
    suppresses: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """Nothing was accepted: back to pending, to be tried after `wait_seconds`.

    `refunds`: no attempt was used. `refusing`: this account could not send it, another one shall; `forgets`: all have
    refused it, so the round starts again.
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
    """Decide what becomes of `attempt`.

    `usable` are the campaign's active accounts after this reply was counted; `retry_seconds` is the wait before a
    second attempt, doubled with each further one.
    """
    match verdict:
        case Accepted(wamid, is_held):
            return Settle(Status.HELD if is_held else Status.SENT, wamid=wamid)
        case Unknown(reason, code):
            return Settle(Status.UNCERTAIN, code=code, title=reason)
        case NotSent(reason):
            return Release(wait_seconds=0.0, refunds=True, code=None, title=reason)
        case Rejected():
            return _settle_rejected(verdict, attempt, usable, max_attempts, retry_seconds)
        case _:
            assert_never(verdict)


def _settle_rejected(  # noqa: PLR0911  one return per row of the table
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
        case Action.DOUBT:
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
            wait = max(_retry_wait(attempt, retry_seconds), failure.rest_seconds)
            return Release(wait, refunds=False, code=code, title=title, details=details)
        case Action.SWITCH_ACCOUNT:
            return _switch_account(attempt, failed, usable, max_attempts, retry_seconds)
        case _:
            assert_never(failure.action)


def _switch_account(
    attempt: Attempt, failed: Settle, usable: AbstractSet[int], max_attempts: int, retry_seconds: float
) -> Settlement:
    """Decide for a failure of the account, which is not the recipient's loss: see docs/decisions/0004.

    Another account tries next; when all have refused, the round starts again after a wait, while attempts are left.
    With no active account at all the message waits for one, and this try does not count.
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
