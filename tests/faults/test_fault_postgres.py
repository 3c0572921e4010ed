"""Postgres killed, away, silent, cut off in a COMMIT: nothing is claimed twice, nothing leaves late."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from fixtures import installed, make_redis_url
from harness import Campaign, Flow, wait_for

from campaigns.store.migrate import migrate
from devstack.postgres import Postgres
from devstack.proxy import Proxy
from devstack.stack import Stack
from devstack.valkey import Valkey

LEASE_SECONDS = 5.0
ROLES = ("webhooks", "events", "worker", "beat")
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
_numbers = itertools.count(1)


class Durable:
    """An installation on a Postgres of its own, with fsync on, behind a proxy. One fault after the other meets it."""

    def __init__(self, flow: Flow, postgres: Postgres, proxy: Proxy, url: str) -> None:
        self.flow, self.postgres, self.proxy, self.url = flow, postgres, proxy, url

    def begin(self) -> Campaign:
        """Start a campaign that sends slowly; return when a part of it is sent."""
        flow = self.flow
        name = f"Campaign {next(_numbers)}"
        campaign = flow.add_campaign(name, [flow.add_account(name, rate=20)], people=400)
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
        wait_for(lambda: self._unsettled(campaign) == set(campaign.phones) - got, "webhooks settled what Meta has")
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

    def _unsettled(self, campaign: Campaign) -> set[str]:
        find = "SELECT phone FROM messages WHERE campaign_id = %s AND status NOT IN ('delivered', 'read')"
        return {phone for (phone,) in self.flow.query(find, campaign.id)}


@pytest.fixture(scope="module")
def durable(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, simulator_url: str, valkey: Valkey
) -> Iterator[Durable]:
    folder = tmp_path_factory.mktemp("durable")
    with Stack(folder / "server", {}) as server:
        postgres = server.start_postgres(fsync=True)
        url = postgres.create_database("revoada")
        migrate(url)
        urls = {"database_url": url, "redis_url": make_redis_url(valkey), "simulator_url": simulator_url}
        with Proxy(postgres.port) as proxy, installed(request, folder, **urls) as flow:
            flow.stack.environment["DATABASE_URL"] = url.replace(f":{postgres.port}/", f":{proxy.port}/")
            flow.start(*ROLES, **SCALED)
            flow.far.script(latency_ms=[200, 400], webhooks={"retry_ms": 500})
            flow.await_ready()
            yield Durable(flow, postgres, proxy, url)


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
    campaign = durable.begin()
    refused, unkept = len(flow.events("webhook_not_stored")), len(flow.events("leases_not_kept"))
    retried = flow.far.stats()["webhooks"]["retried"]

    durable.postgres.kill()
    count = durable.count_after_lease(campaign)
    wait_for(lambda: flow.far.stats()["webhooks"]["retried"] > retried, "webhooks are refused, and Meta repeats them")
    wait_for(
        lambda: flow.events("slice_failed", campaign_id=campaign.id) or len(flow.events("leases_not_kept")) > unkept,
        "the worker has seen it",
    )
    assert len(flow.far.accepted(campaign)) == count, "nothing leaves after the lease"
    durable.postgres.restart()
    insist(lambda: flow.query("SELECT 1"))
    durable.end(campaign)
    assert len(flow.events("webhook_not_stored")) > refused


def test_a_statement_that_waits_too_long_ends_the_slice_before_its_lease(durable: Durable) -> None:
    """As behind a lock of a careless person: claims and settles wait, and give up."""
    flow = durable.flow
    campaign = durable.begin()

    with psycopg.connect(durable.url) as careless:
        careless.execute("LOCK TABLE messages IN EXCLUSIVE MODE")
        count = durable.count_after_lease(campaign)
        counted_at = flow.server_time()
        wait_for(lambda: flow.events("slice_failed", campaign_id=campaign.id), "the slice gives up")
        wait_for(lambda: flow.server_time() > counted_at + 2, "a while has passed")
        assert len(flow.far.accepted(campaign)) == count, "nothing leaves while nothing can be claimed"
    durable.end(campaign)


def test_a_runner_that_gets_no_connection_stops_within_its_lease_and_goes_on_later(durable: Durable) -> None:
    flow = durable.flow
    campaign = durable.begin()
    durable.proxy.refuse()
    count = durable.count_after_lease(campaign)
    wait_for(lambda: flow.events("slice_failed", campaign_id=campaign.id), "the slice gives up")
    assert len(flow.far.accepted(campaign)) == count, "nothing leaves after the lease"
    durable.proxy.accept()
    durable.end(campaign)


GATE_KEY = 4712
COMMITS_MET = 6


@pytest.mark.parametrize("fault", ["terminated", "answer lost"])
def test_a_commit_that_is_cut_off_claims_nobody_twice(durable: Durable, fault: str) -> None:
    """COMMIT waits at a gate, so that it is met: rolled back by the server, or done with its answer lost."""
    flow = durable.flow
    campaign = durable.begin()
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
