"""Postgres killed, away, silent, cut off in a COMMIT: nothing is claimed twice, nothing leaves late."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from harness import Campaign, FarEnd, Flow, make_environment, wait_for

from campaigns.store.database import Database
from campaigns.store.migrate import migrate
from devstack.postgres import Postgres
from devstack.proxy import Proxy
from devstack.stack import Stack

LEASE_SECONDS = 5.0
SCALED = {
    "tick_seconds": 1,
    "reconcile_seconds": 1,
    "lease_seconds": LEASE_SECONDS,
    "renew_seconds": 1,
    "http_timeout_seconds": 2,
    "connect_timeout_seconds": 1,
    "statement_seconds": 3,
    "inbox_wait_seconds": 1,
}


class Durable:
    """An installation on a Postgres of its own, with fsync on, behind a proxy."""

    def __init__(self, flow: Flow, postgres: Postgres, proxy: Proxy, url: str) -> None:
        self.flow, self.postgres, self.proxy, self.url = flow, postgres, proxy, url

    def begin(self, *roles: str) -> Campaign:
        """Start roles and a campaign that sends slowly; return when a part of it is sent."""
        flow = self.flow
        flow.start(*roles, **SCALED)
        flow.far.script(latency_ms=[200, 400], webhooks={"retry_ms": 500})
        campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas", rate=30)], people=600)
        flow.await_ready()
        flow.start_campaigns(campaign)
        flow.await_accepted(campaign, 40)
        return campaign

    def end(self, campaign: Campaign) -> None:
        """Wait for the end; everybody got at most one, and who got none is uncertain."""
        flow = self.flow
        flow.execute("UPDATE accounts SET messages_per_second = 1000")
        flow.await_status("completed", campaign)
        wait_for(lambda: flow.far.flush() or flow.far.has_told_all(), "all webhooks are taken")
        got = {f"+{each['to']}" for each in flow.far.accepted(campaign)}
        wait_for(lambda: self._unsettled() == set(campaign.phones) - got, "webhooks settled what Meta has")
        assert flow.counts(campaign).keys() <= {"delivered", "read", "uncertain"}
        flow.assert_nobody_got_two()
        flow.assert_counters_equal_rows()
        flow.assert_no_lease_lives()

    def count_after_lease(self, campaign: Campaign) -> int:
        """Wait until a lease that nobody can renew from now on is over; return how many have left by then."""
        began_at = time.monotonic()
        wait_for(lambda: time.monotonic() > began_at + LEASE_SECONDS, "the lease is over")
        counts = [-1]
        while len(set(counts[-5:])) > 1 or len(counts) < 5:  # the far end reads what came before its question
            counts.append(len(self.flow.far.accepted(campaign)))
        return counts[-1]

    def _unsettled(self) -> set[str]:
        rows = self.flow.query("SELECT phone FROM messages WHERE status NOT IN ('delivered', 'read')")
        return {phone for (phone,) in rows}


@pytest.fixture
def durable(tmp_path: Path, simulator_url: str, redis_url: str) -> Iterator[Durable]:
    far = FarEnd(simulator_url)
    far.reset()
    far.script(limits={"messages_per_second": 0})
    with Stack(tmp_path / "server", {}) as server:
        postgres = server.start_postgres(fsync=True)
        url = postgres.create_database("revoada")
        migrate(url)
        database = Database(url)
        database.open()
        with Proxy(postgres.port) as proxy:
            proxied = url.replace(f":{postgres.port}/", f":{proxy.port}/")
            flow = Flow(tmp_path, database, make_environment(proxied, redis_url, simulator_url), far)
            try:
                yield Durable(flow, postgres, proxy, url)
            finally:
                flow.stop()
                database.close()
                flow.print_logs(lines=30)
        assert flow.find_leaks() == []


def insist(work: Callable[[], object]) -> None:
    """Do what may meet a server that has just come back, with connections that are dead."""

    def try_it() -> bool:
        try:
            work()
        except psycopg.Error:
            return False
        return True

    wait_for(try_it, "Postgres answers")


def test_after_a_sigkill_of_postgres_every_claim_still_stands_and_webhooks_come_again(durable: Durable) -> None:
    flow = durable.flow
    campaign = durable.begin("webhooks", "events", "worker", "beat")

    durable.postgres.kill()
    count = durable.count_after_lease(campaign)
    wait_for(lambda: flow.far.stats()["webhooks"]["retried"], "webhooks are refused, so that Meta repeats them")
    wait_for(lambda: flow.events("slice_failed") or flow.events("leases_not_kept"), "the worker has seen it")
    assert len(flow.far.accepted(campaign)) == count, "nothing leaves after the lease"
    durable.postgres.restart()
    insist(lambda: flow.query("SELECT 1"))
    durable.end(campaign)
    assert flow.events("webhook_not_stored")


def test_a_statement_that_waits_too_long_ends_the_slice_before_its_lease(durable: Durable) -> None:
    """As behind a lock of a careless person: claims and settles wait, and give up."""
    flow = durable.flow
    campaign = durable.begin("webhooks", "events", "worker", "beat")

    with psycopg.connect(durable.url) as careless:
        careless.execute("LOCK TABLE messages IN EXCLUSIVE MODE")
        count = durable.count_after_lease(campaign)
        counted_at = flow.server_time()
        wait_for(lambda: flow.events("slice_failed"), "the slice gives up")
        wait_for(lambda: flow.server_time() > counted_at + 2, "a while has passed")
        assert len(flow.far.accepted(campaign)) == count, "nothing leaves while nothing can be claimed"
    durable.end(campaign)


def test_a_runner_that_gets_no_connection_stops_within_its_lease_and_goes_on_later(durable: Durable) -> None:
    flow = durable.flow
    campaign = durable.begin("webhooks", "events", "worker", "beat")
    durable.proxy.refuse()
    count = durable.count_after_lease(campaign)
    wait_for(lambda: flow.events("slice_failed"), "the slice gives up")
    assert len(flow.far.accepted(campaign)) == count, "nothing leaves after the lease"
    durable.proxy.accept()
    durable.end(campaign)


GATE_KEY = 4712
COMMITS_MET = 6


@pytest.mark.parametrize("fault", ["terminated", "answer lost"])
def test_a_commit_that_is_cut_off_claims_nobody_twice(durable: Durable, fault: str) -> None:
    """COMMIT waits at a gate, so that it is met: rolled back by the server, or done with its answer lost."""
    flow = durable.flow
    campaign = durable.begin("webhooks", "events", "worker", "beat")
    waiting = "FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event_type = 'Lock' AND wait_event = 'advisory'"
    with psycopg.connect(durable.url, autocommit=True) as admin:
        admin.execute(
            f"""
            CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_advisory_xact_lock_shared({GATE_KEY}); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER gate AFTER UPDATE ON leases DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION gate();
            CREATE CONSTRAINT TRIGGER gate_messages AFTER UPDATE ON messages DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW WHEN (NEW.status = 'sending') EXECUTE FUNCTION gate();
            """
        )
        for _ in range(COMMITS_MET):
            admin.execute("SELECT pg_advisory_lock(%s)", [GATE_KEY])
            if fault == "terminated":
                wait_for(
                    lambda: admin.execute(f"SELECT pg_terminate_backend(pid) {waiting}").fetchall(), "a COMMIT is met"
                )
            else:
                wait_for(lambda: admin.execute(f"SELECT {waiting}").fetchall(), "a COMMIT waits")
                durable.proxy.freeze()
            admin.execute("SELECT pg_advisory_unlock(%s)", [GATE_KEY])
            wait_for(lambda: not admin.execute(f"SELECT {waiting}").fetchall(), "it is over")
            if fault == "answer lost":
                durable.proxy.reset()
                durable.proxy.thaw()
        assert flow.status(campaign)[0] == "running"
        admin.execute("DROP FUNCTION gate CASCADE")
    durable.end(campaign)
