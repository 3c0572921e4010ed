"""A gevent worker of gunicorn that ends connections of slow clients, so that such clients cannot block a public port.

Without this class, gunicorn waits for the head of a request for the whole keep-alive time, which is long, and for the
body of a request without a limit. Clients that open as many connections as the worker allows, and send nothing more,
would block all other clients.

A peer with a public address gets only a share of the connections. Loopback and private addresses have no such limit,
because a proxy has such an address, and all requests may come from the one address of a proxy.
"""

from __future__ import annotations

import math
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import gevent  # type: ignore[import-untyped]
import gevent.socket  # type: ignore[import-untyped]
from gevent.pywsgi import WSGIServer  # type: ignore[import-untyped]
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

from campaigns.metrics.counts import counts
from campaigns.metrics.port import MAX_CONNECTIONS, make_metrics_app, open_shared_port
from campaigns.metrics.table import Key

# A body that has not come whole after PATIENCE_SECONDS is read no further. The limit is SHORT_PATIENCE_SECONDS while
# more than half of the connections wait for the rest of a body. SHORT_PATIENCE_SECONDS also limits connections without
# a request, while more than half of the connections are in use or the worker stops.
PATIENCE_SECONDS = 20.0
SHORT_PATIENCE_SECONDS = 1.0
# A peer on the internet may have at most one tenth (1 / PEER_SHARE) of the worker's connections.
PEER_SHARE = 10


@dataclass(slots=True)
class _Client:
    """One connection.

    `is_idle`: it waits for the head of a request. `has_body`: it has a request with a body. `since`: when the request
    or the wait for it began. `more_seconds`: the time that a long body gets in addition to PATIENCE_SECONDS.
    """

    is_idle: bool = True
    has_body: bool = False
    since: float = field(default_factory=time.monotonic)
    more_seconds: float = 0.0

    def begin(self, body_length: int | None, more_seconds: float) -> None:
        self.is_idle, self.has_body, self.more_seconds = False, body_length is not None, more_seconds
        self.since = time.monotonic()

    def end(self) -> None:
        self.is_idle, self.has_body, self.since = True, False, time.monotonic()


def name_peer(address: Any) -> str | None:
    """Return the address or the /64 of a peer on the internet; None for loopback, private networks and Unix sockets.

    An internet provider gives each customer a whole /64 network of IPv6, so all addresses in a /64 count as one peer.
    """
    try:
        peer = ip_address(address[0])
    except (ValueError, IndexError, TypeError):  # a Unix socket
        return None
    if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    if not peer.is_global:
        return None
    return str(ip_network((peer, 64), strict=False)) if isinstance(peer, IPv6Address) else str(peer)


class _MetricsServer(WSGIServer):  # type: ignore[misc]  # gevent has no types
    """Serves the metrics on at most MAX_CONNECTIONS connections: a further connection ends the oldest one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._serving: list[Any] = []  # the greenlet of each connection, the oldest first

    def handle(self, sock: Any, address: Any) -> None:
        self._serving.append(gevent.getcurrent())
        for oldest in self._serving[:-MAX_CONNECTIONS]:
            oldest.kill(block=False)
        try:
            super().handle(sock, address)
        finally:
            self._serving.remove(gevent.getcurrent())


class BoundedWorker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """Ends overdue connections about once a second. A subclass logs them in `note_refusal`.

    A request without a body has no limit: it has been read whole, and its answer may be a stream. While at least half
    of the connections are free, a connection without a request stays open for gunicorn's keep-alive time.
    """

    # The lowest rate of a body, in bytes per second, that is not called slow. None: each body has PATIENCE_SECONDS.
    lowest_rate: float | None = None
    role = ""  # the name of the role in the Procfile

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make a worker. gunicorn calls this in its main process, before it forks the process of the worker."""
        super().__init__(*args, **kwargs)
        self._metrics_port = open_shared_port(self.role)
        self._clients: dict[Any, _Client] = {}
        self._peers: Counter[str | None] = Counter()  # the connections of each peer; None: peers without a limit

    def note_refusal(self, reason: str, count: int = 1) -> None:
        """Note that connections were ended. `reason`: our own words, which follow a number."""
        raise NotImplementedError

    def read_metrics(self) -> dict[Key, float]:
        """Return the counts of all processes of this server. A subclass may add numbers."""
        return counts.read()

    def run(self) -> None:
        """Serve the metrics on the port of the metrics, and the role on its own port, until the worker stops."""
        if self._metrics_port is not None:
            counts.take_row()
            port = self._metrics_port
            listener = gevent.socket.socket(port.family, port.type, fileno=port.fileno())
            _MetricsServer(listener, make_metrics_app(self.read_metrics), log=None, error_log=None).start()
        super().run()

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Handle a connection to its end. If the peer has too many connections, close the connection at once."""
        peer = name_peer(addr)
        if peer is not None and self._peers[peer] >= max(1, self.worker_connections // PEER_SHARE):
            self.note_refusal("for too many connections of one address")
            client.close()
            return
        self._clients[client] = _Client()
        self._peers[peer] += 1
        try:
            self.serve(listener, client, addr)
        finally:
            del self._clients[client]
            self._peers[peer] -= 1
            if not self._peers[peer]:
                del self._peers[peer]

    def serve(self, listener: Any, client: Any, addr: Any) -> None:
        """Let gunicorn serve a connection to its end. A subclass may serve some requests itself, in a shorter way."""
        super().handle(listener, client, addr)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Handle a request whose head has been read."""
        client, length = self._clients[sock], _read_length(req.headers)
        client.begin(length, (length or 0) / self.lowest_rate if self.lowest_rate else 0.0)
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            client.end()

    def notify(self) -> None:
        """Send gunicorn's heartbeat and end overdue connections. gunicorn's main loop calls this once a second."""
        super().notify()
        clients = list(self._clients.items())
        with_body = [each for each in clients if each[1].has_body]
        is_crowded = self._is_more_than_half(with_body)
        ended_count = sum(
            _end_overdue(sock, client, SHORT_PATIENCE_SECONDS if is_crowded else PATIENCE_SECONDS + client.more_seconds)
            for sock, client in with_body
        )
        if self._is_more_than_half(clients) or not self.alive:
            for sock, client in clients:
                if client.is_idle:
                    _end_overdue(sock, client, SHORT_PATIENCE_SECONDS)
        if ended_count:
            self.note_refusal("too slow", ended_count)

    def _is_more_than_half(self, clients: list[tuple[Any, _Client]]) -> bool:
        """Return whether these clients take more than half of the worker's connections."""
        return bool(len(clients) > self.worker_connections / 2)


def _read_length(headers: list[tuple[str, str]]) -> int | None:
    """Return the length of a body by the headers that gunicorn has checked; 0 for chunks, None if there is no body."""
    found = dict(headers)
    if "TRANSFER-ENCODING" in found:
        return 0
    return int(found.get("CONTENT-LENGTH", 0)) or None


def _end_overdue(sock: Any, client: _Client, patience: float) -> bool:
    """Stop reading from a client that takes longer than `patience`; return whether it did.

    A client that has sent its whole request still gets its answer.
    """
    if client.since > time.monotonic() - patience:
        return False
    client.since = math.inf
    try:
        # A shutdown of gevent's own object would raise in the greenlet that reads, and gunicorn would log an error.
        # Through a copy of the descriptor, that greenlet reads the end of the connection.
        with socket.fromfd(sock.fileno(), sock.family, sock.type) as copy:
            copy.shutdown(socket.SHUT_RD)
    except OSError:
        return False  # the connection has ended meanwhile
    return True
