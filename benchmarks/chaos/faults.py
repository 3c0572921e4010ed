"""The catalogue of faults. Each begins, holds for a while, and ends; nothing here knows what should come of it."""

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

from benchmarks.chaos.account import LEFT, NO_REPLY
from benchmarks.chaos.lanes import Lanes
from benchmarks.chaos.world import WORKERS, World
from devstack.roles import Role

NOTHING: frozenset[str] = frozenset()

# Message ids of statuses that nobody knows.
STORM_MARK = "wamid.storm"
_LEASE_SECONDS = 8.0
_QUEUES = ("campaigns", "control", "webhooks", "health")


@dataclass(frozen=True, slots=True)
class Hand:
    """What a fault works with."""

    world: World
    lanes: Lanes
    random: random.Random

    def hold(self, least: float, most: float) -> None:
        time.sleep(self.random.uniform(least, most))

    def worker(self) -> str:
        return self.random.choice(WORKERS)

    def valkey(self) -> redis.Redis:
        return redis.Redis.from_url(self.world.valkey.url, socket_timeout=60, retry=None)


@dataclass(frozen=True, slots=True)
class Fault:
    """`explains`: what doubt it may leave; a message that is uncertain for another reason is a bug."""

    kind: str
    inject: Callable[[Hand], None]
    explains: frozenset[str] = NOTHING
    # Two of the same thing at once would only be one: a server cannot be killed and frozen.
    touches: str = ""


# processes


def _kill_worker(hand: Hand) -> None:
    hand.world.kill(hand.worker())


def _freeze_worker_past_lease(hand: Hand) -> None:
    _freeze(hand, hand.world.role(hand.worker()), _LEASE_SECONDS + 0.5, _LEASE_SECONDS + 3)


def _freeze_worker_shortly(hand: Hand) -> None:
    _freeze(hand, hand.world.role(hand.worker()), 0.5, 2.0)


def _freeze(hand: Hand, role: Role, least: float, most: float) -> None:
    with suppress(psutil.Error):
        role.send_signal(signal.SIGSTOP)
    hand.hold(least, most)
    with suppress(psutil.Error):
        role.send_signal(signal.SIGCONT)


def _restart_workers(hand: Hand) -> None:
    """SIGTERM to one after the other, as an upgrade does."""
    for name in WORKERS:
        role = hand.world.role(name)
        hand.world.ask_to_end(name)
        _await(lambda role=role: not role.is_running(), 60)
        _await(lambda name=name: hand.world.role(name).is_running(), 60)


def _kill_events(hand: Hand) -> None:
    hand.world.kill("events")


def _freeze_events(hand: Hand) -> None:
    _freeze(hand, hand.world.role("events"), 2, 5)


def _kill_webhooks(hand: Hand) -> None:
    hand.world.kill("webhooks")


def _beats_down(hand: Hand) -> None:
    with hand.world.held_down("beat1"), hand.world.held_down("beat2"):
        for name in ("beat1", "beat2"):
            hand.world.kill(name)
        hand.hold(3, 6)


# broker


def _kill_valkey(hand: Hand) -> None:
    """It comes back empty: it keeps nothing on disk."""
    hand.world.valkey.kill()
    hand.hold(0.2, 3)
    hand.world.valkey.restart()


def _freeze_valkey(hand: Hand) -> None:
    hand.world.valkey_proxy.freeze()
    hand.hold(2, 6)
    hand.world.valkey_proxy.thaw()


def _lose_valkey_connections(hand: Hand) -> None:
    hand.world.valkey_proxy.lose()


def _reset_valkey_connections(hand: Hand) -> None:
    hand.world.valkey_proxy.reset()


def _cut_valkey_replies(hand: Hand) -> None:
    """Commands are done and their replies lost, also those of LPUSH: whoever asks again rings twice."""
    hand.world.valkey_proxy.cut("reply", hand.random.randrange(0, 8), times=6)
    hand.hold(1, 2)
    hand.world.valkey_proxy.uncut()


def _refuse_valkey(hand: Hand) -> None:
    hand.world.valkey_proxy.refuse()
    hand.hold(1, 4)
    hand.world.valkey_proxy.accept()


def _demote_valkey(hand: Hand) -> None:
    """Make Valkey a replica for a while, as a failover does: it keeps its connections and data, and refuses writes."""
    with hand.valkey() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")  # a port on which no primary listens
        hand.hold(2, 6)
        client.execute_command("REPLICAOF", "NO", "ONE")


def _fill_valkey(hand: Hand) -> None:
    with hand.valkey() as client:
        client.config_set("maxmemory", "1")
        hand.hold(2, 6)
        client.config_set("maxmemory", "0")


# Postgres


def _restart_postgres(hand: Hand) -> None:
    hand.world.postgres.stop()
    hand.hold(0.1, 2)
    hand.world.postgres.restart()


def _kill_postgres(hand: Hand) -> None:
    hand.world.postgres.kill()
    hand.hold(0.1, 2)
    hand.world.postgres.restart()


def _terminate_backends(hand: Hand) -> None:
    for _ in range(hand.random.randrange(3, 12)):
        hand.world.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.5"
        )
        hand.hold(0.02, 0.2)


def _cut_postgres_replies(hand: Hand) -> None:
    """Also the answer to the COMMIT of a claim: it happened, and nobody knows."""
    for _ in range(8):
        hand.world.postgres_proxy.cut("reply", hand.random.randrange(0, 200))
        hand.hold(0.05, 0.2)
    hand.world.postgres_proxy.uncut()


def _cut_postgres_requests(hand: Hand) -> None:
    for _ in range(8):
        hand.world.postgres_proxy.cut("request", hand.random.randrange(0, 400))
        hand.hold(0.05, 0.2)
    hand.world.postgres_proxy.uncut()


def _freeze_postgres(hand: Hand) -> None:
    hand.world.postgres_proxy.freeze()
    hand.hold(2, 6)
    hand.world.postgres_proxy.thaw()


def _lose_postgres_connections(hand: Hand) -> None:
    hand.world.postgres_proxy.lose()


def _slow_postgres(hand: Hand) -> None:
    hand.world.postgres_proxy.delay_seconds = hand.random.uniform(0.1, 0.4)
    hand.hold(2, 4)
    hand.world.postgres_proxy.delay_seconds = 0.0


def _lock_messages(hand: Hand) -> None:
    """As a migration or a careless person would: every write waits, and some give up."""
    with suppress(psycopg.Error), psycopg.connect(hand.world.database_url, connect_timeout=2) as connection:
        connection.execute("SET lock_timeout = '3s'")
        connection.execute("LOCK TABLE messages IN EXCLUSIVE MODE")
        hand.hold(1, 5)


def _take_postgres_connections(hand: Hand) -> None:
    """All that the server has left are taken, and the connections of the roles are cut: nobody gets in."""
    taken: list[psycopg.Connection[object]] = []
    try:
        with suppress(psycopg.Error):
            while True:
                taken.append(psycopg.connect(hand.world.database_url, connect_timeout=2))
        hand.world.postgres_proxy.reset()
        with suppress(psycopg.Error):
            while True:
                taken.append(psycopg.connect(hand.world.database_url, connect_timeout=2))
        hand.hold(1, 4)
    finally:
        for connection in taken:
            connection.close()


# the wire


def _reset_api_connections(hand: Hand) -> None:
    for _ in range(5):
        hand.world.api_proxy.reset()
        hand.hold(0.1, 0.4)


def _lose_api_connections(hand: Hand) -> None:
    hand.world.api_proxy.lose()
    # Until no kept-alive connection among them can be in use any more.
    hand.hold(5.5, 6.5)
    hand.world.api_proxy.reset()


def _freeze_api(hand: Hand) -> None:
    """It hangs, mostly for longer than the HTTP timeout: what is out is doubtful then, and nothing more may leave."""
    hand.world.api_proxy.freeze()
    hand.hold(3, 8)
    hand.world.api_proxy.thaw()


def _refuse_api(hand: Hand) -> None:
    hand.world.api_proxy.refuse()
    hand.hold(1, 3)
    hand.world.api_proxy.accept()


def _cut_api_replies(hand: Hand) -> None:
    for _ in range(30):
        hand.world.api_proxy.cut("reply", hand.random.randrange(0, 300), is_reset=hand.random.random() < 0.5)
        hand.hold(0.0, 0.1)
    hand.world.api_proxy.uncut()


def _repeat_api_replies(hand: Hand) -> None:
    """Send each reply twice: an unchecked repetition counts as the reply to the next request."""
    for seconds in (0.003, 0.05):
        hand.world.api_proxy.repeat_seconds = seconds
        hand.hold(1, 2)
    hand.world.api_proxy.repeat_seconds = None


def _cut_api_requests(hand: Hand) -> None:
    for _ in range(30):
        hand.world.api_proxy.cut("request", hand.random.randrange(0, 700), is_reset=hand.random.random() < 0.5)
        hand.hold(0.0, 0.1)
    hand.world.api_proxy.uncut()


def _close_reused_connections(hand: Hand) -> None:
    """A kept-alive connection dies when it is used again: a client that replays the POST sends twice."""
    hand.world.far.post("script", {"close_reused_after": hand.random.randrange(1, 4)})
    hand.hold(1, 3)
    hand.world.far.post("script", {"close_reused_after": 0})


def _bad_replies(hand: Hand) -> None:
    words = ["lost", "lost-before", "half", "html", "html-accepted", "empty", "garbage", "hang", "hang-before"]
    words += ["error:131000", "error:130429", "error:131056", "error:2", "error:131016"]
    script = [f"{hand.random.choice(words)}*{hand.random.randrange(1, 6)}" for _ in range(8)]
    hand.world.far.post("script", {"outcome": [*script, "ok"]})
    hand.hold(5.5, 6.5)
    hand.world.far.post("script", {"outcome": "ok"})


# tasks and webhooks


def _ring_in_threes(hand: Hand) -> None:
    for _ in range(hand.random.randrange(5, 15)):
        hand.lanes.ring([batch.campaign_id for batch in hand.lanes.current().values()], times=3)
        hand.hold(0.1, 0.3)


def _drop_tasks(hand: Hand) -> None:
    deadline = time.monotonic() + hand.random.uniform(2, 5)
    with suppress(redis.RedisError), hand.valkey() as client:
        while time.monotonic() < deadline:
            client.delete(*_QUEUES)
            time.sleep(0.01)


def _forge_tasks(hand: Hand) -> None:
    with suppress(redis.RedisError), hand.valkey() as client:
        for queue, body in itertools.product(_QUEUES, (b"garbage", b"{}", b'{"body": 7}', b"\x80\x04.")):
            client.lpush(queue, body)


def _storm(hand: Hand) -> None:
    """Statuses of messages that nobody knows, some broken: they wait in the inbox, and must not hold up others."""
    for number in range(200):
        wamid = f"{STORM_MARK}{hand.random.randrange(10**9)}"
        status = {"id": wamid, "status": "delivered", "timestamp": str(int(time.time())), "recipient_id": "1"}
        value: object = {"messaging_product": "whatsapp", "statuses": [status]} if number % 10 else {"statuses": 7}
        change = {"field": "messages", "value": value}
        hand.world.far.post(
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
    Fault("campaigns rung in threes", _ring_in_threes),
    Fault("tasks dropped", _drop_tasks, touches="valkey"),
    Fault("tasks forged", _forge_tasks, touches="valkey"),
    Fault("webhook storm", _storm),
)


def _await(is_done: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_done() and time.monotonic() < deadline:
        time.sleep(0.05)
