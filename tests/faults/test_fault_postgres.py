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

    def begin(self, *roles: str, people: int = 400, rate: int = 100) -> Campaign:
        """Start roles and a campaign; return when a good part of it is sent."""
        flow = self.flow
        flow.start(*roles, **SCALED)
        flow.far.script(latency_ms=[200, 400], webhooks={"retry_ms": 500})
        campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas", rate=rate)], people=people)
        flow.await_ready()
        flow.start_campaigns(campaign)
        flow.await_accepted(campaign, 100)
        return campaign

    def end(self, campaign: Campaign) -> None:
        """Wait for the end; everybody got at most one, and who got none is uncertain."""
        flow = self.flow
        flow.await_status("completed", campaign)
        wait_for(lambda: flow.far.flush() or flow.far.has_told_all(), "all webhooks are taken")
        got = {f"+{each['to']}" for each in flow.far.accepted(campaign)}
        wait_for(lambda: self._unsettled() == set(campaign.phones) - got, "webhooks settled what Meta has")
        assert flow.counts(campaign).keys() <= {"delivered", "read", "uncertain"}
        flow.assert_nobody_got_two()
        flow.assert_counters_equal_rows()
        flow.assert_no_lease_lives()

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
    killed_at = time.time()
    wait_for(lambda: time.time() > killed_at + LEASE_SECONDS + 1, "the lease is over")
    last_at = max(flow.far.times(campaign))
    assert last_at < killed_at + LEASE_SECONDS, "nothing leaves after the lease"
    wait_for(lambda: flow.far.stats()["webhooks"]["retried"], "webhooks are refused, so that Meta repeats them")
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
        locked_at = time.time()
        wait_for(lambda: time.time() > locked_at + LEASE_SECONDS + 2, "the lease would be over")
        accepted = len(flow.far.accepted(campaign))
        assert max(flow.far.times(campaign)) < locked_at + LEASE_SECONDS
        wait_for(lambda: time.time() > locked_at + LEASE_SECONDS + 4, "a while")
        assert len(flow.far.accepted(campaign)) == accepted, "nothing leaves while nothing can be claimed"
    assert flow.events("slice_failed")
    durable.end(campaign)


def test_a_runner_that_gets_no_connection_stops_within_its_lease_and_goes_on_later(durable: Durable) -> None:
    flow = durable.flow
    campaign = durable.begin("webhooks", "events", "worker", "beat")
    durable.proxy.refuse()
    refused_at = time.time()
    wait_for(lambda: time.time() > refused_at + LEASE_SECONDS + 1, "the lease is over")
    assert max(flow.far.times(campaign)) < refused_at + LEASE_SECONDS
    durable.proxy.accept()
    durable.end(campaign)
    assert flow.events("slice_failed")


@pytest.mark.parametrize("fault", ["terminated", "answer lost"])
def test_a_commit_that_is_cut_off_claims_nobody_twice(durable: Durable, fault: str) -> None:
    """COMMIT takes its time, so that it can be met: rolled back by the server, or done with its answer lost."""
    flow = durable.flow
    campaign = durable.begin("webhooks", "events", "worker", "beat", people=400, rate=60)
    with psycopg.connect(durable.url, autocommit=True) as admin:
        admin.execute(
            """
            CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_sleep(0.15); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER linger AFTER UPDATE ON leases DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION linger();
            CREATE CONSTRAINT TRIGGER linger_messages AFTER UPDATE ON messages DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW WHEN (NEW.status = 'sending' AND NEW.id % 20 = 0) EXECUTE FUNCTION linger();
            """
        )
        met = 0
        while met < 12 and flow.status(campaign)[0] == "running":
            committing = "FROM pg_stat_activity WHERE state = 'active' AND query = 'COMMIT'"
            if fault == "terminated":
                rows = admin.execute(f"SELECT pg_terminate_backend(pid) {committing}").fetchall()
                met += len(rows)
            elif admin.execute(f"SELECT count(*) {committing}").fetchone()[0]:
                durable.proxy.cut("reply", 0)
                wait_for(lambda: not durable.proxy.cuts, "an answer was lost")
                met += 1
        assert met >= 5, met
        admin.execute("DROP FUNCTION linger CASCADE")
    durable.end(campaign)
