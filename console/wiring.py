"""Connects the console, and the API that it serves, to Postgres and the broker."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask

from api import context as api_context
from api.app import make_api
from campaigns.broker.queues import BrokerFacts
from campaigns.config import Settings, read_settings
from campaigns.doctor.state import StateReader
from campaigns.logs import configure_logging
from campaigns.management.listings.reasons import KeptReasons
from campaigns.management.users.hashing import Hasher
from campaigns.store.database import Database, refuse_pooler
from campaigns.throttle.requests import RequestLimit
from console.app import make_app
from console.context import Parts

_DATABASE_CONNECTIONS = 16
# The wait for a connection of the pool. After a restart of the console, hundreds of browsers come back at once.
_WAIT_SECONDS = 10.0
# Prometheus waits for ten seconds by default, so an answer without the state must come earlier.
_METRICS_SECONDS = 3.0
# A process answers within milliseconds, unless its machine has too much to do.
_ASK_SECONDS = 2.0


def check_settings() -> Settings:
    """Return the settings. Raises SettingsError if one is missing or wrong, and PoolerError as `create_app` says."""
    settings = read_settings().require("database_url", "secret_key")
    if settings.broker_url is None:
        settings.require("redis_url")
    if settings.user_header is not None:
        settings.require("trusted_proxies")
    if not settings.is_pooled:
        refuse_pooler(settings.database_url or "")
    return settings


def wire_app() -> Flask:
    settings = check_settings()
    configure_logging(settings)
    database = Database(
        settings.database_url or "",
        max_connections=_DATABASE_CONNECTIONS,
        wait_seconds=_WAIT_SECONDS,
        statement_seconds=settings.statement_seconds,
        is_pooled=settings.is_pooled,
    )
    database.open()
    limit = RequestLimit(settings.redis_url or settings.broker_url)
    posts = RequestLimit(
        settings.redis_url or settings.broker_url, name="messages", most=settings.api_messages_per_second, seconds=1
    )
    shared = (_enqueue, _enqueue_file_work, _ask_broker)
    reasons = KeptReasons()
    api = make_api(api_context.Parts(settings, database, limit, *shared, posts, reasons))
    app = make_app(Parts(settings, database, Hasher(under_gevent=True), *shared, reasons), api)
    app.extensions["revoada.state"] = StateReader(
        _make_metrics_database(settings), settings, lambda: _ask_broker(asks_processes=False)
    )
    return app


def _make_metrics_database(settings: Settings) -> Database:
    """Return a pool with one connection, so that the metrics do not wait for the pages. Its first use opens it."""
    return Database(
        settings.database_url or "",
        max_connections=1,
        wait_seconds=_METRICS_SECONDS,
        statement_seconds=_METRICS_SECONDS,
        is_pooled=settings.is_pooled,
    )


def _enqueue(campaign_ids: Sequence[int]) -> bool:
    """Enqueue campaigns; return False if the broker did not accept the tasks, and the next tick enqueues them.

    The import is in the function, so that pages that enqueue nothing need no broker.
    """
    from campaigns.tasks import enqueue_campaigns  # noqa: PLC0415

    return enqueue_campaigns(campaign_ids)


def _enqueue_file_work() -> bool:
    from campaigns.tasks import enqueue_file_work  # noqa: PLC0415

    return enqueue_file_work()


def _ask_broker(*, asks_processes: bool) -> BrokerFacts:
    from campaigns.broker.inspection import read_broker  # noqa: PLC0415
    from campaigns.celery import app  # noqa: PLC0415

    return read_broker(app, _ASK_SECONDS, asks_processes=asks_processes)
