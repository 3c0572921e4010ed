"""gunicorn's worker with greenlets, which also ends connections that take their time: slow clients hold nobody up.

A greenlet that reads a body waits for its client, by gunicorn alone for ever, and one that reads a head waits for the
keep-alive time, which is long: as many clients as there are connections would close the only public port.
"""

from __future__ import annotations

import logging
import math
import socket
import time
from dataclasses import dataclass, field
from typing import Any

from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

# For the body of a request and its answer, while at least half of the connections are free, and while they are not.
PATIENCE_SECONDS = 20.0
SHORT_PATIENCE_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Client:
    """One connection: since when it is in a request, or waits for the head of its next."""

    is_asking: bool = False
    since: float = field(default_factory=time.monotonic)

    def turn(self, *, is_asking: bool) -> None:
        self.is_asking, self.since = is_asking, time.monotonic()


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """Ends what is overdue about once a second.

    A connection without a request is left to its keep-alive time while at least half of them are free: who closes one
    just when its owner sends on it loses a webhook until Meta sends it again.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clients: dict[Any, _Client] = {}

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Handle a connection to its end."""
        self._clients[client] = _Client()
        try:
            super().handle(listener, client, addr)
        finally:
            del self._clients[client]

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Handle a request whose head has been read."""
        client = self._clients[sock]
        client.turn(is_asking=True)
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            client.turn(is_asking=False)

    def notify(self) -> None:
        """Tell the parent that all is well; the main loop does so once a second, and ends what is overdue."""
        super().notify()
        clients = list(self._clients.items())
        askers = [each for each in clients if each[1].is_asking]
        idlers = [each for each in clients if not each[1].is_asking]
        slow = self._end_overdue(askers, SHORT_PATIENCE_SECONDS if self._is_crowd(askers) else PATIENCE_SECONDS)
        if self._is_crowd(clients) or not self.alive:
            self._end_overdue(idlers, SHORT_PATIENCE_SECONDS)
        if slow:
            _log.warning("Read no more of %d slow requests", slow, extra={"event": "webhook_refused"})

    def _is_crowd(self, clients: list[tuple[Any, _Client]]) -> bool:
        return bool(len(clients) > self.worker_connections / 2)

    def _end_overdue(self, clients: list[tuple[Any, _Client]], patience: float) -> int:
        """Read no more of those who take longer, once; who has sent all of it still gets the answer."""
        latest = time.monotonic() - patience
        count = 0
        for sock, client in clients:
            if client.since > latest:
                continue
            client.since = math.inf
            try:
                sock.shutdown(socket.SHUT_RD)
            except OSError:
                continue  # it has ended meanwhile
            count += 1
        return count
