"""The resources that the tasks of one process share. Each resource is made at its first use, and is closed when the
process ends.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from functools import cached_property

from campaigns.alerts import Alerts
from campaigns.config import Settings, read_settings
from campaigns.management.forwards.targets import MAX_ENABLED
from campaigns.sending.continuity import Continuity
from campaigns.sending.leases import LeaseKeeper
from campaigns.sending.samples import ReplyCounts
from campaigns.sending.start import Tools
from campaigns.store.database import Database
from campaigns.throttle.bucket import Throttle
from campaigns.throttle.ledger import Ledger
from campaigns.valkey import Client, make_client
from campaigns.whatsapp.transport import Transport
from campaigns.worker.bounded_threads import BoundedThreads
from campaigns.worker.watchdog import Watchdog, Worker

# If Valkey does not answer within this time, the throttle falls back to a low safe rate, so that slices go on.
_THROTTLE_TIMEOUT_SECONDS = 0.5
# Health checks wait for Meta in threads of their own. If Meta's endpoint hangs, these threads hang, and the slots stay
# free for ticks and webhooks. At most `_WAITING_CHECKS_COUNT` more checks wait for a thread.
_HEALTH_THREAD_COUNT = 8
_WAITING_CHECKS_COUNT = 50
# Likewise for the receivers of hooks. Each of these threads has eight more while it posts.
_HOOK_THREAD_COUNT = 8
_WAITING_HOOKS_COUNT = 50
_MAX_DATABASE_CONNECTIONS = 16


class Runtime:
    """The resources of this process. A thread starts when it is first needed, and so after the process has forked."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stop = threading.Event()
        self.alerts = Alerts(settings.alert_webhook_url)
        self.watchdog: Watchdog | None = None  # only in a worker
        self.reply_counts = ReplyCounts()
        self._lock = threading.RLock()

    @property
    def owner(self) -> str:
        """The name of this process in its leases."""
        return f"{socket.gethostname()}:{os.getpid()}"

    @property
    def database(self) -> Database:
        with self._lock:
            return self._database

    @cached_property
    def _database(self) -> Database:
        self.settings.require("database_url")
        assert self.settings.database_url is not None
        database = Database(
            self.settings.database_url,
            max_connections=_MAX_DATABASE_CONNECTIONS,
            statement_seconds=self.settings.statement_seconds,
            is_pooled=self.settings.is_pooled,
        )
        database.open()
        return database

    @property
    def health_threads(self) -> BoundedThreads:
        with self._lock:
            return self._health_threads

    @cached_property
    def _health_threads(self) -> BoundedThreads:
        return BoundedThreads("health", thread_count=_HEALTH_THREAD_COUNT, waiting_count=_WAITING_CHECKS_COUNT)

    @property
    def hook_threads(self) -> BoundedThreads:
        with self._lock:
            return self._hook_threads

    @cached_property
    def _hook_threads(self) -> BoundedThreads:
        return BoundedThreads("hooks", thread_count=_HOOK_THREAD_COUNT, waiting_count=_WAITING_HOOKS_COUNT)

    @property
    def confirmation_threads(self) -> BoundedThreads:
        """One thread for confirmations. A call sends all waiting confirmations, so one waiting call is enough."""
        with self._lock:
            return self._confirmation_threads

    @cached_property
    def _confirmation_threads(self) -> BoundedThreads:
        return BoundedThreads("confirmations", thread_count=1, waiting_count=1)

    @property
    def forward_threads(self) -> BoundedThreads:
        """One thread for each forward, so that no forward waits for the target of another."""
        with self._lock:
            return self._forward_threads

    @cached_property
    def _forward_threads(self) -> BoundedThreads:
        return BoundedThreads("forwards", thread_count=MAX_ENABLED, waiting_count=0)

    @property
    def continuity(self) -> Continuity:
        with self._lock:
            return self._continuity

    @cached_property
    def _continuity(self) -> Continuity:
        return Continuity(self.database, Ledger(self._valkey), self.settings, self.alerts)

    @cached_property
    def _valkey(self) -> Client:
        self.settings.require("redis_url")
        assert self.settings.redis_url is not None
        return make_client(self.settings.redis_url, timeout_seconds=_THROTTLE_TIMEOUT_SECONDS)

    @property
    def tools(self) -> Tools:
        """The tools of the slices. The threads of the lease keeper and of the transport start here."""
        with self._lock:
            return self._tools

    @property
    def in_flight_count(self) -> int:
        """The number of requests at Meta that have no reply yet; 0 before the first slice."""
        tools: Tools | None = self.__dict__.get("_tools")
        return 0 if tools is None else tools.transport.in_flight_count

    @cached_property
    def _tools(self) -> Tools:
        settings = self.settings.require("database_url", "redis_url", "secret_key")
        return Tools(
            settings=settings,
            database=self.database,
            throttle=Throttle(self._valkey, fallback_rate=settings.fallback_rate),
            transport=Transport(
                connect_timeout=settings.connect_timeout_seconds,
                total_timeout=settings.http_timeout_seconds,
                ca_file=settings.ca_file,
            ),
            lease_keeper=LeaseKeeper(
                self.database, settings, was_full=self.watchdog.was_full if self.watchdog else lambda: True
            ),
            alerts=self.alerts,
            stop=self.stop,
            owner=self.owner,
            continuity=self._continuity,
            reply_counts=self.reply_counts,
        )

    def start_watchdog(self, name: str, *, queues: Sequence[str], slots: int, put_probe: Callable[[], bool]) -> None:
        """Start to watch whether this worker consumes tasks."""
        self.watchdog = Watchdog(
            Worker(self.owner, name, queues, slots),
            settings=self.settings,
            database=self.database,
            alerts=self.alerts,
            stop=self.stop,
            begin_stop=self.begin_stop,
            put_probe=put_probe,
            store_counts=self.reply_counts.store,
        )
        self.watchdog.start()

    def begin_stop(self) -> None:
        """Let every slice end early: the slice claims nothing more, settles its requests and releases its lease."""
        self.stop.set()
        if "_tools" in vars(self):
            self._tools.lease_keeper.stop_all()

    def close(self) -> None:
        """Close the resources that were opened. If a slice has not ended by now, its lease expires."""
        opened = vars(self)
        for name in ("_health_threads", "_hook_threads", "_confirmation_threads"):
            if name in opened:
                opened[name].close()
        if "_forward_threads" in opened:
            # They end within the time limit of a POST, and need the database to delete what a target has accepted.
            opened["_forward_threads"].close(waits=True)
        if "_tools" in opened:
            self._tools.lease_keeper.close()
            self._tools.transport.close()
        if "_database" in opened:
            self.reply_counts.store(self._database)
            self._database.close()


_runtime: Runtime | None = None
# Reentrant, because a signal handler may need the runtime while the main thread holds the lock.
_runtime_lock = threading.RLock()


def runtime() -> Runtime:
    """Return the runtime of this process. The first call makes the runtime from the environment."""
    global _runtime  # noqa: PLW0603  a process has exactly one runtime
    with _runtime_lock:
        if _runtime is None:
            _runtime = Runtime(read_settings())
        return _runtime
