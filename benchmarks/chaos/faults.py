"""The faults that a chaos run injects. Each begins, lasts for a while, and ends. No fault checks its consequences."""

from __future__ import annotations

import itertools
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil
import psycopg
import redis

from benchmarks.chaos.lanes import Lanes
from benchmarks.chaos.people import LEFT, NO_REPLY
from benchmarks.chaos.world import World
from devstack.roles import Role

NOTHING: frozenset[str] = frozenset()

# The prefix of the wamids that match no message.
STORM_MARK = "wamid.storm"
_LEASE_SECONDS = 8.0
_QUEUES = ("campaigns", "control", "webhooks", "health")


@dataclass(frozen=True, slots=True)
class FaultContext:
    """The installation that a fault acts on, and its random choices."""

    world: World
    lanes: Lanes
    random: random.Random

    def wait(self, least: float, most: float) -> None:
        time.sleep(self.random.uniform(least, most))

    def worker(self) -> str:
        return self.random.choice(self.world.workers)

    def valkey(self) -> redis.Redis:
        return redis.Redis.from_url(self.world.broker_url, socket_timeout=60, retry=None)


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault. `explains`: the causes for which a message may become uncertain during this fault."""

    kind: str
    inject: Callable[[FaultContext], None]
    explains: frozenset[str] = NOTHING
    # The server that the fault affects. Two faults that affect the same server are never injected together.
    touches: str = ""
    # The host that the fault affects, in a run with several hosts.
    host: str = ""

    @property
    def name(self) -> str:
        return f"{self.host}: {self.kind}" if self.host else self.kind


# processes


def _kill_worker(context: FaultContext) -> None:
    context.world.kill(context.worker())


def _freeze_worker_past_lease(context: FaultContext) -> None:
    _freeze(context, context.world.role(context.worker()), _LEASE_SECONDS + 0.5, _LEASE_SECONDS + 3)


def _freeze_worker_shortly(context: FaultContext) -> None:
    _freeze(context, context.world.role(context.worker()), 0.5, 2.0)


def _freeze(context: FaultContext, role: Role, least: float, most: float) -> None:
    with suppress(psutil.Error):
        role.send_signal(signal.SIGSTOP)
    context.wait(least, most)
    with suppress(psutil.Error):
        role.send_signal(signal.SIGCONT)


def _restart_workers(context: FaultContext) -> None:
    """Send SIGTERM to one worker after the other, as an upgrade does."""
    for name in context.world.workers:
        role = context.world.role(name)
        context.world.ask_to_end(name)
        _await(lambda role=role: not role.is_running(), 60)
        _await(lambda name=name: context.world.role(name).is_running(), 60)


def _kill_events(context: FaultContext) -> None:
    context.world.kill("events")


def _freeze_events(context: FaultContext) -> None:
    _freeze(context, context.world.role("events"), 2, 5)


def _kill_webhooks(context: FaultContext) -> None:
    context.world.kill("webhooks")


def _beats_down(context: FaultContext) -> None:
    with context.world.without_restart("beat1"), context.world.without_restart("beat2"):
        for name in ("beat1", "beat2"):
            context.world.kill(name)
        context.wait(3, 6)


# broker


def _kill_valkey(context: FaultContext) -> None:
    """Kill Valkey, which comes back empty, because it stores nothing on disk. The Sentinels wait for it."""
    valkey = context.world.brokers.primary
    valkey.kill()
    context.wait(0.2, 3)
    valkey.restart()


def _fail_over_valkey(context: FaultContext) -> None:
    """Kill the primary; the Sentinels promote the replica, and the old primary comes back as an empty replica."""
    context.world.brokers.kill_primary()


def _exchange_valkeys(context: FaultContext) -> None:
    """Let the Sentinels exchange primary and replica, as before an upgrade of the primary."""
    context.world.brokers.demote_primary()


def _freeze_valkey(context: FaultContext) -> None:
    for way in context.world.brokers.ways:
        way.freeze()
    context.wait(2, 6)
    for way in context.world.brokers.ways:
        way.thaw()


def _lose_valkey_connections(context: FaultContext) -> None:
    for way in context.world.brokers.ways:
        way.lose()


def _reset_valkey_connections(context: FaultContext) -> None:
    for way in context.world.brokers.ways:
        way.reset()


def _cut_valkey_replies(context: FaultContext) -> None:
    """Lose the replies of commands that Valkey has executed. A client that repeats an LPUSH enqueues a task twice."""
    for way in context.world.brokers.ways:
        way.cut("reply", context.random.randrange(0, 8), times=6)
    context.wait(1, 2)
    for way in context.world.brokers.ways:
        way.uncut()


def _refuse_valkey(context: FaultContext) -> None:
    for way in context.world.brokers.ways:
        way.refuse()
    context.wait(1, 4)
    for way in context.world.brokers.ways:
        way.accept()


def _demote_valkey(context: FaultContext) -> None:
    """Make Valkey a replica, as a failover does: it keeps its connections and its data, and refuses writes."""
    with context.valkey() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")  # a port on which no primary listens
        context.wait(2, 6)
        client.execute_command("REPLICAOF", "NO", "ONE")


def _fill_valkey(context: FaultContext) -> None:
    with context.valkey() as client:
        client.config_set("maxmemory", "1")
        context.wait(2, 6)
        client.config_set("maxmemory", "0")


# Postgres


def _restart_postgres(context: FaultContext) -> None:
    context.world.postgres.stop()
    context.wait(0.1, 2)
    context.world.postgres.restart()


def _kill_postgres(context: FaultContext) -> None:
    context.world.postgres.kill()
    context.wait(0.1, 2)
    context.world.postgres.restart()


def _terminate_backends(context: FaultContext) -> None:
    for _ in range(context.random.randrange(3, 12)):
        context.world.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.5"
        )
        context.wait(0.02, 0.2)


def _cut_postgres_replies(context: FaultContext) -> None:
    """Lose replies of Postgres, also to the COMMIT of a claim: the COMMIT is done, but the worker does not know."""
    for _ in range(8):
        context.world.postgres_proxy.cut("reply", context.random.randrange(0, 200))
        context.wait(0.05, 0.2)
    context.world.postgres_proxy.uncut()


def _cut_postgres_requests(context: FaultContext) -> None:
    for _ in range(8):
        context.world.postgres_proxy.cut("request", context.random.randrange(0, 400))
        context.wait(0.05, 0.2)
    context.world.postgres_proxy.uncut()


def _freeze_postgres(context: FaultContext) -> None:
    context.world.postgres_proxy.freeze()
    context.wait(2, 6)
    context.world.postgres_proxy.thaw()


def _lose_postgres_connections(context: FaultContext) -> None:
    context.world.postgres_proxy.lose()


def _slow_postgres(context: FaultContext) -> None:
    context.world.postgres_proxy.delay_seconds = context.random.uniform(0.1, 0.4)
    context.wait(2, 4)
    context.world.postgres_proxy.delay_seconds = 0.0


def _lock_messages(context: FaultContext) -> None:
    """Lock the table as a migration may do: all writes wait, and some reach their timeout."""
    with suppress(psycopg.Error), psycopg.connect(context.world.database_url, connect_timeout=2) as connection:
        connection.execute("SET lock_timeout = '3s'")
        connection.execute("LOCK TABLE messages IN EXCLUSIVE MODE")
        context.wait(1, 5)


def _take_postgres_connections(context: FaultContext) -> None:
    """Open all connections that are left, and reset the connections of the roles, so that no role can connect."""
    taken: list[psycopg.Connection[object]] = []
    try:
        with suppress(psycopg.Error):
            while True:
                taken.append(psycopg.connect(context.world.database_url, connect_timeout=2))
        context.world.postgres_proxy.reset()
        with suppress(psycopg.Error):
            while True:
                taken.append(psycopg.connect(context.world.database_url, connect_timeout=2))
        context.wait(1, 4)
    finally:
        for connection in taken:
            connection.close()


# connections to the API


def _reset_api_connections(context: FaultContext) -> None:
    for _ in range(5):
        context.world.api_proxy.reset()
        context.wait(0.1, 0.4)


def _lose_api_connections(context: FaultContext) -> None:
    context.world.api_proxy.lose()
    # After this time each lost connection has reached its timeout.
    context.wait(5.5, 6.5)
    context.world.api_proxy.reset()


def _freeze_api(context: FaultContext) -> None:
    """Let the API hang, mostly for longer than the HTTP timeout. Requests in flight become uncertain."""
    context.world.api_proxy.freeze()
    context.wait(3, 8)
    context.world.api_proxy.thaw()


def _refuse_api(context: FaultContext) -> None:
    context.world.api_proxy.refuse()
    context.wait(1, 3)
    context.world.api_proxy.accept()


def _cut_api_replies(context: FaultContext) -> None:
    for _ in range(30):
        context.world.api_proxy.cut("reply", context.random.randrange(0, 300), is_reset=context.random.random() < 0.5)
        context.wait(0.0, 0.1)
    context.world.api_proxy.uncut()


def _repeat_api_replies(context: FaultContext) -> None:
    """Send each reply twice. Without a check, the repetition would count as the reply to the next request."""
    for seconds in (0.003, 0.05):
        context.world.api_proxy.repeat_seconds = seconds
        context.wait(1, 2)
    context.world.api_proxy.repeat_seconds = None


def _cut_api_requests(context: FaultContext) -> None:
    for _ in range(30):
        context.world.api_proxy.cut("request", context.random.randrange(0, 700), is_reset=context.random.random() < 0.5)
        context.wait(0.0, 0.1)
    context.world.api_proxy.uncut()


def _close_reused_connections(context: FaultContext) -> None:
    """Close kept-alive connections when they are used again. A client that repeats the POST would send twice."""
    context.world.simulator.post("script", {"close_reused_after": context.random.randrange(1, 4)})
    context.wait(1, 3)
    context.world.simulator.post("script", {"close_reused_after": 0})


def _bad_replies(context: FaultContext) -> None:
    words = ["lost", "lost-before", "half", "html", "html-accepted", "empty", "garbage", "hang", "hang-before"]
    words += ["error:131000", "error:130429", "error:131056", "error:2", "error:131016"]
    script = [f"{context.random.choice(words)}*{context.random.randrange(1, 6)}" for _ in range(8)]
    context.world.simulator.post("script", {"outcome": [*script, "ok"]})
    context.wait(5.5, 6.5)
    context.world.simulator.post("script", {"outcome": "ok"})


# tasks and webhooks


def _enqueue_three_times(context: FaultContext) -> None:
    for _ in range(context.random.randrange(5, 15)):
        context.lanes.enqueue([batch.campaign_id for batch in context.lanes.current().values()], times=3)
        context.wait(0.1, 0.3)


def _drop_tasks(context: FaultContext) -> None:
    deadline = time.monotonic() + context.random.uniform(2, 5)
    with suppress(redis.RedisError), context.valkey() as client:
        while time.monotonic() < deadline:
            client.delete(*_QUEUES)
            time.sleep(0.01)


def _forge_tasks(context: FaultContext) -> None:
    with suppress(redis.RedisError), context.valkey() as client:
        for queue, body in itertools.product(_QUEUES, (b"garbage", b"{}", b'{"body": 7}', b"\x80\x04.")):
            client.lpush(queue, body)


def _storm(context: FaultContext) -> None:
    """Post statuses of unknown messages, some of them invalid. They stay stored, and must not delay other bodies."""
    for number in range(200):
        wamid = f"{STORM_MARK}{context.random.randrange(10**9)}"
        status = {"id": wamid, "status": "delivered", "timestamp": str(int(time.time())), "recipient_id": "1"}
        value: object = {"messaging_product": "whatsapp", "statuses": [status]} if number % 10 else {"statuses": 7}
        change = {"field": "messages", "value": value}
        context.world.simulator.post(
            "webhook", {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}
        )


FAULTS = (
    Fault("worker killed", _kill_worker, frozenset({LEFT})),
    Fault("worker frozen past its lease", _freeze_worker_past_lease, frozenset({LEFT, NO_REPLY})),
    Fault("worker frozen shortly", _freeze_worker_shortly, frozenset({NO_REPLY})),
    Fault("workers asked to stop, in turn", _restart_workers),
    Fault("events killed", _kill_events),
    Fault("events frozen", _freeze_events),
    Fault("webhooks killed", _kill_webhooks),
    Fault("both beats down", _beats_down),
    Fault("Valkey killed, back empty", _kill_valkey, touches="valkey"),
    Fault("Valkey failover by Sentinel", _fail_over_valkey, touches="valkey"),
    Fault("Valkeys exchanged by Sentinel", _exchange_valkeys, touches="valkey"),
    Fault("Valkey frozen", _freeze_valkey, touches="valkey"),
    Fault("connections to Valkey lost", _lose_valkey_connections, touches="valkey"),
    Fault("connections to Valkey reset", _reset_valkey_connections, touches="valkey"),
    Fault("replies of Valkey lost", _cut_valkey_replies, touches="valkey"),
    Fault("Valkey refuses", _refuse_valkey, touches="valkey"),
    Fault("Valkey read-only", _demote_valkey, touches="valkey"),
    Fault("Valkey out of memory", _fill_valkey, touches="valkey"),
    Fault("Postgres restarted", _restart_postgres, frozenset({LEFT}), touches="postgres"),
    Fault("Postgres killed", _kill_postgres, frozenset({LEFT}), touches="postgres"),
    Fault("backends terminated", _terminate_backends, frozenset({LEFT}), touches="postgres"),
    Fault("replies of Postgres lost", _cut_postgres_replies, frozenset({LEFT}), touches="postgres"),
    Fault("requests to Postgres cut", _cut_postgres_requests, frozenset({LEFT}), touches="postgres"),
    Fault("Postgres frozen", _freeze_postgres, frozenset({LEFT}), touches="postgres"),
    Fault("connections to Postgres lost", _lose_postgres_connections, frozenset({LEFT}), touches="postgres"),
    Fault("Postgres slow", _slow_postgres, frozenset({LEFT}), touches="postgres"),
    Fault("messages locked", _lock_messages, frozenset({LEFT}), touches="postgres"),
    Fault("connections of Postgres taken", _take_postgres_connections, frozenset({LEFT}), touches="postgres"),
    Fault("connections to the API reset", _reset_api_connections, frozenset({NO_REPLY}), touches="api"),
    Fault("connections to the API lost", _lose_api_connections, frozenset({NO_REPLY}), touches="api"),
    Fault("API hangs", _freeze_api, frozenset({NO_REPLY}), touches="api"),
    Fault("API refuses", _refuse_api, frozenset({NO_REPLY}), touches="api"),
    Fault("replies of the API cut", _cut_api_replies, frozenset({NO_REPLY}), touches="api"),
    Fault("replies of the API repeated", _repeat_api_replies, frozenset({NO_REPLY}), touches="api"),
    Fault("requests to the API cut", _cut_api_requests, frozenset({NO_REPLY}), touches="api"),
    Fault("reused connections closed", _close_reused_connections, frozenset({NO_REPLY}), touches="api"),
    Fault("bad replies", _bad_replies, frozenset({NO_REPLY}), touches="api"),
    Fault("campaigns enqueued three times", _enqueue_three_times),
    Fault("tasks dropped", _drop_tasks, touches="valkey"),
    Fault("tasks forged", _forge_tasks, touches="valkey"),
    Fault("webhook storm", _storm),
)


def _await(is_done: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_done() and time.monotonic() < deadline:
        time.sleep(0.05)
