"""Runs one campaign for one time slice: grant, claim, send, settle, until something says stop."""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from campaigns.clock import clock
from campaigns.domain.congestion import FlightWindow
from campaigns.domain.failures import find_failure
from campaigns.domain.pacing import Reason, Wait
from campaigns.domain.template import TemplateError
from campaigns.domain.verdict import Rejected, Unknown
from campaigns.logs import event
from campaigns.sending.accounts import AccountPool
from campaigns.sending.claims import Claimer
from campaigns.sending.daily_quota import DailyQuota
from campaigns.sending.finish import SliceResult, finish_slice
from campaigns.sending.leases import Lease
from campaigns.sending.progress_log import ProgressLog
from campaigns.sending.requests import RequestBuilder
from campaigns.sending.settlement import Decision, InFlight, Settler
from campaigns.sending.start import SliceContext, Tools
from campaigns.sending.template_probation import TemplateProbation
from campaigns.store import leases
from campaigns.store.database import DatabaseError, DatabaseUnavailable
from campaigns.store.messages import Claim
from campaigns.throttle.bucket import Grant
from campaigns.whatsapp.mailbox import Mailbox, Reply

_log = logging.getLogger("campaigns.sending")

_Unavailable = (DatabaseError, *DatabaseUnavailable)

_PARAMETERS_DO_NOT_FIT = 132000
# A settlement that Postgres did not take is tried again after this long, for as long as a lease lasts.
_SETTLE_RETRY_SECONDS = 0.5
# After an error a slice waits for the replies that are still out, until none has come for the HTTP timeout and this.
_DRAIN_MARGIN_SECONDS = 1.0
# Where other campaigns wait for a slot, a slice ends after this many messages: each campaign gets as many, however slow
# the machine is at the moment.
_MESSAGES_PER_TURN = 100
# When the transport is saturated, cap each slice's in-flight requests: anything still queued becomes uncertain if the
# process is killed.
_IN_FLIGHT_WHEN_SATURATED = 128
# A slice that waits looks at its accounts and its campaign at least this often.
_POLL_SECONDS = 1.0


def run_slice(context: SliceContext, tools: Tools) -> bool:
    """Send until the slice is over; return whether the campaign is to be enqueued for its next one."""
    current = Slice(context, tools)
    tools.keeper.keep(current.lease, context.account_ids)
    try:
        current.run()
    except BaseException:
        current.drain()
        raise
    finally:
        tools.keeper.drop(current.lease, context.account_ids)
    return finish_slice(current.result(), context.row, tools.database, tools.alerts)


class Slice:
    """One time slice of one campaign on a slot."""

    def __init__(self, context: SliceContext, tools: Tools) -> None:
        row, settings = context.row, tools.settings
        self._tools, self._settings, self._context, self._row = tools, settings, context, row
        self._mailbox = Mailbox()
        self.lease = Lease(row.id, row.epoch, tools.keeper.deadline_from(context.asked_at), wake=self._mailbox.wake)
        self._ends_at = clock() + settings.slice_seconds
        self._may_yield_at = clock() + settings.least_slice_seconds

        self._claimer = Claimer(row, tools.database, now=self.now)
        self._window = FlightWindow(limit=settings.window_limit)
        self._quota = DailyQuota(tools.database)
        self._probation = TemplateProbation(row, retry_seconds=settings.template_retry_seconds, now=self.now)
        self._pool = AccountPool(
            tools.throttle, tools.keeper, self._quota, settings,
            campaign_id=row.id, categories=context.categories, now=self.now,
        )  # fmt: skip
        self._requests = RequestBuilder(
            row, self._pool, self.lease, graph_api_url=settings.graph_api_url, installation=context.installation
        )
        self._settler = Settler(
            tools.database, settings, tools.alerts, self._probation, campaign_id=row.id, now=self.now
        )
        self._progress = ProgressLog(row.id)

        self._in_flight: dict[tuple[int, int], InFlight] = {}
        self._wait: Wait | None = None
        self._claimed_count, self._is_short_of_tokens = 0, False
        self._had_waited = row.waiting_reason is not None
        self._is_drained = self._is_finished = self._is_failed = False

    def now(self) -> dt.datetime:
        """Return the server's time: pace and windows follow one clock, whatever machine runs the slice."""
        return self._row.server_now + dt.timedelta(seconds=clock() - self._context.asked_at)

    def run(self) -> None:
        """Grant, claim, send, settle, until the slice is over and all that it sent is settled."""
        self._log_accounts()
        while True:
            if self._may_claim():
                grants = self._grant()
                claimed = self._claim(grants)
                self._send(claimed)
            elif not self._in_flight and not self._settler.has_replies:
                break
            replies = self._collect()
            self._settle(replies)
        if self._is_expired() and not self._is_failed:
            # While the lease is still kept: a large list takes a while.
            self._tools.database.run(leases.expire_messages, self._row.id, self._row.epoch)

    def result(self) -> SliceResult:
        """Return how the slice ended."""
        self._progress.write(at_once=True)
        self._pool.close()
        return SliceResult(
            cursor=self._claimer.cursor,
            wait=self._wait,
            is_finished=self._is_finished,
            is_failed=self._is_failed,
            now=self.now(),
            tick_seconds=self._settings.tick_seconds,
            full_account_ids=self._pool.full_ids(),
        )

    def drain(self) -> None:
        """After an error: hold back what has not left, settle what comes back, as far as that goes."""
        self.lease.stop()
        patience = self._settings.http_timeout_seconds + _DRAIN_MARGIN_SECONDS
        gives_up_at, is_last_look = clock() + patience, False
        try:
            while self._in_flight:
                replies = self._collect()
                if replies:
                    gives_up_at, is_last_look = clock() + patience, False
                elif not self._settler.has_replies and clock() > gives_up_at:
                    if is_last_look:
                        return
                    # After a freeze the transport may not have read yet what has arrived.
                    is_last_look = True
                self._settle(replies)
        except Exception:  # noqa: BLE001  the error that led here is the one to be raised
            bound = event("drain_failed", campaign_id=self._row.id, messages=len(self._in_flight))
            _log.exception("Campaign %s: the replies could not be settled", self._row.id, extra=bound)

    # whether to go on

    def _may_claim(self) -> bool:
        """Whether more is claimed in this slice; once False for the reasons in the first lines, it stays so."""
        if self._is_finished or self._is_failed or not self.lease.may_claim or self._tools.stop.is_set():
            return False
        if self._is_expired():
            self._is_finished = True
            return False
        now = clock()
        if now >= self._ends_at or (self._tools.keeper.is_slot_wanted and self._may_yield(now)):
            return False
        return self._wait is None or (self._wait.until - self.now()).total_seconds() < self._ends_at - now

    def _may_yield(self, now: float) -> bool:
        """Whether its slot may go to another campaign: a slice that only a busy machine holds up has just begun."""
        is_limited = self._wait is not None or self._is_short_of_tokens
        return now >= self._may_yield_at and (is_limited or self._claimed_count >= _MESSAGES_PER_TURN)

    def _is_expired(self) -> bool:
        return self._row.expire_at is not None and self._row.expire_at <= self.now()

    # grant

    def _grant(self) -> dict[int, Grant]:
        """Take tokens for what may leave now; none, with a reason in `_wait` where there is one, if nothing may."""
        self._wait = None
        capacity = self._capacity()
        if capacity <= 0 or self._settler.has_replies or (self._is_drained and self._in_flight):
            return {}
        if not self._requests.fits:
            self._probation.distrust_list()
        if cooldown := self._probation.cooldown():
            self._wait = cooldown
            return {}
        want = self._claimer.allow(capacity)
        grants = want if isinstance(want, Wait) else self._pool.grant(want)
        if isinstance(grants, Wait):
            self._wait = grants
            return {}
        self._is_short_of_tokens = sum(grant.tokens for grant in grants.values()) < capacity
        return grants

    def _capacity(self) -> int:
        """Return how many more may be claimed now because they can leave soon."""
        in_flight = len(self._in_flight)
        capacity = self._probation.limit(self._window.room(clock(), in_flight=in_flight), in_flight=in_flight)
        if self._tools.transport.is_saturated:
            # In sets: a claim of a few costs as much as one of many.
            is_half_empty = 2 * in_flight <= _IN_FLIGHT_WHEN_SATURATED
            capacity = min(capacity, _IN_FLIGHT_WHEN_SATURATED - in_flight) if is_half_empty else 0
        return capacity

    # claim

    def _claim(self, grants: Mapping[int, Grant]) -> list[InFlight]:
        """Claim one message per token, committed before anything leaves. Tokens that found none go back."""
        if not grants:
            return []
        accounts = {row.id: row for row in self._pool.accounts()}
        try:
            claim = self._claimer.claim(grants, accounts, usable=self._pool.usable_ids())
        except _Unavailable as error:
            self._fail("Claiming", error)
            return []
        self._pool.note_used(grants, Counter(message.account_id for message in claim.messages))
        self._claimed_count += len(claim.messages)
        try:
            self._react_to(claim)
        except _Unavailable as error:
            # What is claimed leaves all the same: else nobody would know that it has not.
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

    def _react_to(self, claim: Claim) -> None:
        """React to a claim: a lost lease, portfolios without quota, the end of the list, or resumed sending."""
        full_until = self._claimer.held_up_until(claim.full)
        self._quota.note_full(full_until)
        if not claim.is_held:
            self.lease.stop()
        elif not claim.messages and not claim.suppressed_count:
            if not full_until:
                self._look_for_the_end()
        elif self._had_waited:
            self._had_waited = False
            self._tools.database.run(leases.clear_wait, self._row.id)

    def _look_for_the_end(self) -> None:
        """Nothing could be claimed: replies are out, or what is left waits for something, or all is done."""
        self._is_drained = True
        if self._in_flight:
            return
        self._wait = self._claimer.next_wait()
        self._is_finished = self._wait is None

    # send

    def _send(self, claimed: Sequence[InFlight]) -> None:
        """Hand the requests of claimed messages to the transport."""
        if not claimed:
            return
        self._window.note_departure(clock(), in_flight=len(self._in_flight))
        requests = []
        for each in claimed:
            self._in_flight[each.message.id, each.message.send_no] = each
            self._progress.note_sending(each.message)
            try:
                requests.append(self._requests.build(each))
            except TemplateError as error:
                failure = find_failure(_PARAMETERS_DO_NOT_FIT)
                self._settler.add(each, Rejected(failure, title=failure.meaning, details=str(error)))
        self._tools.transport.submit(requests, self._mailbox)

    # settle

    def _collect(self) -> list[Reply]:
        """Wait for replies: long enough that they come in sets, no longer than until there is something to do."""
        return self._mailbox.collect(
            timeout=self._patience(),
            enough=max(min(self._settings.settle_count, len(self._in_flight)), 1),
            linger=self._settings.settle_seconds,
        )

    def _patience(self) -> float:
        """Return the seconds to wait for a first reply."""
        if self._settler.has_replies:
            return _SETTLE_RETRY_SECONDS if self._is_failed else 0.0
        if self._may_claim():
            if self._wait is not None:
                return min((self._wait.until - self.now()).total_seconds(), _POLL_SECONDS)
            if self._capacity() > 0 and not (self._is_drained and self._in_flight):
                return min(self._pool.seconds_to_next(), _POLL_SECONDS)
        return _POLL_SECONDS if self._in_flight else 0.0

    def _settle(self, replies: Sequence[Reply]) -> None:
        """Settle what came back; what Postgres does not take now is kept for the next turn of the loop."""
        for reply in replies:
            in_flight = reply.request.key
            assert isinstance(in_flight, InFlight)
            self._note_latency(reply)
            self._settler.add(in_flight, reply.verdict)
        if not self._settler.has_replies:
            return
        self._is_drained = False
        try:
            settled = self._settler.settle(usable=self._pool.usable_ids())
        except _Unavailable as error:
            self._fail("Settling", error)
            if self._settler.has_failed_for(self._settings.lease_seconds):
                raise
            return
        for in_flight, verdict, settlement in settled.decisions:
            self._in_flight.pop((in_flight.message.id, in_flight.message.send_no), None)
            self._progress.note_settled(in_flight.message, verdict, settlement)
        self._pool.note_categories(settled.categories)
        if settled.changed_accounts:
            self._refresh(sorted(settled.changed_accounts))
        self._return_quota(settled.decisions)
        self._pool.note_throttled(settled.throttled_at)
        self._progress.write()

    def _refresh(self, account_ids: Sequence[int]) -> None:
        """Load accounts that the settled replies have changed."""
        try:
            self._tools.keeper.refresh(list(account_ids))
        except _Unavailable as error:
            self._fail("Settling", error)

    def _return_quota(self, decisions: Sequence[Decision]) -> None:
        """Ask full portfolios again after replies; return quota for recipients who certainly received nothing."""
        if not self._quota.reopen(decisions):
            return
        if self._wait is not None and self._wait.reason is Reason.DAILY_LIMIT:
            self._wait = None
        try:
            self._quota.give_back(decisions)
        except _Unavailable as error:
            # Then they count for a day: too many is safe.
            self._fail("Giving back slots", error)

    def _note_latency(self, reply: Reply) -> None:
        """Let the window follow replies; a request that never left says nothing about the latency of the API."""
        if not reply.error:
            self._window.note_reply(clock(), reply.seconds)
        elif isinstance(reply.verdict, Unknown):
            self._window.note_silence(clock(), reply.seconds)

    def _fail(self, doing: str, error: Exception) -> None:
        """Claim no more in this slice: the database does not answer as it should."""
        if not self._is_failed:
            bound = event("slice_failed", campaign_id=self._row.id)
            _log.warning("%s of campaign %s stopped: %s", doing, self._row.id, error, extra=bound)
        self._is_failed = True

    def _log_accounts(self) -> None:
        active_count = len(self._pool.usable_ids())
        bound = event("accounts_active", campaign_id=self._row.id)
        _log.info("Campaign %s has %s active accounts", self._row.id, active_count, extra=bound)
