"""Connects the receiver to Postgres and the broker. This module imports neither the sender nor the task modules."""

from __future__ import annotations

import threading

from flask import Flask

from campaigns.broker.app import make_app as make_celery_app
from campaigns.broker.enqueue import enqueue_wake_up
from campaigns.config import Settings, read_settings
from campaigns.logs import configure_logging
from campaigns.store.database import Database, refuse_pooler
from campaigns.store.events import insert_events
from webhooks.receiver.app import make_app
from webhooks.receiver.inbox import Inbox
from webhooks.receiver.notifier import Notifier

_DATABASE_CONNECTIONS = 16
_APPLY = "webhooks.apply"


def wire_app() -> Flask:
    """Return the WSGI application. The connection pool is made at the first use, after the server has forked."""
    settings = read_settings().require("database_url", "meta_app_secret", "meta_verify_token")
    if not settings.is_pooled:
        refuse_pooler(settings.database_url or "")
    configure_logging(settings)
    database = _LazyDatabase(settings)
    celery_app = make_celery_app()
    return make_app(
        app_secret=settings.meta_app_secret or "",
        verify_token=settings.meta_verify_token or "",
        inbox=Inbox(lambda bodies: database.get().run(insert_events, bodies), wait_seconds=settings.inbox_wait_seconds),
        notifier=Notifier(lambda: enqueue_wake_up(celery_app, _APPLY)),
        is_ready=lambda: database.get().is_ready(),
    )


class _LazyDatabase:
    """Opens the connection pool at the first call of `get`, once for all threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._database: Database | None = None

    def get(self) -> Database:
        with self._lock:
            if self._database is None:
                database = Database(
                    self._settings.database_url or "",
                    max_connections=_DATABASE_CONNECTIONS,
                    statement_seconds=self._settings.statement_seconds,
                    is_pooled=self._settings.is_pooled,
                )
                # If `open` raises, the pool is not kept, and the next request tries again.
                database.open()
                self._database = database
            return self._database
