"""Inspects the sockets of libcurl's connections before they carry a request, and detaches connections from libcurl.

libcurl does not inspect a connection that was idle for less than a second. Meanwhile the server may have closed this
connection, or sent bytes that no request has asked for. libcurl would take these bytes for the reply to the next
request.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# A socket becomes readable if bytes arrive, if the server closes the connection, or after an error. A request does not
# use such a connection. On an idle TLS connection the bytes may also be a message of TLS itself (a session ticket, a
# new key). In that case the new connection for the request is unnecessary, but harmless.
_READABLE_EVENTS = select.POLLIN | getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR

# The position of the field `tcpi_bytes_received` in Linux's `struct tcp_info`, and the position after this field.
_RECEIVED_AT, _INFO_BYTES = 128, 136

# The most bytes that TLS adds to a reply of up to four records. The shortest acceptance is longer than this number, so
# the bytes of a second acceptance are never taken for bytes of TLS.
_TLS_BYTES = 100

# The record that ends a TLS connection (close_notify; RFC 8446, 5.1 and 6.1). Its first byte is 0x15 in TLS 1.2 and
# 0x17 in TLS 1.3, where the record is encrypted. At most, the record consists of its header, two bytes of content, and
# the overhead of the cipher.
_CLOSING_RECORDS = (b"\x15", b"\x17")
_CLOSING_RECORD_BYTES = 31

Peer = tuple[str, int]


@dataclass(slots=True, eq=False)
class ConnectionState:
    """The state of a connection just before a request left, and signs that the reply had arrived before.

    `is_idle` False: the connection was closed or has unread bytes, and must not carry the request. `received_bytes`:
    the number of bytes that had arrived before the request left; None if the system does not count them. `head`: the
    header lines of the reply, as they arrive. `was_readable`: the socket became readable after the request left.
    `has_early_head`: libcurl had read header lines before the socket became readable. `is_judged`: the reply was
    checked, and the connection may carry another request.
    """

    descriptor: int
    local_port: int
    is_new: bool
    head: Sequence[bytes]
    is_idle: bool = True
    received_bytes: int | None = None
    was_readable: bool = False
    has_early_head: bool = False
    is_judged: bool = False

    def has_early_reply(self, connection: socket.socket | None, reply_bytes: int) -> bool:
        """Whether the reply, or its beginning, had arrived before the request left.

        If the socket became readable after the request left, the reply is early if libcurl had read header lines by
        that time. If the socket did not become readable, there are two cases: TLS had read the reply ahead, or libcurl
        read a quick reply right after it had sent the request. The count of received bytes decides between these two
        cases.
        """
        if self.was_readable or connection is None or self.received_bytes is None:
            return self.has_early_head
        received = _count_received(connection)
        return received is not None and not 0 <= received - self.received_bytes - reply_bytes <= _TLS_BYTES

    def max_received_bytes(self, reply_bytes: int) -> int | None:
        """Return the most bytes that the connection can have received if this is its last reply.

        None: the system does not count received bytes.
        """
        return None if self.received_bytes is None else self.received_bytes + reply_bytes + _TLS_BYTES


class Sockets:
    """The connections that have carried a request. Entries may be out of date, so each use checks the descriptor."""

    def __init__(self) -> None:
        self._connections_by_port: dict[int, tuple[int, Peer]] = {}
        self._states: dict[int, ConnectionState] = {}  # by descriptor
        self._borrowed: dict[int, socket.SocketType] = {}  # by descriptor
        # A socket whose other end is closed. This socket takes the place of each connection that is detached from
        # libcurl.
        self._closed_socket, other = socket.socketpair()
        other.close()

    def close(self) -> None:
        for each in self._borrowed.values():
            each.detach()  # libcurl has closed the descriptor, and it may be another file by now
        self._borrowed.clear()
        self._closed_socket.close()

    def find(
        self, local_port: int, peer: Peer, *, opened: Iterable[int], head: Sequence[bytes]
    ) -> ConnectionState | None:
        """Return the state of the connection between this port and this peer.

        None: the connection is unknown, or its last reply was not judged yet. `opened`: the descriptors that libcurl
        has opened for this request. If one of these descriptors has the port, the connection is new.
        """
        for descriptor in opened:
            if self._find_local_port(descriptor) == local_port:
                self._connections_by_port[local_port] = (descriptor, peer)
                state = self._states[descriptor] = ConnectionState(descriptor, local_port, is_new=True, head=head)
                return state
        descriptor, known_peer = self._connections_by_port.get(local_port, (-1, None))
        last = self._states.get(descriptor)
        if known_peer != peer or (last is not None and not last.is_judged):
            return None
        inspected = self._inspect(descriptor, local_port, head)
        if inspected is not None:
            self._states[descriptor] = inspected
        return inspected

    def note_readable(self, descriptor: int) -> None:
        """Note that a socket became readable, before libcurl reads from the socket."""
        state = self._states.get(descriptor)
        if state is not None and not state.was_readable:
            state.was_readable, state.has_early_head = True, bool(state.head)

    def is_open(self, state: ConnectionState) -> bool:
        """Whether the descriptor still belongs to this connection. libcurl may have closed the connection."""
        return self._find_local_port(state.descriptor) == state.local_port

    def detach(self, state: ConnectionState) -> socket.socket:
        """Take an open connection away from libcurl. In its place libcurl finds a socket whose other end is closed."""
        detached = socket.socket(fileno=os.dup(state.descriptor))
        os.dup2(self._closed_socket.fileno(), state.descriptor, inheritable=False)
        return detached

    def _inspect(self, descriptor: int, local_port: int, head: Sequence[bytes]) -> ConnectionState | None:
        if self._find_local_port(descriptor) != local_port:
            return None
        borrowed, is_idle = self._borrowed[descriptor], _is_idle(descriptor)
        return ConnectionState(descriptor, local_port, False, head, is_idle, _count_received(borrowed))  # noqa: FBT003

    def _find_local_port(self, descriptor: int) -> int | None:
        """Return the local port of a socket; None if the descriptor is closed or is no internet socket any more.

        The port of the peer cannot identify the connection, because a connection that was reset has no peer.
        """
        try:
            port: int = self._borrow(descriptor).getsockname()[1]
        except (OSError, IndexError):
            return None
        return port

    def _borrow(self, descriptor: int) -> socket.SocketType:
        """Return a socket for a descriptor of libcurl. Raises OSError if the descriptor is no socket.

        The socket is kept, because to make one costs more than to use it. It holds nothing but the number of the
        descriptor, so it serves every later connection with this number, too.
        """
        borrowed = self._borrowed.get(descriptor)
        if borrowed is None:
            borrowed = self._borrowed[descriptor] = socket.SocketType(socket.AF_INET, socket.SOCK_STREAM, 0, descriptor)
        return borrowed


def has_received_more(connection: socket.socket, max_received_bytes: int | None) -> bool:
    """Whether a connection has received more than `max_received_bytes` in all, or has unread bytes."""
    received = _count_received(connection)
    if max_received_bytes is not None and received is not None and received > max_received_bytes:
        return True
    try:
        unread = connection.recv(_CLOSING_RECORD_BYTES + 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return False
    # The record by which a server closes a TLS connection is no part of a reply.
    is_closing = len(unread) <= _CLOSING_RECORD_BYTES and unread[:1] in _CLOSING_RECORDS
    return bool(unread) and not is_closing


def _is_idle(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, _READABLE_EVENTS)
    return not poll.poll(0)


def _count_received(connection: socket.SocketType) -> int | None:
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except (OSError, AttributeError):
        return None
    return int.from_bytes(info[_RECEIVED_AT:], sys.byteorder) if len(info) == _INFO_BYTES else None
