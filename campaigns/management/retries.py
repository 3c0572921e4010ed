"""Sends failed or uncertain messages again at an operator's request. The attempts of each message start from 0."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from campaigns.domain.campaign import CampaignFacts, CampaignStatus, Command, Move, decide_move
from campaigns.domain.failures import FAILURES, explain_failure, explain_uncertain, find_failure
from campaigns.domain.message import Status
from campaigns.domain.statement import Count, Kind, Refusal, Sentence
from campaigns.domain.users.actor import Act, Actor
from campaigns.domain.verdict import Retry
from campaigns.management.campaigns import lock_campaign
from campaigns.management.hours.nights import Night, find_night
from campaigns.management.hours.quiet_hours import QuietHours
from campaigns.management.lifecycle import write_moves
from campaigns.management.reports import find_campaign, is_template_stopped
from campaigns.store import campaigns as store
from campaigns.store.database import Connection, Database, read_clock
from campaigns.store.events import count_unapplied, find_newest_event_id
from campaigns.store.messages import (
    FailedCount,
    UncertainCount,
    count_failed,
    count_failed_by_zone,
    count_uncertain,
    count_uncertain_by_zone,
    retry_messages,
    retry_uncertain,
)
from campaigns.store.users.audit import write_audit

ALL = frozenset(Retry)
# The name that stands for all classes.
ALL_NAME = "all-retryable"

# The maximum number of messages in one transaction. Settlements and releases of the campaign's messages wait until the
# transaction ends.
_MOST_AT_ONCE = 20_000
_LOOK_SECONDS = 0.1


# In these statuses a retry lets messages leave. A person is asked about a paused campaign when it is resumed.
_SENDS_AFTER_RETRY = frozenset({CampaignStatus.RUNNING, CampaignStatus.COMPLETED})


@dataclass(frozen=True, slots=True)
class Retried:
    """The result of a retry, or of its preview.

    `time_zone`: the campaign's time zone. `again`: the numbers of messages to send again, by error code. `left`: the
    numbers of messages that stay failed, by error code. `move`: the campaign's change of status; None in a preview, or
    if no message is sent again. `has_more`: after one batch, more messages may be left to send again.
    """

    campaign: Sentence
    time_zone: str
    again: list[FailedCount]
    left: list[FailedCount]
    move: Move | None = None
    has_more: bool = False

    @property
    def count(self) -> int:
        return sum(each.count for each in self.again)

    @property
    def waiting_count(self) -> int:
        return sum(each.waiting_count for each in self.again)

    @property
    def waits_until(self) -> dt.datetime | None:
        """The time at which the last waiting message may be sent."""
        return max((each.waits_until for each in self.again if each.waits_until is not None), default=None)


@dataclass(frozen=True, slots=True)
class UncertainRetry:
    """The result of a retry of uncertain messages, or of its preview.

    `count`: the number of people who may get the message twice. `move`: the campaign's change of status; None in a
    preview, or if no message is sent again.
    """

    campaign: Sentence
    time_zone: str
    reasons: list[UncertainCount]
    count: int
    move: Move | None = None

    @property
    def suppressed_count(self) -> int:
        return sum(each.suppressed_count for each in self.reasons)

    @property
    def erased_count(self) -> int:
        return sum(each.erased_count for each in self.reasons)

    @property
    def newest_at(self) -> dt.datetime | None:
        """The time at which the last of these messages may have been sent."""
        return max((each.newest_at for each in self.reasons if each.count), default=None)


@dataclass(frozen=True, slots=True)
class RetryLine:
    """Messages with one code. `meaning`: that of the code. `retry`: their class; None: a retry does not help."""

    counted: FailedCount
    meaning: str
    retry: Retry | None


@dataclass(frozen=True, slots=True)
class RetryLook:
    """What a person reads before a retry of failed messages. Nothing was changed or locked.

    `again`: the messages that go again. `left`: the messages that stay failed. `refusal`: why the campaign takes no
    retry; None if it takes one. `is_template_stopped`: the template cannot be sent now. `nights`: as
    `find_retry_nights` returns them.
    """

    campaign: store.CampaignListing
    again: Sequence[RetryLine]
    left: Sequence[RetryLine]
    refusal: Refusal | None
    is_template_stopped: bool
    nights: Sequence[Night]

    @property
    def count(self) -> int:
        return sum(each.counted.count for each in self.again)

    @property
    def left_count(self) -> int:
        return sum(each.counted.count for each in self.left)


@dataclass(frozen=True, slots=True)
class UncertainLine:
    """Messages that are uncertain for one reason, with its meaning."""

    counted: UncertainCount
    meaning: str


@dataclass(frozen=True, slots=True)
class UncertainLook:
    """The uncertain messages of a campaign. Nothing was changed or locked.

    `count`: the number of people who may get the message twice by a retry. `unapplied_count`: the number of stored
    webhook events that are still to be applied, and may settle some of these messages. `refusal`: why the campaign
    takes no retry; None if it takes one.
    """

    campaign: store.CampaignListing
    lines: Sequence[UncertainLine]
    unapplied_count: int
    refusal: Refusal | None

    @property
    def count(self) -> int:
        return sum(each.counted.count for each in self.lines)

    @property
    def suppressed_count(self) -> int:
        return sum(each.counted.suppressed_count for each in self.lines)

    @property
    def erased_count(self) -> int:
        return sum(each.counted.erased_count for each in self.lines)

    @property
    def total(self) -> int:
        return self.count + self.suppressed_count + self.erased_count

    @property
    def oldest_at(self) -> dt.datetime | None:
        """The time at which the first of these messages may have been sent."""
        return min((each.counted.oldest_at for each in self.lines), default=None)

    @property
    def newest_at(self) -> dt.datetime | None:
        return max((each.counted.newest_at for each in self.lines), default=None)


def find_classes(name: str) -> frozenset[Retry]:
    """Return the classes with this name. Raises ValueError if there is no such class."""
    return ALL if name == ALL_NAME else frozenset({Retry(name)})


def look_at_retry(
    database: Database, campaign_id: int, classes: frozenset[Retry], *, quiet: QuietHours | None
) -> RetryLook:
    """Return what a person reads before `retry_failed`. Raises Refusal if there is no such campaign.

    The function reads all messages of the campaign. `quiet`: as for `find_nights`.
    """

    def look(connection: Connection) -> RetryLook:
        row = find_campaign(connection, campaign_id)
        again, left = _divide(count_failed(connection, campaign_id, _later_seconds()), classes)
        stopped = is_template_stopped(connection, row)
        return RetryLook(row, _explain(again), _explain(left), _refuse(row), stopped, ())

    looked = database.run(look)
    if looked.refusal is not None or not looked.count:
        return looked
    return replace(looked, nights=find_retry_nights(database, campaign_id, classes, quiet=quiet))


def look_at_uncertain(database: Database, campaign_id: int) -> UncertainLook:
    """Return the uncertain messages of a campaign by reason. Raises Refusal if there is no such campaign.

    The function reads all messages of the campaign if its counters show an uncertain one.
    """

    def look(connection: Connection) -> UncertainLook:
        row = find_campaign(connection, campaign_id)
        counts = count_uncertain(connection, campaign_id) if row.counts.get(Status.UNCERTAIN) else []
        lines = [UncertainLine(each, explain_uncertain(each.error_code).meaning) for each in counts]
        return UncertainLook(row, lines, _count_waiting(connection), _refuse(row))

    return database.run(look)


def count_waiting_webhooks(database: Database) -> int:
    """Return the number of stored webhook events that are still to be applied."""
    return database.run(_count_waiting)


def _count_waiting(connection: Connection) -> int:
    return count_unapplied(connection, up_to=find_newest_event_id(connection))


def _explain(counts: Sequence[FailedCount]) -> list[RetryLine]:
    return [RetryLine(each, explain_failure(each.error_code).meaning, _find_retry(each.error_code)) for each in counts]


def _find_retry(code: int | None) -> Retry | None:
    return None if code is None else find_failure(code).retry


def _refuse(row: store.CampaignListing) -> Refusal | None:
    """Return why a campaign takes no retry; None if it takes one."""
    facts = CampaignFacts(row.id, row.name, CampaignStatus(row.status), expire_at=row.expire_at)
    try:
        decide_move(Command.RETRY, facts, now=row.server_now)
    except Refusal as refusal:
        return refusal
    return None


def preview_retry(database: Database, campaign_id: int, classes: frozenset[Retry]) -> Retried:
    """Return the messages that `retry_failed` would send again, but change nothing. Raises Refusal."""
    return database.run(_look, campaign_id, classes)


def retry_failed(
    database: Database, campaign_id: int, classes: frozenset[Retry], *, actor: Actor, is_one_batch: bool = False
) -> Retried:
    """Make the failed messages whose kind of retry is in `classes` pending again. A completed campaign runs again.

    Uncertain messages stay uncertain. The caller enqueues the campaign if `should_enqueue` of the result's `move` is
    set. If there are many messages, they become pending again in several transactions. If the process ends between two
    transactions, the other messages stay failed, and another retry can send them. `is_one_batch`: only the first
    20,000 messages, in one transaction.

    Raises Refusal.
    """
    planned = database.run(_look, campaign_id, classes)
    codes = [each.error_code for each in planned.again if each.error_code is not None]
    again: dict[int | None, FailedCount] = {}
    after, first_move, has_more = 0, None, bool(codes)
    while has_more:
        counts, after, move = database.run(_retry, campaign_id, codes, actor, after=after)
        first_move = first_move or move
        for each in counts:
            again[each.error_code] = _add(again.get(each.error_code), each)
        has_more = sum(each.count for each in counts) >= _MOST_AT_ONCE
        if is_one_batch:
            break
    return replace(planned, again=list(again.values()), move=first_move, has_more=has_more)


def find_retry_nights(
    database: Database, campaign_id: int, classes: frozenset[Retry], *, quiet: QuietHours | None
) -> list[Night]:
    """Find for how many people it is night when `retry_failed` lets their messages leave.

    The result is empty if it is night for nobody, or if the retry is refused or lets no message leave.
    `quiet`: as for `find_nights`.
    """
    later = {code: row.later_seconds for code, row in FAILURES.items() if row.retry in classes}

    def look(connection: Connection) -> list[Night]:
        counts = count_failed_by_zone(connection, campaign_id, later)
        return _judge_nights(connection, campaign_id, counts, quiet)

    return database.run(look)


def find_uncertain_nights(database: Database, campaign_id: int, *, quiet: QuietHours | None) -> list[Night]:
    """Find for how many people it is night when `retry_uncertain_messages` lets their messages leave.

    The result is empty as for `find_retry_nights`.
    """

    def look(connection: Connection) -> list[Night]:
        now = read_clock(connection)
        counts = count_uncertain_by_zone(connection, campaign_id)
        return _judge_nights(connection, campaign_id, {(zone, now): count for zone, count in counts.items()}, quiet)

    return database.run(look)


def _judge_nights(
    connection: Connection,
    campaign_id: int,
    counts: Mapping[tuple[int, dt.datetime], int],
    quiet: QuietHours | None,
) -> list[Night]:
    rows = store.list_campaigns(connection, [campaign_id])
    found = [find_night(connection, row, counts, quiet) for row in rows if row.status in _SENDS_AFTER_RETRY]
    return [night for night in found if night is not None]


def preview_uncertain(database: Database, campaign_id: int) -> UncertainRetry:
    """Return the messages that `retry_uncertain_messages` would send again.

    Changes nothing, and does not wait until webhooks are applied. Raises Refusal.
    """
    return database.run(_count_uncertain, campaign_id)


def retry_uncertain_messages(
    database: Database, campaign_id: int, *, actor: Actor, at_most: int | None = None, wait_seconds: float | None = 10.0
) -> UncertainRetry:
    """Make the uncertain messages pending again. Each message may arrive twice. A completed campaign runs again.

    `at_most`: the maximum number of messages, to which the operator has agreed; by now a running campaign may have more
    uncertain messages. The function first calls `await_webhooks`. `wait_seconds` None: the caller has called it. A
    later webhook still settles a message that was not claimed again yet. The caller enqueues the campaign if
    `should_enqueue` of the result's `move` is set.

    Raises Refusal.
    """
    planned = database.run(_count_uncertain, campaign_id)
    if not planned.count:
        return planned
    if wait_seconds is not None:
        await_webhooks(database, wait_seconds=wait_seconds)
    left = planned.count if at_most is None else at_most
    count, after, first_move = 0, 0, None
    while left > count:
        limit = min(_MOST_AT_ONCE, left - count)
        done, after, move = database.run(_retry_uncertain_batch, campaign_id, actor, after=after, limit=limit)
        first_move = first_move or move
        count += done
        if done < limit:
            break
    return replace(planned, count=count, move=first_move)


def await_webhooks(database: Database, *, wait_seconds: float = 10.0) -> None:
    """Wait until all webhooks that are stored now are applied, before uncertain messages are sent again.

    Messages that these webhooks settle must not be sent again. Raises Refusal after `wait_seconds`.
    """
    newest = database.run(find_newest_event_id)
    deadline = time.monotonic() + wait_seconds
    while waiting := database.run(count_unapplied, up_to=newest):
        if time.monotonic() > deadline:
            raise Refusal(
                "webhooks_not_applied",
                "Stored webhooks are not applied yet ({events}), and messages that they settle must not be sent again."
                " Is a process running for the queue `webhooks` (role `events`)?",
                kind=Kind.AWAY,
                events=Count(waiting, "webhook event"),
            )
        time.sleep(_LOOK_SECONDS)


def _count_uncertain(connection: Connection, campaign_id: int) -> UncertainRetry:
    reasons = count_uncertain(connection, campaign_id)
    campaign, _ = _decide(connection, campaign_id)
    return UncertainRetry(campaign.facts.identify(), campaign.time_zone, reasons, sum(each.count for each in reasons))


def _retry_uncertain_batch(
    connection: Connection, campaign_id: int, actor: Actor, *, after: int, limit: int
) -> tuple[int, int, Move | None]:
    """Make one batch of uncertain messages pending again.

    Return the number of messages in the batch, the last id in the batch, and the campaign's `Move`.
    """
    _, move = _decide(connection, campaign_id)
    count, last_id = retry_uncertain(connection, campaign_id, after=after, limit=limit)
    if not count:
        return 0, last_id, None
    write_moves(connection, [move])
    _write_audit(connection, actor, Act.CAMPAIGN_RETRY_UNCERTAIN, move, count=count)
    return count, last_id, move


def _write_audit(connection: Connection, actor: Actor, act: Act, move: Move, **after: object) -> None:
    write_audit(connection, actor, act, move.id, before={"status": move.old}, after={"status": move.new, **after})


def _look(connection: Connection, campaign_id: int, classes: frozenset[Retry]) -> Retried:
    # The messages are counted before the campaign is locked, because settlements of its messages wait for that lock.
    counts = count_failed(connection, campaign_id, _later_seconds())
    campaign, _ = _decide(connection, campaign_id)
    return Retried(campaign.facts.identify(), campaign.time_zone, *_divide(counts, classes))


def _divide(counts: Sequence[FailedCount], classes: frozenset[Retry]) -> tuple[list[FailedCount], list[FailedCount]]:
    """Return the messages to send again, and the messages that stay failed."""
    again: list[FailedCount] = []
    left: list[FailedCount] = []
    for each in counts:
        (again if _find_retry(each.error_code) in classes else left).append(each)
    return again, left


def _retry(
    connection: Connection, campaign_id: int, codes: Sequence[int], actor: Actor, *, after: int
) -> tuple[list[FailedCount], int, Move | None]:
    """Make one batch of failed messages pending again.

    Return the counts of the batch by error code, the last id in the batch, and the campaign's `Move`.
    """
    _, move = _decide(connection, campaign_id)
    later = {code: find_failure(code).later_seconds for code in codes}
    retried = retry_messages(connection, campaign_id, later, after=after, limit=_MOST_AT_ONCE)
    if not retried:
        return [], after, None
    write_moves(connection, [move])
    _write_audit(
        connection, actor, Act.CAMPAIGN_RETRY, move, count=sum(row.count for row in retried), codes=list(codes)
    )
    counts = [FailedCount(r.error_code, r.title, r.count, r.waiting_count, r.waits_until) for r in retried]
    return counts, max(row.last_id for row in retried), move


def _decide(connection: Connection, campaign_id: int) -> tuple[store.LockedCampaign, Move]:
    campaign = lock_campaign(connection, campaign_id)
    return campaign, decide_move(Command.RETRY, campaign.facts, now=campaign.server_now)


def _later_seconds() -> dict[int, float]:
    return {code: row.later_seconds for code, row in FAILURES.items() if row.later_seconds}


def _add(one: FailedCount | None, other: FailedCount) -> FailedCount:
    if one is None:
        return other
    times: Iterable[dt.datetime] = [at for at in (one.waits_until, other.waits_until) if at is not None]
    return replace(
        one,
        count=one.count + other.count,
        waiting_count=one.waiting_count + other.waiting_count,
        waits_until=max(times, default=None),
    )
