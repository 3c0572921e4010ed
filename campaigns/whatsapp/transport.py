"""Many requests in flight from one thread: libcurl's multi interface, driven by its sockets.

No `select()` (it stops at 1,024 descriptors), and three habits of libcurl that would cost messages are mended here:

- It sends a POST again by itself when a kept-alive connection dies before the first byte of the reply. The callback
  that it asks before each departure lets a request leave once only.
- It does not look whether a connection that it has kept for less than a second is still open. What would leave on one
  that is not takes another.
- It looks at its timeout before it reads: after a freeze it would throw away replies that have arrived. So the total
  timeout is kept here.
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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import certifi
import pycurl

from campaigns.whatsapp.sockets import Sockets

_log = logging.getLogger(__name__)

# Below the idle time after which Meta's edge, and any proxy, closes a connection.
_IDLE_SECONDS = 20
_MAX_CONNECTIONS = 2048
# For each request libcurl looks through the connections of its multi handle, one by one.
_CONNECTIONS_PER_MULTI = 32
_SPARE_DESCRIPTORS = 128
# Meta's replies are below 2 KB; what is longer is not from Meta.
_MAX_REPLY_BYTES = 256 * 1024
_USER_AGENT = "revoada/0.1"


def clock() -> float:
    """Seconds on a clock that runs through a freeze of the machine, where the system has one."""
    return time.clock_gettime(_CLOCK)


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Permit(Protocol):
    """The right to send: nothing leaves after `deadline`, on `clock`."""

    deadline: float


@dataclass(slots=True, eq=False)
class Request:
    """One POST. `key` is the caller's own; the permit is asked at the moment of departure, not before."""

    key: object
    url: str
    headers: list[str]
    body: bytes
    permit: Permit


@dataclass(slots=True)
class Reply:
    """What came of a request. `error` is "" where an HTTP reply was read to its end.

    `has_left` False: not one byte of the request left our side, in no attempt. `seconds` is the time it took.
    """

    request: Request
    has_left: bool
    error: str
    http_status: int = 0
    content_type: str = ""
    body: bytes = b""
    seconds: float = 0.0
    was_held_back: bool = False


class Mailbox:
    """Where one slice finds its replies. The slice sleeps until there are enough of them, or the first has waited."""

    def __init__(self) -> None:
        self._replies: deque[Reply] = deque()
        self._arrived = threading.Condition(threading.Lock())
        self._enough = 1
        self._is_woken = False

    def put(self, replies: Iterable[Reply]) -> None:
        with self._arrived:
            was_empty = not self._replies
            self._replies.extend(replies)
            if was_empty or len(self._replies) >= self._enough:
                self._arrived.notify()

    def wake(self) -> None:
        """End the wait of the slice: something changed that is not a reply."""
        with self._arrived:
            self._is_woken = True
            self._arrived.notify()

    def collect(self, *, timeout: float, enough: int, linger: float) -> list[Reply]:
        """Return what there is: after `timeout`, or `linger` after the first, or once there are `enough` of them."""
        end = time.monotonic() + max(timeout, 0.0)
        with self._arrived:
            self._enough = 1
            while not self._replies and not self._is_woken and (left := end - time.monotonic()) > 0:
                self._arrived.wait(left)
            end = time.monotonic() + linger
            self._enough = enough
            while 0 < len(self._replies) < enough and not self._is_woken and (left := end - time.monotonic()) > 0:
                self._arrived.wait(left)
            self._is_woken = False
            replies = list(self._replies)
            self._replies.clear()
        return replies


class Transport:
    """Sends for all slices of a process, over connections that are kept between slices."""

    def __init__(self, *, connect_timeout: float, total_timeout: float) -> None:
        self._connect_timeout, self._total_timeout = connect_timeout, total_timeout
        self._submitted: deque[tuple[Sequence[Request], Mailbox]] = deque()
        # Beyond the connections that there may be, requests wait here: in libcurl their connect timeout would run.
        self._queued: deque[tuple[Request, Mailbox]] = deque()
        self._idle: list[_Handle] = []
        self._in_flight: dict[pycurl.Curl, _Handle] = {}
        self._sockets = Sockets()
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

    def _make_handle(self) -> _Handle:
        """Return a handle that stays with its multi handle: so an idle one there means an idle connection there."""
        if self._handle_count % _CONNECTIONS_PER_MULTI == 0:
            self._multis.append(self._make_multi())
        self._handle_count += 1
        return _Handle(self._multis[-1], self._connect_timeout, self._sockets)

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
        self._selector.close()
        self._wake_receiver.close()
        self._wake_sender.close()

    def _turn(self) -> None:
        began_at = clock()
        touched = set()
        for key, mask in self._selector.select(self._patience(began_at)):
            if key.fileobj is self._wake_receiver:
                with contextlib.suppress(BlockingIOError):
                    self._wake_receiver.recv(4096)
                continue
            ready = (pycurl.CSELECT_IN if mask & selectors.EVENT_READ else 0) | (
                pycurl.CSELECT_OUT if mask & selectors.EVENT_WRITE else 0
            )
            key.data.socket_action(key.fd, ready)
            touched.add(key.data)
        now = time.monotonic()
        for multi in [multi for multi, at in self._timers.items() if at <= now]:
            del self._timers[multi]
            multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            touched.add(multi)
        for multi in touched:
            self._reap(multi)
        self._time_out(began_at)
        while self._submitted:
            requests, mailbox = self._submitted.popleft()
            self._queued.extend((request, mailbox) for request in requests)
        while self._queued and len(self._in_flight) < self._connections:
            self._start(*self._queued.popleft())
        self._deliver()

    def _patience(self, now: float) -> float | None:
        """Return how long sockets may be waited for: until libcurl or the oldest request in flight wants its turn."""
        waits = [min(self._timers.values()) - time.monotonic()] if self._timers else []
        if self._in_flight:
            waits.append(self._oldest().started_at + self._total_timeout - now)
        return max(min(waits), 0.0) if waits else None

    def _time_out(self, began_at: float) -> None:
        """Give up on requests whose time was over when this turn began: what their sockets had was read since."""
        while self._in_flight and self._oldest().started_at + self._total_timeout <= began_at:
            self._finish(self._oldest().curl, _ERRORS[pycurl.E_OPERATION_TIMEDOUT])

    def _oldest(self) -> _Handle:
        """Return what is in flight for the longest: it went in first."""
        return next(iter(self._in_flight.values()))

    def _start(self, request: Request, mailbox: Mailbox) -> None:
        handle = self._idle.pop() if self._idle else self._make_handle()
        try:
            handle.prepare(request, mailbox)
            handle.multi.add_handle(handle.curl)
        except (pycurl.error, ValueError, TypeError, UnicodeError) as error:
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
                self._finish(curl, _describe(code, message))

    def _deliver(self) -> None:
        for mailbox, replies in self._finished.items():
            mailbox.put(replies)
        self._finished.clear()

    def _finish(self, curl: pycurl.Curl, error: str) -> None:
        handle = self._in_flight.pop(curl)
        handle.multi.remove_handle(curl)
        if handle.met_closed_connection:
            handle.start_over()
            handle.multi.add_handle(curl)
            self._in_flight[curl] = handle
            return
        mailbox, reply = handle.take_reply(error)
        self._idle.append(handle)
        self._finished.setdefault(mailbox, []).append(reply)


class _Handle:
    """One libcurl easy handle, used again and again, and the one departure of the request that it carries."""

    def __init__(self, multi: pycurl.CurlMulti, connect_timeout: float, sockets: Sockets) -> None:
        self.multi = multi
        self.curl = curl = pycurl.Curl()
        self.started_at = 0.0
        self.met_closed_connection = False
        self._sockets = sockets
        self._opened: list[int] = []
        self._has_left = self._was_held_back = self._is_fresh = False
        self._chunks: list[bytes] = []
        self._size = 0
        self._request: Request | None = None
        self._mailbox: Mailbox | None = None
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.USERAGENT, _USER_AGENT)
        # Never many requests on one connection: what breaks a connection leaves one message in doubt.
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(connect_timeout * 1000))
        curl.setopt(pycurl.CAINFO, certifi.where())
        curl.setopt(pycurl.SSL_VERIFYPEER, 1)
        curl.setopt(pycurl.SSL_VERIFYHOST, 2)
        curl.setopt(pycurl.MAXAGE_CONN, _IDLE_SECONDS)
        curl.setopt(pycurl.SOCKOPTFUNCTION, self._on_open)
        curl.setopt(pycurl.PREREQFUNCTION, self._before_departure)
        curl.setopt(pycurl.WRITEFUNCTION, self._on_data)

    def prepare(self, request: Request, mailbox: Mailbox) -> None:
        self._request, self._mailbox, self.started_at = request, mailbox, clock()
        self._has_left = self._was_held_back = self.met_closed_connection = False
        self._chunks, self._size, self._opened = [], 0, []
        if self._is_fresh:
            self._is_fresh = False
            self.curl.setopt(pycurl.FRESH_CONNECT, 0)
        self.curl.setopt(pycurl.URL, request.url)
        self.curl.setopt(pycurl.HTTPHEADER, request.headers)
        self.curl.setopt(pycurl.POSTFIELDS, request.body)

    def start_over(self) -> None:
        """Send what has not left on a new connection: libcurl may keep the closed one for a while."""
        self.started_at, self.met_closed_connection, self._is_fresh = clock(), False, True
        self.curl.setopt(pycurl.FRESH_CONNECT, 1)

    def take_reply(self, error: str) -> tuple[Mailbox, Reply]:
        request, mailbox = self._request, self._mailbox
        assert request is not None
        assert mailbox is not None
        self._request = self._mailbox = None
        reply = Reply(
            request,
            has_left=self._has_left,
            error=_HELD_BACK if self._was_held_back else error,
            http_status=int(self.curl.getinfo(pycurl.RESPONSE_CODE)),
            content_type=(self.curl.getinfo_raw(pycurl.CONTENT_TYPE) or b"").decode("latin-1"),
            body=b"".join(self._chunks),
            seconds=clock() - self.started_at,
            was_held_back=self._was_held_back,
        )
        self._chunks = []
        return mailbox, reply

    def _on_open(self, descriptor: int, _purpose: int) -> int:
        self._opened.append(descriptor)
        return pycurl.SOCKOPT_OK

    def _before_departure(self, _remote_ip: str, _local_ip: str, _remote_port: int, local_port: int) -> int:
        """Answer libcurl, which asks on a ready connection, before the first byte: once, and again for each replay."""
        request = self._request
        if request is None or self._has_left:
            return pycurl.PREREQFUNC_ABORT
        if self._sockets.is_closed(local_port, opened=self._opened):
            self.met_closed_connection = True
            return pycurl.PREREQFUNC_ABORT
        if clock() >= request.permit.deadline:
            self._was_held_back = True
            return pycurl.PREREQFUNC_ABORT
        self._has_left = True
        return pycurl.PREREQFUNC_OK

    def _on_data(self, chunk: bytes) -> int:
        self._size += len(chunk)
        if self._size > _MAX_REPLY_BYTES:
            return -1
        self._chunks.append(chunk)
        return len(chunk)


_HELD_BACK = "kept back: the right to send had ended"
_ERRORS = {
    pycurl.E_COULDNT_RESOLVE_HOST: "the name could not be resolved",
    pycurl.E_COULDNT_CONNECT: "no connection",
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
    pycurl.E_GOT_NOTHING: "the connection was closed without a reply",
    pycurl.E_RECV_ERROR: "the connection broke while the reply came",
    pycurl.E_SEND_ERROR: "the connection broke while the request left",
    pycurl.E_PARTIAL_FILE: "the reply was cut off",
    pycurl.E_SSL_CONNECT_ERROR: "TLS failed",
    pycurl.E_PEER_FAILED_VERIFICATION: "the certificate is not valid",
    pycurl.E_ABORTED_BY_CALLBACK: "the connection was closed without a reply",
    pycurl.E_SEND_FAIL_REWIND: "the connection was closed without a reply",
}


def _describe(code: int, message: str) -> str:
    known = _ERRORS.get(code)
    return known if known is not None else f"libcurl error {code}: {message[:100]}"


def _raise_descriptor_limit() -> int:
    """Let this process open as many sockets as it may (the usual soft limit is 1,024); return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_CONNECTIONS * 2
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft
