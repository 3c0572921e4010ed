"""What one process works with: settings, pool, throttle, transport, keeper. Made at first use, closed at its end."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from campaigns.alerts import Alerts
from campaigns.config import Settings, read_settings
from campaigns.sending.leases import LeaseKeeper
from campaigns.sending.start import Tools
from campaigns.store.database import Database
from campaigns.throttle.bucket import Throttle
from campaigns.valkey import make_client
from campaigns.whatsapp.transport import Transport
from campaigns.worker.watchdog import Watch, Worker

# A throttle that does not answer must not hold slices up: after this, the low safe rate.
_THROTTLE_TIMEOUT = 0.5
# Health checks and confirmations wait for Meta in threads of their own: a hanging endpoint takes no slot from ticks and
# webhooks.
_SLOW_THREADS = 8
_DATABASE_CONNECTIONS = 16


class Runtime:
    """The resources of this process. Threads are started by what first needs them, so after any fork."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stop = threading.Event()
        self.alerts = Alerts(settings.alert_webhook_url)
        self.watch: Watch | None = None  # of a worker
        self._lock = threading.RLock()

    @property
    def owner(self) -> str:
        """This process, as its leases name it."""
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
            max_connections=_DATABASE_CONNECTIONS,
            statement_seconds=self.settings.statement_seconds,
        )
        database.open()
        return database

    @property
    def slow_threads(self) -> ThreadPoolExecutor:
        with self._lock:
            return self._slow_threads

    @cached_property
    def _slow_threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_SLOW_THREADS, thread_name_prefix="slow")

    @property
    def tools(self) -> Tools:
        """What slices need; the keeper's and the transport's threads start here."""
        with self._lock:
            return self._tools

    @cached_property
    def _tools(self) -> Tools:
        settings = self.settings.require("database_url", "redis_url", "secret_key")
        assert settings.redis_url is not None
        client = make_client(settings.redis_url, timeout_seconds=_THROTTLE_TIMEOUT)
        return Tools(
            settings=settings,
            database=self.database,
            throttle=Throttle(client, fallback_rate=settings.fallback_rate),
            transport=Transport(
                connect_timeout=settings.connect_timeout_seconds, total_timeout=settings.http_timeout_seconds
            ),
            keeper=LeaseKeeper(self.database, settings, was_full=self.watch.was_full if self.watch else lambda: True),
            alerts=self.alerts,
            stop=self.stop,
            owner=self.owner,
        )

    def start_watch(self, name: str, *, queues: Sequence[str], slots: int, put_probe: Callable[[], bool]) -> None:
        """Watch whether this worker takes tasks."""
        self.watch = Watch(
            Worker(self.owner, name, queues, slots),
            settings=self.settings,
            database=self.database,
            alerts=self.alerts,
            stop=self.stop,
            begin_stop=self.begin_stop,
            put_probe=put_probe,
        )
        self.watch.start()

    def begin_stop(self) -> None:
        """Let slices claim no more, release what has not left, settle what is out, and give their leases back."""
        self.stop.set()
        if "_tools" in vars(self):
            self._tools.keeper.stop_all()

    def close(self) -> None:
        """Close what was opened. The slices have ended by now, or their leases run out."""
        made = vars(self)
        if "_slow_threads" in made:
            self._slow_threads.shutdown(wait=False, cancel_futures=True)
        if "_tools" in made:
            self._tools.keeper.close()
            self._tools.transport.close()
        if "_database" in made:
            self._database.close()


_runtime: Runtime | None = None
# Entered again where a signal interrupts the main thread inside.
_runtime_lock = threading.RLock()


def runtime() -> Runtime:
    """Return the runtime of this process, made from the environment at first use."""
    global _runtime  # noqa: PLW0603  one per process is the point
    with _runtime_lock:
        if _runtime is None:
            _runtime = Runtime(read_settings())
        return _runtime
