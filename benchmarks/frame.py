"""Shared by all benchmarks: starts an installation on this machine, and measures CPU and memory of its processes.

Postgres runs with fsync, the roles are those of the Procfile, and settings of the environment are ignored.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg

from campaigns.domain.users.actor import Actor, ActorKind, Surface
from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import CampaignChanges, create_campaign
from campaigns.secrets import make_key
from campaigns.store.campaigns import CampaignListing, list_campaigns
from campaigns.store.database import Database
from campaigns.store.migrate import migrate
from devstack.ports import LOOPBACK, free_port
from devstack.roles import PROJECT, Role
from devstack.server import DevstackError, wait_until
from devstack.stack import Stack, await_http

# A rate that is never reached: benchmarks measure the code, not the rate limit.
UNLIMITED = 1_000_000
ACTOR = Actor("benchmark", ActorKind.CLI, Surface.CLI)
APP_SECRET = "bench-app-secret"
TEMPLATE = "bench:pt_BR"
FIRST_ACCOUNT = 10_000  # phone number id of the first account; the next accounts have the next ids
_HEADER = "phone,nome,desconto\n"
_OURS = ("REVOADA_", "META_", "BROKER_", "ALERT_", "GRAPH_", "LOG_", "CELERY_", "DATABASE_", "REDIS_", "REQUESTS_")
# The simulator's script: it counts messages per person, and keeps no log, which would have millions of entries.
_SCRIPT: Mapping[str, Any] = {
    "limits": {"messages_per_second": 0, "pair_seconds": 0},
    "built_in_suffixes": False,
    "keep_accepted": False,
}
# `max_connections`: the baseline `loop` opens a connection per campaign.
_POSTGRES = {
    "max_connections": "400",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_planning": "on",
}
_SHOWN_STATEMENTS = 6
_READY_SECONDS = 60.0
_POLL_SECONDS = 0.25


def read_size(name: str, default: int) -> int:
    """Read a size from the environment."""
    return int(os.environ.get(name) or default)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that a share (0 to 1) of all values does not exceed."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


_COUNT_LEFT = "SELECT count(*) FROM campaigns WHERE id = ANY (%s) AND completed_at IS NULL"


class World:
    """Runs Postgres, Valkey, the simulator, and the roles that a benchmark starts, until the `with` block ends.

    `script` is a script for the simulator (simulator/README.md). Without `script` the simulator has no latency and no
    limits, and posts no webhooks. `settings` are variables of .env.example. `is_tls`: the roles reach the simulator by
    https, at `api_url`; the benchmark itself always uses http, at `simulator_url`.
    """

    # The addresses on which Postgres listens.
    addresses: Sequence[str] = (LOOPBACK,)

    def __init__(
        self,
        script: Mapping[str, Any] | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        is_tls: bool = False,
    ) -> None:
        self._script, self._settings, self._is_tls = script or {}, settings or {}, is_tls
        self._roles: dict[str, Role] = {}

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="revoada-bench-"))
        outside = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        self.stack = Stack(self.folder, outside)
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()
        self._end()

    def _start(self) -> None:
        settings = _POSTGRES | {"listen_addresses": ",".join(self.addresses)}
        self.postgres = self.stack.start_postgres(fsync=True, settings=settings)
        self.valkey = self.stack.start_valkey()
        self.database_url = self.postgres.create_database("revoada")
        migrate(self.database_url)
        port, tls_port, ca_file = free_port(), free_port(), self.folder / "simulator.pem"
        self.simulator_url = self.api_url = f"http://{LOOPBACK}:{port}"
        tls_options: tuple[object, ...] = ()
        if self._is_tls:
            self.api_url = f"https://{LOOPBACK}:{tls_port}"
            self.stack.environment["REQUESTS_CA_BUNDLE"] = str(ca_file)
            tls_options = ("--tls-port", tls_port, "--ca-file", ca_file)
        self.stack.environment |= {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.valkey.url,
            "GRAPH_API_URL": f"{self.api_url}/v24.0",
            "META_APP_SECRET": APP_SECRET,
            "META_VERIFY_TOKEN": make_key(),
            "REVOADA_SECRET_KEY": make_key(),
            "HOST": LOOPBACK,
            "PORT": str(free_port()),
            "CONSOLE_PORT": str(free_port()),
            **self._settings,
        }
        path = self.folder / "simulator.json"
        path.write_text(json.dumps({**_SCRIPT, **self._script}))
        command = [sys.executable, "-m", "simulator", "--port", port, "--script", path, *tls_options]
        self._roles["simulator"] = self.stack.start_process("simulator", list(map(str, command)))
        await_http(f"{self.simulator_url}/_simulator/stats", self.stack)
        # The connections of the benchmark itself, whose queries of large tables take long.
        self.database = Database(self.database_url, max_connections=4, statement_seconds=600, name="benchmark")
        self.database.open()
        self.database.run(lambda connection: connection.execute("CREATE EXTENSION pg_stat_statements"))

    def _end(self) -> None:
        self.stack.__exit__(None, None, None)
        shutil.rmtree(self.folder, ignore_errors=True)

    # roles

    def start_roles(self, *names: str) -> None:
        """Start roles and wait until they are ready. `worker1` and `worker2` are two processes of the role `worker`."""
        for name in names:
            kind = name.rstrip("0123456789")
            if kind == "beat":
                self._roles[name] = self.stack.start_beat(name)
            elif kind == "console":
                port = self.stack.environment["CONSOLE_PORT"]
                self._roles[name] = self.stack.start_role(name, role=kind, environment={"PORT": port})
            else:
                options = ("-n", f"{name}@%h") if kind in {"worker", "events", "files"} else ()
                self._roles[name] = self.stack.start_role(name, *options, role=kind)
        for name in names:
            if name == "webhooks":
                await_http(f"{self.stack.webhooks_url}/readyz", self.stack)
            elif name == "console":
                await_http(f"{self.stack.console_url}/readyz", self.stack)
            elif name.startswith(("worker", "events", "files")):
                self._await_line(self._roles[name], b" ready.")

    def start_process(self, name: str, command: Sequence[str]) -> None:
        """Start a process that is no role of Revoada; it is measured and stopped like a role."""
        self._roles[name] = self.stack.start_process(name, command)

    def stop_roles(self, *names: str) -> None:
        for name in names:
            role = self._roles.pop(name)
            role.stop()
            self.stack.roles.remove(role)

    def kill_role(self, name: str) -> None:
        """End a role and its children by SIGKILL."""
        role = self._roles.pop(name)
        role.kill()
        self.stack.roles.remove(role)

    def _await_line(self, role: Role, line: bytes) -> None:
        def is_ready() -> bool:
            self.stack.check_alive()
            return line in role.log_path.read_bytes()

        if not wait_until(is_ready, _READY_SECONDS):
            raise DevstackError(f"{role.name} was not ready within {_READY_SECONDS:g} s\n{role.last_lines()}")

    def pids(self) -> dict[str, int]:
        """Return the pids of the servers and roles by name."""
        return {"postgres": self.postgres.pid, "valkey": self.valkey.pid} | {
            name: role.pid for name, role in self._roles.items()
        }

    # campaigns

    def add_accounts(self, count: int, *, rate: int = UNLIMITED) -> list[str]:
        """Add accounts of one WABA, and the template; return the names of the accounts."""
        names = [f"account-{number}" for number in range(count)]
        for number, name in enumerate(names):
            add_account(
                self.database, name, phone_number_id=str(FIRST_ACCOUNT + number), waba_id="1", token="t", actor=ACTOR,
                messages_per_second=rate, secret_key=self.stack.environment["REVOADA_SECRET_KEY"],
            )  # fmt: skip
        name, _, language = TEMPLATE.partition(":")
        add_template(self.database, name, actor=ACTOR, language=language, body="Oi {{1}}, hoje {{2}} de desconto.")
        return names

    def add_campaign(self, accounts: Sequence[str], *, people: range, name: str = "bench") -> int:
        """Create a campaign for the people with these numbers, imported from a file; return its id."""
        path = write_people(self.folder / "people.csv", people)
        changes = CampaignChanges(name=name, template=TEMPLATE, accounts=accounts)
        return create_campaign(self.database, changes, path, actor=ACTOR, time_zone="UTC").id

    def run_command(self, *words: str) -> str:
        """Run `revoada …` and return its output. Raises DevstackError if it fails."""
        command = [str(Path(sys.executable).parent / "revoada"), *words]
        done = subprocess.run(
            command, env=self.stack.environment, cwd=PROJECT, check=False, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise DevstackError(f"revoada {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def start_campaigns(self, ids: Sequence[int]) -> None:
        self.run_command("campaign", "start", *map(str, ids), "--yes")

    def await_completed(
        self,
        ids: Sequence[int],
        *,
        seconds: float = 3600.0,
        watch: Callable[[list[CampaignListing]], object] | None = None,
    ) -> list[CampaignListing]:
        """Wait until all campaigns have completed. Raises DevstackError if a role ends.

        To save CPU, it polls rarely, and lists the campaigns only for `watch` and at the end.
        """
        deadline = time.monotonic() + seconds
        while True:
            [(left,)] = self.ask(_COUNT_LEFT, list(ids))
            if watch is not None:
                watch(self.database.run(list_campaigns, ids))
            if not left:
                return self.database.run(list_campaigns, ids)
            self.stack.check_alive()
            if time.monotonic() > deadline:
                raise DevstackError(f"{left} campaigns have not completed")
            time.sleep(_POLL_SECONDS)

    def ask(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.database.run(lambda connection: connection.execute(statement, parameters).fetchall())

    def connect(self) -> psycopg.Connection[Any]:
        """Open a connection without transactions, for statements such as VACUUM."""
        return psycopg.connect(self.database_url, autocommit=True)

    def list_statements(self, count: int) -> list[str]:
        """Return a line for each statement that took most of the time in Postgres since `measure` began.

        `count`: the number of messages or statuses. The time is that of the clock, with waits for locks and the disk.
        """
        rows = self.ask(
            "SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 60), calls, total_exec_time + total_plan_time AS ms,"
            " sum(total_exec_time + total_plan_time) OVER (), wal_bytes FROM pg_stat_statements"
            " WHERE query NOT LIKE '%%pg_stat_statements%%' ORDER BY ms DESC LIMIT %s",
            _SHOWN_STATEMENTS,
        )
        return [
            f"{ms / whole:.0%} of Postgres' time ({ms * 1000 / count:.1f} ms per 1,000), {calls:,} calls,"
            f" {wal / count:,.0f} bytes of WAL for each: {text}"
            for text, calls, ms, whole, wal in rows
        ]

    # the simulator

    def call_simulator(self, name: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call the simulator's control API: without a body it reads (`stats`), with a body it changes (`script`)."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.simulator_url}/_simulator/{name}", data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: dict[str, Any] = json.loads(response.read() or b"{}")
        return answer

    @contextmanager
    def measure(self) -> Iterator[Usage]:
        """Measure the CPU and memory that the running processes use during the block."""
        self.ask("SELECT pg_stat_statements_reset()")
        with measure(self.pids()) as usage:
            yield usage


def write_people(path: Path, people: range) -> Path:
    """Write a list of recipients, with one row per number."""
    with path.open("w", encoding="utf-8") as file:
        file.write(_HEADER)
        file.writelines(f"+55119{10_000_000 + number},Ana,20%\n" for number in people)
    return path


def measure_elapsed(rows: Sequence[CampaignListing]) -> float:
    """Return the seconds from the first start to the last completion."""
    starts = [row.started_at for row in rows if row.started_at]
    ends = [row.completed_at for row in rows if row.completed_at]
    return (max(ends) - min(starts)).total_seconds()


# CPU and memory

# The last columns of each table.
_LAST = ("postgres", "valkey", "simulator")


@dataclass
class Usage:
    """CPU seconds and peak resident megabytes of processes, each with its children."""

    seconds: float = 0.0
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=dict)

    def cpu_ms_per_1000(self, count: int) -> dict[str, float]:
        """Return CPU milliseconds per 1,000 of `count`, as one column per role for all of its processes."""
        total: Counter[str] = Counter()
        for name, seconds in self.cpu_seconds.items():
            total[name.rstrip("0123456789")] += seconds
        order = sorted(total, key=lambda role: _LAST.index(role) if role in _LAST else -1)
        return {f"{role}_cpu": 1e6 * total[role] / count for role in order}

    def peak_of(self, role: str) -> float:
        """Return the highest peak of a process of the role, in megabytes."""
        return max(peak for name, peak in self.peak_mb.items() if name.rstrip("0123456789") == role)


@contextmanager
def measure(pids: Mapping[str, int]) -> Iterator[Usage]:
    """Measure processes during the block; they must run until it ends."""
    usage, is_over = Usage(), threading.Event()
    usage.peak_mb = {name: memory_mb(pid) for name, pid in pids.items()}

    def watch() -> None:
        while not is_over.wait(_POLL_SECONDS):
            for name, pid in pids.items():
                usage.peak_mb[name] = max(usage.peak_mb[name], memory_mb(pid))

    watcher = threading.Thread(target=watch, name="memory", daemon=True)
    watcher.start()
    before, began = {name: cpu_seconds(pid) for name, pid in pids.items()}, time.monotonic()
    try:
        yield usage
    finally:
        usage.seconds = time.monotonic() - began
        usage.cpu_seconds = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
        is_over.set()
        watcher.join()


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process with its children, including children that have ended."""
    process = psutil.Process(pid)
    own = process.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            total += times.user + times.system
    return float(total)


def memory_mb(pid: int) -> float:
    """Return the resident megabytes of a process with its children; 0 if it has ended.

    Memory that processes share counts once for each of them. For Postgres the sum is therefore too high.
    """
    total = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += each.memory_info().rss
    return total / 1e6
