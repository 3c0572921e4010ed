"""Applies the effects of a `failed` status in a webhook, other than the status `failed` itself.

The message may become pending again, so that another account sends it. The failure may lengthen a streak of failures of
the account. The person may have opted out.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import itemgetter

from campaigns.config import Settings
from campaigns.domain.account import FailureRecord
from campaigns.domain.campaign import ENDED, CampaignStatus
from campaigns.domain.failures import explain_failure, find_failure
from campaigns.domain.message import Status
from campaigns.domain.settlement import Attempt, Release, settle
from campaigns.domain.verdict import Action, Failure, Rejected, Scope
from campaigns.store import events
from campaigns.store.accounts import StreakOutcomes, StreakResult, count_reported, find_categories
from campaigns.store.database import Connection
from campaigns.store.messages import ACCEPTED_OR_IN_FLIGHT, ReleaseRow, release_messages
from campaigns.store.templates import Recategorised, recategorise_template
from webhooks.applier.match import Match

# No webhook makes a message of a campaign in one of these statuses pending again, because a webhook may come days late.
_NOT_RUNNING = frozenset({*ENDED, CampaignStatus.DRAFT})


def move_refused(connection: Connection, matches: Sequence[Match], settings: Settings) -> list[Match]:
    """Make messages pending again that Meta refused because of their account, so that another account sends them.

    Returns the evidence about these messages. The caller must not merge this evidence. A message becomes pending if
    three conditions hold. The refusal is about the last send of the message. No delivery or failure of this send is
    known yet. The campaign of the message is neither a draft nor ended. Afterwards the status is pending, so a second
    copy of the webhook has no effect. A message that was sent before a restore of the database stays as it is: the
    message may have become pending before, and the database may have lost that change.
    """
    refused = [
        match
        for match in matches
        if is_first_failure(match) and _is_account_fault(match) and not match.message.is_recovered
    ]
    if not refused:
        return []
    campaign_ids = sorted({match.message.campaign_id for match in refused})
    statuses = events.lock_campaigns(connection, campaign_ids)
    usable = events.find_usable_accounts(connection, campaign_ids)
    releases: dict[int, ReleaseRow] = {}
    for match in refused:
        if statuses.get(match.message.campaign_id, CampaignStatus.COMPLETED) in _NOT_RUNNING:
            continue
        release = _release(match, usable[match.message.campaign_id], settings)
        if release is not None:
            releases[match.message.id] = ReleaseRow(match.message.id, match.message.send_no, release)
    moved = release_messages(
        connection, list(releases.values()), campaign_ids=campaign_ids, from_statuses=ACCEPTED_OR_IN_FLIGHT
    )
    return [match for match in refused if match.message.id in moved]


def _release(match: Match, usable: set[int], settings: Settings) -> Release | None:
    """Return the release of the message, or None if the message has no attempt left and stays failed."""
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
    return settlement if isinstance(settlement, Release) else None


def count_reports(connection: Connection, matches: Sequence[Match]) -> tuple[list[StreakResult], list[Recategorised]]:
    """Update each account's streak of failures that webhooks report, for messages sent since its last activation.

    Each account has a second streak, of failures in HTTP replies. This function does not change the second streak.
    Returns the streaks with failures, and the templates for which a refusal has named another category.
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
    counts = [StreakOutcomes(account_id, about, None, tuple(each)) for (account_id, about), each in outcomes.items()]
    bad = {(each.account_id, each.category) for each in counts if each.has_failure and each.category}
    good = {
        _pair(match)
        for match in reports
        if match.merged.status is not Status.FAILED and (_pair(match)[1], categories.get(_pair(match), "")) not in bad
    }
    return count_reported(connection, counts, good=good), _name_categories(connection, failed, categories)


def count_blames(matches: Sequence[Match]) -> dict[tuple[int, str], int]:
    """Count the messages that Meta has accepted, or may have, and now reports as failed: by account and blame.

    Each message is counted once, because a second report finds it failed, pending or delivered.
    """
    return Counter(
        (match.message.account_id, explain_failure(match.merged.error_code).blame.value)
        for match in matches
        if match.message.account_id is not None and is_first_failure(match)
    )


def _order_reports(matches: Sequence[Match]) -> Sequence[Match]:
    """Return reports in the order of Meta's times, so that only failures after the last success are counted."""
    is_ordered = any(match.merged.status is Status.FAILED for match in matches)
    return sorted(matches, key=_order) if is_ordered else matches


def _is_counted(match: Match) -> bool:
    """Return whether a report counts in a streak of the account that sent the message.

    The report must be about the last send, and the account must not have been activated since that send. A failure
    counts once, and only if the account is at fault.
    """
    message = match.message
    if message.account_id is None or not message.is_since_activation or match.send_no != message.send_no:
        return False
    if match.merged.status is Status.FAILED:
        return is_first_failure(match) and _is_account_fault(match)
    # A `sent` does not count if its message was refused and is pending again.
    return match.is_current or match.merged.status is not Status.SENT


def _name_categories(
    connection: Connection, failed: Sequence[Match], categories: Mapping[tuple[int, int], str]
) -> list[Recategorised]:
    """Store the categories that refusals name for templates, if they differ from the known categories."""
    named = {}
    for match in failed:
        category = _failure(match).category
        if category not in ("", categories.get(_pair(match))):
            named[_pair(match)] = match
    recategorised = []
    for (campaign_id, account_id), match in sorted(named.items(), key=itemgetter(0)):
        failure, at = _failure(match), match.merged.failed_at
        assert at is not None  # each `failed` has a time
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
    """Return the ids of messages that Meta refused because of an opt-out, with the newest time of such a refusal."""
    optouts: dict[int, dt.datetime] = {}
    for match in matches:
        at = match.merged.failed_at
        if at is not None and _failure(match).action is Action.FAIL_AND_SUPPRESS:
            optouts[match.message.id] = max(at, optouts.get(match.message.id, at))
    return optouts


def is_first_failure(match: Match) -> bool:
    """Return whether this `failed` is the first report of the failure, and no delivery was reported before it."""
    return (
        match.merged.status is Status.FAILED
        and match.is_current
        and Status(match.message.status) in ACCEPTED_OR_IN_FLIGHT
    )


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
