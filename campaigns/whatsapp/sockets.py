"""Inspects the sockets of libcurl's connections before they carry a request, and takes connections from libcurl.

libcurl does not inspect a connection that it kept for less than a second. The other side may have closed it meanwhile,
or sent bytes that no request of ours has asked for, and libcurl would take these for the reply to the next request.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# The socket is readable after bytes, a close by the other side, or an error. On a kept TLS connection the bytes may
# also belong to TLS itself, a session ticket or a new key: then one more connection is made, and nothing is lost.
_NOT_IDLE = select.POLLIN | getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR

# Offset of the count of received bytes in Linux's `struct tcp_info`, and the size up to its end.
_RECEIVED_AT, _INFO_BYTES = 128, 136

# Most bytes that TLS adds to a reply of up to four records. The shortest acceptance is longer than this.
_TLS_BYTES = 100

# The record that ends a TLS connection (close_notify; RFC 8446, 5.1 and 6.1): its types in TLS 1.2 and, encrypted, in
# TLS 1.3, and its longest form, which is a header, two bytes, and the additions of the cipher.
_CLOSING_RECORDS = (b"\x15", b"\x17")
_CLOSING_RECORD_BYTES = 31

Peer = tuple[str, int]


@dataclass(slots=True, eq=False)
class Line:
    """The state of a connection just before a request left, and evidence whether the reply came after that.

    `is_idle` False: it was closed, or has unread bytes, and must carry nothing. `received_bytes`: all bytes that the
    connection had received until then; None if the system does not count them. `head` takes the lines of the reply's
    head. `is_judged`: its reply was checked, and the connection may carry another request.
    """

    descriptor: int
    local_port: int
    is_new: bool
    head: Sequence[bytes]
    is_idle: bool = True
    received_bytes: int | None = None
    was_readable: bool = False
    is_early: bool = False
    is_judged: bool = False

    def had_reply(self, connection: socket.socket | None, reply_bytes: int) -> bool:
        """Whether the reply, or its beginning, had come before the request left.

        TLS reads ahead, so such bytes may not show at the socket; the count of received bytes reveals them. libcurl
        also reads right after it has sent and may find a quick reply: its bytes were received after the request left.
        """
        if self.was_readable or connection is None or self.received_bytes is None:
            return self.is_early
        received = _count_received(connection)
        return received is not None and not 0 <= received - self.received_bytes - reply_bytes <= _TLS_BYTES

    def most_bytes(self, reply_bytes: int) -> int | None:
        """Return the most bytes that the connection has received if this is its last reply; None: no count."""
        return None if self.received_bytes is None else self.received_bytes + reply_bytes + _TLS_BYTES


class Sockets:
    """The descriptors of connections that were used once. Old ones are never forgotten, but never believed either."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, Peer]] = {}  # by local port
        self._lines: dict[int, Line] = {}  # by descriptor
        # A closed socket that replaces, in libcurl, each connection that was taken from it.
        self._dead, other = socket.socketpair()
        other.close()

    def close(self) -> None:
        self._dead.close()

    def find(self, local_port: int, peer: Peer, *, opened: Iterable[int], head: Sequence[bytes]) -> Line | None:
        """Return the connection between this port and this peer; None if it is unknown, or its reply not judged yet.

        `opened` are the descriptors that the request has opened: one of them may be its connection, a new one.
        """
        for descriptor in opened:
            if _local_port(descriptor) == local_port:
                self._known[local_port] = (descriptor, peer)
                line = self._lines[descriptor] = Line(descriptor, local_port, is_new=True, head=head)
                return line
        descriptor, known_peer = self._known.get(local_port, (-1, None))
        last = self._lines.get(descriptor)
        if known_peer != peer or (last is not None and not last.is_judged):
            return None
        found = _look(descriptor, local_port, head)
        if found is not None:
            self._lines[descriptor] = found
        return found

    def note_readable(self, descriptor: int) -> None:
        """Note that bytes have arrived, before libcurl reads them. A head that was read before this came too early."""
        line = self._lines.get(descriptor)
        if line is not None and not line.was_readable:
            line.was_readable, line.is_early = True, bool(line.head)

    def is_open(self, line: Line) -> bool:
        """Whether libcurl has not closed the connection by itself."""
        return _local_port(line.descriptor) == line.local_port

    def take(self, line: Line) -> socket.socket:
        """Take an open connection from libcurl, which finds it closed."""
        taken = socket.socket(fileno=os.dup(line.descriptor))
        os.dup2(self._dead.fileno(), line.descriptor, inheritable=False)
        return taken


def has_received_more(connection: socket.socket, most_bytes: int | None) -> bool:
    """Whether a connection has received more than `most_bytes` in all, or has unread bytes."""
    received = _count_received(connection)
    if most_bytes is not None and received is not None and received > most_bytes:
        return True
    try:
        unread = connection.recv(_CLOSING_RECORD_BYTES + 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return False
    # A server that closes a TLS connection says so in one short record, which is no part of a reply.
    is_closing = len(unread) <= _CLOSING_RECORD_BYTES and unread[:1] in _CLOSING_RECORDS
    return bool(unread) and not is_closing


def _look(descriptor: int, local_port: int, head: Sequence[bytes]) -> Line | None:
    try:
        connection = _borrow(descriptor)
    except OSError:
        return None
    try:
        if connection.getsockname()[1] != local_port:
            return None
        return Line(descriptor, local_port, False, head, _is_idle(descriptor), _count_received(connection))  # noqa: FBT003
    except (OSError, IndexError):
        return None
    finally:
        connection.detach()


def _borrow(descriptor: int) -> socket.SocketType:
    """Return a socket for a descriptor of libcurl's; the caller must detach it. `SocketType` is cheap to create."""
    return socket.SocketType(socket.AF_INET, socket.SOCK_STREAM, 0, descriptor)


def _is_idle(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, _NOT_IDLE)
    return not poll.poll(0)


def _count_received(connection: socket.SocketType) -> int | None:
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except (OSError, AttributeError):
        return None
    return int.from_bytes(info[_RECEIVED_AT:], sys.byteorder) if len(info) == _INFO_BYTES else None


def _local_port(descriptor: int) -> int | None:
    """Return the local port of a socket, None for whatever else the descriptor has become.

    Not the port of its peer: a connection that was reset has none any more.
    """
    try:
        connection = _borrow(descriptor)
    except OSError:
        return None
    try:
        port: int = connection.getsockname()[1]
    except (OSError, IndexError):
        return None
    finally:
        connection.detach()
    return port
