"""The Valkey of a chaos run: a primary and a replica, each behind a proxy, and three Sentinels that know the proxies.

Some roles have the addresses of the Sentinels. The other roles have the address of a further proxy, which leads to the
primary, as a host name or a load balancer does. This proxy is called the name of the primary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import redis

from devstack.ports import LOOPBACK
from devstack.proxy import Proxy
from devstack.sentinel import start_sentinel
from devstack.server import wait_until
from devstack.valkey import Valkey, start_valkey

_MASTER = "chaos"
_QUORUM = 2
# The time that a primary must be gone before the Sentinels fail over. It is an hour, so that they fail over only in the
# faults that shorten this time or ask for a failover.
_PATIENT_MS, _HASTY_MS = 3_600_000, 1_000
_FAILOVER_SECONDS = 180.0


class Brokers:
    """Two servers, of which `primary` is the one that the Sentinels name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        self._proxies: dict[Valkey, Proxy] = {}
        for name in ("valkey1", "valkey2"):
            proxy = self._exit.enter_context(Proxy(0))
            announced = {"replica-announce-ip": LOOPBACK, "replica-announce-port": str(proxy.port)}
            valkey = self._exit.enter_context(start_valkey(self._folder / name, settings=announced))
            proxy.upstream_port = valkey.port
            self._proxies[valkey] = proxy
        self.primary, replica = self._proxies
        self._name = self._exit.enter_context(Proxy(self.primary.port))
        with redis.Redis.from_url(replica.url) as client:
            client.replicaof(LOOPBACK, str(self._proxies[self.primary].port))
        self._sentinels = [
            self._exit.enter_context(
                start_sentinel(
                    self._folder / f"sentinel{number}",
                    master_name=_MASTER,
                    primary_port=self._proxies[self.primary].port,
                    quorum=_QUORUM,
                    down_after_ms=_PATIENT_MS,
                )
            )
            for number in range(1, 4)
        ]
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    @property
    def name_url(self) -> str:
        return f"redis://{LOOPBACK}:{self._name.port}/0"

    @property
    def sentinel_url(self) -> str:
        hosts = ";".join(f"sentinel://{LOOPBACK}:{each.port}/0" for each in self._sentinels)
        return f"{hosts}?master_name={_MASTER}"

    @property
    def ways(self) -> tuple[Proxy, Proxy]:
        """The two proxies that lead to the primary: its name, and the proxy whose address the Sentinels give."""
        return self._name, self._proxies[self.primary]

    def connection_count(self) -> int:
        return sum(each.connection_count() for each in (self._name, *self._proxies.values()))

    def kill_primary(self) -> None:
        """Kill the primary, let the Sentinels promote the replica, and start the old primary again, empty.

        The Sentinels make the old primary a replica some seconds later.
        """
        old = self.primary
        with self._hasty_sentinels(), self._failover():
            old.kill()
        old.restart()

    def demote_primary(self) -> None:
        """Let the Sentinels exchange the roles of primary and replica. Both servers keep running."""
        with self._failover(), redis.Redis(LOOPBACK, self._sentinels[0].port) as sentinel:
            sentinel.execute_command("SENTINEL", "FAILOVER", _MASTER)

    @contextmanager
    def _failover(self) -> Iterator[None]:
        """Wait for a replica. After the block, wait until the Sentinels promote it, and let the name lead to it."""
        new = next(each for each in self._proxies if each is not self.primary)
        _await(lambda: self._is_replica(new), "no replica follows the primary")
        yield
        _await(lambda: set(self._ask_ports()) == {self._proxies[new].port}, "the Sentinels promote no replica")
        self.primary, self._name.upstream_port = new, new.port
        _await(lambda: self._has_role(new, "master"), "the new primary takes no writes")

    @contextmanager
    def _hasty_sentinels(self) -> Iterator[None]:
        try:
            self._set_down_after(_HASTY_MS)
            yield
        finally:
            self._set_down_after(_PATIENT_MS)

    def _set_down_after(self, milliseconds: int) -> None:
        for each in self._sentinels:
            with redis.Redis(LOOPBACK, each.port) as sentinel:
                sentinel.execute_command("SENTINEL", "SET", _MASTER, "down-after-milliseconds", milliseconds)

    def _ask_ports(self) -> list[int]:
        ports = []
        for each in self._sentinels:
            with redis.Redis(LOOPBACK, each.port) as sentinel:
                ports.append(int(sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", _MASTER)[1]))
        return ports

    def _is_replica(self, server: Valkey) -> bool:
        """Return whether every Sentinel lists this server as a healthy replica of the primary."""
        port = self._proxies[server].port
        for each in self._sentinels:
            with redis.Redis(LOOPBACK, each.port) as sentinel:
                good = [one for one in sentinel.sentinel_slaves(_MASTER) if one["port"] == port]
                if not good or good[0]["is_sdown"] or good[0]["is_disconnected"]:
                    return False
                if good[0]["master-link-status"] != "ok":
                    return False
        return self._has_role(server, "slave")

    @staticmethod
    def _has_role(server: Valkey, role: str) -> bool:
        with redis.Redis.from_url(server.url) as client:
            return bool(client.info("replication")["role"] == role)


def _await(is_done: Callable[[], bool], failure: str) -> None:
    if not wait_until(is_done, _FAILOVER_SECONDS):
        raise TimeoutError(f"{failure} within {_FAILOVER_SECONDS:g} s")
