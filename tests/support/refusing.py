"""A Valkey that answers and does not serve: each kind of refusal, on a real server, for as long as a `with` block."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import redis

from devstack.valkey import Valkey, start_valkey
from tests.simulator.far_end import wait_for

Refusal = Callable[[Valkey], AbstractContextManager[None]]

QUEUES = ("campaigns", "control", "webhooks", "health")
_NOBODY = "1"  # a port on which no primary listens


@contextmanager
def _administered(valkey: Valkey, *, password: str | None = None) -> Iterator[redis.Redis]:
    """Connect as a client that is exempt from every refusal."""
    with redis.Redis.from_url(valkey.url, password=password, single_connection_client=True, retry=None) as client:
        client.execute_command("ACL", "SETUSER", "admin", "on", "nopass", "~*", "&*", "+@all")
        client.execute_command("AUTH", "admin", "")
        yield client


@contextmanager
def _configured(valkey: Valkey, **changed: str) -> Iterator[redis.Redis]:
    with _administered(valkey) as client:
        before = {name: client.config_get(name)[name] for name in (each.replace("_", "-") for each in changed)}
        try:
            for name, value in zip(before, changed.values(), strict=True):
                client.config_set(name, value)
            yield client
        finally:
            for name, value in before.items():
                client.config_set(name, value)


def _disconnect_others(client: redis.Redis) -> None:
    for kind in ("normal", "pubsub"):
        client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


@contextmanager
def read_only(valkey: Valkey, *, password: str | None = None) -> Iterator[None]:
    """READONLY: the server was a primary and is a replica now. Its connections stay open."""
    with _administered(valkey, password=password) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", _NOBODY)
        try:
            yield
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def primary_down(valkey: Valkey) -> Iterator[None]:
    """MASTERDOWN: a replica has lost its primary and must not serve data that may be old."""
    with _configured(valkey, replica_serve_stale_data="no"), read_only(valkey):
        yield


@contextmanager
def snapshot_failed(valkey: Valkey) -> Iterator[None]:
    """MISCONF: the server cannot save, because a folder has its file's name; permissions would not stop root."""
    obstacle = valkey.data_dir / "data/dump.rdb"
    obstacle.unlink(missing_ok=True)
    (obstacle / "folder").mkdir(parents=True)
    try:
        with _configured(valkey, save="3600 1") as client:
            client.bgsave()
            wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
            yield
    finally:
        (obstacle / "folder").rmdir()
        obstacle.rmdir()


@contextmanager
def out_of_memory(valkey: Valkey) -> Iterator[None]:
    """OOM."""
    with _configured(valkey, maxmemory="1"):
        yield


@contextmanager
def too_few_replicas(valkey: Valkey) -> Iterator[None]:
    """NOREPLICAS."""
    with _configured(valkey, min_replicas_to_write="1"):
        yield


@contextmanager
def too_many_clients(valkey: Valkey) -> Iterator[None]:
    """ERR max number of clients reached: the other clients were disconnected."""
    with _configured(valkey, maxclients="1") as client:
        _disconnect_others(client)
        yield


@contextmanager
def password_wanted(valkey: Valkey) -> Iterator[None]:
    """NOAUTH: a password was set that the other clients do not have."""
    with _configured(valkey, requirepass="hush") as client:
        _disconnect_others(client)
        yield


@contextmanager
def not_permitted(valkey: Valkey) -> Iterator[None]:
    """NOPERM."""
    with _administered(valkey) as client:
        client.execute_command("ACL", "SETUSER", "default", "-@write")
        try:
            yield
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+@all")


@contextmanager
def busy(valkey: Valkey) -> Iterator[None]:
    """BUSY: a script runs and does not end."""

    def run() -> None:
        with suppress(redis.RedisError), redis.Redis.from_url(valkey.url, socket_timeout=120, retry=None) as other:
            other.eval("while true do end", 0)

    with _configured(valkey, busy_reply_threshold="50") as client:
        thread = threading.Thread(target=run)
        thread.start()
        wait_for(lambda: _is_busy(client))
        try:
            yield
        finally:
            client.execute_command("SCRIPT", "KILL")
            thread.join()


def _is_busy(client: redis.Redis) -> bool:
    try:
        client.ping()
    except redis.ResponseError:
        return True
    return False


@contextmanager
def wrong_type(valkey: Valkey) -> Iterator[None]:
    """WRONGTYPE: the keys of the queues hold values of another type."""
    keys = (*QUEUES, "unacked", "unacked_index")
    with _administered(valkey) as client:
        client.delete(*keys)
        for key in keys:
            client.set(key, "x")
        try:
            yield
        finally:
            client.delete(*keys)


@contextmanager
def loading(valkey: Valkey) -> Iterator[None]:
    """LOADING: the server has become a replica of another one, and loads its data slowly, for up to five minutes."""
    slow = {
        "key_load_delay": "50000",
        "loading_process_events_interval_bytes": "1024",
        "repl_diskless_load": "disabled",
    }
    with start_valkey(valkey.data_dir.parent / "primary") as primary, _configured(valkey, **slow) as client:
        with redis.Redis.from_url(primary.url) as other:
            other.config_set("repl-diskless-sync-delay", "0")
            other.mset({f"key{number}": "x" * 5_000 for number in range(6_000)})
        client.execute_command("REPLICAOF", "127.0.0.1", str(primary.port))
        wait_for(lambda: client.info("persistence")["loading"] == 1)
        try:
            yield
        finally:
            client.config_set("key-load-delay", "0")
            wait_for(lambda: client.info("persistence")["loading"] == 0)
            client.execute_command("REPLICAOF", "NO", "ONE")


REFUSALS: dict[str, Refusal] = {
    "READONLY": read_only,
    "MASTERDOWN": primary_down,
    "MISCONF": snapshot_failed,
    "OOM": out_of_memory,
    "NOREPLICAS": too_few_replicas,
    "max number of clients": too_many_clients,
    "NOAUTH": password_wanted,
    "no permissions": not_permitted,
    "BUSY": busy,
    "LOADING": loading,
}
