"""A gevent worker of gunicorn for the public port of the webhooks."""

from __future__ import annotations

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from campaigns.config import SettingsError
from campaigns.connections import BoundedWorker
from campaigns.logs import report_start_error
from webhooks.receiver.refusals import refusals


class Worker(BoundedWorker):
    """Ends slow connections, and reports wrong settings.

    A peer's share of the connections is enough for Meta, which posts from many addresses. While at least half of the
    connections are free, idle ones stay open: if the server closed a connection just when Meta sends a request on it,
    that webhook would be lost until Meta posts it again.
    """

    role = "webhooks"

    def load_wsgi(self) -> None:
        """Load the application. If a setting is wrong, end the server with one sentence instead of a traceback."""
        # gevent has patched this process now. When psycopg is imported, it chooses how it waits: earlier, it would
        # choose a function that stops all greenlets of the process during each statement.
        from campaigns.store.database import PoolerError  # noqa: PLC0415

        try:
            super().load_wsgi()
        except (SettingsError, PoolerError) as error:
            report_start_error(error)
            raise SystemExit(Arbiter.APP_LOAD_ERROR) from None

    def note_refusal(self, reason: str, count: int = 1) -> None:
        refusals.add(reason, count)
