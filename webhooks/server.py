"""gunicorn's worker with threads, which also ends requests that take their time: so few slow clients hold nobody up.

A thread that reads a request waits for its client, by gunicorn alone for ever: as many clients as there are threads
would close the only public port.
"""

from __future__ import annotations

import logging
import math
import socket
import time
from dataclasses import dataclass, field
from typing import Any

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

# For one request and its answer, while at least half of the threads are free, and while they are not.
PATIENCE_SECONDS = 20.0
SHORT_PATIENCE_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Turn:
    """One request in the hands of a thread."""

    began: float = field(default_factory=time.monotonic)


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Ends what is overdue about once a second."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turns: dict[Any, _Turn] = {}

    def handle(self, conn: Any) -> Any:
        """Handle one request, in a thread of the pool."""
        self._turns[conn] = _Turn()
        try:
            return super().handle(conn)
        finally:
            del self._turns[conn]

    def murder_pending(self) -> None:
        """End what waits for too long; the main loop asks for it."""
        super().murder_pending()
        turns = list(self._turns.items())
        is_crowded = len(turns) > self.cfg.threads / 2
        latest = time.monotonic() - (SHORT_PATIENCE_SECONDS if is_crowded else PATIENCE_SECONDS)
        overdue = [(conn, turn) for conn, turn in turns if turn.began < latest]
        for conn, turn in overdue:
            turn.began = math.inf  # once
            try:
                conn.sock.shutdown(socket.SHUT_RD)  # who has sent all of it still gets the answer
            except OSError:
                continue  # it has ended meanwhile
        if overdue:
            _log.warning("Read no more of %d slow requests", len(overdue), extra={"event": "webhook_refused"})
