"""Knows the sockets of libcurl's connections, to see before a request leaves that the other side has closed its one."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable

# Whatever else has arrived: TLS says goodbye before it ends.
_CLOSED = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class Sockets:
    """The descriptors of connections that were used once. Old ones are never forgotten, but never believed either."""

    def __init__(self) -> None:
        self._descriptors: dict[int, int] = {}  # by local port

    def is_closed(self, local_port: int, *, opened: Iterable[int]) -> bool:
        """Tell whether the other side has closed a kept connection; False also where its socket is not known.

        `opened` are the descriptors that the asking request has opened: one of them may be its connection, a new one.
        """
        for descriptor in opened:
            if _local_port(descriptor) == local_port:
                self._descriptors[local_port] = descriptor
                return False
        kept = self._descriptors.get(local_port)
        return kept is not None and _is_closed(kept) and _local_port(kept) == local_port


def _is_closed(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, _CLOSED)
    return bool(poll.poll(0))


def _local_port(descriptor: int) -> int | None:
    """Return the local port of a socket, None for whatever else the descriptor has become.

    Not the port of its peer: a connection that was reset has none any more.
    """
    try:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=descriptor)
    except OSError:
        return None
    try:
        port: int = connection.getsockname()[1]
    except (OSError, IndexError):
        return None
    finally:
        connection.detach()
    return port
