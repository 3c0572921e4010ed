"""`make chaos-hosts` runs the roles on three hosts, cuts their links, and checks as `make chaos` does. It needs root.

Each host has a `worker`, an `events` and a `webhooks`; two hosts have a `beat`. Postgres, Valkey and the simulator are
on a fourth host. During the whole run a worker is stopped by SIGTERM every few seconds and started again. The variables
are those of `make chaos`, with other defaults for LANES (20) and RESULT (benchmarks/results/chaos-hosts.json).
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Self

import redis

from benchmarks.chaos.command import run_chaos
from benchmarks.chaos.faults import FAULTS, Fault, FaultContext
from benchmarks.chaos.network import NETWORK, PUBLIC, RECEIVER_PORT, SERVERS, Host, balance, enter_own_network
from benchmarks.chaos.people import LEFT, NO_REPLY
from benchmarks.chaos.world import World
from devstack.ports import LOOPBACK
from devstack.postgres import Postgres
from devstack.server import DevstackError
from devstack.stack import Stack

_HOSTS = (1, 2, 3)
_CHURN_SECONDS = (2.0, 6.0)
_CHURN_MOST_SECONDS = 30.0
# After this time each connection that a fault has stalled has reached its timeout.
_STALLED_SECONDS = (5.5, 6.5)
_LEASE_SECONDS = 8.0


class HostsWorld(World):
    """The installation on three hosts. `host1` has the roles `webhooks1`, `events1`, `worker1` and `beat1`."""

    roles = (*(f"{role}{number}" for number in _HOSTS for role in ("webhooks", "events", "worker")), "beat1", "beat2")
    far_end = SERVERS
    callback_url = f"http://{PUBLIC}:{RECEIVER_PORT}"

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.hosts = {number: Host(stack, number) for number in _HOSTS}
        balance(list(self.hosts.values()))

    def __enter__(self) -> Self:
        super().__enter__()
        churn = threading.Thread(target=self._churn, name="churn", daemon=True)
        churn.start()
        self._exit.callback(churn.join)  # the thread reads logs, whose folder is deleted later
        return self

    def _start_postgres(self) -> Postgres:
        # Nine processes have up to 16 connections each.
        settings = {"listen_addresses": f"{LOOPBACK},{SERVERS}", "max_connections": "200"}
        server = self.stack.start_postgres(settings=settings)
        with (server.data_dir / "cluster/pg_hba.conf").open("a") as file:
            file.write(f"host all all {NETWORK} scram-sha-256\n")
        return server

    def _start_broker(self) -> None:
        self.valkey = self.stack.start_valkey()

    @property
    def broker_url(self) -> str:
        return self.valkey.url

    def _connect(self) -> dict[str, str]:
        self.ask("SELECT pg_reload_conf()")
        with redis.Redis.from_url(self.valkey.url) as client:
            client.config_set("protected-mode", "no")  # the network has our hosts only
            client.config_set("bind", f"{LOOPBACK} {SERVERS}")
        return {
            "DATABASE_URL": self.database_url.replace(LOOPBACK, SERVERS),
            "REDIS_URL": self.valkey.url.replace(LOOPBACK, SERVERS),
            "GRAPH_API_URL": f"http://{SERVERS}:{self.simulator_port}/v24.0",
            "PORT": str(RECEIVER_PORT),
        }

    def _start(self, name: str) -> None:
        host = self.hosts[int(name[-1])]
        self.stack.environment["HOST"] = host.address
        self._roles[name] = self.stack.start_role(name, role=name.rstrip("0123456789"), prefix=host.prefix)

    @property
    def webhook_urls(self) -> list[str]:
        return [f"http://{host.address}:{RECEIVER_PORT}" for host in self.hosts.values()]

    def _count_connections(self) -> dict[str, float]:
        [(count,)] = self.ask("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        with redis.Redis.from_url(self.valkey.url) as client:
            return {"postgres connections": count, "valkey connections": client.info("clients")["connected_clients"]}

    def _churn(self) -> None:
        """Stop one worker after the other. Do not wait long for the restart of a worker whose host is cut off."""
        choices = random.Random()
        while not self._closing.wait(choices.uniform(*_CHURN_SECONDS)):
            name = choices.choice(self.workers)
            count, deadline = self._count_starts(name), time.monotonic() + _CHURN_MOST_SECONDS
            self.ask_to_end(name)
            while self._count_starts(name) == count and time.monotonic() < deadline:
                if self._closing.wait(0.5):
                    return

    def _count_starts(self, name: str) -> int:
        return self.role(name).log_path.read_bytes().count(b" ready.")


def _host(context: FaultContext, number: int) -> Host:
    assert isinstance(context.world, HostsWorld)
    return context.world.hosts[number]


def _last(
    context: FaultContext, number: int, state: Callable[[Host], AbstractContextManager[None]], least: float, most: float
) -> None:
    with state(_host(context, number)):
        context.wait(least, most)
    context.wait(*_STALLED_SECONDS)


def _flap(context: FaultContext, number: int) -> None:
    for _ in range(context.random.randrange(8, 16)):
        with _host(context, number).down():
            context.wait(0.05, 0.8)
        context.wait(0.05, 0.8)
    context.wait(*_STALLED_SECONDS)


def _half_open(context: FaultContext, number: int) -> None:
    """Let the servers forget the host's connections. The host notices the loss when it sends, or by its timeouts."""
    host = _host(context, number)
    host.forget_connections()
    context.wait(*_STALLED_SECONDS)
    # An idle connection to the API could break a request long after the fault.
    host.close_connections(context.world.simulator_port)


_LINK_FAULTS: Sequence[tuple[str, Callable[[FaultContext, int], None]]] = (
    ("link down", partial(_last, state=Host.down, least=2, most=6)),
    ("requests lost", partial(_last, state=lambda host: host.losing(requests=1), least=2, most=8)),
    ("replies lost", partial(_last, state=lambda host: host.losing(replies=1), least=2, most=8)),
    (
        "30 % of packets lost",
        partial(_last, state=lambda host: host.losing(requests=0.3, replies=0.3), least=5, most=12),
    ),
    ("link flapping", _flap),
    ("connections half open", _half_open),
    (
        "cut off for longer than a lease",
        partial(
            _last,
            state=lambda host: host.losing(requests=1, replies=1),
            least=_LEASE_SECONDS + 0.5,
            most=_LEASE_SECONDS + 6,
        ),
    ),
)
_OF_PROCESSES = ("worker killed", "worker frozen past its lease", "worker frozen shortly", "both beats down")

HOST_FAULTS = (
    *(
        Fault(
            kind,
            lambda context, inject=inject, number=number: inject(context, number),
            frozenset({LEFT, NO_REPLY}),
            touches=f"host{number}",
            host=f"host{number}",
        )
        for kind, inject in _LINK_FAULTS
        for number in _HOSTS
    ),
    *(fault for fault in FAULTS if fault.kind in _OF_PROCESSES),
)


def main() -> int:
    try:
        enter_own_network()
    except DevstackError as error:
        print(f"chaos-hosts: {error}", file=sys.stderr)
        return 2
    return run_chaos("chaos-hosts", HostsWorld, HOST_FAULTS, lanes=20)


if __name__ == "__main__":
    sys.exit(main())
