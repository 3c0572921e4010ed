"""Sends many requests at a time from one thread, with libcurl's multi interface and one event loop.

The loop is driven by socket events (epoll), because `select()` is limited to 1,024 descriptors.
"""

from __future__ import annotations

import contextlib
import logging
import resource
import select
import socket
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pycurl

from campaigns.clock import clock
from campaigns.domain.congestion import ConnectionLimit
from campaigns.domain.verdict import Accepted, Rejected
from campaigns.whatsapp.attribution import Attribution, find_recipient, is_garbled
from campaigns.whatsapp.handle import Handle, describe_error
from campaigns.whatsapp.mailbox import Mailbox, Reply, Request
from campaigns.whatsapp.sockets import ConnectionState, Sockets, has_received_more

_log = logging.getLogger(__name__)

_MAX_CONNECTIONS = 2048
# One run of the loop starts at most this many requests. The next run first reads the replies that have come meanwhile,
# so their connections can carry further requests.
_STARTS_PER_RUN = 32
# A slice that submits at most this many requests at a time has few messages.
_FEW = 8
# This many requests of a slice with many messages start before those of the next such slice.
_STARTS_PER_TURN = 32
# While requests wait for a connection, the thread checks at least this often whether another connection may be opened.
_QUEUE_POLL_SECONDS = 0.05
# For each request libcurl searches the connections of its multi handle one by one, so each multi handle gets only this
# many connections.
_CONNECTIONS_PER_MULTI = 32
# Valkey may have a connection for each slot (512 by default), and Postgres and files need descriptors, too. So the
# transport leaves a quarter of all descriptors to them: at least 128, and at most 640.
_LEAST_SPARE_DESCRIPTORS, _MOST_SPARE_DESCRIPTORS = 128, 640

# Linux has epoll. Other systems have poll, with the same numbers of events, but a timeout in milliseconds.
_make_poller: Callable[[], Any]
_make_poller, _POLLER_UNITS = (select.epoll, 1) if hasattr(select, "epoll") else (select.poll, 1000)


@dataclass(frozen=True, slots=True)
class _HeldError:
    """An error reply whose verdict stands only if its connection receives nothing more for a while.

    The connection carries no other request. `until`: the end of the wait, on `clock`. `max_received_bytes`: the most
    bytes that the connection can have received if this was its last reply; None: the system does not count received
    bytes.
    """

    until: float
    connection: socket.socket
    max_received_bytes: int | None
    reply: Reply
    mailbox: Mailbox


class Transport:
    """Sends the requests of all slices of a process, over connections that stay open between slices."""

    def __init__(self, *, connect_timeout: float, total_timeout: float, ca_file: str | None = None) -> None:
        """`ca_file`: the file of the certificate authorities that are trusted; None: that of certifi."""
        self._connect_timeout, self._total_timeout, self._ca_file = connect_timeout, total_timeout, ca_file
        self._submitted: deque[tuple[Sequence[Request], Mailbox]] = deque()
        # Requests that wait for a free connection, by slice: those of slices that submitted few, and all others. They
        # do not wait in libcurl's own queue, because their connect timeout would run there.
        self._few: OrderedDict[Mailbox, deque[Request]] = OrderedDict()
        self._many: OrderedDict[Mailbox, deque[Request]] = OrderedDict()
        self._queued_count = 0
        # The number of requests that the first slice of `_many` has started in its turn, and whether it is the turn of
        # `_few`.
        self._turn_count, self._is_turn_of_few = 0, True
        self._idle: list[Handle] = []
        self._in_flight: dict[pycurl.Curl, Handle] = {}
        self._held_errors: deque[_HeldError] = deque()
        self._sockets = Sockets()
        self._attribution = Attribution()
        self._finished: dict[Mailbox, list[Reply]] = {}
        self._is_closed = False
        self._timers: dict[pycurl.CurlMulti, float] = {}
        self._poller = _make_poller()
        # By descriptor: the multi handle that waits for an event of the socket.
        self._waiting: dict[int, pycurl.CurlMulti] = {}
        self._wake_receiver, self._wake_sender = socket.socketpair()
        for end in (self._wake_receiver, self._wake_sender):
            end.settimeout(0)
        self._poller.register(self._wake_receiver, select.POLLIN)
        descriptors = _raise_descriptor_limit()
        spare = min(max(descriptors // 4, _LEAST_SPARE_DESCRIPTORS), _MOST_SPARE_DESCRIPTORS)
        self._max_connections = max(min(_MAX_CONNECTIONS, descriptors - spare), 1)
        self._limit = ConnectionLimit(self._max_connections, clock())
        self._multis: list[pycurl.CurlMulti] = []
        # A new connection resumes a TLS session of an earlier connection, also of another multi handle. So it need not
        # check the certificate of the server.
        self._shared = pycurl.CurlShare()
        self._shared.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_SSL_SESSION)
        self._handle_count = 0
        self._thread = threading.Thread(target=self._run, name="transport", daemon=True)
        self._thread.start()

    def submit(self, requests: Sequence[Request], mailbox: Mailbox) -> None:
        """Send `requests`; each gets exactly one reply in `mailbox`. Returns at once."""
        if not self._thread.is_alive():
            raise RuntimeError("the transport is closed")
        self._submitted.append((requests, mailbox))
        self._wake()

    @property
    def is_saturated(self) -> bool:
        """Whether the requests that wait for a connection are at least twice the connections that may be in use now."""
        return self._limit.is_exceeded(waiting=self._queued_count)

    @property
    def in_flight_count(self) -> int:
        """The number of requests that were started and have no reply yet."""
        return len(self._in_flight)

    def close(self) -> None:
        """Stop the thread. The caller first waits for all replies, because requests still in flight are dropped."""
        self._is_closed = True
        self._wake()
        self._thread.join(timeout=5)

    def _wake(self) -> None:
        # If the buffer is full, the thread will wake up anyway.
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake_sender.send(b"\0")

    def _make_multi(self) -> pycurl.CurlMulti:
        multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, _CONNECTIONS_PER_MULTI)
        multi.setopt(pycurl.M_MAXCONNECTS, _CONNECTIONS_PER_MULTI)
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        multi.setopt(pycurl.M_TIMERFUNCTION, partial(self._on_timer, multi))
        return multi

    def _make_handle(self) -> Handle:
        """Make a handle for the newest multi handle. The new handle stays with that multi handle.

        A multi handle has as many handles as connections. So if a handle is idle, its multi handle has a free
        connection.
        """
        if self._handle_count % _CONNECTIONS_PER_MULTI == 0:
            self._multis.append(self._make_multi())
        self._handle_count += 1
        return Handle(self._multis[-1], self._connect_timeout, self._sockets, self._ca_file, self._shared)

    def _on_socket(self, action: int, descriptor: int, multi: pycurl.CurlMulti, _data: object) -> None:
        """Register a socket for the events that libcurl waits for.

        libcurl removes a socket after each request. The socket stays registered all the same, because the next request
        on its connection waits for the same event.
        """
        if action == pycurl.POLL_REMOVE:
            self._waiting.pop(descriptor, None)
            return
        self._waiting[descriptor] = multi
        events = (select.POLLIN if action & pycurl.POLL_IN else 0) | (select.POLLOUT if action & pycurl.POLL_OUT else 0)
        try:
            self._poller.modify(descriptor, events)
        except FileNotFoundError:  # a new socket: the kernel forgets each socket that libcurl closes
            self._poller.register(descriptor, events)

    def _unregister(self, descriptor: int) -> None:
        with contextlib.suppress(OSError, KeyError):  # the socket may be closed, or never registered
            self._poller.unregister(descriptor)

    def _on_timer(self, multi: pycurl.CurlMulti, milliseconds: int) -> None:
        if milliseconds < 0:
            self._timers.pop(multi, None)
        else:
            self._timers[multi] = time.monotonic() + milliseconds / 1000

    def _run(self) -> None:
        while not self._is_closed:
            try:
                self._run_once()
            except Exception:  # noqa: BLE001  one bad request must not end the sending of all campaigns
                _log.exception("the transport continues after an error", extra={"event": "transport_error"})
        for handle in self._in_flight.values():
            handle.multi.remove_handle(handle.curl)
        for multi in self._multis:
            multi.close()
        for held in self._held_errors:
            held.connection.close()
        self._sockets.close()
        self._wake_receiver.close()
        self._wake_sender.close()

    def _run_once(self) -> None:
        started_at = clock()
        self._limit.note(started_at, used=self._count_used_connections())
        touched: set[pycurl.CurlMulti] = set()
        seconds = self._seconds_to_wait(started_at)
        for descriptor, events in self._poller.poll(None if seconds is None else seconds * _POLLER_UNITS):
            if (multi := self._waiting.get(descriptor)) is not None:
                # An error of a socket counts as both events, so that libcurl notices the error.
                is_readable, is_writable = events & ~select.POLLOUT, events & ~select.POLLIN
                if is_readable:
                    self._sockets.note_readable(descriptor)
                ready = (pycurl.CSELECT_IN if is_readable else 0) | (pycurl.CSELECT_OUT if is_writable else 0)
                multi.socket_action(descriptor, ready)
                touched.add(multi)
            elif descriptor == self._wake_receiver.fileno():
                with contextlib.suppress(BlockingIOError):
                    self._wake_receiver.recv(4096)
            else:
                # An idle connection was closed, or bytes came that no request has asked for.
                self._unregister(descriptor)
        self._run_timers(touched)
        self._time_out_requests(started_at)
        self._release_held_errors(started_at)
        while self._submitted:
            requests, mailbox = self._submitted.popleft()
            if requests:
                queue = self._few if len(requests) <= _FEW and mailbox not in self._many else self._many
                queue.setdefault(mailbox, deque()).extend(requests)
                self._queued_count += len(requests)
        for _ in range(min(self._queued_count, _STARTS_PER_RUN)):
            if not self._has_free_connection():
                break
            self._start_request(*self._take_queued())
        # Let the started requests leave now, on connections whose last reply was judged above. If a request left in a
        # later call, libcurl could use a connection for this request whose last reply was read in that call and is not
        # judged.
        self._run_timers(set())
        self._deliver_replies()

    def _run_timers(self, touched: set[pycurl.CurlMulti]) -> None:
        """Let libcurl handle due timers, then collect finished requests.

        The requests are collected from the multi handles whose timers were due, and from the `touched` multi handles.
        """
        now = time.monotonic()
        for multi in [multi for multi, at in self._timers.items() if at <= now]:
            del self._timers[multi]
            multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            touched.add(multi)
        for multi in touched:
            self._collect_finished(multi)

    def _seconds_to_wait(self, now: float) -> float | None:
        """Return the seconds to wait for sockets: until a libcurl timer, the oldest request or a held error is due.

        None: nothing is due, so wait for sockets without a limit. 0.0: queued requests can start. A wait could then be
        endless: if libcurl has ended the last started requests at once, no socket and no timer wakes this thread.
        """
        if self._queued_count and self._has_free_connection():
            return 0.0
        waits = [min(self._timers.values()) - time.monotonic()] if self._timers else []
        if self._queued_count:
            waits.append(_QUEUE_POLL_SECONDS)
        if self._in_flight:
            waits.append(self._find_oldest().started_at + self._total_timeout - now)
        if self._held_errors:
            waits.append(self._held_errors[0].until - now)
        return max(min(waits), 0.0) if waits else None

    def _has_free_connection(self) -> bool:
        return self._count_used_connections() < self._limit.allowed

    def _count_used_connections(self) -> int:
        return len(self._in_flight) + len(self._held_errors)

    def _time_out_requests(self, started_at: float) -> None:
        """End the requests whose total timeout had passed at `started_at`, when this run of the loop started.

        This run has read their sockets already, so no reply that has arrived is lost.
        """
        while self._in_flight and self._find_oldest().started_at + self._total_timeout <= started_at:
            self._finish(self._find_oldest().curl, describe_error(pycurl.E_OPERATION_TIMEDOUT))

    def _find_oldest(self) -> Handle:
        """Return the handle of the oldest request, the first in the dictionary, which keeps the order of insertion."""
        return next(iter(self._in_flight.values()))

    def _take_queued(self) -> tuple[Request, Mailbox]:
        """Take the next request that waits: in alternation one of `_few` and one of `_many`.

        So neither a campaign with few messages nor one with many waits long for the others. In `_many`, the requests of
        a slice leave several at a time, because then their replies come together and are settled together.
        """
        is_of_few = bool(self._few) and (self._is_turn_of_few or not self._many)
        self._is_turn_of_few = not is_of_few
        queue = self._few if is_of_few else self._many
        mailbox, requests = next(iter(queue.items()))
        request = requests.popleft()
        self._queued_count -= 1
        if not is_of_few:
            self._turn_count = (self._turn_count + 1) % _STARTS_PER_TURN if requests else 0
        if not requests:
            del queue[mailbox]
        elif is_of_few or not self._turn_count:
            queue.move_to_end(mailbox)
        return request, mailbox

    def _start_request(self, request: Request, mailbox: Mailbox) -> None:
        handle: Handle | None = None
        try:
            handle = self._idle.pop() if self._idle else self._make_handle()
            handle.prepare(request, mailbox)
            handle.multi.add_handle(handle.curl)
        except (pycurl.error, ValueError, TypeError, UnicodeError, MemoryError) as error:
            if handle is not None:
                self._idle.append(handle)
            reply = Reply(request, has_left=False, error=f"the request cannot be made: {type(error).__name__}")
            self._finished.setdefault(mailbox, []).append(reply)
            return
        self._in_flight[handle.curl] = handle

    def _collect_finished(self, multi: pycurl.CurlMulti) -> None:
        is_more = 1
        while is_more:
            is_more, done, failed = multi.info_read()
            for curl in done:
                self._finish(curl, "")
            for curl, code, message in failed:
                self._finish(curl, describe_error(code, message))

    def _deliver_replies(self) -> None:
        for mailbox, replies in self._finished.items():
            mailbox.put(replies)
        self._finished.clear()

    def _finish(self, curl: pycurl.Curl, error: str) -> None:
        handle = self._in_flight.pop(curl)
        if handle.needs_new_connection:
            handle.multi.remove_handle(curl)
            self._close_connection(handle.connection_state)
            handle.retry_on_new_connection()
            handle.multi.add_handle(curl)
            self._in_flight[curl] = handle
            return
        mailbox, reply = handle.take_reply(error)
        verdict = reply.verdict = self._attribution.judge(reply)
        is_closed = isinstance(verdict, Rejected) and curl.getinfo(pycurl.ACTIVESOCKET) == -1
        handle.multi.remove_handle(curl)
        self._idle.append(handle)
        if self._can_keep_connection(reply):
            if handle.connection_state is not None:
                handle.connection_state.is_judged = True
            self._finished.setdefault(mailbox, []).append(reply)
        elif isinstance(verdict, Rejected):
            self._hold_error(handle, reply, mailbox, is_closed=is_closed)
        else:
            self._close_connection(handle.connection_state)
            self._finished.setdefault(mailbox, []).append(reply)

    def _can_keep_connection(self, reply: Reply) -> bool:
        """Whether the connection may carry another request: only after a reply that certainly belongs to this request.

        An error does not name its request, so a repetition of the error could be taken for the reply to the next
        request. In three other cases this method returns True too. First: the request has not left, so no reply
        comes. Second: libcurl could not read the reply to its end, and closes the connection itself. Third: the request
        names no phone, so no reply can be attributed to it.
        """
        is_attributed = isinstance(reply.verdict, Accepted)
        return is_attributed or not reply.has_left or bool(reply.error) or find_recipient(reply.request.body) is None

    def _hold_error(self, handle: Handle, reply: Reply, mailbox: Mailbox, *, is_closed: bool) -> None:
        """Settle an error, or hold it for longer than recent replies took.

        The error may be the late reply to an earlier request, and then the right reply still comes.

        The verdict becomes `Unknown` at once if libcurl closed the connection although the reply did not announce a
        close, because libcurl does so only if more bytes than the reply had come. Otherwise the verdict stands at once
        if the connection is new, because there was no earlier request. On a used connection, the verdict becomes
        `Unknown` at once in two more cases: the reply had arrived before the request left, or its body holds parts of
        two replies. Else the verdict stands at once if the connection is closed already, because no other reply can
        come.
        """
        state, reply_bytes = handle.connection_state, handle.count_reply_bytes()
        connection = None if state is None else self._detach_connection(state)
        is_first = state is None or state.is_new
        has_more = (is_closed and not handle.announces_close()) or (
            state is not None and not is_first and (state.has_early_reply(connection, reply_bytes) or is_garbled(reply))
        )
        if state is None or connection is None or is_first or has_more:
            reply.verdict = self._attribution.confirm(reply, has_more=has_more)
            self._finished.setdefault(mailbox, []).append(reply)
            if connection is not None:
                connection.close()
            return
        until = clock() + min(self._attribution.hold_seconds, self._total_timeout)
        self._held_errors.append(_HeldError(until, connection, state.max_received_bytes(reply_bytes), reply, mailbox))

    def _release_held_errors(self, now: float) -> None:
        while self._held_errors and self._held_errors[0].until <= now:
            held = self._held_errors.popleft()
            has_more = has_received_more(held.connection, held.max_received_bytes)
            held.connection.close()
            held.reply.verdict = self._attribution.confirm(held.reply, has_more=has_more)
            self._finished.setdefault(held.mailbox, []).append(held.reply)

    def _close_connection(self, state: ConnectionState | None) -> None:
        """Close a connection at once, so that libcurl cannot reuse it."""
        connection = None if state is None else self._detach_connection(state)
        if connection is not None:
            connection.close()

    def _detach_connection(self, state: ConnectionState) -> socket.socket | None:
        if not self._sockets.is_open(state):
            return None
        self._unregister(state.descriptor)
        return self._sockets.detach(state)


def _raise_descriptor_limit() -> int:
    """Raise the soft limit of descriptors (usually 1,024), at most to the hard limit; return the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_CONNECTIONS * 2
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft
