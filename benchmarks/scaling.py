"""Scaling: how campaigns share 1, 2, 4 and 8 workers on several hosts, while one worker is added and one is drained.

Each host is a network namespace, so this needs root and Debian's package iptables, as `make chaos-hosts` does. Servers,
`events` and `beat` are on one more host. SCALING_CAMPAIGNS (20) campaigns run, each by an account of its own that may
send SCALING_RATE (20) messages/s, so more than half of two cores is idle. The shares of the campaigns are measured
for SCALING_SECONDS (20). Then one more worker starts, and after it has work, the first worker is drained by SIGTERM.
SCALING_WORKERS is '1 2 4 8', and LATENCY_MS is 150.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil
import redis

from benchmarks.chaos.network import NETWORK, SERVERS, Host, enter_own_network
from benchmarks.frame import World, read_size
from benchmarks.report import Report
from devstack.ports import LOOPBACK, free_port
from devstack.server import DevstackError, wait_until
from devstack.stack import await_http

WORKERS = [int(word) for word in (os.environ.get("SCALING_WORKERS") or "1 2 4 8").split()]
CAMPAIGNS = read_size("SCALING_CAMPAIGNS", 20)
RATE = read_size("SCALING_RATE", 20)
SECONDS = read_size("SCALING_SECONDS", 20)
LATENCY_MS = read_size("LATENCY_MS", 150)

# A worker takes campaigns when slices end, which takes up to 30 s; then each worker has its share.
_SPREAD_SECONDS = 35.0
_PATIENCE_SECONDS = 120.0
# The longest time for which the campaigns send. Each has enough messages for this time, so that none completes.
_LONGEST_SECONDS = 60.0 + 4 * _SPREAD_SECONDS + SECONDS
# 10.77.0.4 is the host of the servers.
_FIRST_HOST = 11


class HostsWorld(World):
    """Servers and the other roles on one host, and each worker on a host of its own."""

    addresses = (LOOPBACK, SERVERS)
    # No two hosts of a run have the same name, because the link of an old host may outlive it for a moment.
    _numbers = itertools.count(_FIRST_HOST)

    def _start(self) -> None:
        super()._start()
        with (self.postgres.data_dir / "cluster/pg_hba.conf").open("a") as file:
            file.write(f"host all all {NETWORK} scram-sha-256\n")
        self.ask("SELECT pg_reload_conf()")
        with redis.Redis.from_url(self.valkey.url) as client:
            client.config_set("bind", f"{LOOPBACK} {SERVERS}")
        self.stop_roles("simulator")
        port = free_port()
        address = ("--host", SERVERS, "--port", str(port), "--script", str(self.folder / "simulator.json"))
        self.start_process("simulator", [sys.executable, "-m", "simulator", *address])
        self.simulator_url = f"http://{SERVERS}:{port}"
        await_http(f"{self.simulator_url}/_simulator/stats", self.stack)
        self.stack.environment |= {
            "DATABASE_URL": self.database_url.replace(LOOPBACK, SERVERS),
            "REDIS_URL": self.valkey.url.replace(LOOPBACK, SERVERS),
            "GRAPH_API_URL": f"{self.simulator_url}/v24.0",
        }

    def start_worker(self) -> str:
        """Start a worker on a host of its own, and return when it is ready. Returns the name of the host."""
        host = Host(self.stack, next(self._numbers))
        name = f"worker{host.name.removeprefix('host')}"
        role = self.stack.start_role(name, "-n", f"{name}@%h", role="worker", prefix=host.prefix)
        self._roles[name] = role
        self._await_line(role, b" ready.")
        return host.name

    def drain_worker(self, host: str) -> None:
        """Stop the worker of a host by SIGTERM, and wait for its end."""
        name = f"worker{host.removeprefix('host')}"
        role = self._roles[name]
        role.send_signal(signal.SIGTERM)
        if not wait_until(lambda: not role.is_running(), _PATIENCE_SECONDS):
            raise DevstackError(f"The drained worker did not end.\n{role.last_lines()}")
        self.stop_roles(name)

    def count_leases(self) -> Counter[str]:
        """Return the number of campaigns that run on each host."""
        rows = self.ask(
            "SELECT split_part(owner, ':', 1), count(*) FROM leases WHERE until > clock_timestamp() GROUP BY 1"
        )
        return Counter(dict(rows))

    def count_claims(self, since: float, until: float) -> list[int]:
        """Return the number of messages of each campaign that were claimed between two times (seconds since 1970)."""
        rows = self.ask(
            "SELECT c.id, count(m.id) FROM campaigns c LEFT JOIN messages m ON m.campaign_id = c.id"
            " AND m.claimed_at >= to_timestamp(%s) AND m.claimed_at < to_timestamp(%s) GROUP BY c.id",
            since, until,
        )  # fmt: skip
        return [count for _id, count in rows]

    def find_longest_gap(self, since: float) -> float:
        """Return the longest time in which some campaign has claimed no message since the given time, in seconds."""
        [(gap,)] = self.ask(
            "SELECT max(extract(epoch FROM later - earlier))::float FROM ("
            " SELECT claimed_at AS later, lag(claimed_at) OVER campaign AS earlier FROM messages"
            " WHERE claimed_at >= to_timestamp(%s)"
            " WINDOW campaign AS (PARTITION BY campaign_id ORDER BY claimed_at)) gaps",
            since,
        )  # fmt: skip
        return float(gap or 0.0)


@dataclass(frozen=True, slots=True)
class Shares:
    """How many messages each campaign sent in a time, and how many campaigns each worker had at its end."""

    seconds: float
    counts: Sequence[int]
    campaigns: Sequence[int]
    idle_percent: float

    @property
    def rate(self) -> float:
        return sum(self.counts) / self.seconds

    def share(self, count: int) -> float:
        """Return a count as a percentage of what the limit of the campaign's account allows."""
        return 100 * count / (RATE * self.seconds)


def main() -> int:
    try:
        enter_own_network()
    except DevstackError as error:
        print(f"scaling: {error}", file=sys.stderr)
        return 2
    report = Report(
        "scaling", f"{CAMPAIGNS} campaigns with {RATE} messages/s each on workers of several hosts",
        campaigns=CAMPAIGNS, rate=RATE, seconds=SECONDS, latency_ms=LATENCY_MS,
    )  # fmt: skip
    for count in WORKERS:
        with HostsWorld({"latency_ms": LATENCY_MS}) as world:
            measure_workers(world, report, count)
    return report.finish()


def measure_workers(world: HostsWorld, report: Report, count: int) -> None:
    """Measure the shares with `count` workers, then add a worker, then drain the first one."""
    each = round(RATE * _LONGEST_SECONDS)
    ids = [
        world.add_campaign([account], people=range(number * each, (number + 1) * each))
        for number, account in enumerate(world.add_accounts(CAMPAIGNS, rate=RATE))
    ]
    world.start_roles("events", "beat")
    hosts = [world.start_worker() for _ in range(count)]
    world.start_campaigns(ids)
    await_leases(world, lambda leases: leases.total() == CAMPAIGNS)
    time.sleep(_SPREAD_SECONDS)
    shares = measure_shares(world, hosts)

    newcomer = world.start_worker()
    ready_at = time.monotonic()
    await_leases(world, lambda leases: leases[newcomer] > 0)
    newcomer_seconds = time.monotonic() - ready_at
    time.sleep(_SPREAD_SECONDS)

    asked, asked_at = time.monotonic(), time.time()
    world.drain_worker(hosts[0])
    drain_seconds = time.monotonic() - asked
    await_leases(world, lambda leases: leases.total() == CAMPAIGNS)
    time.sleep(SECONDS)
    after = measure_shares(world, [*hosts[1:], newcomer])
    gap = world.find_longest_gap(asked_at)
    statuses = dict(world.ask("SELECT status::text, count(*) FROM messages GROUP BY 1"))
    stats = world.call_simulator("stats")

    what = f"{count} worker{'s' if count > 1 else ''}"
    report.add(
        what, messages_per_second=shares.rate,
        **{
            "least share %": shares.share(min(shares.counts)), "largest share %": shares.share(max(shares.counts)),
            "campaigns a worker": "/".join(map(str, shares.campaigns)),
            "idle %": shares.idle_percent,
            "new worker has work\ns": newcomer_seconds, "drain\ns": drain_seconds, "longest gap\ns": gap,
            "least share after %": after.share(min(after.counts)),
            "campaigns a worker after": "/".join(map(str, after.campaigns)),
        },
    )  # fmt: skip
    report.goal(f"{what}: half of the machine is idle", shares.idle_percent >= 50)
    report.goal(f"{what}: each campaign has its share within 5 %", shares.share(min(shares.counts)) >= 95)
    report.goal(f"{what}: the new worker has work within 30 s", newcomer_seconds <= 30)
    report.goal(f"{what}: the drain stops no campaign for more than 5 s", gap <= 5)
    report.check(f"{what}: nobody twice", stats["max_accepted_per_recipient"] == 1)
    report.check(f"{what}: the drain left nothing uncertain or failed", not statuses.keys() & {"uncertain", "failed"})
    report.check(f"{what}: no campaign had completed", statuses.get("pending", 0) > 0 and min(after.counts) > 0)


def await_leases(world: HostsWorld, condition: Callable[[Counter[str]], bool]) -> None:
    def is_true() -> bool:
        world.stack.check_alive()
        return condition(world.count_leases())

    if not wait_until(is_true, _PATIENCE_SECONDS):
        raise DevstackError(f"The campaigns have not come to their workers: {dict(world.count_leases())}")


def measure_shares(world: HostsWorld, hosts: Sequence[str]) -> Shares:
    psutil.cpu_percent()
    since = time.time()
    time.sleep(SECONDS)
    until = time.time()
    idle = 100 - psutil.cpu_percent()
    leases = world.count_leases()
    return Shares(until - since, world.count_claims(since, until), [leases[host] for host in hosts], idle)


if __name__ == "__main__":
    sys.exit(main())
