"""Many requests in flight from one thread: libcurl's multi interface, driven by its sockets.

No `select()`: it stops at 1,024 descriptors.
"""

from __future__ import annotations

import contextlib
import logging
import resource
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pycurl

from campaigns.clock import clock
from campaigns.domain.verdict import Accepted, Rejected
from campaigns.whatsapp.attribution import Attribution, find_recipient, is_garbled
from campaigns.whatsapp.handle import Handle, describe
from campaigns.whatsapp.mailbox import Mailbox, Reply, Request
from campaigns.whatsapp.sockets import Line, Sockets, has_received_more

_log = logging.getLogger(__name__)

_MAX_CONNECTIONS = 2048
# For each request libcurl looks through the connections of its multi handle, one by one.
_CONNECTIONS_PER_MULTI = 32
_SPARE_DESCRIPTORS = 128


@dataclass(frozen=True, slots=True)
class _Held:
    """An error that counts only if its connection brings nothing more until `until`; it carries no other request.

    `most_bytes`: the most bytes that the connection has received in all if this was its last reply.
    """

    until: float
    connection: socket.socket
    most_bytes: int | None
    reply: Reply
    mailbox: Mailbox


class Transport:
    """Sends for all slices of a process, over connections that are kept between slices."""

    def __init__(self, *, connect_timeout: float, total_timeout: float) -> None:
        self._connect_timeout, self._total_timeout = connect_timeout, total_timeout
        self._submitted: deque[tuple[Sequence[Request], Mailbox]] = deque()
        # Beyond the connections that there may be, requests wait here: in libcurl their connect timeout would run.
        self._queued: deque[tuple[Request, Mailbox]] = deque()
        self._idle: list[Handle] = []
        self._in_flight: dict[pycurl.Curl, Handle] = {}
        self._held: deque[_Held] = deque()
        self._sockets = Sockets()
        self._attribution = Attribution()
        self._finished: dict[Mailbox, list[Reply]] = {}
        self._is_closed = False
        self._timers: dict[pycurl.CurlMulti, float] = {}
        self._selector = selectors.DefaultSelector()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        for end in (self._wake_receiver, self._wake_sender):
            end.settimeout(0)
        self._selector.register(self._wake_receiver, selectors.EVENT_READ)
        self._connections = max(min(_MAX_CONNECTIONS, _raise_descriptor_limit() - _SPARE_DESCRIPTORS), 1)
        self._multis: list[pycurl.CurlMulti] = []
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
        """Whether as many requests wait for a connection as there may be connections."""
        return len(self._queued) >= self._connections

    def close(self) -> None:
        """Stop the thread. What is in flight is abandoned without a reply: drain first."""
        self._is_closed = True
        self._wake()
        self._thread.join(timeout=5)

    def _wake(self) -> None:
        # A full pipe is awake already.
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
        """Return a handle that stays with its multi handle: so an idle one there means an idle connection there."""
        if self._handle_count % _CONNECTIONS_PER_MULTI == 0:
            self._multis.append(self._make_multi())
        self._handle_count += 1
        return Handle(self._multis[-1], self._connect_timeout, self._sockets)

    def _on_socket(self, what: int, descriptor: int, multi: pycurl.CurlMulti, _data: object) -> None:
        """Watch a socket for what libcurl wants to know of it."""
        if what == pycurl.POLL_REMOVE:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(descriptor)
            return
        events = (selectors.EVENT_READ if what & pycurl.POLL_IN else 0) | (
            selectors.EVENT_WRITE if what & pycurl.POLL_OUT else 0
        )
        try:
            self._selector.modify(descriptor, events, multi)
        except KeyError:
            self._selector.register(descriptor, events, multi)

    def _on_timer(self, multi: pycurl.CurlMulti, milliseconds: int) -> None:
        if milliseconds < 0:
            self._timers.pop(multi, None)
        else:
            self._timers[multi] = time.monotonic() + milliseconds / 1000

    def _run(self) -> None:
        while not self._is_closed:
            try:
                self._turn()
            except Exception:  # noqa: BLE001  one bad request must not end the sending of all campaigns
                _log.exception("the transport goes on after an error", extra={"event": "transport_error"})
        for handle in self._in_flight.values():
            handle.multi.remove_handle(handle.curl)
        for multi in self._multis:
            multi.close()
        for held in self._held:
            held.connection.close()
        self._sockets.close()
        self._selector.close()
        self._wake_receiver.close()
        self._wake_sender.close()

    def _turn(self) -> None:
        began_at = clock()
        touched: set[pycurl.CurlMulti] = set()
        for key, mask in self._selector.select(self._patience(began_at)):
            if key.fileobj is self._wake_receiver:
                with contextlib.suppress(BlockingIOError):
                    self._wake_receiver.recv(4096)
                continue
            ready = (pycurl.CSELECT_IN if mask & selectors.EVENT_READ else 0) | (
                pycurl.CSELECT_OUT if mask & selectors.EVENT_WRITE else 0
            )
            if mask & selectors.EVENT_READ:
                self._sockets.note_readable(key.fd)
            key.data.socket_action(key.fd, ready)
            touched.add(key.data)
        self._run_timers(touched)
        self._time_out(began_at)
        self._release_held(began_at)
        while self._submitted:
            requests, mailbox = self._submitted.popleft()
            self._queued.extend((request, mailbox) for request in requests)
        while self._queued and self._has_free_connection():
            self._start(*self._queued.popleft())
        # Let the started requests leave now, on connections whose last reply was judged above. Later, libcurl would
        # read first and send them in the same call, before that reply is judged.
        self._run_timers(set())
        self._deliver()

    def _run_timers(self, touched: set[pycurl.CurlMulti]) -> None:
        """Let libcurl handle due timers, and collect finished requests, also from the multi handles in `touched`."""
        now = time.monotonic()
        for multi in [multi for multi, at in self._timers.items() if at <= now]:
            del self._timers[multi]
            multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            touched.add(multi)
        for multi in touched:
            self._reap(multi)

    def _patience(self, now: float) -> float | None:
        """Return the seconds to wait for sockets: until a libcurl timer, the oldest request or a held error is due.

        None at all while queued requests may start: if libcurl has ended the last started ones at once, no socket and
        no timer would ever wake this thread for the others.
        """
        if self._queued and self._has_free_connection():
            return 0.0
        waits = [min(self._timers.values()) - time.monotonic()] if self._timers else []
        if self._in_flight:
            waits.append(self._oldest().started_at + self._total_timeout - now)
        if self._held:
            waits.append(self._held[0].until - now)
        return max(min(waits), 0.0) if waits else None

    def _has_free_connection(self) -> bool:
        return len(self._in_flight) + len(self._held) < self._connections

    def _time_out(self, began_at: float) -> None:
        """Give up on requests whose time was over when this turn began: what their sockets had was read since."""
        while self._in_flight and self._oldest().started_at + self._total_timeout <= began_at:
            self._finish(self._oldest().curl, describe(pycurl.E_OPERATION_TIMEDOUT))

    def _oldest(self) -> Handle:
        """Return what is in flight for the longest: it went in first."""
        return next(iter(self._in_flight.values()))

    def _start(self, request: Request, mailbox: Mailbox) -> None:
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

    def _reap(self, multi: pycurl.CurlMulti) -> None:
        is_more = 1
        while is_more:
            is_more, done, failed = multi.info_read()
            for curl in done:
                self._finish(curl, "")
            for curl, code, message in failed:
                self._finish(curl, describe(code, message))

    def _deliver(self) -> None:
        for mailbox, replies in self._finished.items():
            mailbox.put(replies)
        self._finished.clear()

    def _finish(self, curl: pycurl.Curl, error: str) -> None:
        handle = self._in_flight.pop(curl)
        if handle.met_spent_connection:
            handle.multi.remove_handle(curl)
            self._cut(handle.line)
            handle.start_over()
            handle.multi.add_handle(curl)
            self._in_flight[curl] = handle
            return
        mailbox, reply = handle.take_reply(error)
        verdict = reply.verdict = self._attribution.judge(reply)
        is_closed = isinstance(verdict, Rejected) and curl.getinfo(pycurl.ACTIVESOCKET) == -1
        handle.multi.remove_handle(curl)
        self._idle.append(handle)
        if self._may_be_kept(reply):
            if handle.line is not None:
                handle.line.is_judged = True
            self._finished.setdefault(mailbox, []).append(reply)
        elif isinstance(verdict, Rejected):
            self._hold(handle, reply, mailbox, is_closed=is_closed)
        else:
            self._cut(handle.line)
            self._finished.setdefault(mailbox, []).append(reply)

    def _may_be_kept(self, reply: Reply) -> bool:
        """Whether the connection may carry another request: only after a reply that surely belongs to this request.

        An error does not show its request, so a repetition of it must not reach another request. Two other cases need
        no check: libcurl itself closes a connection whose reply it could not read to the end, and the reply to a
        request without a phone cannot be attributed at all.
        """
        is_ours = isinstance(reply.verdict, Accepted)
        return is_ours or not reply.has_left or bool(reply.error) or find_recipient(reply.request.body) is None

    def _hold(self, handle: Handle, reply: Reply, mailbox: Mailbox, *, is_closed: bool) -> None:
        """Hold an error that may be the late reply to an earlier request, until the right reply would have come.

        On a new connection there is no earlier request. There is nothing to await either if the connection already
        brought more than this reply: the reply had come before the request left, another reply completes it, or libcurl
        has closed the connection although the reply did not announce that.
        """
        line, reply_bytes = handle.line, handle.count_reply_bytes()
        connection = None if line is None else self._take(line)
        is_first = line is None or line.is_new
        has_more = (is_closed and not handle.has_announced_end()) or (
            line is not None and not is_first and (line.had_reply(connection, reply_bytes) or is_garbled(reply))
        )
        if line is None or connection is None or is_first or has_more:
            reply.verdict = self._attribution.confirm(reply, has_more=has_more)
            self._finished.setdefault(mailbox, []).append(reply)
            if connection is not None:
                connection.close()
            return
        until = clock() + min(self._attribution.hold_seconds, self._total_timeout)
        self._held.append(_Held(until, connection, line.most_bytes(reply_bytes), reply, mailbox))

    def _release_held(self, now: float) -> None:
        while self._held and self._held[0].until <= now:
            held = self._held.popleft()
            has_more = has_received_more(held.connection, held.most_bytes)
            held.connection.close()
            held.reply.verdict = self._attribution.confirm(held.reply, has_more=has_more)
            self._finished.setdefault(held.mailbox, []).append(held.reply)

    def _cut(self, line: Line | None) -> None:
        """Close a connection at once, even if libcurl would keep it."""
        connection = None if line is None else self._take(line)
        if connection is not None:
            connection.close()

    def _take(self, line: Line) -> socket.socket | None:
        if not self._sockets.is_open(line):
            return None
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(line.descriptor)
        return self._sockets.take(line)


def _raise_descriptor_limit() -> int:
    """Let this process open as many sockets as it may (the usual soft limit is 1,024); return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_CONNECTIONS * 2
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft
