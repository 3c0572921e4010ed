"""What the benchmarks share: everything that Revoada needs, started on this machine, and what its processes use.

Postgres runs with fsync, the roles are those of the Procfile, and no setting of the outside gets in.
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

from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import Wishes, create_campaign
from campaigns.secrets import make_key
from campaigns.store.campaigns import CampaignListing, list_campaigns
from campaigns.store.database import Database
from campaigns.store.migrate import migrate
from devstack.ports import LOOPBACK, free_port
from devstack.roles import PROJECT, Role
from devstack.server import DevstackError, wait_until
from devstack.stack import Stack, await_http

# Limits out of the way: what is measured is the path, not Meta's throttle.
UNLIMITED = 1_000_000
APP_SECRET = "bench-app-secret"
TEMPLATE = "bench:pt_BR"
FIRST_ACCOUNT = 10_000  # the phone number id of the first account; the others follow
_HEADER = "phone,nome,desconto\n"
_OURS = ("REVOADA_", "META_", "BROKER_", "ALERT_", "GRAPH_", "LOG_", "CELERY_", "DATABASE_", "REDIS_")
# The far end: it counts who got how many, but keeps no log of millions.
_SCRIPT: Mapping[str, Any] = {
    "limits": {"messages_per_second": 0, "pair_seconds": 0},
    "built_in_suffixes": False,
    "keep_accepted": False,
}
_READY_SECONDS = 60.0
_LOOK_SECONDS = 0.25


def size_of(name: str, default: int) -> int:
    """Read a size from the environment."""
    return int(os.environ.get(name) or default)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` (0 to 1) of all are not above."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


class World:
    """Postgres, Valkey, the simulator, and the roles that a benchmark starts; gone when the `with` block ends.

    `script` is the simulator's (simulator/README.md); without one it has no latency and no limits, and reports no
    webhooks. `settings` are variables of .env.example.
    """

    def __init__(self, script: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None) -> None:
        self._script, self._settings = script or {}, settings or {}
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
        # The plain loop takes a connection per campaign.
        self.postgres = self.stack.start_postgres(fsync=True, settings={"max_connections": "400"})
        self.valkey = self.stack.start_valkey()
        self.database_url = self.postgres.create_database("revoada")
        migrate(self.database_url)
        port = free_port()
        self.simulator_url = f"http://{LOOPBACK}:{port}"
        self.stack.environment |= {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.valkey.url,
            "GRAPH_API_URL": f"{self.simulator_url}/v24.0",
            "META_APP_SECRET": APP_SECRET,
            "META_VERIFY_TOKEN": make_key(),
            "REVOADA_SECRET_KEY": make_key(),
            "HOST": LOOPBACK,
            "PORT": str(free_port()),
            **self._settings,
        }
        path = self.folder / "simulator.json"
        path.write_text(json.dumps({**_SCRIPT, **self._script}))
        command = [sys.executable, "-m", "simulator", "--port", str(port), "--script", str(path)]
        self._roles["simulator"] = self.stack.start_process("simulator", command)
        await_http(f"{self.simulator_url}/_simulator/stats", self.stack)
        # Not one of the roles; and what a benchmark asks of a large table takes a while.
        self.database = Database(self.database_url, max_connections=4, statement_seconds=600, name="benchmark")
        self.database.open()

    def _end(self) -> None:
        self.stack.__exit__(None, None, None)
        shutil.rmtree(self.folder, ignore_errors=True)

    # roles

    def start_roles(self, *names: str) -> None:
        """Start roles and wait until they are ready; `worker1` and `worker2` are two processes of the role `worker`."""
        for name in names:
            kind = name.rstrip("0123456789")
            if kind == "beat":
                self._roles[name] = self.stack.start_beat(name)
            else:
                options = ("-n", f"{name}@%h") if kind in {"worker", "events"} else ()
                self._roles[name] = self.stack.start_role(name, *options, role=kind)
        for name in names:
            if name == "webhooks":
                await_http(f"{self.stack.webhooks_url}/readyz", self.stack)
            elif name.startswith(("worker", "events")):
                self._await_line(self._roles[name], b" ready.")

    def start_process(self, name: str, command: Sequence[str]) -> None:
        """Start something of the benchmark's own."""
        self._roles[name] = self.stack.start_process(name, command)

    def stop_roles(self, *names: str) -> None:
        for name in names:
            role = self._roles.pop(name)
            role.stop()
            self.stack.roles.remove(role)

    def _await_line(self, role: Role, line: bytes) -> None:
        def is_ready() -> bool:
            self.stack.check_alive()
            return line in role.log_path.read_bytes()

        if not wait_until(is_ready, _READY_SECONDS):
            raise DevstackError(f"{role.name} was not ready within {_READY_SECONDS:g} s\n{role.last_lines()}")

    def pids(self) -> dict[str, int]:
        """Return all that runs, by name; what has children counts with them."""
        return {"postgres": self.postgres.pid, "valkey": self.valkey.pid} | {
            name: role.pid for name, role in self._roles.items()
        }

    # what is sent

    def add_accounts(self, count: int, *, rate: int = UNLIMITED) -> list[str]:
        """Make accounts of one WABA, and the template; return the names of the accounts."""
        names = [f"account-{number}" for number in range(count)]
        for number, name in enumerate(names):
            add_account(
                self.database, name, phone_number_id=str(FIRST_ACCOUNT + number), waba_id="1", token="t",
                messages_per_second=rate, secret_key=self.stack.environment["REVOADA_SECRET_KEY"],
            )  # fmt: skip
        name, _, language = TEMPLATE.partition(":")
        add_template(self.database, name, language=language, body="Oi {{1}}, hoje {{2}} de desconto.")
        return names

    def add_campaign(self, accounts: Sequence[str], *, people: range, name: str = "bench") -> int:
        """Make a campaign of people numbered so, imported from a file as everybody's are; return its id."""
        path = write_people(self.folder / "people.csv", people)
        wishes = Wishes(name=name, template=TEMPLATE, accounts=accounts, recipients=path)
        return create_campaign(self.database, wishes, time_zone="UTC").id

    def run_command(self, *words: str) -> str:
        """Run `revoada …` as a person would; return what it prints. Raises DevstackError."""
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
        watch: Callable[[list[CampaignListing]], object] = lambda _rows: None,
    ) -> list[CampaignListing]:
        """Wait until all are; an end of a role raises DevstackError. Looks rarely: a look takes CPU away."""
        deadline = time.monotonic() + seconds
        while True:
            rows = self.database.run(list_campaigns, ids)
            watch(rows)
            if all(row.completed_at is not None for row in rows):
                return rows
            self.stack.check_alive()
            if time.monotonic() > deadline:
                raise DevstackError(f"{sum(row.completed_at is None for row in rows)} campaigns have not completed")
            time.sleep(_LOOK_SECONDS)

    def ask(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.database.run(lambda connection: connection.execute(statement, parameters).fetchall())

    # the far end

    def far(self, name: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask the simulator (`stats`, …), or tell it something (`script`, `reset`)."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.simulator_url}/_simulator/{name}", data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: dict[str, Any] = json.loads(response.read() or b"{}")
        return answer

    @contextmanager
    def measure(self) -> Iterator[Usage]:
        """Measure what all that runs now uses in the block."""
        with measure(self.pids()) as usage:
            yield usage


def write_people(path: Path, people: range) -> Path:
    """Write a list of recipients, one per number."""
    with path.open("w", encoding="utf-8") as file:
        file.write(_HEADER)
        file.writelines(f"+55119{10_000_000 + number},Ana,20%\n" for number in people)
    return path


def elapsed(rows: Sequence[CampaignListing]) -> float:
    """Return the seconds from the first start to the last completion."""
    starts = [row.started_at for row in rows if row.started_at]
    ends = [row.completed_at for row in rows if row.completed_at]
    return (max(ends) - min(starts)).total_seconds()


# what processes use

# The last columns of a table: what all of them have, the far end at the very end.
_LAST = ("postgres", "valkey", "simulator")


@dataclass
class Usage:
    """What each of some processes used, with its children: CPU seconds, and its peak of resident megabytes."""

    seconds: float = 0.0
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=dict)

    def cpu_ms_per_1000(self, count: int) -> dict[str, float]:
        """Return columns of a table; processes of the same role (`worker1`, `worker2`) are one."""
        total: Counter[str] = Counter()
        for name, seconds in self.cpu_seconds.items():
            total[name.rstrip("0123456789")] += seconds
        order = sorted(total, key=lambda role: _LAST.index(role) if role in _LAST else -1)
        return {f"{role}_cpu": 1e6 * total[role] / count for role in order}

    def peak_of(self, role: str) -> float:
        """Return the most that one process of the role had."""
        return max(peak for name, peak in self.peak_mb.items() if name.rstrip("0123456789") == role)


@contextmanager
def measure(pids: Mapping[str, int]) -> Iterator[Usage]:
    """Measure processes, which run all the time, while the block runs."""
    usage, is_over = Usage(), threading.Event()
    usage.peak_mb = {name: memory_mb(pid) for name, pid in pids.items()}

    def watch() -> None:
        while not is_over.wait(_LOOK_SECONDS):
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
    """Return the CPU time of a process with its children, the ended ones included."""
    process = psutil.Process(pid)
    own = process.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            total += times.user + times.system
    return float(total)


def memory_mb(pid: int) -> float:
    """Return the resident megabytes of a process with its children; 0 where it has ended.

    What children share with it counts once for each: right for our roles, too much for Postgres.
    """
    total = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += each.memory_info().rss
    return total / 1e6
