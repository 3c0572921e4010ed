"""gunicorn's settings for the console: `gunicorn 'console:create_app()' --config python:console.server`.

One greenlet serves each connection, so hundreds of browsers can hold a stream of live numbers open.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from multiprocessing import get_context
from typing import Any

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from campaigns.config import SettingsError
from campaigns.connections import BoundedWorker
from campaigns.logs import event, report_start_error
from campaigns.metrics.table import Key

_log = logging.getLogger(__name__)

bind = f"{os.environ.get('HOST') or '0.0.0.0'}:{os.environ.get('PORT') or '8080'}"  # noqa: S104  as the webhooks listen
workers = 2  # while one process answers a request that needs much CPU, the other process answers the others
worker_class = "console.server.Worker"
worker_connections = 2000
# A page without a stream asks every 10 seconds. Its connection stays open longer than that, so it is used again.
keepalive = 75
# The longest time that gunicorn waits for requests when it stops. Streams and idle connections end within two seconds.
graceful_timeout = 20
logger_class = "webhooks.receiver.logger.Logger"
control_socket_disable = True


class Worker(BoundedWorker):
    """Ends slow connections, and the idle ones when gunicorn stops it, because gunicorn waits for all connections.

    A list may have megabytes, and comes over a slow line.
    """

    lowest_rate = 32_000.0
    role = "console"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refused: Counter[str] = Counter()

    def read_metrics(self) -> dict[Key, float]:
        """Return the counts of the console's processes, and the state of the installation."""
        state: dict[Key, float] = self.wsgi.extensions["revoada.state"].read()
        return super().read_metrics() | state

    def note_refusal(self, reason: str, count: int = 1) -> None:
        self._refused[reason] += count

    def notify(self) -> None:
        """Log the refusals of the last second in one line, because any client can cause any number of them."""
        super().notify()
        if self._refused:
            counts, self._refused = self._refused, Counter()
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(counts.items()))
            bound = event("console_refused", refused=counts.total())
            _log.warning("Ended %d connections to the console: %s", counts.total(), reasons, extra=bound)


def on_starting(_arbiter: Any) -> None:
    """Check the settings once, before the processes are forked.

    The check has a process of its own, because it imports psycopg. When psycopg is imported, it chooses how it waits:
    before gevent has patched the process, it would choose a function that stops all greenlets during each statement.
    """
    check = get_context("fork").Process(target=_check)
    check.start()
    check.join()
    if check.exitcode != 0:
        raise SystemExit(Arbiter.APP_LOAD_ERROR)


def _check() -> None:
    """If a setting is wrong, end the process with one sentence."""
    from campaigns.store.database import PoolerError  # noqa: PLC0415
    from console.wiring import check_settings  # noqa: PLC0415

    try:
        check_settings()
    except (SettingsError, PoolerError) as error:
        report_start_error(error)
        raise SystemExit(Arbiter.APP_LOAD_ERROR) from None


def post_worker_init(worker: Any) -> None:
    """Tell the hub how it knows that gunicorn stops the process. Then the streams end, so gunicorn need not wait."""
    worker.wsgi.extensions["revoada.hub"].is_stopping = lambda: not worker.alive


def worker_exit(_arbiter: Any, worker: Any) -> None:
    """Close the connections to Postgres, unless the application could not be made."""
    if getattr(worker, "wsgi", None) is not None:
        worker.wsgi.extensions["revoada"].database.close()
        worker.wsgi.extensions["revoada.state"].close()
