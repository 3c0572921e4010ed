"""Applies stored webhook bodies in sets.

Evidence (Meta's reports about messages) raises the statuses of messages. If Meta has refused a message, another account
may send the message. Opt-outs and events are stored and logged. Some events are also sent as alerts. Replies of people
are counted.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from campaigns.alerts import Alerts
from campaigns.clock import clock
from campaigns.config import Settings
from campaigns.logs import event
from campaigns.sending.settlement import report_category_change, report_deactivation
from campaigns.store import events
from campaigns.store.accounts import StreakResult
from campaigns.store.continuity import load_identity
from campaigns.store.database import (
    Connection,
    Database,
    DatabaseUnavailable,
    DataError,
    LockTimeout,
    commit_lazily,
)
from campaigns.store.events import DeferredEvent, EventStatus, StoredEvent, Taken
from campaigns.store.history.samples import add_replies
from campaigns.store.messages import merge_evidence
from campaigns.store.optouts.suppressions import suppress_refusing
from campaigns.store.templates import Recategorised
from webhooks.applier.apply_optouts import OptOutResult, write_optouts
from webhooks.applier.apply_replies import write_replies
from webhooks.applier.apply_reports import keep_account_event, write_template_event
from webhooks.applier.evidence import Evidence
from webhooks.applier.match import MatchResult, match_evidence, split_rounds
from webhooks.applier.merge import GroupKey, group_key, merge
from webhooks.applier.parse import ParsedEvent, dead_letter_body, parse_event
from webhooks.applier.people import People
from webhooks.applier.refusals import count_blames, count_reports, find_optouts, move_refused

_log = logging.getLogger(__name__)

# One call of `apply_events` applies at most this many sets. If more bodies may be due, the task enqueues another task.
_MAX_SETS = 50
# After this many attempts without success a body becomes a dead letter, because the body may crash each worker that
# applies it. From the second attempt on, a body is applied alone.
_MAX_ATTEMPTS = 5
# The maximum number of pieces (statuses, opt-outs and replies) that one transaction applies from one body. Meta puts at
# most 1,000 into a body. The pieces of a larger body are stored as bodies of this size, and later sets apply them.
MAX_PIECES = 2_000
# The maximum number of pieces that one transaction applies from several bodies. More pieces would not cost less each,
# and would lock the counters of campaigns for longer.
_MAX_SET_PIECES = 3_000


@dataclass(slots=True)
class Applied:
    """The result of one call of `apply_events`. `to_enqueue`: the ids of the campaigns that need not wait any more.

    `delays`: for each new body, the seconds from its receipt until it was applied.
    """

    event_count: int = 0
    delays: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    to_enqueue: list[int] = field(default_factory=list)
    is_more_left: bool = False


@dataclass(slots=True)  # not frozen, because a frozen object takes three times as long to make
class _ReadBody:
    """A stored body with its content."""

    stored: StoredEvent
    parsed: ParsedEvent
    pieces: Sequence[bytes] = ()  # parts of the body that are to be stored as bodies of their own


def apply_events(database: Database, settings: Settings, alerts: Alerts) -> Applied:
    """Apply the stored bodies that are due, set by set.

    Bodies that come meanwhile are left to the task that the receiver enqueues for them. If this task took them as they
    come, each set would have only a few bodies, and the work for a set costs as much as that for dozens of bodies.
    """
    applied = Applied()
    applier = _Applier(database, settings, alerts, applied)
    done_id: int | None = None
    since: dt.datetime | None = None
    for _ in range(_MAX_SETS):
        try:
            taken = database.run(
                events.take_events, retry_seconds=settings.apply_retry_seconds, done_id=done_id, since=since
            )
        except LockTimeout:  # another process is taking bodies, and is frozen; what was applied here is still reported
            _log_waiting(0)
            break
        taken_at = clock()
        applied.event_count += len(taken.bodies)
        done_id, since, later_count = taken.take_id, taken.since, applied.counts["bodies for later"]
        try:
            _apply_taken(applier, taken.bodies)
        except LockTimeout:
            # The bodies did not cause the timeout. If this attempt counted, each body would be applied alone from now
            # on, and would become a dead letter after some attempts.
            database.run(events.give_back_events, taken)
            _log_waiting(len(taken.bodies))
            done_id = None
            break
        applied.delays += _list_delays(taken, clock() - taken_at)
        if not taken.is_cut_off and applied.counts["bodies for later"] == later_count:
            break
    else:
        applied.is_more_left = True
    if done_id is not None:
        database.run(events.end_take, done_id)
    if applied.event_count:
        _log_applied(applied)
    return applied


def _list_delays(taken: Taken, seconds: float) -> list[float]:
    """Return the seconds from the receipt of each new body until now. `seconds`: the time since the bodies were taken.

    Unmatched bodies are left out: they are tried again for days, so their delays say nothing about the load.
    """
    return [
        max((taken.at - each.received_at).total_seconds(), 0.0) + seconds
        for each in taken.bodies
        if each.status is EventStatus.STORED
    ]


def _apply_taken(applier: _Applier, taken: Sequence[StoredEvent]) -> None:
    applier.apply([stored for stored in taken if stored.attempts == 1 or stored.status is EventStatus.UNMATCHED])
    for stored in taken:
        if stored.attempts > 1 and stored.status is not EventStatus.UNMATCHED:
            applier.apply_suspect(stored)


def _log_waiting(event_count: int) -> None:
    bound = event("webhooks_waiting", events=event_count)
    _log.warning("Webhook events wait for rows that other transactions have locked", extra=bound)


def _log_applied(applied: Applied) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in sorted(applied.counts.items()))
    level = logging.WARNING if applied.counts["set aside"] else logging.INFO
    bound = event("webhooks_applied", events=applied.event_count)
    _log.log(level, "Applied %s webhook events: %s", applied.event_count, counts or "nothing of ours", extra=bound)


def _log_error(error: Exception) -> None:
    _log.error("A webhook event is a dead letter; the others are applied", exc_info=error, extra=event("webhook_error"))


class _Applier:
    """Applies sets of bodies. A set that fails is halved, again and again, until each body that fails is alone."""

    def __init__(self, database: Database, settings: Settings, alerts: Alerts, applied: Applied) -> None:
        self._database, self._settings, self._alerts, self._applied = database, settings, alerts, applied
        self._rules = settings.stop_rules

    def apply(self, taken: Sequence[StoredEvent]) -> None:
        for bodies in _split(map(self._read, taken)):
            self._apply(bodies)

    def _read(self, stored: StoredEvent) -> _ReadBody:
        parsed = self._parse(stored)
        if parsed.piece_count <= MAX_PIECES:
            return _ReadBody(stored, parsed)
        return _ReadBody(stored, parsed.without_pieces(), parsed.list_portions(MAX_PIECES))

    def apply_suspect(self, stored: StoredEvent) -> None:
        """Apply a body that may have crashed a worker: alone, and for a limited number of attempts."""
        if stored.attempts > _MAX_ATTEMPTS:
            reason = f"not applied in {_MAX_ATTEMPTS} attempts"
            self._database.run(events.dead_letter_event, stored.id, reason=reason)
            self._applied.counts["set aside"] += 1
            return
        self.apply([stored])

    def _parse(self, stored: StoredEvent) -> ParsedEvent:
        try:
            return parse_event(stored.body, self._rules).bound_times(stored.received_at)
        except Exception as error:  # noqa: BLE001  a fault of our parser must affect only this body
            _log_error(error)
            return dead_letter_body(stored.body, f"our parser failed: {type(error).__name__}")

    def _apply(self, bodies: Sequence[_ReadBody]) -> None:
        try:
            replies = self._count_replies(bodies)
            outcome = self._database.run(_Transaction(bodies, self._settings).write)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  any error must affect only the part that causes it
            self._isolate(bodies, error)
            return
        self._applied.counts.update(replies + outcome.counts)
        self._applied.to_enqueue.extend(outcome.to_enqueue)
        for account in outcome.counted:
            report_deactivation(account, self._alerts)
        for template in outcome.recategorised:
            report_category_change(template)
        for report in outcome.to_report:
            report(self._alerts)

    def _count_replies(self, bodies: Sequence[_ReadBody]) -> Counter[str]:
        """Count the replies in a transaction of their own, before the transaction that deletes the bodies.

        Both transactions lock messages and then counters. In one transaction, the locks on the messages that people
        answered would follow the locks on the counters, and two such transactions could deadlock.
        """
        plain = [each for body in bodies for each in body.parsed.replies]
        replies = [*plain, *(each for body in bodies for each in body.parsed.optout_replies)]
        if not replies:
            return Counter()
        are_new = self._database.run(write_replies, replies, _gather_people(bodies))
        # Only plain replies are counted as ignored. An opt-out that answers no message of ours counts as an opt-out.
        return +Counter({"replies": sum(are_new), "ignored": len(plain) - sum(are_new[: len(plain)])})

    def _isolate(self, bodies: Sequence[_ReadBody], error: Exception) -> None:
        """Apply each half of a set that failed.

        A single body that failed is split into its parts. A body with only one part becomes a dead letter.
        """
        if len(bodies) > 1:
            middle = len(bodies) // 2
            self._apply(bodies[:middle])
            self._apply(bodies[middle:])
            return
        only = bodies[0]
        pieces = only.parsed.list_pieces()
        if len(pieces) > 1 or (pieces and only.parsed.has_events):
            # Each status, opt-out and reply is stored as a body of its own, for a later set. All other parts are
            # applied now.
            self._apply([_ReadBody(only.stored, only.parsed.without_pieces(), pieces)])
            return
        reason = f"Postgres refuses it: {type(error).__name__}"
        if not isinstance(error, DataError):
            _log_error(error)
            reason = f"it cannot be applied: {type(error).__name__}"
        self._database.run(events.dead_letter_event, only.stored.id, reason=reason)
        self._applied.counts["set aside"] += 1


@dataclass(slots=True)
class _Outcome:
    """The effects of a transaction. These effects are logged and reported after the commit."""

    counts: Counter[str] = field(default_factory=Counter)
    counted: list[StreakResult] = field(default_factory=list)
    recategorised: list[Recategorised] = field(default_factory=list)
    to_enqueue: list[int] = field(default_factory=list)
    to_report: list[Callable[[Alerts], None]] = field(default_factory=list)


def _split(bodies: Iterable[_ReadBody]) -> Iterator[list[_ReadBody]]:
    """Yield sets of bodies. Each set is for a transaction of its own."""
    part: list[_ReadBody] = []
    count = 0
    for body in bodies:
        if part and count + body.parsed.piece_count > _MAX_SET_PIECES:
            yield part
            part, count = [], 0
        part.append(body)
        count += body.parsed.piece_count
    if part:
        yield part


class _Transaction:
    """Writes the effects of a set of bodies in one transaction. After a deadlock, `write` may run again."""

    def __init__(self, bodies: Sequence[_ReadBody], settings: Settings) -> None:
        self._bodies, self._settings = bodies, settings

    def write(self, connection: Connection) -> _Outcome:
        outcome = _Outcome()
        # This transaction locks rows of `tallies`, and slices wait for these locks. So the commit does not wait for the
        # disk. A crash of Postgres may undo the commit. Then the bodies are still stored, and are applied again.
        commit_lazily(connection)
        evidence = [each for body in self._bodies for each in body.parsed.evidence]
        unmatched: dict[GroupKey, str] = {}
        blames: dict[tuple[int, str], int] = {}
        if evidence:
            matched = self._match(connection, evidence)
            moved = move_refused(connection, matched.matches, self._settings)
            moved_ids = {id(match) for match in moved}
            kept = [match for match in matched.matches if id(match) not in moved_ids]
            for rows in split_rounds(kept):
                merge_evidence(connection, rows)
            suppress_refusing(connection, find_optouts(kept))
            outcome.counted, outcome.recategorised = count_reports(connection, matched.matches)
            blames = count_blames(matched.matches)
            unmatched = {merged.key: reason for merged, reason in matched.unmatched}
            outcome.counts.update({"statuses": len(kept), "moved": len(moved), "foreign": len(matched.foreign)})
        opt_outs = write_optouts(
            connection,
            {body.stored.id: body.parsed.optouts for body in self._bodies if body.parsed.optouts},
            _gather_people(self._bodies),
            has_stop_reply=self._settings.stop_reply is not None,
            secret_key=self._settings.secret_key,
        )
        outcome.counts.update({"opt-outs": opt_outs.kept_count, "answers to review": opt_outs.review_count})
        outcome.to_report += opt_outs.to_report
        self._keep_events(connection, outcome)
        self._defer_unmatched(connection, unmatched, opt_outs, outcome)
        if blames:
            # Workers and other appliers write to the same rows of this minute, so these locks come last.
            add_replies(connection, dict(sorted(blames.items())))
        outcome.counts = +outcome.counts
        return outcome

    def _match(self, connection: Connection, evidence: Iterable[Evidence]) -> MatchResult:
        merged = merge(evidence)
        ids = [each.callback.message_id for each in merged if each.callback is not None]
        wamids = [each.wamid for each in merged if each.callback is None]
        found = events.find_messages(connection, ids, wamids)
        return match_evidence(merged, found, installation=load_identity(connection).installation)

    def _defer_unmatched(
        self, connection: Connection, unmatched: dict[GroupKey, str], opt_outs: OptOutResult, outcome: _Outcome
    ) -> None:
        """Store unmatched parts and dead letters as bodies of their own; delete the bodies that are applied."""
        done, deferred = [], []
        all_match = not unmatched and not opt_outs.unmatched
        for body in self._bodies:
            parsed = body.parsed
            if all_match and not parsed.dead_letters and not parsed.ignored:  # nearly every body
                done.append(body.stored.id)
                continue
            parts = []
            if unmatched:
                parts = [
                    (EventStatus.UNMATCHED, unmatched[group_key(each)], parsed.rewrap(index))
                    for index, each in enumerate(parsed.evidence)
                    if group_key(each) in unmatched
                ]
            parts += [
                (EventStatus.UNMATCHED, "the opt-out answers an unknown message", parsed.rewrap_optout(index))
                for index in opt_outs.unmatched.get(body.stored.id, ())
            ]
            if parts or parsed.dead_letters or parsed.ignored:
                outcome.counts["unmatched"] += len(parts)
                outcome.counts["set aside"] += len(parsed.dead_letters)
                outcome.counts["ignored"] += sum(parsed.ignored.values())
            if parts and body.stored.status is EventStatus.UNMATCHED:
                continue  # the body's row stays, with its growing retry intervals and its expiry
            done.append(body.stored.id)
            parts += [(EventStatus.SET_ASIDE, each.reason, each.piece) for each in parsed.dead_letters]
            deferred += [
                DeferredEvent(status, reason, body.stored.received_at, piece) for status, reason, piece in parts
            ]
        events.defer_events(connection, deferred, retry_seconds=self._settings.apply_retry_seconds)
        if pieces := [(body.stored.received_at, piece) for body in self._bodies for piece in body.pieces]:
            events.insert_pieces(connection, pieces)
            outcome.counts["bodies for later"] += len(pieces)
        events.delete_events(connection, done)

    def _keep_events(self, connection: Connection, outcome: _Outcome) -> None:
        for body in self._bodies:
            if not body.parsed.has_events:
                continue
            outcome.counts["template events"] += len(body.parsed.template_events)
            outcome.counts["account events"] += len(body.parsed.account_events)
            retry_seconds = self._settings.template_retry_seconds
            results = [
                write_template_event(connection, template, retry_seconds=retry_seconds)
                for template in body.parsed.template_events
            ]
            results += [keep_account_event(connection, account) for account in body.parsed.account_events]
            for result in results:
                outcome.to_enqueue += result.to_enqueue
                outcome.to_report += result.to_report


def _gather_people(bodies: Iterable[_ReadBody]) -> People:
    people = People()
    for body in bodies:
        if body.parsed.people:
            people.update(body.parsed.people)
    return people
