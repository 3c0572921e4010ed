"""What a webhook's `failed` means beyond the row: another account's turn, an account's streak, an opt-out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from campaigns.config import Settings
from campaigns.domain.account import FailureRecord
from campaigns.domain.failures import find_failure
from campaigns.domain.message import Status
from campaigns.domain.settlement import Attempt, Release, settle
from campaigns.domain.verdict import Action, Failure, Rejected
from campaigns.store import events
from campaigns.store.accounts import Counted, count_reported
from campaigns.store.database import Connection
from campaigns.store.messages import ACCEPTED_OR_OUT, ReleaseRow, release_messages
from webhooks.matching import Match

# A campaign that is over is not opened again by a webhook: what it says may come days late.
_OVER = frozenset({"completed", "cancelled", "draft"})


def move_refused(connection: Connection, matches: Sequence[Match], settings: Settings) -> list[Match]:
    """Put messages back that an account could not send, says Meta; return the evidence that this has used up.

    Nothing that was sent before a restore: what has followed from this refusal already may be forgotten.

    Only the last send, only while it is out, only in a campaign that goes on: what was released before has another
    status by then, so a webhook that comes twice moves a message once.
    """
    refused = [
        match for match in matches if is_news(match) and _is_account_fault(match) and not match.message.is_recovered
    ]
    if not refused:
        return []
    campaign_ids = sorted({match.message.campaign_id for match in refused})
    statuses = events.lock_campaigns(connection, campaign_ids)
    active = events.active_accounts_of(connection, campaign_ids)
    releases: dict[int, ReleaseRow] = {}
    for match in refused:
        if statuses.get(match.message.campaign_id, "completed") in _OVER:
            continue
        release = _release(match, active[match.message.campaign_id], settings)
        if release is not None:
            releases[match.message.id] = release
    moved = release_messages(
        connection, list(releases.values()), campaign_ids=campaign_ids, from_statuses=ACCEPTED_OR_OUT
    )
    return [match for match in refused if match.message.id in moved]


def _release(match: Match, usable: set[int], settings: Settings) -> ReleaseRow | None:
    """Return how the message goes back, or None where its attempts are used up: then it is failed."""
    message, failure = match.message, _failure(match)
    assert message.account_id is not None
    attempt = Attempt(
        message.id, message.send_no, message.attempts, message.account_id, frozenset(message.refused_by or ())
    )
    verdict = Rejected(failure, title=match.merged.error_title, details=match.merged.error_details)
    settlement = settle(
        verdict,
        attempt,
        usable=usable,
        max_attempts=settings.max_attempts,
        retry_seconds=settings.retry_seconds,
    )
    if not isinstance(settlement, Release):
        return None
    return ReleaseRow(
        message_id=message.id,
        send_no=message.send_no,
        wait_seconds=settlement.wait_seconds,
        refunds=settlement.refunds,
        error_code=settlement.code,
        error_title=settlement.title,
        error_details=settlement.details,
        refusing=settlement.refusing,
        forgets=settlement.forgets,
    )


def count_reports(connection: Connection, matches: Sequence[Match]) -> list[Counted]:
    """Move the second streak of each account by what Meta says of messages sent since its last activation."""
    outcomes: dict[int, list[FailureRecord | None]] = {}
    # The order tells how many failures stand behind the last success: without a failure there is nothing to order.
    is_ordered = any(match.merged.status is Status.FAILED for match in matches)
    for match in sorted(matches, key=_order) if is_ordered else matches:
        message = match.message
        if message.account_id is None or not message.is_since_activation or match.send_no != message.send_no:
            continue
        if match.merged.status is Status.SENT and not match.is_current:
            continue  # its refusal is known already
        if match.merged.status is not Status.FAILED:
            outcomes.setdefault(message.account_id, []).append(None)
        elif is_news(match) and _is_account_fault(match):
            outcomes.setdefault(message.account_id, []).append(_record(match))
    return count_reported(connection, outcomes)


def find_optouts(matches: Sequence[Match]) -> dict[int, dt.datetime]:
    """Return the messages whose people do not want more, says Meta (131050), and when it last said so."""
    said: dict[int, dt.datetime] = {}
    for match in matches:
        at = match.merged.failed_at
        if at is not None and _failure(match).action is Action.FAIL_AND_SUPPRESS:
            said[match.message.id] = max(at, said.get(match.message.id, at))
    return said


def is_news(match: Match) -> bool:
    """Tell whether this `failed` is the first word of a failure: not a copy, and not beaten by better evidence."""
    return match.merged.status is Status.FAILED and match.is_current and Status(match.message.status) in ACCEPTED_OR_OUT


def _is_account_fault(match: Match) -> bool:
    return match.merged.error_code is not None and _failure(match).action is Action.SWITCH_ACCOUNT


def _failure(match: Match) -> Failure:
    return find_failure(match.merged.error_code or 0)


def _record(match: Match) -> FailureRecord:
    merged = match.merged
    return {
        "code": merged.error_code or 0,
        "title": merged.error_title,
        "details": merged.error_details,
        "fbtrace_id": "",
        "message_id": match.message.id,
    }


def _order(match: Match) -> tuple[float, int]:
    merged = match.merged
    at = merged.failed_at or merged.read_at or merged.delivered_at or merged.sent_at
    return (at.timestamp() if at else 0.0, match.message.id)
