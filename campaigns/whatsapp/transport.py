"""Sends many requests at a time from one thread, over connections that stay open.

Each request leaves at most once, and only while its permit is valid. `has_left` of its reply says whether it left.

The thread is driven by socket events (epoll), because `select()` is limited to 1,024 descriptors.
"""

from __future__ import annotations

import contextlib
import logging
import re
import resource
import select
import socket
import ssl
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

import certifi

from campaigns.clock import clock
from campaigns.domain.congestion import ConnectionLimit
from campaigns.domain.verdict import Accepted, Rejected
from campaigns.whatsapp.attribution import Attribution, find_recipient, is_garbled
from campaigns.whatsapp.connection import Connection, ConnectionBrokenError, Exchange, Target, find_proxy
from campaigns.whatsapp.mailbox import Mailbox, Reply, Request
from campaigns.whatsapp.resolver import Address, Resolver

_log = logging.getLogger(__name__)

_MAX_CONNECTIONS = 2048
# A connection that was idle for longer carries no further request. Meta's servers and common proxies close a connection
# after a longer time.
_IDLE_SECONDS = 20.0
# One run of the loop starts at most this many requests. The next run first reads the replies that have come meanwhile,
# so their connections can carry further requests.
_STARTS_PER_RUN = 32
# A slice that submits at most this many requests at a time has few messages.
_FEW = 8
# This many requests of a slice with many messages start before those of the next such slice.
_STARTS_PER_TURN = 32
# While requests wait for a connection, connections open, or names are looked up, the thread wakes at least this often.
# It then checks whether another connection may be opened, and which attempts have taken too long.
_POLL_SECONDS = 0.05
# Valkey may have a connection for each slot (512 by default), and Postgres and files need descriptors, too. So the
# transport leaves a quarter of all descriptors to them: at least 128, and at most 640.
_LEAST_SPARE_DESCRIPTORS, _MOST_SPARE_DESCRIPTORS = 128, 640
# The most heads of requests to remember. A head is a request up to the number of its Content-Length. There is one for
# each account.
_MAX_HEADS = 4096

_USER_AGENT = "revoada/0.1"
_URL = re.compile(r"[a-z]+://(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?(?P<path>/[!-~]*)?", re.ASCII)
_PORTS = {"http": 80, "https": 443}
_MAX_PORT = 65_535

_TIMEOUT = "timeout"
_HELD_BACK = "not sent: the right to send had ended"

# Linux has epoll. Other systems have poll, with the same numbers of events, but a timeout in milliseconds.
_make_poller: Callable[[], Any]
_make_poller, _POLLER_UNITS = (select.epoll, 1) if hasattr(select, "epoll") else (select.poll, 1000)


class _UnsupportedSchemeError(ValueError):
    pass


@dataclass(frozen=True, slots=True)
class _HeldError:
    """An error reply whose verdict stands only if its connection receives nothing more for a while.

    The connection carries no other request. `ends_at`: the end of the wait, on `clock`.
    """

    ends_at: float
    connection: Connection
    reply: Reply
    mailbox: Mailbox


class Transport:
    """Sends the requests of all slices of a process, over connections that stay open between slices."""

    def __init__(self, *, connect_timeout: float, total_timeout: float, ca_file: str | None = None) -> None:
        """Start the thread.

        `connect_timeout`, `total_timeout`: in seconds from the start of a request. The connect timeout ends before the
        request leaves, so it includes the lookup of the name and the handshake of TLS. `ca_file`: the file of the
        certificate authorities that are trusted; None: that of certifi.
        """
        self._connect_timeout, self._total_timeout, self._ca_file = connect_timeout, total_timeout, ca_file
        self._submitted: deque[tuple[Sequence[Request], Mailbox]] = deque()
        # Requests that wait for a free connection, by slice: those of slices that submitted few, and all others.
        self._few: OrderedDict[Mailbox, deque[Request]] = OrderedDict()
        self._many: OrderedDict[Mailbox, deque[Request]] = OrderedDict()
        self._queued_count = 0
        # The number of requests that the first slice of `_many` has started in its turn, and whether it is the turn of
        # `_few`.
        self._turn_count, self._is_turn_of_few = 0, True
        # In the order in which they started.
        self._in_flight: dict[Exchange, None] = {}
        self._connections: dict[int, Connection] = {}  # by descriptor
        self._idle: dict[Target, list[Connection]] = {}  # the one that was used last is the last of its list
        self._opening: set[Connection] = set()
        # The requests that wait for the address of their server.
        self._unresolved: dict[Exchange, None] = {}
        self._checked_opening_at = 0.0
        self._held_errors: deque[_HeldError] = deque()
        self._attribution = Attribution()
        self._finished: dict[Mailbox, list[Reply]] = {}
        self._is_closed = False
        self._heads: dict[tuple[str, ...], tuple[Target, bytes]] = {}
        self._sessions: dict[Target, ssl.SSLSession] = {}
        self._tls: ssl.SSLContext | None = None
        self._poller = _make_poller()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        for end in (self._wake_receiver, self._wake_sender):
            end.settimeout(0)
        self._poller.register(self._wake_receiver, select.POLLIN)
        self._resolver = Resolver(self._wake)
        descriptors = _raise_descriptor_limit()
        spare = min(max(descriptors // 4, _LEAST_SPARE_DESCRIPTORS), _MOST_SPARE_DESCRIPTORS)
        self._max_connections = max(min(_MAX_CONNECTIONS, descriptors - spare), 1)
        self._limit = ConnectionLimit(self._max_connections, clock())
        self._thread = threading.Thread(target=self._run, name="transport", daemon=True)
        self._thread.start()

    def submit(self, requests: Sequence[Request], mailbox: Mailbox) -> None:
        """Send `requests`; each gets exactly one reply in `mailbox`. Returns at once.

        Raises RuntimeError if the transport is closed.
        """
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
        # If the buffer is full, the thread will wake up anyway. The end of a lookup may find the transport closed.
        with contextlib.suppress(OSError):
            self._wake_sender.send(b"\0")

    def _run(self) -> None:
        while not self._is_closed:
            try:
                self._run_once()
            except Exception:  # noqa: BLE001  one bad request must not end the sending of all campaigns
                _log.exception("the transport continues after an error", extra={"event": "transport_error"})
        for connection in self._connections.values():
            connection.close()
        self._wake_receiver.close()
        self._wake_sender.close()

    def _run_once(self) -> None:
        started_at = clock()
        self._limit.note(started_at, used=self._count_used_connections())
        seconds = self._seconds_to_wait(started_at)
        for descriptor, events in self._poller.poll(None if seconds is None else seconds * _POLLER_UNITS):
            if (connection := self._connections.get(descriptor)) is not None:
                self._on_event(connection, events)
            elif descriptor == self._wake_receiver.fileno():
                with contextlib.suppress(BlockingIOError):
                    self._wake_receiver.recv(4096)
        for exchange in list(self._unresolved):
            self._find_addresses(exchange)
        self._end_late_openings(started_at)
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
        self._deliver_replies()

    def _seconds_to_wait(self, now: float) -> float | None:
        """Return the seconds to wait for sockets: until the oldest request, a held error or a check is due.

        None: nothing is due, so wait for sockets without a limit. 0.0: queued requests can start.
        """
        if self._queued_count and self._has_free_connection():
            return 0.0
        waits = []
        if self._queued_count or self._opening or self._unresolved:
            waits.append(_POLL_SECONDS)
        if self._in_flight:
            waits.append(self._find_oldest().started_at + self._total_timeout - now)
        if self._held_errors:
            waits.append(self._held_errors[0].ends_at - now)
        return max(min(waits), 0.0) if waits else None

    def _has_free_connection(self) -> bool:
        return self._count_used_connections() < self._limit.allowed

    def _count_used_connections(self) -> int:
        return len(self._in_flight) + len(self._held_errors)

    def _time_out_requests(self, started_at: float) -> None:
        """End the requests whose total timeout had passed at `started_at`, when this run of the loop started.

        Replies that have arrived are read first, so none is lost after a freeze of the process. The last poll
        may have missed some: epoll reports 1,023 sockets at a time, and a read takes one record of TLS.
        """
        while self._in_flight and (oldest := self._find_oldest()).started_at + self._total_timeout <= started_at:
            connection = oldest.connection
            if connection is not None and connection.is_ready and connection.has_unread():
                self._on_event(connection, select.POLLIN)
            else:
                self._fail(oldest, _TIMEOUT)

    def _find_oldest(self) -> Exchange:
        return next(iter(self._in_flight))

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

    # connections

    def _start_request(self, request: Request, mailbox: Mailbox) -> None:
        try:
            target, data = self._write(request)
        except (ValueError, TypeError, AttributeError) as error:
            # The URL or a header line has a wrong form, or is no text. The text of the error may hold the token.
            reason = str(error) if isinstance(error, _UnsupportedSchemeError) else type(error).__name__
            reply = Reply(request, has_left=False, error=f"the request cannot be made: {reason}")
            reply.verdict = self._attribution.judge(reply)
            self._add_reply(mailbox, reply)
            return
        exchange = Exchange(request, mailbox, target, data, clock())
        self._in_flight[exchange] = None
        connection = self._take_idle(target)
        if connection is None:
            self._find_addresses(exchange)
        else:
            self._let_leave(connection, exchange)

    def _write(self, request: Request) -> tuple[Target, bytes]:
        """Return the server and the bytes of a request. Raises ValueError, TypeError or AttributeError."""
        key = (request.url, *request.headers)
        known = self._heads.get(key)
        if known is None:
            if len(self._heads) >= _MAX_HEADS:
                self._heads.clear()
            known = self._heads[key] = _write_head(*key)
        target, head = known
        return target, b"%b%d\r\n\r\n%b" % (head, len(request.body), request.body)

    def _take_idle(self, target: Target) -> Connection | None:
        """Return a connection to the server that can carry a request now; None if there is none."""
        idle = self._idle.get(target)
        while idle:
            connection = idle.pop()
            if clock() - connection.idle_since <= _IDLE_SECONDS and connection.is_quiet():
                return connection
            self._close(connection)
        return None

    def _find_addresses(self, exchange: Exchange) -> None:
        """Begin to open a connection for a request, if the addresses of its server are known."""
        self._unresolved.pop(exchange, None)
        try:
            addresses = self._resolver.find(*exchange.target.peer)
        except ValueError:
            self._fail(exchange, "the address of the proxy in https_proxy does not begin with http://")
            return
        if addresses is None:
            self._unresolved[exchange] = None
        elif addresses:
            self._connect(exchange, addresses)
        else:
            self._fail(exchange, "the name could not be resolved")

    def _connect(self, exchange: Exchange, untried: Sequence[Address]) -> None:
        """Begin to open a connection for a request, to the first of the `untried` addresses."""
        self._close_oldest_idle_at_limit()
        now, ends_at = clock(), exchange.started_at + self._connect_timeout
        if now >= ends_at:
            self._fail(exchange, _TIMEOUT)
            return
        for number, address in enumerate(untried):
            # Each address gets an equal share of the time that is left.
            attempt_ends_at = now + (ends_at - now) / (len(untried) - number)
            wrap = partial(self._wrap_in_tls, exchange.target) if exchange.target.is_tls else None
            others = untried[number + 1 :]
            try:
                connection = Connection(
                    exchange.target, address, exchange, untried=others, attempt_ends_at=attempt_ends_at, wrap=wrap
                )
            except OSError:
                continue
            exchange.connection = connection
            self._connections[connection.descriptor] = connection
            self._opening.add(connection)
            self._poller.register(connection.descriptor, connection.events)
            return
        self._fail(exchange, "no connection")

    def _wrap_in_tls(self, target: Target, plain: socket.socket) -> ssl.SSLSocket:
        """Return a socket that speaks TLS with the server, and resumes the session of an earlier connection.

        The authorities are read for the first connection and not at the start, because that takes 20 ms. After a
        failure, the next connection reads them again.
        """
        if self._tls is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the certificate and the name
            context.set_alpn_protocols(["http/1.1"])
            context.load_verify_locations(self._ca_file or certifi.where())
            self._tls = context
        return self._tls.wrap_socket(
            plain,
            server_hostname=target.host,
            do_handshake_on_connect=False,
            suppress_ragged_eofs=False,
            session=self._sessions.get(target),
        )

    def _close_oldest_idle_at_limit(self) -> None:
        """If the process has `_max_connections` connections, close the one that has been idle for longest."""
        if len(self._connections) >= self._max_connections:
            idle = [connections[0] for connections in self._idle.values() if connections]
            if idle:
                self._close_idle(min(idle, key=lambda connection: connection.idle_since))

    def _end_late_openings(self, now: float) -> None:
        """End the attempts to connect that had taken too long at `now`, when this run of the loop started."""
        if now - self._checked_opening_at < _POLL_SECONDS:
            return
        self._checked_opening_at = now
        for connection in [each for each in self._opening if each.attempt_ends_at <= now]:
            self._try_next(connection, _TIMEOUT)
        for exchange in [each for each in self._unresolved if each.started_at + self._connect_timeout <= now]:
            self._fail(exchange, _TIMEOUT)

    def _try_next(self, connection: Connection, error: str) -> None:
        """Try the next address of a server, or end the request with `error` if there is none."""
        exchange, untried = connection.exchange, connection.untried
        assert exchange is not None
        if untried:
            exchange.connection = None
            self._close(connection)
            self._connect(exchange, untried)
        else:
            self._fail(exchange, error)

    def _close_idle(self, connection: Connection) -> None:
        self._idle[connection.target].remove(connection)
        self._close(connection)

    def _close(self, connection: Connection) -> None:
        if self._connections.get(connection.descriptor) is not connection:
            return  # it is closed already
        del self._connections[connection.descriptor]
        self._opening.discard(connection)
        with contextlib.suppress(OSError, KeyError):
            self._poller.unregister(connection.descriptor)
        connection.close()

    # events

    def _on_event(self, connection: Connection, events: int) -> None:
        exchange, awaited = connection.exchange, connection.events
        if not connection.is_ready:
            self._go_on_opening(connection)
        elif exchange is None:
            self._read_without_request(connection)
        else:
            try:
                if events & ~select.POLLOUT and connection.read():
                    self._finish(exchange)
                else:
                    connection.send_rest()
            except ConnectionBrokenError as error:
                self._fail(exchange, str(error))
                return
        if connection.events != awaited and self._connections.get(connection.descriptor) is connection:
            self._poller.modify(connection.descriptor, connection.events)

    def _go_on_opening(self, connection: Connection) -> None:
        exchange = connection.exchange
        assert exchange is not None
        try:
            if not connection.open():
                return
        except ConnectionBrokenError as error:
            self._try_next(connection, str(error))
            return
        self._opening.discard(connection)
        self._resolver.prefer(*connection.target.peer, connection.address)
        if clock() >= exchange.started_at + self._total_timeout:  # after a freeze of the process
            self._fail(exchange, _TIMEOUT)
        else:
            self._let_leave(connection, exchange)

    def _read_without_request(self, connection: Connection) -> None:
        """Read from a connection without a request. Bytes that no request has asked for, and the end, close it.

        `has_more` of the connection tells of such bytes, for an error that is held.
        """
        if connection.stays_quiet():
            return
        if connection in self._idle.get(connection.target, ()):
            self._close_idle(connection)
        else:
            self._close(connection)

    # requests

    def _let_leave(self, connection: Connection, exchange: Exchange) -> None:
        """Let a request leave on an open connection, if it still may leave."""
        if clock() >= exchange.request.permit.deadline:
            exchange.was_held_back, exchange.connection = True, None
            self._keep(connection)
            self._fail(exchange, _HELD_BACK)
            return
        exchange.connection, connection.exchange, exchange.has_left = connection, exchange, True
        try:
            connection.send(exchange.data)
        except ConnectionBrokenError as error:
            self._fail(exchange, str(error))
            return
        # An idle connection is registered for POLLIN. After the opening, `_on_event` corrects the registration.
        if connection.events != select.POLLIN:
            self._poller.modify(connection.descriptor, connection.events)

    def _keep(self, connection: Connection) -> None:
        connection.exchange, connection.idle_since = None, clock()
        self._idle.setdefault(connection.target, []).append(connection)

    def _fail(self, exchange: Exchange, error: str) -> None:
        """End a request that got no whole reply."""
        del self._in_flight[exchange]
        self._unresolved.pop(exchange, None)
        reply = Reply(
            exchange.request,
            has_left=exchange.has_left,
            error=error,
            seconds=clock() - exchange.started_at,
            was_held_back=exchange.was_held_back,
        )
        reply.verdict = self._attribution.judge(reply)
        if exchange.connection is not None:
            self._close(exchange.connection)
        self._add_reply(exchange.mailbox, reply)

    def _finish(self, exchange: Exchange) -> None:
        """End a request whose reply is complete."""
        del self._in_flight[exchange]
        connection = exchange.connection
        assert connection is not None
        connection.exchange = None
        reply = Reply(
            exchange.request,
            has_left=True,
            error="",
            http_status=connection.http_status,
            content_type="" if connection.http_status == HTTPStatus.OK else connection.read_content_type(),
            body=connection.body,
            seconds=clock() - exchange.started_at,
        )
        verdict = reply.verdict = self._attribution.judge(reply)
        if connection.request_count == 1 and (session := connection.session) is not None:
            self._sessions[exchange.target] = session
        if isinstance(verdict, Accepted) or find_recipient(exchange.request.body) is None:
            # Only such a reply certainly belongs to this request. An error does not name its request, so a repetition
            # of the error could be taken for the reply to the next request. If the request names no phone, no reply can
            # be attributed to it.
            if connection.can_be_kept:
                self._keep(connection)
            else:
                self._close(connection)
        elif isinstance(verdict, Rejected):
            self._hand_over_or_hold_error(connection, reply, exchange.mailbox)
            return
        else:
            self._close(connection)
        self._add_reply(exchange.mailbox, reply)

    def _hand_over_or_hold_error(self, connection: Connection, reply: Reply, mailbox: Mailbox) -> None:
        """Hand over an error, or hold it for longer than recent replies took.

        On a kept connection the error may be the late reply to an earlier request, and then the right reply still
        comes. The error is not held in these cases:

        - More bytes than the reply have come, or the body of a reply on a kept connection holds parts of two replies.
          Then the verdict is `Unknown`.
        - The connection is new, so there was no earlier request.
        - The server closes the connection, so no other reply can come.
        """
        is_first = connection.request_count == 1
        has_more = connection.has_more or (not is_first and is_garbled(reply))
        if is_first or has_more or not connection.keeps_alive:
            self._close(connection)
            reply.verdict = self._attribution.confirm(reply, has_more=has_more)
            self._add_reply(mailbox, reply)
            return
        ends_at = clock() + min(self._attribution.hold_seconds, self._total_timeout)
        self._held_errors.append(_HeldError(ends_at, connection, reply, mailbox))

    def _release_held_errors(self, now: float) -> None:
        while self._held_errors and self._held_errors[0].ends_at <= now:
            held = self._held_errors.popleft()
            if self._connections.get(held.connection.descriptor) is held.connection:
                # After a freeze of the process, bytes may have come that no event has told of yet.
                held.connection.stays_quiet()
                self._close(held.connection)
            held.reply.verdict = self._attribution.confirm(held.reply, has_more=held.connection.has_more)
            self._add_reply(held.mailbox, held.reply)

    def _add_reply(self, mailbox: Mailbox, reply: Reply) -> None:
        self._finished.setdefault(mailbox, []).append(reply)

    def _deliver_replies(self) -> None:
        for mailbox, replies in self._finished.items():
            mailbox.put(replies)
        self._finished.clear()


def _write_head(url: str, *headers: str) -> tuple[Target, bytes]:
    """Return the server of a URL, and the head of the requests to it, up to the number of the Content-Length.

    Raises ValueError for a URL or a header line that cannot be sent.
    """
    scheme = url.partition(":")[0]
    if scheme not in _PORTS:
        raise _UnsupportedSchemeError(f"the protocol {scheme} is not supported")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise ValueError(url)
    host = parts["host"]
    name, is_tls = host.strip("[]"), scheme == "https"
    port = int(parts["port"] or _PORTS[scheme])
    if port > _MAX_PORT:
        raise ValueError(url)
    lines = [
        f"POST {parts['path'] or '/'} HTTP/1.1",
        f"Host: {host}:{parts['port']}" if parts["port"] else f"Host: {host}",
        f"User-Agent: {_USER_AGENT}",
        "Accept: */*",
        *headers,
        "Content-Length: ",
    ]
    if any(char in line for line in lines for char in "\r\n\0"):
        raise ValueError(url)
    target = Target(name, port, is_tls, find_proxy(name) if is_tls else None)
    return target, "\r\n".join(lines).encode("latin-1")


def _raise_descriptor_limit() -> int:
    """Raise the soft limit of descriptors (usually 1,024), at most to the hard limit; return the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_CONNECTIONS * 2
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft
