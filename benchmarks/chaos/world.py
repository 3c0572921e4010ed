"""The installation that faults are injected into: real servers and roles, a proxy before each server, a supervisor."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
import requests

from benchmarks.chaos.brokers import Brokers
from campaigns.secrets import make_key
from campaigns.store.database import Database, DatabaseError
from campaigns.store.migrate import migrate
from devstack.ports import LOOPBACK, free_port
from devstack.postgres import Postgres
from devstack.proxy import Proxy
from devstack.roles import Role
from devstack.server import wait_until
from devstack.stack import Stack, await_http

T = TypeVar("T")

APP_SECRET = "chaos-app-secret"
# Short times, in seconds, so that a minute has room for many faults.
SCALED = {
    "REVOADA_TICK_SECONDS": "1",
    "REVOADA_SLICE_SECONDS": "2",
    "REVOADA_LEASE_SECONDS": "8",
    "REVOADA_RENEW_SECONDS": "1",
    "REVOADA_CONNECT_TIMEOUT_SECONDS": "3",
    "REVOADA_HTTP_TIMEOUT_SECONDS": "5",
    "REVOADA_STATEMENT_SECONDS": "4",
    "REVOADA_RETRY_SECONDS": "0.5",
    "REVOADA_RECHECK_SECONDS": "2",
    "REVOADA_TEMPLATE_RETRY_SECONDS": "2",
    "REVOADA_RECONCILE_SECONDS": "2",
    "REVOADA_VISIBILITY_TIMEOUT_SECONDS": "15",
    "REVOADA_APPLY_RETRY_SECONDS": "4",
    "REVOADA_INBOX_WAIT_SECONDS": "3",
    "REVOADA_HEALTH_SECONDS": "5",
    "REVOADA_FALLBACK_RATE": "5",
    "REVOADA_MAX_ATTEMPTS": "5",
}
# Sends to phones with these endings fail, independent of the faults.
ENDINGS = {"0007": "error:131026", "0013": "failed:131026"}
LATENCY_MS = (80, 200)
# The roles with the addresses of the Sentinels. The other roles have the name of the primary.
_ASKING_SENTINELS = ("webhooks", "worker2", "beat2")
_RESTART_SECONDS = 0.5

# A trigger records each change to `uncertain` with the time of the claim. The run looks for a fault that explains each.
_RECORDS = """
CREATE TABLE chaos_uncertain (
    message_id bigint, send_no smallint, claimed_at timestamptz, at timestamptz DEFAULT clock_timestamp(), reason text
);
CREATE FUNCTION chaos_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_uncertain VALUES (NEW.id, NEW.send_no, NEW.claimed_at, clock_timestamp(), NEW.error_title);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_record AFTER UPDATE OF status ON messages FOR EACH ROW
    WHEN (NEW.status = 'uncertain' AND OLD.status <> 'uncertain') EXECUTE FUNCTION chaos_record();
"""


class SimulatorClient:
    """A client of the simulator's control API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()

    def get(self, name: str) -> dict[str, Any]:
        answer = self._session.get(f"{self.url}/_simulator/{name}", timeout=120)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def post(self, name: str, body: Mapping[str, Any]) -> None:
        self._session.post(f"{self.url}/_simulator/{name}", json=body, timeout=120).raise_for_status()

    def accepted_by_account(self) -> dict[str, int]:
        return {number: each["accepted"] for number, each in self.get("stats")["accounts"].items()}


class World:
    """Runs an installation. Like a supervisor, it restarts each role that has ended."""

    roles: Sequence[str] = ("webhooks", "events", "worker1", "worker2", "beat1", "beat2")
    # The address on which the simulator listens.
    far_end = LOOPBACK

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._exit = ExitStack()
        self._lock = threading.RLock()
        self._roles: dict[str, Role] = {}
        self._not_restarted: set[str] = set()
        self._is_stopped_by_fault: set[str] = set()
        self.ended_by_itself: list[str] = []
        self._closing = threading.Event()
        self.restarts = 0

    def __enter__(self) -> Self:
        self.postgres = self._start_postgres()
        self._start_broker()
        self.simulator_port = free_port()
        self.database_url = self.postgres.create_database("revoada")
        migrate(self.database_url)
        self.database = self._open_database()
        self.database.run(lambda connection: connection.execute(_RECORDS))
        ours = ("REVOADA_", "META_", "BROKER_", "ALERT_", "GRAPH_", "LOG_", "CELERY_", "DATABASE_", "REDIS_")
        self.stack.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(ours)
        } | SCALED | {
            "META_APP_SECRET": APP_SECRET,
            "META_VERIFY_TOKEN": make_key(),
            "REVOADA_SECRET_KEY": make_key(),
            "LOG_FORMAT": "json",
        } | self._connect()  # fmt: skip
        self.simulator = self._start_simulator()
        for name in self.roles:
            self._start(name)
        self._await_roles()
        threading.Thread(target=self._supervise, name="supervisor", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self.database.close()
        self._exit.close()

    def _start_postgres(self) -> Postgres:
        return self.stack.start_postgres(fsync=True)

    def _start_broker(self) -> None:
        self.brokers = self._exit.enter_context(Brokers(self.stack.folder))

    @property
    def broker_url(self) -> str:
        """The address of the broker without a proxy."""
        return self.brokers.primary.url

    def _connect(self) -> dict[str, str]:
        """Put a proxy before each server. Return the settings by which the roles find the servers and each other."""
        self.postgres_proxy = self._exit.enter_context(Proxy(self.postgres.port))
        self.api_proxy = self._exit.enter_context(Proxy(self.simulator_port))
        return {
            "DATABASE_URL": self.database_url.replace(f":{self.postgres.port}/", f":{self.postgres_proxy.port}/"),
            "REDIS_URL": self.brokers.name_url,
            "GRAPH_API_URL": f"http://{LOOPBACK}:{self.api_proxy.port}/v24.0",
            "HOST": LOOPBACK,
            "PORT": str(free_port()),
        }

    # roles

    def role(self, name: str) -> Role:
        """Return the role's newest process, which may have ended."""
        with self._lock:
            return self._roles[name]

    @property
    def workers(self) -> list[str]:
        return [name for name in self.roles if name.startswith("worker")]

    def kill(self, name: str) -> None:
        """SIGKILL a role."""
        with self._lock:
            self._is_stopped_by_fault.add(name)
            role = self._roles[name]
        role.kill()

    def ask_to_end(self, name: str) -> None:
        """SIGTERM a role."""
        with self._lock:
            self._is_stopped_by_fault.add(name)
            role = self._roles[name]
        with suppress(psutil.Error):
            role.send_signal(signal.SIGTERM)

    @contextmanager
    def without_restart(self, name: str) -> Iterator[None]:
        """Stop the supervisor from starting a role again during the block."""
        with self._lock:
            self._not_restarted.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._not_restarted.discard(name)

    def _start(self, name: str) -> None:
        kind = name.rstrip("0123456789")
        environment = {"REDIS_URL": self.brokers.sentinel_url} if name in _ASKING_SENTINELS else {}
        if kind == "beat":
            self._roles[name] = self.stack.start_beat(name, environment)
        else:
            options = ("-n", f"{name}@%h") if kind in {"worker", "events"} else ()
            self._roles[name] = self.stack.start_role(name, *options, role=kind, environment=environment)

    def _await_roles(self) -> None:
        for url in self.webhook_urls:
            await_http(f"{url}/readyz", self.stack)
        for name in self.roles:
            role = self._roles[name]
            if role.kind in {"worker", "events"}:
                wait_until(lambda role=role: b" ready." in role.log_path.read_bytes(), 120)

    @property
    def webhook_urls(self) -> list[str]:
        """The address of each receiver."""
        return [self.stack.webhooks_url]

    @property
    def callback_url(self) -> str:
        """The address to which the simulator posts webhooks."""
        return self.stack.webhooks_url

    def _supervise(self) -> None:
        while not self._closing.wait(_RESTART_SECONDS):
            with self._lock:
                ended = [
                    name for name, role in self._roles.items()
                    if not role.is_running() and name not in self._not_restarted
                ]  # fmt: skip
                for name in ended:
                    if self._closing.is_set():
                        return
                    if name not in self._is_stopped_by_fault:
                        self.ended_by_itself.append(name)
                    self._is_stopped_by_fault.discard(name)
                    self.stack.roles.remove(self._roles[name])
                    self._start(name)
                    self.restarts += 1

    # servers

    def _open_database(self) -> Database:
        database = Database(self.database_url, max_connections=4, wait_seconds=2.0, statement_seconds=120)
        database.open()
        return database

    def ask(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement on our own connection; repeat it until Postgres answers."""
        return self.retry_until_done(
            lambda: self.database.run(lambda each: each.execute(statement, parameters).fetchall())
        )

    def retry_until_done(self, work: Callable[[], T], *, seconds: float = 120.0) -> T:
        """Repeat `work` until it raises no DatabaseError. `work` must be safe to repeat."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return work()
            except DatabaseError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _start_simulator(self) -> SimulatorClient:
        script = {
            "latency_ms": list(LATENCY_MS),
            "built_in_suffixes": False,
            "suffixes": ENDINGS,
            "keep_accepted": False,
            "limits": {"messages_per_second": 0, "pair_seconds": 0},
            "webhooks": {
                "callback_url": f"{self.callback_url}/webhooks/whatsapp",
                "app_secret": APP_SECRET,
                "duplicate_probability": 0.05,
                "reply_probability": 0.03,
                "shuffle": True,
                "batch_size": 20,
                "batch_ms": 100,
                "timeout_ms": 10_000,
            },
        }
        path = self.stack.folder / "simulator.json"
        path.write_text(json.dumps(script), encoding="utf-8")
        address = ["--host", self.far_end, "--port", str(self.simulator_port)]
        self.stack.start_process("simulator", [sys.executable, "-m", "simulator", *address, "--script", str(path)])
        url = f"http://{self.far_end}:{self.simulator_port}"
        await_http(f"{url}/_simulator/stats", self.stack)
        return SimulatorClient(url)

    # memory and connections

    def measure(self) -> dict[str, float]:
        """Return the resident megabytes of each role, and the number of connections to Postgres and to Valkey."""
        found: dict[str, float] = {}
        with self._lock:
            roles = dict(self._roles)
        for name, role in roles.items():
            try:
                process = psutil.Process(role.pid)
                family = [process, *process.children(recursive=True)]
                found[f"{name} MB"] = round(sum(each.memory_info().rss for each in family) / 1e6, 1)
            except psutil.Error:
                continue  # the role is not running now
        return found | self._count_connections()

    def _count_connections(self) -> dict[str, float]:
        return {
            "postgres connections": self.postgres_proxy.connection_count(),
            "valkey connections": self.brokers.connection_count(),
        }

    def log_paths(self) -> list[Path]:
        return sorted((self.stack.folder / "logs").glob("*.log"))
