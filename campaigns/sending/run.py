"""Runs one time slice of one campaign: grant, claim, send and settle, again and again until the slice is over.

A grant takes tokens from the throttle. A claim reserves one message per token in Postgres. A settlement writes the
results of the requests to Postgres.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from campaigns.clock import clock
from campaigns.domain.congestion import FlightWindow
from campaigns.domain.failures import VARIABLES_DO_NOT_FIT
from campaigns.domain.pacing import Reason, Wait
from campaigns.domain.settlement import Release
from campaigns.domain.template import TemplateError
from campaigns.domain.verdict import Rejected, Unknown
from campaigns.logs import event
from campaigns.metrics.counts import counts
from campaigns.sending.accounts import AccountPool
from campaigns.sending.claims import Claimer
from campaigns.sending.daily_quota import DailyQuota
from campaigns.sending.finish import SliceResult, finish_slice, name_end
from campaigns.sending.leases import Lease
from campaigns.sending.progress_log import ProgressLog
from campaigns.sending.requests import RequestBuilder
from campaigns.sending.samples import count_failures
from campaigns.sending.settlement import Decision, InFlight, Settler
from campaigns.sending.start import SliceContext, Tools
from campaigns.sending.template_probation import TemplateProbation
from campaigns.store import leases
from campaigns.store.database import DatabaseError, DatabaseUnavailable
from campaigns.store.messages import Claim
from campaigns.throttle.bucket import ClaimRefusedError, Grant, NextClaim
from campaigns.whatsapp.mailbox import Mailbox, Reply

_log = logging.getLogger("campaigns.sending")

_Unavailable = (DatabaseError, *DatabaseUnavailable)

# After Postgres did not accept a settlement, the slice waits this long before it tries again.
_SETTLE_RETRY_SECONDS = 0.5
# After an error, a slice waits for the replies that are still missing. The slice gives up if no reply arrives within
# the HTTP timeout plus this margin.
_DRAIN_MARGIN_SECONDS = 1.0
# While other campaigns wait for a slot, a slice ends at the latest when it has claimed more than this many messages and
# the minimum time has passed. With a limit of time alone, campaigns would send unequal numbers of messages on a slow
# machine.
_MESSAGES_PER_SLICE = 100
# While the transport is saturated, a slice claims messages only until it has this many requests in flight, and the
# slices of a process together until they have about `_ALL_IN_FLIGHT_WHEN_SATURATED`. Some of these requests wait in a
# queue for a connection. If the process is killed, the messages of the queued requests become uncertain too. A claim of
# fewer than `_LEAST_IN_FLIGHT_WHEN_SATURATED` messages would cost too much for each of them.
_MAX_IN_FLIGHT_WHEN_SATURATED = 128
_LEAST_IN_FLIGHT_WHEN_SATURATED = 32
_ALL_IN_FLIGHT_WHEN_SATURATED = 12_800
# The slices of a process together settle replies about this many times a second at most, if nothing is lost by a longer
# wait for replies. See docs/decisions/0132-a-process-settles-at-most-about-200-times-a-second.md.
_SETTLEMENTS_PER_SECOND = 200
_LONGEST_LINGER_SECONDS = 1.0
# If at least this many slices use an account, the others take its tokens while one of them waits for replies.
_MANY_USERS = 8
# A slice that waits checks its accounts and its campaign at least this often.
_POLL_SECONDS = 1.0
# A slice of a standing campaign looks for new messages at least this often, also while replies are missing.
_STANDING_POLL_SECONDS = 0.1
# A standing campaign without messages gets a slice again after this time. Before that, each posted message enqueues it.
_IDLE_SECONDS = 3600.0


def run_slice(context: SliceContext, tools: Tools) -> bool:
    """Send messages until the slice is over; return whether the caller must enqueue the campaign's next slice."""
    current = Slice(context, tools)
    tools.lease_keeper.add(current.lease, context.account_ids)
    try:
        current.run()
    except BaseException:
        counts.add("revoada_slices_total", "error")
        current.drain()
        raise
    finally:
        current.note_claims()
        tools.lease_keeper.remove(current.lease, context.account_ids)
    result = current.result()
    counts.add("revoada_slices_total", name_end(result))
    return finish_slice(result, context.row, tools.database, tools.alerts)


class Slice:
    """One time slice of one campaign. It occupies one slot of the worker."""

    def __init__(self, context: SliceContext, tools: Tools) -> None:
        row, settings = context.row, tools.settings
        self._tools, self._context, self._started_at = tools, context, clock()
        self._mailbox = Mailbox()
        deadline = tools.lease_keeper.deadline_from(context.asked_at)
        self.lease = Lease(row.id, row.epoch, deadline, wake=self._mailbox.wake)

        self._claimer = Claimer(row, tools.database, now=context.now)
        self._window = FlightWindow(limit=settings.window_limit)
        self._quota = DailyQuota(tools.database)
        self._probation = TemplateProbation(row, retry_seconds=settings.template_retry_seconds, now=context.now)
        self._pool = AccountPool(
            tools.throttle, tools.lease_keeper, self._quota, settings,
            campaign_id=row.id, categories=context.categories, comes_first=row.is_standing, now=context.now,
        )  # fmt: skip
        self._requests = RequestBuilder(
            row,
            self._pool,
            self.lease,
            graph_api_url=settings.graph_api_url,
            installation=context.identity.installation,
        )
        self._settler = Settler(
            tools.database, settings, tools.alerts, self._probation, campaign_id=row.id, now=context.now
        )
        self._progress = ProgressLog(row.id)

        # (message id, send_no) of the messages that are claimed and not settled.
        self._in_flight: set[tuple[int, int]] = set()
        # The reason why nothing may be sent now, and the end of this wait.
        self._wait: Wait | None = None
        # Whether the last grant had fewer tokens than `_capacity`, the number of messages that could leave.
        self._is_short_of_tokens = False
        # The last claim found no message. While messages are in flight, the next claim takes place after this time, on
        # `clock`, or after the next reply.
        self._drained_until = -math.inf
        # The last claim found fewer messages than it had tokens, and no reply has made a message pending since.
        self._has_found_end = False
        # Finished: nothing is left to claim in this slice. Failed: Postgres returned an error or no answer. A slice
        # that is finished or failed claims nothing more.
        self._is_finished = self._is_failed = False
        self._is_standing = row.is_standing
        self._poll_seconds = _STANDING_POLL_SECONDS if row.is_standing else _POLL_SECONDS

    def run(self) -> None:
        """Send messages until the slice is over and every claimed message is settled."""
        self._log_accounts()
        while True:
            if self._can_claim():
                grants = self._grant()
                claimed = self._claim(grants)
                self._send(claimed)
            elif not self._in_flight and not self._settler.has_replies:
                break
            replies = self._collect()
            self._settle(replies)
        if self._is_expired() and not self._is_failed:
            # The statement that expires the messages of a large list takes long, and the lease is renewed only while
            # the slice runs. So the messages expire here, before `finish_slice`.
            self._tools.database.run(leases.expire_messages, self._context.row.id, self._context.row.epoch)

    def result(self) -> SliceResult:
        """Log the last progress, give unused tokens back, and return the result of the slice."""
        self._progress.write(at_once=True)
        self._pool.close()
        return SliceResult(
            cursor=self._claimer.cursor,
            wait=self._wait,
            is_finished=self._is_finished,
            is_failed=self._is_failed,
            now=self._context.now(),
            tick_seconds=self._tools.settings.tick_seconds,
            account_ids_without_quota=self._pool.account_ids_without_quota(),
        )

    def note_claims(self) -> None:
        """Note in the ledger that this slice claims nothing more, and the number of claims known to be committed."""
        self._tools.continuity.finish(self._claimer.claims)

    def drain(self) -> None:
        """After an error, hold back the requests that have not left, and settle the replies that still arrive."""
        self.lease.stop()
        timeout = self._tools.settings.http_timeout_seconds + _DRAIN_MARGIN_SECONDS
        gives_up_at, is_last_poll = clock() + timeout, False
        try:
            while self._in_flight:
                replies = self._collect()
                if replies:
                    gives_up_at, is_last_poll = clock() + timeout, False
                elif not self._settler.has_replies and clock() > gives_up_at:
                    if is_last_poll:
                        return
                    # After a freeze of the process, the transport may not yet have read the replies that have arrived.
                    # So the slice waits for replies once more.
                    is_last_poll = True
                self._settle(replies)
        except Exception:  # noqa: BLE001  the caller raises the first error
            bound = event("drain_failed", campaign_id=self._context.row.id, messages=len(self._in_flight))
            _log.exception("Campaign %s: the replies could not be settled", self._context.row.id, extra=bound)

    # checks before a claim

    def _can_claim(self) -> bool:
        """Return whether the slice may claim messages now.

        After an error, a stop, a lost lease or the expiry of the campaign, the slice never claims again.
        """
        if self._is_finished or self._is_failed or not self.lease.can_claim or self._tools.stop.is_set():
            return False
        if self._is_expired():
            self._is_finished = True
            return False
        seconds_left = self._started_at + self._tools.settings.slice_seconds - clock()
        if seconds_left <= 0 or (self._tools.lease_keeper.is_slot_wanted and self._can_yield()):
            return False
        return self._wait is None or (self._wait.until - self._context.now()).total_seconds() < seconds_left

    def _can_yield(self) -> bool:
        """Return whether the slice may leave its slot to another campaign that waits for a slot.

        The minimum time alone is not a sufficient condition, because on a busy machine this time may pass before the
        slice has sent anything.
        """
        if clock() - self._started_at < self._tools.settings.min_slice_seconds:
            return False
        return self._wait is not None or self._is_short_of_tokens or self._claimer.claimed_count > _MESSAGES_PER_SLICE

    def _is_expired(self) -> bool:
        expire_at = self._context.row.expire_at
        return expire_at is not None and expire_at <= self._context.now()

    # grant

    def _grant(self) -> dict[int, Grant]:
        """Take tokens for the messages that may leave now; return the grants by account.

        If the pace, the template or the accounts do not allow sending now, sets `_wait` to the reason and returns {}.
        """
        self._wait = None
        capacity = self._capacity()
        if capacity <= 0 or self._settler.has_replies:
            return {}
        if not self._requests.fits:
            self._probation.start_cooldown()
        if cooldown := self._probation.cooldown():
            self._wait = cooldown
            return {}
        if not (capacity := self._count_due(capacity)):
            return {}
        want = self._claimer.allow(capacity)
        try:
            grants = want if isinstance(want, Wait) else self._pool.grant(want, claim=self._next_claim())
        except ClaimRefusedError as error:
            bound = event("claim_refused", campaign_id=self._context.row.id)
            _log.warning("Campaign %s stops for now: %s", self._context.row.id, error, extra=bound)
            self.lease.stop()
            return {}
        if isinstance(grants, Wait):
            self._wait = grants
            return {}
        self._is_short_of_tokens = sum(grant.tokens for grant in grants.values()) < capacity
        return grants

    def _count_due(self, capacity: int) -> int:
        """Return how many messages may be due, at most `capacity`. If no message is left, the slice is finished.

        A slice of a standing campaign looks often, and a token that it takes in vain is missing to other campaigns.
        """
        try:
            if self._is_standing:
                if not (capacity := self._claimer.count_due(capacity)):
                    self._check_for_end()
            elif self._has_found_end:
                self._has_found_end = False
                self._is_finished = self._claimer.next_wait() is None
        except _Unavailable as error:
            self._fail("Claiming", error)
            return 0
        return 0 if self._is_finished else capacity

    def _next_claim(self) -> NextClaim:
        claims = self._claimer.claims
        return NextClaim(self._context.identity.incarnation, replace(claims, count=claims.count + 1))

    def _capacity(self) -> int:
        """Return the number of messages to claim now: at most as many as can leave soon."""
        in_flight = len(self._in_flight)
        if in_flight and (self._has_found_end or clock() < self._drained_until):
            return 0
        capacity = self._probation.limit(self._window.room(clock(), in_flight=in_flight), in_flight=in_flight)
        if self._tools.transport.is_saturated:
            # Claim nothing while more than half of the allowed requests are in flight, because a claim of few messages
            # costs as much as a claim of many.
            share = _ALL_IN_FLIGHT_WHEN_SATURATED // max(self._tools.lease_keeper.slice_count, 1)
            most = max(min(share, _MAX_IN_FLIGHT_WHEN_SATURATED), _LEAST_IN_FLIGHT_WHEN_SATURATED)
            capacity = min(capacity, most - in_flight) if 2 * in_flight <= most else 0
        return capacity

    # claim

    def _claim(self, grants: Mapping[int, Grant]) -> list[InFlight]:
        """Claim at most one message per token, and note the unused tokens, which go back to the throttle.

        The claim is committed before a request leaves.
        """
        if not grants:
            return []
        accounts = {row.id: row for row in self._pool.accounts()}
        try:
            with counts.time("revoada_claim_seconds"):
                claim = self._claimer.claim(grants, accounts, usable=self._pool.usable_ids())
        except _Unavailable as error:
            self._fail("Claiming", error)
            # The claim may be committed, but none of its messages leaves. So `note_claims` writes the number of claims
            # without this claim to the ledger. If Postgres has failed over and lacks the claim, other workers claim
            # nothing until the ledger has this number.
            self.note_claims()
            return []
        counts.add("revoada_claimed_total", count=len(claim.messages))
        self._pool.note_used(grants, Counter(message.account_id for message in claim.messages))
        try:
            self._react_to_claim(claim)
        except _Unavailable as error:
            # The claimed messages are sent all the same. If this slice dropped these messages, the next slice would
            # have to treat them as uncertain.
            self._fail("Claiming", error)
        categories = self._pool.categories
        return [
            InFlight(
                message,
                accounts[message.account_id],
                categories[message.account_id],
                grants[message.account_id].granted_at,
            )
            for message in claim.messages
        ]

    def _react_to_claim(self, claim: Claim) -> None:
        """Handle the result of a claim: a lost lease, portfolios without quota, no message, or the end of a wait."""
        full_until = self._claimer.find_full_until(claim.full)
        self._quota.note_full(full_until)
        if claim.lease.is_older:
            bound = event("claim_refused", campaign_id=self._context.row.id)
            _log.warning("Campaign %s stops for now: Postgres lacks its last claims", self._context.row.id, extra=bound)
        if not claim.is_held:
            self.lease.stop()
        elif not claim.messages and not claim.suppressed_count:
            if not full_until:
                self._check_for_end()
        else:
            self._has_found_end = claim.has_found_end and not self._is_standing
            self._claimer.clear_wait()

    def _check_for_end(self) -> None:
        """Note that no message is due. If no message is in flight, wait for the next due message, or finish the slice.

        Only a reply can make a message pending again, except in a standing campaign, to which programs post messages.
        """
        self._drained_until = clock() + self._poll_seconds if self._is_standing else math.inf
        if self._in_flight:
            return
        self._wait = self._claimer.next_wait()
        if self._wait is None and self._is_standing:
            self._wait = Wait(Reason.IDLE, self._context.now() + dt.timedelta(seconds=_IDLE_SECONDS))
        self._is_finished = self._wait is None

    # send

    def _send(self, claimed: Sequence[InFlight]) -> None:
        """Hand the requests of claimed messages to the transport."""
        if not claimed:
            return
        self._window.note_departure(clock(), in_flight=len(self._in_flight))
        self._progress.note_sending(claimed)
        requests = []
        for each in claimed:
            self._in_flight.add((each.message.id, each.message.send_no))
            try:
                requests.append(self._requests.build(each))
            except TemplateError as error:
                failure = VARIABLES_DO_NOT_FIT
                self._settler.add(each, Rejected(failure, title=failure.meaning, details=str(error)))
        self._tools.transport.submit(requests, self._mailbox)

    # settle

    def _collect(self) -> list[Reply]:
        """Wait for a first reply, then briefly for more replies, because one transaction settles many replies."""
        return self._mailbox.collect(
            timeout_seconds=self._seconds_to_wait(),
            batch_count=max(min(self._tools.settings.settle_count, len(self._in_flight)), 1),
            linger_seconds=self._linger_seconds(),
        )

    def _linger_seconds(self) -> float:
        """Return how long a reply may wait for other replies.

        The wait is short for messages about events, and if the campaign's pace is its limit. It is also short if the
        accounts are the limit and few slices use them: their buckets hold the tokens of a quarter of a second only, so
        tokens would be lost.
        """
        shortest, keeper = self._tools.settings.settle_seconds, self._tools.lease_keeper
        may_lose_tokens = self._is_short_of_tokens and keeper.count_users(self._context.account_ids) < _MANY_USERS
        if self._is_standing or self._wait is not None or may_lose_tokens:
            return shortest
        return max(shortest, min(keeper.slice_count / _SETTLEMENTS_PER_SECOND, _LONGEST_LINGER_SECONDS))

    def _seconds_to_wait(self) -> float:
        """Return the seconds to wait for a first reply: until the slice has something else to do."""
        if self._settler.has_replies:
            return _SETTLE_RETRY_SECONDS if self._is_failed else 0.0
        if self._can_claim():
            if self._wait is not None:
                return min((self._wait.until - self._context.now()).total_seconds(), self._poll_seconds)
            if self._capacity() > 0:
                return min(self._pool.seconds_until_tokens(), self._poll_seconds)
        return self._poll_seconds if self._in_flight else 0.0

    def _settle(self, replies: Sequence[Reply]) -> None:
        """Settle replies. If Postgres fails, the settler keeps the replies for the next pass of the loop."""
        now = clock()
        for reply in replies:
            in_flight = reply.request.key
            assert isinstance(in_flight, InFlight)
            self._note_latency(reply, now)
            self._settler.add(in_flight, reply.verdict)
        if not self._settler.has_replies:
            return
        self._drained_until = -math.inf
        try:
            with counts.time("revoada_settle_seconds"):
                settled = self._settler.settle(usable=self._pool.usable_ids())
        except _Unavailable as error:
            self._fail("Settling", error)
            if self._settler.has_failed_for(self._tools.settings.lease_seconds):
                raise
            return
        self._in_flight.difference_update(
            [(in_flight.message.id, in_flight.message.send_no) for in_flight, _, _ in settled.decisions]
        )
        if self._has_found_end and any(isinstance(settlement, Release) for _, _, settlement in settled.decisions):
            self._has_found_end = False
        self._progress.note_settled(settled.decisions)
        self._tools.reply_counts.add((each.account.id, verdict) for each, verdict, _ in settled.decisions)
        counts.observe("revoada_reply_seconds", [reply.seconds for reply in replies if not reply.error])
        count_failures([verdict for _, verdict, _ in settled.decisions if isinstance(verdict, Rejected)])
        self._pool.note_categories(settled.categories)
        if settled.changed_accounts:
            self._refresh(sorted(settled.changed_accounts))
        self._return_quota(settled.decisions)
        self._pool.note_throttled(settled.throttled_at)
        self._progress.write()

    def _refresh(self, account_ids: Sequence[int]) -> None:
        """Reload the accounts that the settled replies may have changed."""
        try:
            self._tools.lease_keeper.refresh(list(account_ids))
        except _Unavailable as error:
            self._fail("Settling", error)

    def _return_quota(self, decisions: Sequence[Decision]) -> None:
        """Let the next claim try full portfolios again. Return quota for recipients who certainly received nothing."""
        if not self._quota.forget_full(decisions):
            return
        if self._wait is not None and self._wait.reason is Reason.DAILY_LIMIT:
            self._wait = None
        try:
            self._quota.return_quota(decisions)
        except _Unavailable as error:
            # These recipients then use quota for a day, although they received nothing. That is safe, because the
            # portfolio sends fewer messages than Meta allows.
            self._fail("Returning quota", error)

    def _note_latency(self, reply: Reply, now: float) -> None:
        """Adapt the limit of requests in flight to the latency of a reply.

        A request that never left says nothing about the latency of the API.
        """
        if not reply.error:
            self._window.note_reply(now, reply.seconds)
        elif isinstance(reply.verdict, Unknown):
            self._window.note_silence(now, reply.seconds)

    def _fail(self, activity: str, error: Exception) -> None:
        """Claim nothing more in this slice, because a statement in Postgres failed."""
        if not self._is_failed:
            bound = event("slice_failed", campaign_id=self._context.row.id)
            _log.warning("%s of campaign %s stopped: %s", activity, self._context.row.id, error, extra=bound)
        self._is_failed = True

    def _log_accounts(self) -> None:
        active_count = len(self._pool.usable_ids())
        bound = event("accounts_active", campaign_id=self._context.row.id)
        _log.info("Campaign %s has %s active accounts", self._context.row.id, active_count, extra=bound)
