"""The installation that is tormented: real servers and roles, a proxy in front of each server, and a supervisor."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
import requests

from campaigns.secrets import make_key
from campaigns.store.database import Database, DatabaseError
from campaigns.store.migrate import migrate
from devstack.ports import LOOPBACK, free_port
from devstack.proxy import Proxy
from devstack.roles import Role
from devstack.server import wait_until
from devstack.stack import Stack, await_http

T = TypeVar("T")

APP_SECRET = "chaos-app-secret"
# All durations are settings, so a minute has room for many faults. Seconds.
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
    # Accounts are not what is tormented: a wire that breaks all the time must not switch them off for good.
    "REVOADA_MAX_ATTEMPTS": "5",
}
# What a send meets whatever the faults: endings of phones. The rest is well.
ENDINGS = {"0007": "error:131026", "0013": "failed:131026"}
LATENCY_MS = (80, 200)
ROLES = ("webhooks", "events", "worker1", "worker2", "beat1", "beat2")
WORKERS = ("worker1", "worker2")
_RESTART_SECONDS = 0.5

# Each time a message becomes uncertain, with the time of its claim: the run asks every one of them why.
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


class FarEnd:
    """The simulator's memory and script."""

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
    """Starts everything and keeps it running: a role that has ended is started again, as its supervisor would."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._exit = ExitStack()
        self._lock = threading.RLock()
        self._roles: dict[str, Role] = {}
        self._held_down: set[str] = set()
        self._is_to_end: set[str] = set()
        self.ended_by_itself: list[str] = []
        self._closing = threading.Event()
        self.restarts = 0

    def __enter__(self) -> Self:
        self.postgres = self.stack.start_postgres(fsync=True)
        self.valkey = self.stack.start_valkey()
        simulator_port = free_port()
        self.database_url = self.postgres.create_database("revoada")
        migrate(self.database_url)
        self.database = self._open_database()
        self.database.run(lambda connection: connection.execute(_RECORDS))
        self.postgres_proxy = self._exit.enter_context(Proxy(self.postgres.port))
        self.valkey_proxy = self._exit.enter_context(Proxy(self.valkey.port))
        self.api_proxy = self._exit.enter_context(Proxy(simulator_port))
        ours = ("REVOADA_", "META_", "BROKER_", "ALERT_", "GRAPH_", "LOG_", "CELERY_", "DATABASE_", "REDIS_")
        self.stack.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(ours)
        } | SCALED | {
            "DATABASE_URL": self.database_url.replace(f":{self.postgres.port}/", f":{self.postgres_proxy.port}/"),
            "REDIS_URL": self.valkey.url.replace(f":{self.valkey.port}/", f":{self.valkey_proxy.port}/"),
            "GRAPH_API_URL": f"http://{LOOPBACK}:{self.api_proxy.port}/v24.0",
            "META_APP_SECRET": APP_SECRET,
            "META_VERIFY_TOKEN": make_key(),
            "REVOADA_SECRET_KEY": make_key(),
            "HOST": LOOPBACK,
            "PORT": str(free_port()),
            "LOG_FORMAT": "json",
        }  # fmt: skip
        self.far = self._start_simulator(simulator_port)
        for name in ROLES:
            self._start(name)
        self._await_roles()
        threading.Thread(target=self._supervise, name="supervisor", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self.database.close()
        self._exit.close()

    # roles

    def role(self, name: str) -> Role:
        """Return the running role, or its last one where it is down."""
        with self._lock:
            return self._roles[name]

    def kill(self, name: str) -> None:
        """SIGKILL a role."""
        with self._lock:
            self._is_to_end.add(name)
            role = self._roles[name]
        role.kill()

    def ask_to_end(self, name: str) -> None:
        """SIGTERM a role."""
        with self._lock:
            self._is_to_end.add(name)
            role = self._roles[name]
        with suppress(psutil.Error):
            role.send_signal(signal.SIGTERM)

    @contextmanager
    def held_down(self, name: str) -> Iterator[None]:
        """Let the supervisor not start a role again meanwhile."""
        with self._lock:
            self._held_down.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._held_down.discard(name)

    def _start(self, name: str) -> None:
        kind = name.rstrip("0123456789")
        if kind == "beat":
            self._roles[name] = self.stack.start_beat(name)
        else:
            options = ("-n", f"{name}@%h") if kind in {"worker", "events"} else ()
            self._roles[name] = self.stack.start_role(name, *options, role=kind)

    def _await_roles(self) -> None:
        await_http(f"{self.stack.webhooks_url}/readyz", self.stack)
        for name in ("events", *WORKERS):
            role = self._roles[name]
            wait_until(lambda role=role: b" ready." in role.log_path.read_bytes(), 120)

    def _supervise(self) -> None:
        while not self._closing.wait(_RESTART_SECONDS):
            with self._lock:
                ended = [
                    name for name, role in self._roles.items()
                    if not role.is_running() and name not in self._held_down
                ]  # fmt: skip
                for name in ended:
                    if self._closing.is_set():
                        return
                    if name not in self._is_to_end:
                        self.ended_by_itself.append(name)
                    self._is_to_end.discard(name)
                    self.stack.roles.remove(self._roles[name])
                    self._start(name)
                    self.restarts += 1

    # servers

    def _open_database(self) -> Database:
        database = Database(self.database_url, max_connections=4, wait_seconds=2.0, statement_seconds=120)
        database.open()
        return database

    def ask(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement on a connection of our own, again and again until Postgres answers."""
        return self.insist(lambda: self.database.run(lambda each: each.execute(statement, parameters).fetchall()))

    def insist(self, work: Callable[[], T], *, seconds: float = 120.0) -> T:
        """Do what may meet a Postgres that is down, until it works. Only for what may be done twice."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return work()
            except DatabaseError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _start_simulator(self, port: int) -> FarEnd:
        script = {
            "latency_ms": list(LATENCY_MS),
            "built_in_suffixes": False,
            "suffixes": ENDINGS,
            "keep_accepted": False,
            "limits": {"messages_per_second": 0, "pair_seconds": 0},
            "webhooks": {
                "callback_url": f"{self.stack.webhooks_url}/webhooks/whatsapp",
                "app_secret": APP_SECRET,
                "duplicate_probability": 0.05,
                "shuffle": True,
                "batch_size": 20,
                "batch_ms": 100,
                "timeout_ms": 10_000,
            },
        }
        path = self.stack.folder / "simulator.json"
        path.write_text(json.dumps(script), encoding="utf-8")
        command = [sys.executable, "-m", "simulator", "--port", str(port), "--script", str(path)]
        self.stack.start_process("simulator", command)
        url = f"http://{LOOPBACK}:{port}"
        await_http(f"{url}/_simulator/stats", self.stack)
        return FarEnd(url)

    # what it uses

    def measure(self) -> dict[str, float]:
        """Return resident megabytes of each role, and the connections of each server."""
        found: dict[str, float] = {}
        with self._lock:
            roles = dict(self._roles)
        for name, role in roles.items():
            try:
                process = psutil.Process(role.pid)
                family = [process, *process.children(recursive=True)]
                found[f"{name} MB"] = round(sum(each.memory_info().rss for each in family) / 1e6, 1)
            except psutil.Error:
                continue  # it is down just now
        found["postgres connections"] = self.postgres_proxy.connection_count()
        found["valkey connections"] = self.valkey_proxy.connection_count()
        return found

    def log_paths(self) -> list[Path]:
        return sorted((self.stack.folder / "logs").glob("*.log"))
