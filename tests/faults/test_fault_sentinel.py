"""Sentinels name the primary: roles and commands move with it, and a failover under load costs time only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from fixtures import installed
from harness import Flow, wait_for

from devstack.ports import LOOPBACK
from devstack.sentinel import Sentinel, start_sentinel
from devstack.valkey import Valkey, start_valkey
from tests.support.refusing import read_only

MASTER = "revoada"
PASSWORD = "hush/pass@word"
SENTINEL_PASSWORD = "watch:word"
SCALED = {
    "tick_seconds": 1,
    "http_timeout_seconds": 3,
    "connect_timeout_seconds": 2,
    "lease_seconds": 6,
    "renew_seconds": 1,
    "fallback_rate": 5,
}


@dataclass(frozen=True)
class Watched:
    """An installation whose primary three Sentinels name. Both servers and Sentinels want a password."""

    flow: Flow
    servers: tuple[Valkey, Valkey]
    sentinels: tuple[Sentinel, Sentinel, Sentinel]

    def find_primary(self) -> Valkey:
        """Return the server that the last Sentinel names."""
        with redis.Redis(LOOPBACK, self.sentinels[-1].port, password=SENTINEL_PASSWORD) as sentinel:
            port = int(sentinel.sentinel_get_master_addr_by_name(MASTER)[1])
        return next(each for each in self.servers if each.port == port)

    def await_replica(self) -> None:
        """Wait until the primary has a replica that has all its data."""

        def is_there() -> bool:
            with connect(self.find_primary()) as client:
                return bool(client.info("replication").get("connected_slaves"))

        wait_for(is_there, "a replica follows the primary")


def connect(server: Valkey) -> redis.Redis:
    return redis.Redis(LOOPBACK, server.port, password=PASSWORD)


def start_servers(folder: Path, exits: ExitStack) -> tuple[Valkey, Valkey]:
    primary = exits.enter_context(start_valkey(folder / "one", password=PASSWORD))
    replica = {"replicaof": f"{LOOPBACK} {primary.port}"}
    return primary, exits.enter_context(start_valkey(folder / "two", password=PASSWORD, settings=replica))


@pytest.fixture(scope="module")
def watched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, simulator_url: str, shared_url: str
) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("sentinel")
    with ExitStack() as exits:
        servers = start_servers(folder, exits)
        sentinels = tuple(
            exits.enter_context(
                start_sentinel(
                    folder / f"sentinel{number}",
                    master_name=MASTER,
                    primary_port=servers[0].port,
                    quorum=2,
                    password=SENTINEL_PASSWORD,
                    primary_password=PASSWORD,
                )
            )
            for number in range(3)
        )
        hosts = ";".join(f"sentinel://:hush%2Fpass%40word@{LOOPBACK}:{each.port}/0" for each in sentinels)
        url = f"{hosts}?master_name={MASTER}&sentinel_password=watch%3Aword"
        urls = {"database_url": shared_url, "redis_url": url, "simulator_url": simulator_url}
        with installed(request, folder, **urls) as flow:
            flow.start("webhooks", "events", "worker", "worker2", "beat", **SCALED)
            flow.await_ready()
            yield Watched(flow, servers, sentinels)


def test_no_command_and_no_log_tells_a_password(watched: Watched) -> None:
    flow = watched.flow
    doctor = flow.run_command("revoada", "doctor", "--json")
    told = {each["kind"] for each in json.loads(doctor.stdout)}
    assert not told & {"valkey_away", "broker_away", "valkey_refuses", "no_worker", "no_beat"}
    texts = [doctor.stdout, *(path.read_text(encoding="utf-8") for path in flow.log_paths())]
    for words in ("inspect ping", "inspect conf", "report"):
        done = flow.run_command("celery", "-A", "campaigns", *words.split())
        assert done.returncode == 0, done.stderr
        texts += [done.stdout, done.stderr]
    for secret in ("hush", "pass@word", "watch:word", "watch%3Aword"):
        assert not [text for text in texts if secret in text]


def test_a_failover_under_load_costs_time_and_nobody_gets_two(watched: Watched) -> None:
    """The primary is killed, and with it a Sentinel, which is the first in the URL of all roles."""
    flow = watched.flow
    campaigns = [flow.add_campaign(name, [flow.add_account(name, rate=10)], people=200) for name in ("Um", "Dois")]
    watched.await_replica()
    flow.start_campaigns(*campaigns)
    for campaign in campaigns:
        flow.await_accepted(campaign, 20)

    old = watched.find_primary()
    old.kill()
    watched.sentinels[0].kill()
    accepted = len(flow.far.accepted(*campaigns))
    wait_for(lambda: len(flow.far.accepted(*campaigns)) > accepted, "what runs goes on without its broker")
    wait_for(lambda: watched.find_primary() is not old, "the Sentinels have promoted the replica")
    wait_for(lambda: flow.events("throttle_back"), "the throttle asks the new primary")
    flow.execute("UPDATE accounts SET messages_per_second = 200")
    flow.await_arrival(*campaigns)
    flow.await_status("completed", *campaigns)
    fresh = flow.add_campaign("Fresh", [flow.add_account("Fresh")], people=20)
    flow.start_campaigns(fresh)
    flow.await_arrival(fresh)
    flow.assert_everybody_got_one(*campaigns, fresh)
    flow.assert_nobody_got_two()
    flow.assert_counters_equal_rows()
    flow.stack.check_alive()
    old.restart()
    watched.sentinels[0].restart()


def test_roles_leave_a_primary_that_was_demoted_and_keeps_their_connections(watched: Watched) -> None:
    """`SENTINEL FAILOVER` demotes a primary that works. Here it answers READONLY, and closes no connection, before."""
    flow = watched.flow
    campaign = flow.add_campaign("Demoted", [flow.add_account("Demoted", rate=10)], people=100)
    watched.await_replica()
    flow.start_campaigns(campaign)
    flow.await_accepted(campaign, 10)
    unreachable, old = len(flow.events("throttle_unreachable")), watched.find_primary()
    with read_only(old, password=PASSWORD):
        wait_for(lambda: len(flow.events("throttle_unreachable")) > unreachable, "the throttle is refused")
    with redis.Redis(LOOPBACK, watched.sentinels[-1].port, password=SENTINEL_PASSWORD) as sentinel:
        watched.await_replica()
        wait_for(lambda: _fail_over(sentinel), "the Sentinels agree to a failover")
    wait_for(lambda: watched.find_primary() is not old, "the other server is the primary")
    flow.await_arrival(campaign)
    flow.await_status("completed", campaign)
    flow.assert_everybody_got_one(campaign)
    flow.stack.check_alive()


def _fail_over(sentinel: redis.Redis) -> bool:
    try:
        return bool(sentinel.execute_command("SENTINEL", "FAILOVER", MASTER))
    except redis.ResponseError:  # no replica is good yet
        return False
