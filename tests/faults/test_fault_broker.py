"""Valkey frozen, killed and back empty, connections swallowed: sends go on slowly, webhooks are taken, all goes on."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from harness import Flow, wait_for

from devstack.proxy import Proxy
from devstack.valkey import Valkey

SCALED = {
    "tick_seconds": 1,
    "http_timeout_seconds": 3,
    "connect_timeout_seconds": 2,
    "lease_seconds": 6,
    "renew_seconds": 1,
}
FALLBACK_RATE = 4


@pytest.fixture
def broker(flow: Flow, valkey: Valkey) -> Iterator[Proxy]:
    """A proxy between the roles and Valkey."""
    with Proxy(valkey.port) as proxy:
        url = flow.stack.environment["REDIS_URL"]
        flow.stack.environment["REDIS_URL"] = url.replace(f":{valkey.port}/", f":{proxy.port}/")
        yield proxy
        proxy.thaw()
        flow.stop()  # the roles first: without their broker they would take their time to end


def test_while_valkey_is_frozen_sends_go_on_at_the_low_rate_and_webhooks_are_taken(flow: Flow, broker: Proxy) -> None:
    flow.start("webhooks", "events", "worker", "beat", **SCALED, slice_seconds=60, fallback_rate=FALLBACK_RATE)
    # A webhook that is refused would be missed.
    flow.far.script(webhooks={"retry_ms": 600_000, "timeout_ms": 120_000})
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas", rate=20)], people=600)
    flow.await_ready()
    flow.start_campaigns(campaign)
    flow.await_accepted(campaign, 40)

    broker.freeze()
    wait_for(lambda: flow.events("throttle_unreachable"), "the worker goes on without Valkey")
    # Without Valkey the rate of an account makes no difference.
    flow.execute("UPDATE accounts SET messages_per_second = 1000")
    began_at, before = flow.server_time(), len(flow.far.accepted(campaign))
    flow.await_accepted(campaign, before + 30)
    took_seconds = flow.server_time() - began_at
    # Some had their token of Valkey: at most as many as leave in half a second at the rate of 20.
    assert took_seconds > (30 - 10) / FALLBACK_RATE, "the low safe rate"
    stored = "SELECT count(*) FROM webhook_events WHERE received_at > to_timestamp(%s)"
    wait_for(lambda: flow.query(stored, began_at)[0][0], "webhooks are accepted and stored")
    broker.thaw()

    flow.await_status("completed", campaign)
    wait_for(flow.far.has_told_all, "every webhook was taken")
    flow.await_arrival(campaign)
    assert flow.far.stats()["webhooks"]["retried"] == 0
    flow.assert_everybody_got_one(campaign)
    assert flow.counts().keys() == {"delivered", "read"}
    assert f"at most {FALLBACK_RATE} messages/s" in flow.sentences("throttle_unreachable")[0]
    assert flow.events("throttle_back")


def test_connections_that_are_swallowed_are_replaced_and_a_worker_still_stops(flow: Flow, broker: Proxy) -> None:
    flow.start("webhooks", "events", "worker", "worker2", "beat", **SCALED)
    first, second = (
        flow.add_campaign(name, [flow.add_account(name, rate=20)], people=60) for name in ("Black Friday", "Natal")
    )
    flow.await_ready()
    flow.start_campaigns(first)
    flow.await_accepted(first, 10)

    assert broker.lose() > 10
    worker = flow.role("worker2")
    worker.send_signal(signal.SIGTERM)
    flow.start_campaigns(second)
    flow.await_accepted(second, 1)
    wait_for(lambda: not worker.is_running(), "SIGTERM ends a worker also then")
    flow.forget_role("worker2")
    flow.await_arrival(first, second)
    flow.assert_everybody_got_one(first, second)
    assert flow.counts().get("uncertain", 0) == 0


def test_a_valkey_that_was_killed_and_came_back_empty_costs_time_and_nothing_else(flow: Flow) -> None:
    valkey = flow.stack.start_valkey()
    flow.stack.environment["REDIS_URL"] = valkey.url
    flow.start("webhooks", "events", "worker", "beat", **SCALED)
    campaigns = [
        flow.add_campaign(name, [flow.add_account(name, rate=10)], people=200) for name in ("Um", "Dois", "Três")
    ]
    flow.await_ready()
    flow.start_campaigns(*campaigns)
    for campaign in campaigns:
        flow.await_accepted(campaign, 20)

    valkey.kill()
    killed_at = flow.server_time()
    accepted = len(flow.far.accepted())
    wait_for(lambda: len(flow.far.accepted()) > accepted, "what runs goes on without its broker")
    wait_for(lambda: flow.server_time() > killed_at + 4, "slices end, and cannot ring")
    valkey.restart()
    flow.execute("UPDATE accounts SET messages_per_second = 200")
    flow.await_arrival(*campaigns)
    flow.await_status("completed", *campaigns)
    flow.assert_everybody_got_one(*campaigns)
    flow.assert_nobody_got_two()
    flow.assert_counters_equal_rows()
