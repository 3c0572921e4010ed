"""Postgres fails over to a replica under running workers: nobody gets a message twice, whatever the replica lacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from fixtures import installed, make_redis_url
from harness import Campaign, Flow, wait_for

from campaigns.store.database import Database
from campaigns.store.installation import load_database_facts
from campaigns.store.migrate import migrate
from devstack.ports import free_port
from devstack.postgres import Postgres, start_postgres
from devstack.proxy import Proxy
from devstack.valkey import Valkey

SCALED = {
    "tick_seconds": 1,
    "reconcile_seconds": 1,
    "lease_seconds": 4,
    "renew_seconds": 1,
    "http_timeout_seconds": 2,
    "connect_timeout_seconds": 1,
    "statement_seconds": 3,
    "slice_seconds": 3,
}
ROLES = ("events", "worker1", "worker2", "beat")


class Lag(NamedTuple):
    """How far a replica is behind its primary: in accepted messages, and in seconds."""

    messages: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.messages} messages, {self.seconds:g} s"


class Pair:
    """A primary and its replica, and an installation that reaches the primary through a proxy, until `fail_over`."""

    def __init__(self, flow: Flow, primary: Postgres, replica: Postgres, roles: Proxy, log: Proxy) -> None:
        self.flow, self.primary, self.replica = flow, primary, replica
        self.roles, self.log = roles, log  # what the roles send, and what the primary sends to the replica

    def begin(self) -> list[Campaign]:
        """Start three campaigns; return when each has sent a part."""
        flow = self.flow
        campaigns = [
            flow.add_campaign(name, [flow.add_account(name, rate=60)], people=600)
            for name in ("Vendas", "Cobrança", "Convite")
        ]
        flow.start_campaigns(*campaigns)
        for each in campaigns:
            flow.await_accepted(each, 30)
        return campaigns

    def fail_over(self) -> None:
        """Kill the primary, promote the replica, and lead the roles there."""
        self.primary.kill()
        self.log.reset()
        with psycopg.connect(self.replica.url, autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")
        self.lead_to_replica()

    def lead_to_replica(self) -> None:
        self.roles.upstream_port = self.replica.port
        self.roles.reset()
        wait_for(self._is_reached, "the test itself has only connections to the replica")

    def _is_reached(self) -> bool:
        try:
            return all(self.flow.query("SELECT 1") for _ in range(10))
        except psycopg.OperationalError:
            return False


@contextmanager
def make_pair(
    request: pytest.FixtureRequest, folder: Path, simulator_url: str, valkey: Valkey, *, is_synchronous: bool
) -> Iterator[Pair]:
    with ExitStack() as stack:
        primary = stack.enter_context(start_postgres(folder / "primary", port=free_port(), fsync=False))
        url = primary.create_database("revoada")
        migrate(url)
        log = stack.enter_context(Proxy(primary.port))
        roles = stack.enter_context(Proxy(primary.port))
        primary.copy_to(folder / "replica", port=log.port)
        replica = stack.enter_context(start_postgres(folder / "replica", port=free_port(), fsync=False))
        with psycopg.connect(primary.url, autocommit=True) as connection:
            is_streaming = "SELECT FROM pg_stat_replication WHERE state = 'streaming'"
            wait_for(lambda: connection.execute(is_streaming).fetchall(), "the replica receives the log")
            if is_synchronous:
                connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
                connection.execute("SELECT pg_reload_conf()")
        urls = {
            "database_url": url.replace(f":{primary.port}/", f":{roles.port}/"),
            "redis_url": make_redis_url(valkey),
            "simulator_url": simulator_url,
        }
        with installed(request, folder, **urls) as flow:
            flow.start(*ROLES, **SCALED)
            flow.await_ready()
            flow.far.script(latency_ms=[50, 150])
            yield Pair(flow, primary, replica, roles, log)


@pytest.mark.parametrize(
    "lag",
    [
        *(Lag(messages=count) for count in (0, 1, 60, 300)),
        *(pytest.param(Lag(seconds=half / 2), marks=pytest.mark.nightly) for half in range(11) for _ in range(2)),
    ],
    ids=str,
)
def test_a_replica_that_lagged_claims_nothing_until_a_person_has_recovered_it(
    request, tmp_path, simulator_url, valkey, lag
):
    """At least `lag.messages` are accepted, and `lag.seconds` pass, after the replica has got its last byte."""
    with make_pair(request, tmp_path, simulator_url, valkey, is_synchronous=False) as pair:
        flow = pair.flow
        campaigns = pair.begin()
        pair.log.freeze()
        sent_count, frozen_at = len(flow.far.accepted()), flow.server_time()
        wait_for(lambda: len(flow.far.accepted()) >= sent_count + lag.messages, "messages leave that the replica lacks")
        wait_for(lambda: flow.server_time() >= frozen_at + lag.seconds, "the replica lags")
        pair.fail_over()

        def is_over() -> bool:
            statuses = {flow.status(each)[0] for each in campaigns}
            return "database_older" in flow.alerts.kinds() or statuses == {"completed"}

        wait_for(is_over, "it is found to be older, or has every claim")
        if lag.messages or lag.seconds:
            assert "database_older" in flow.alerts.kinds()
            (alert,) = [each for each in flow.alerts.alerts if each["kind"] == "database_older"]
            assert "recover" in alert["text"]
        flow.assert_nobody_got_two()
        if "database_older" not in flow.alerts.kinds():
            return

        done = flow.run_command("revoada", "doctor", "--json")
        (finding,) = [each for each in json.loads(done.stdout) if each["kind"] == "database_older"]
        assert "revoada recover --since" in finding["advice"]
        accepted = len(flow.far.accepted())
        for name in ROLES:
            flow.role(name).stop()
            flow.forget_role(name)
        ((now,),) = flow.query("SELECT now()")
        wait_for(lambda: not flow.query("SELECT FROM leases WHERE until > clock_timestamp()"), "no lease lives")
        done = flow.run_command("revoada", "recover", "--since", now.isoformat(), "--yes")
        assert done.returncode == 0, done.stderr
        assert len(flow.far.accepted()) == accepted

        flow.start(*ROLES)
        late = flow.add_campaign("Depois", [flow.add_account("Depois")], people=30)
        flow.start_campaigns(late)
        flow.await_status("completed", late)
        for each in campaigns:
            assert flow.run_command("revoada", "campaign", "resume", str(each.id)).returncode == 0
        flow.await_status("completed", *campaigns)
        flow.assert_nobody_got_two()
        got = {f"+{each['to']}" for each in flow.far.accepted()}
        assert set(late.phones) <= got
        for each in campaigns:
            rows = dict(flow.query("SELECT phone, status FROM messages WHERE campaign_id = %s", each.id))
            assert {rows[phone] for phone in set(each.phones) - got} <= {"uncertain"}


def test_the_facts_for_the_doctor_can_be_read_on_a_standby(request, tmp_path, simulator_url, valkey):
    with make_pair(request, tmp_path, simulator_url, valkey, is_synchronous=False) as pair:
        standby = Database(pair.replica.database_url("revoada"))
        standby.open()
        try:
            assert standby.run(load_database_facts).is_read_only
        finally:
            standby.close()


def test_a_synchronous_failover_goes_on_by_itself(request, tmp_path, simulator_url, valkey):
    with make_pair(request, tmp_path, simulator_url, valkey, is_synchronous=True) as pair:
        flow = pair.flow
        campaigns = pair.begin()
        pair.fail_over()
        flow.await_status("completed", *campaigns)
        flow.assert_nobody_got_two()
        assert "database_older" not in flow.alerts.kinds()
        got = {f"+{each['to']}" for each in flow.far.accepted()}
        for each in campaigns:
            rows = dict(flow.query("SELECT phone, status FROM messages WHERE campaign_id = %s", each.id))
            assert {rows[phone] for phone in set(each.phones) - got} <= {"uncertain"}


def test_a_copy_of_the_files_that_was_put_back_claims_nothing(request, tmp_path, simulator_url, valkey):
    """A snapshot of the machine was restored: neither the identifier of the cluster nor its timeline has changed."""
    with make_pair(request, tmp_path, simulator_url, valkey, is_synchronous=False) as pair:
        flow = pair.flow
        campaigns = pair.begin()
        pair.log.freeze()
        sent_count = len(flow.far.accepted())
        wait_for(lambda: len(flow.far.accepted()) >= sent_count + 60, "messages leave that the copy lacks")
        pair.primary.kill()
        pair.replica.stop()
        (tmp_path / "replica/cluster/standby.signal").unlink()
        pair.replica.restart()
        pair.lead_to_replica()
        wait_for(lambda: "database_older" in flow.alerts.kinds(), "the copy is found to be older")
        flow.assert_nobody_got_two()
        assert not all(flow.status(each)[0] == "completed" for each in campaigns)
