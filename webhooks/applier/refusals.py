"""The effects of a webhook's `failed` beyond its row: a send by another account, a streak of an account, an opt-out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from operator import itemgetter

from campaigns.config import Settings
from campaigns.domain.account import FailureRecord
from campaigns.domain.failures import find_failure
from campaigns.domain.message import Status
from campaigns.domain.settlement import Attempt, Release, settle
from campaigns.domain.verdict import Action, Failure, Rejected, Scope
from campaigns.store import events
from campaigns.store.accounts import Counted, Outcomes, count_reported, find_categories
from campaigns.store.database import Connection
from campaigns.store.messages import ACCEPTED_OR_OUT, ReleaseRow, release_messages
from campaigns.store.templates import Recategorised, recategorise_template
from webhooks.applier.match import Match

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
    usable = events.usable_accounts_of(connection, campaign_ids)
    releases: dict[int, ReleaseRow] = {}
    for match in refused:
        if statuses.get(match.message.campaign_id, "completed") in _OVER:
            continue
        release = _release(match, usable[match.message.campaign_id], settings)
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


def count_reports(connection: Connection, matches: Sequence[Match]) -> tuple[list[Counted], list[Recategorised]]:
    """Update the second streaks of accounts by webhooks about messages sent since their last activation.

    Returns the streaks with failures, and the templates whose category a refusal has named.
    """
    reports = [match for match in _order_reports(matches) if _is_counted(match)]
    failed = [match for match in reports if match.merged.status is Status.FAILED]
    categories: dict[tuple[int, int], str] = {}
    if any(_failure(match).scope is Scope.CATEGORY for match in failed):
        categories = find_categories(connection, {_pair(match) for match in reports})
    outcomes: dict[tuple[int, str | None], list[FailureRecord | None]] = {}
    for match in reports:
        account_id, category = _pair(match)[1], categories.get(_pair(match))
        if match.merged.status is Status.FAILED:
            about = _failure(match).find_category(category or "")
            outcomes.setdefault((account_id, about), []).append(_record(match))
            continue
        for about in {None, category}:
            outcomes.setdefault((account_id, about), []).append(None)
    counts = [Outcomes(account_id, about, None, tuple(each)) for (account_id, about), each in outcomes.items()]
    bad = {(each.account_id, each.category) for each in counts if each.has_failure and each.category}
    good = {
        _pair(match)
        for match in reports
        if match.merged.status is not Status.FAILED and (_pair(match)[1], categories.get(_pair(match), "")) not in bad
    }
    return count_reported(connection, counts, good=good), _name_categories(connection, failed, categories)


def _order_reports(matches: Sequence[Match]) -> Sequence[Match]:
    """Return reports in Meta's order, so that the failures after the last success, if there is one, can be counted."""
    is_ordered = any(match.merged.status is Status.FAILED for match in matches)
    return sorted(matches, key=_order) if is_ordered else matches


def _is_counted(match: Match) -> bool:
    """Tell whether a report is about the account that sent the message, and is the first such report of the message."""
    message = match.message
    if message.account_id is None or not message.is_since_activation or match.send_no != message.send_no:
        return False
    if match.merged.status is Status.FAILED:
        return is_news(match) and _is_account_fault(match)
    return match.is_current or match.merged.status is not Status.SENT  # else its refusal is known already


def _name_categories(
    connection: Connection, failed: Sequence[Match], categories: Mapping[tuple[int, int], str]
) -> list[Recategorised]:
    """Write the categories that refusals name for templates, where they differ from the known ones."""
    named = {}
    for match in failed:
        category = _failure(match).category
        if category not in ("", categories.get(_pair(match))):
            named[_pair(match)] = match
    recategorised = []
    for (campaign_id, account_id), match in sorted(named.items(), key=itemgetter(0)):
        failure, at = _failure(match), match.merged.failed_at
        assert at is not None  # each `failed` has its time
        recategorised.append(
            recategorise_template(
                connection, campaign_id, account_id, category=failure.category, code=failure.code, at=at
            )
        )
    return [each for each in recategorised if each is not None]


def _pair(match: Match) -> tuple[int, int]:
    assert match.message.account_id is not None
    return match.message.campaign_id, match.message.account_id


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
