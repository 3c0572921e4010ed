"""Runs one campaign for one slice: grant, claim, send, settle, until something says stop."""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from campaigns.domain.callback import CallbackData, write_callback
from campaigns.domain.congestion import FlightWindow
from campaigns.domain.failures import find_failure
from campaigns.domain.filling import fill
from campaigns.domain.message import Status
from campaigns.domain.pacing import Reason, Wait
from campaigns.domain.settlement import Settle, Settlement
from campaigns.domain.template import TemplateError, template_from_components
from campaigns.domain.verdict import NotSent, Rejected, Unknown, Verdict
from campaigns.logs import event
from campaigns.sending.accounts import Granter
from campaigns.sending.claims import Claimer
from campaigns.sending.finish import Ending, hand_over
from campaigns.sending.leases import Lease
from campaigns.sending.progress_log import Narrator
from campaigns.sending.settlement import Flying, Settler, is_content_fault
from campaigns.sending.start import Begun, Tools
from campaigns.store import leases, portfolios
from campaigns.store.database import DatabaseError, DatabaseUnavailable
from campaigns.store.leases import LeaseRow
from campaigns.store.messages import Claim
from campaigns.throttle.bucket import Grant
from campaigns.whatsapp.mailbox import Mailbox, Reply, Request, clock
from campaigns.whatsapp.payloads import Encoder, make_encoder

_log = logging.getLogger("campaigns.sending")

_Unavailable = (DatabaseError, *DatabaseUnavailable)

_PARAMETERS_DO_NOT_FIT = 132000
# So many messages in a row whose own variables were refused: the list does not fit the template.
_CONTENT_FAULTS_MOST = 20
# A settle that Postgres did not take is tried again after this long, for as long as a lease lasts.
_SETTLE_RETRY_SECONDS = 0.5
# After an error a slice waits for the replies that are still out, until none has come for the HTTP timeout and this.
_DRAIN_MARGIN_SECONDS = 1.0
# A turn, where others wait for a slot: as many messages as the others get, however slow the machine is at the moment.
_TURN_MESSAGES = 100
# Where the slices of a process have claimed more than its connections carry, each keeps to so many: what waits for a
# connection is in doubt when the process is killed.
_IN_FLIGHT_IN_A_CROWD = 128
# A slice that waits looks around at least this often.
_LOOK_AGAIN_SECONDS = 1.0


def run_slice(begun: Begun, tools: Tools) -> bool:
    """Send until the slice is over; return whether the campaign is to be rung for its next one."""
    current = Slice(begun, tools)
    tools.keeper.keep(current.lease, begun.account_ids)
    try:
        current.run()
    except BaseException:
        current.drain()
        raise
    finally:
        tools.keeper.drop(current.lease, begun.account_ids)
    return hand_over(current.ending(), begun.row, tools.database, tools.alerts)


class Slice:
    """One turn of one campaign on a slot."""

    def __init__(self, begun: Begun, tools: Tools) -> None:
        row, settings = begun.row, tools.settings
        self._tools, self._settings, self._begun, self._row = tools, settings, begun, row
        self._mailbox = Mailbox()
        self.lease = Lease(row.id, row.epoch, tools.keeper.deadline_from(begun.asked_at), wake=self._mailbox.wake)
        self._ends_at = clock() + settings.slice_seconds
        self._makes_room_at = clock() + settings.least_slice_seconds

        self._claimer = Claimer(row, tools.database, now=self.now)
        self._flight = FlightWindow(limit=settings.window_limit)
        self._granter = Granter(
            tools.throttle, tools.keeper, settings, campaign_id=row.id, categories=begun.categories, now=self.now
        )
        self._narrator = Narrator(row.id)
        self._settler = Settler(
            tools.database, settings, tools.alerts, campaign_id=row.id, template_id=row.template_id, now=self.now
        )

        self._flying: dict[tuple[int, int], Flying] = {}
        self._unsettled: list[tuple[Flying, Verdict]] = []
        self._wait: Wait | None = None
        self._claimed_count, self._is_short_of_tokens = 0, False
        self._had_waited = row.waiting_reason is not None
        self._is_drained = self._is_finished = self._is_failed = False
        self._unsettled_since: float | None = None

        self._encode = _make_encoder(row)
        is_approved = row.template_status == "approved"
        self._template_until = None if is_approved else row.template_blocked_until
        # On probation: one message at a time until one is accepted, and the first fault of its content ends it.
        self._settler.is_template_doubted = not is_approved or row.waiting_reason == Reason.TEMPLATE
        self._content_faults = 0
        self._content_faults_most = 1 if self._settler.is_template_doubted else _CONTENT_FAULTS_MOST

    def now(self) -> dt.datetime:
        """Return the server's time: pace and windows follow one clock, whatever machine runs the slice."""
        return self._row.server_now + dt.timedelta(seconds=clock() - self._begun.asked_at)

    def run(self) -> None:
        """Grant, claim, send, settle, until the slice is over and all that it sent is settled."""
        self._log_accounts()
        while True:
            if self._may_claim():
                grants = self._grant()
                self._send(self._claim(grants))
            elif not self._flying and not self._unsettled:
                break
            self._settle(self._collect())
        if self._is_expired() and not self._is_failed:
            # While the lease is still kept: a large list takes a while.
            self._tools.database.run(leases.expire_messages, self._row.id, self._row.epoch)

    def ending(self) -> Ending:
        """Say how the slice ended."""
        self._narrator.speak(at_once=True)
        self._granter.close()
        return Ending(
            cursor=self._claimer.cursor,
            wait=self._wait,
            is_finished=self._is_finished,
            is_failed=self._is_failed,
            now=self.now(),
            tick_seconds=self._settings.tick_seconds,
            full_account_ids=self._granter.full_ids(),
        )

    def drain(self) -> None:
        """After an error: hold back what has not left, settle what comes back, as far as that goes."""
        self.lease.stop()
        patience = self._settings.http_timeout_seconds + _DRAIN_MARGIN_SECONDS
        gives_up_at = clock() + patience
        try:
            while self._flying:
                replies = self._collect()
                if replies:
                    gives_up_at = clock() + patience
                elif not self._unsettled and clock() > gives_up_at:
                    return
                self._settle(replies)
        except Exception:  # noqa: BLE001  the error that led here is the one to be raised
            bound = event("drain_failed", campaign_id=self._row.id, messages=len(self._flying))
            _log.exception("Campaign %s: the replies could not be settled", self._row.id, extra=bound)

    def _may_claim(self) -> bool:
        """Whether more is claimed in this slice; once False for the reasons in the first lines, it stays so."""
        if self._is_finished or self._is_failed or not self.lease.may_claim or self._tools.stop.is_set():
            return False
        if self._is_expired():
            self._is_finished = True
            return False
        now = clock()
        if now >= self._ends_at or (self._tools.keeper.is_slot_wanted and self._has_had_its_turn(now)):
            return False
        return self._wait is None or (self._wait.until - self.now()).total_seconds() < self._ends_at - now

    def _has_had_its_turn(self, now: float) -> bool:
        """Whether it may make room: a slice that a busy machine holds up, and no limit, would only begin again."""
        is_held_up = self._wait is not None or self._is_short_of_tokens
        return now >= self._makes_room_at and (is_held_up or self._claimed_count >= _TURN_MESSAGES)

    def _is_expired(self) -> bool:
        return self._row.expire_at is not None and self._row.expire_at <= self.now()

    # grant

    def _grant(self) -> dict[int, Grant]:
        """Take tokens for what may leave now; nothing, with a reason in `_wait` where there is one, if none may."""
        self._wait = None
        room = self._room()
        if room <= 0 or self._unsettled or (self._is_drained and self._flying):
            return {}
        if self._encode is None:
            self._distrust_list()
        if self._template_until is not None and self._template_until > self.now():
            self._wait = Wait(Reason.TEMPLATE, self._template_until)
            return {}
        want = self._claimer.allow(room)
        grants = want if isinstance(want, Wait) else self._granter.grant(want)
        if isinstance(grants, Wait):
            self._wait = grants
            return {}
        self._is_short_of_tokens = sum(grant.tokens for grant in grants.values()) < room
        return grants

    def _room(self) -> int:
        """Return how many more may be claimed now, for they can leave soon."""
        in_flight = len(self._flying)
        room = self._flight.room(clock(), in_flight=in_flight)
        if self._settler.is_template_doubted:
            room = min(room, 1 - in_flight)
        if self._tools.transport.is_crowded:
            # In sets: a claim of a few costs as much as one of many.
            room = min(room, _IN_FLIGHT_IN_A_CROWD - in_flight) if 2 * in_flight <= _IN_FLIGHT_IN_A_CROWD else 0
        return room

    # claim

    def _claim(self, grants: Mapping[int, Grant]) -> list[Flying]:
        """Claim one message per token, committed before anything leaves. Tokens that found none go back."""
        if not grants:
            return []
        accounts = {row.id: row for row in self._granter.accounts()}
        try:
            claim = self._claimer.claim(grants, accounts, usable=self._granter.usable_ids())
        except _Unavailable as error:
            self._fail("Claiming", error)
            return []
        self._granter.note_used(grants, Counter(message.account_id for message in claim.messages))
        self._claimed_count += len(claim.messages)
        try:
            self._look_at_claim(claim)
        except _Unavailable as error:
            # What is claimed leaves all the same: else nobody would know that it has not.
            self._fail("Claiming", error)
        categories = self._granter.categories
        return [
            Flying(
                message,
                accounts[message.account_id],
                categories[message.account_id],
                grants[message.account_id].granted_at,
            )
            for message in claim.messages
        ]

    def _look_at_claim(self, claim: Claim) -> None:
        """Draw what follows from what was claimed, and what was not."""
        held_up = self._claimer.held_up_until(claim.full)
        self._granter.note_full(held_up)
        if not claim.is_held:
            self.lease.stop()
        elif not claim.messages and not claim.suppressed_count:
            if not held_up:
                self._look_for_the_end()
        elif self._had_waited:
            self._had_waited = False
            self._tools.database.run(leases.clear_wait, self._row.id)

    def _look_for_the_end(self) -> None:
        """Nothing could be claimed: replies are out, what is left waits for something, or all is done."""
        self._is_drained = True
        if self._flying:
            return
        self._wait = self._claimer.next_wait()
        self._is_finished = self._wait is None

    # send

    def _send(self, flying: Sequence[Flying]) -> None:
        """Put claimed messages on the wire."""
        if not flying:
            return
        self._flight.note_departure(clock(), in_flight=len(self._flying))
        requests = []
        for each in flying:
            self._flying[each.message.id, each.message.send_no] = each
            self._narrator.note_sending(each.message)
            try:
                requests.append(self._request(each))
            except TemplateError as error:
                failure = find_failure(_PARAMETERS_DO_NOT_FIT)
                self._unsettled.append((each, Rejected(failure, title=failure.meaning, details=str(error))))
        self._tools.transport.submit(requests, self._mailbox)

    def _request(self, flying: Flying) -> Request:
        message, account = flying.message, flying.account
        assert self._encode is not None  # nothing is granted without
        callback = write_callback(CallbackData(self._begun.installation, message.id, message.send_no))
        return Request(
            key=flying,
            url=f"{self._settings.graph_api_url}/{account.phone_number_id}/messages",
            headers=[f"Authorization: Bearer {self._granter.access_token(account)}", "Content-Type: application/json"],
            body=self._encode(message.phone, message.variables, callback),
            permit=self.lease,
        )

    # settle

    def _collect(self) -> list[Reply]:
        """Wait for replies: long enough that they come in sets, no longer than until there is something to do."""
        return self._mailbox.collect(
            timeout=self._patience(),
            enough=max(min(self._settings.settle_count, len(self._flying)), 1),
            linger=self._settings.settle_seconds,
        )

    def _patience(self) -> float:
        if self._unsettled:
            return _SETTLE_RETRY_SECONDS if self._is_failed else 0.0
        if self._wait is not None:
            return min((self._wait.until - self.now()).total_seconds(), _LOOK_AGAIN_SECONDS)
        if self._room() > 0 and self._may_claim() and not (self._is_drained and self._flying):
            return min(self._granter.seconds_to_next(), _LOOK_AGAIN_SECONDS)
        return _LOOK_AGAIN_SECONDS if self._flying else 0.0

    def _settle(self, replies: Sequence[Reply]) -> None:
        """Settle what came back; what Postgres does not take now is kept for the next turn."""
        for reply in replies:
            flying = reply.request.key
            assert isinstance(flying, Flying)
            self._note_latency(reply)
            self._unsettled.append((flying, reply.verdict))
        if not self._unsettled:
            return
        self._is_drained = False
        try:
            settled = self._settler.settle(self._unsettled, usable=self._granter.usable_ids())
            self._granter.note_categories(settled.categories)
            if settled.changed_accounts:
                self._tools.keeper.refresh(sorted(settled.changed_accounts))
        except _Unavailable as error:
            self._fail("Settling", error)
            # Counted from the first failure: after a freeze the slice and its lease may be long over.
            self._unsettled_since = self._unsettled_since or clock()
            if clock() > self._unsettled_since + self._settings.lease_seconds:
                raise
            return
        self._unsettled, self._unsettled_since = [], None
        for flying, verdict, settlement in settled.decisions:
            self._flying.pop((flying.message.id, flying.message.send_no), None)
            self._narrator.note_settled(flying.message, verdict, settlement)
            self._content_faults = self._content_faults + 1 if is_content_fault(verdict) else 0
            if self._content_faults >= self._content_faults_most:
                self._distrust_list()
        self._look_at_limits_again(settled.decisions)
        self._granter.note_throttled(settled.throttled_at)
        if settled.template_blocked_until is not None:
            self._template_until = settled.template_blocked_until
        self._narrator.speak()

    def _look_at_limits_again(self, decisions: Sequence[tuple[Flying, Verdict, Settlement]]) -> None:
        """After replies: whoever surely got nothing takes no slot, and what was released needs none."""
        if not any(flying.account.portfolio_id for flying, _, _ in decisions):
            return
        self._granter.forget_full()
        if self._wait is not None and self._wait.reason is Reason.DAILY_LIMIT:
            self._wait = None
        refused = [
            flying.message.id
            for flying, verdict, settlement in decisions
            if isinstance(settlement, Settle)
            and settlement.status is Status.FAILED
            and isinstance(verdict, Rejected | NotSent)
        ]
        if not refused:
            return
        try:
            if account_ids := self._tools.database.run(portfolios.give_back_slots, refused):
                # Without a ring: a tick is soon enough, and refusals come in numbers.
                self._tools.database.run(portfolios.wake_campaigns, account_ids, rings=False)
        except _Unavailable as error:
            # Then they count for a day: too many is safe.
            self._fail("Giving back slots", error)

    def _note_latency(self, reply: Reply) -> None:
        """Let the window follow what came over the wire; what never left says nothing about the API's latency."""
        if not reply.error:
            self._flight.note_reply(clock(), reply.seconds)
        elif isinstance(reply.verdict, Unknown):
            self._flight.note_silence(clock(), reply.seconds)

    def _distrust_list(self) -> None:
        """Too many messages in a row were refused for their variables: wait, then try with one."""
        self._template_until = self.now() + dt.timedelta(seconds=self._settings.template_retry_seconds)
        self._settler.is_template_doubted = True
        self._content_faults_most = 1

    def _fail(self, doing: str, error: Exception) -> None:
        """Claim no more in this slice: the database does not answer as it should."""
        if not self._is_failed:
            bound = event("slice_failed", campaign_id=self._row.id)
            _log.warning("%s of campaign %s stopped: %s", doing, self._row.id, error, extra=bound)
        self._is_failed = True

    def _log_accounts(self) -> None:
        active_count = len(self._granter.usable_ids())
        bound = event("accounts_active", campaign_id=self._row.id)
        _log.info("Campaign %s has %s active accounts", self._row.id, active_count, extra=bound)


def _make_encoder(row: LeaseRow) -> Encoder | None:
    """Return what builds the requests; None when the template is no longer the one that the campaign was made for."""
    try:
        filling = fill(template_from_components(row.template_name, row.language, row.components), row.parameters)
        if filling.names != row.columns:
            raise TemplateError(f"The template takes {filling.names} of each row, the recipients bring {row.columns}.")  # noqa: TRY301
        return make_encoder(filling)
    except TemplateError as error:
        bound = event("template_misfit", campaign_id=row.id, template_id=row.template_id)
        _log.warning("Campaign %s cannot be sent as its template is now: %s", row.id, error, extra=bound)
        return None
