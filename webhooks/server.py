"""gunicorn's worker with greenlets, which also ends requests that take their time: so slow clients hold nobody up.

A greenlet that reads a body waits for its client, by gunicorn alone for ever (a head has the keep-alive time): as many
clients as there are connections would close the only public port.
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
class _Turn:
    """One request in the hands of a greenlet."""

    began: float = field(default_factory=time.monotonic)


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """Ends what is overdue about once a second."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turns: dict[Any, _Turn] = {}

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Handle a request whose head has been read."""
        self._turns[sock] = _Turn()
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            del self._turns[sock]

    def notify(self) -> None:
        """Tell the parent that all is well; the main loop does so once a second, and ends what is overdue."""
        super().notify()
        turns = list(self._turns.items())
        is_crowded = len(turns) > self.worker_connections / 2
        latest = time.monotonic() - (SHORT_PATIENCE_SECONDS if is_crowded else PATIENCE_SECONDS)
        overdue = [(sock, turn) for sock, turn in turns if turn.began < latest]
        for sock, turn in overdue:
            turn.began = math.inf  # once
            try:
                sock.shutdown(socket.SHUT_RD)  # who has sent all of it still gets the answer
            except OSError:
                continue  # it has ended meanwhile
        if overdue:
            _log.warning("Read no more of %d slow requests", len(overdue), extra={"event": "webhook_refused"})
