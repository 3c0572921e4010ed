"""Valkey killed and back empty, connections swallowed: what runs goes on, and all goes on once it is back."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fixtures import installed
from harness import Flow, wait_for

from devstack.proxy import Proxy
from devstack.valkey import Valkey, start_valkey

SCALED = {
    "tick_seconds": 1,
    "http_timeout_seconds": 3,
    "connect_timeout_seconds": 2,
    "lease_seconds": 6,
    "renew_seconds": 1,
}


@dataclass(frozen=True)
class Brittle:
    """An installation with a Valkey of its own behind a proxy."""

    flow: Flow
    valkey: Valkey
    proxy: Proxy


@pytest.fixture(scope="module")
def brittle(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, simulator_url: str, shared_url: str
) -> Iterator[Brittle]:
    folder = tmp_path_factory.mktemp("brittle")
    with start_valkey(folder / "valkey") as valkey, Proxy(valkey.port) as proxy:
        url = valkey.url.replace(f":{valkey.port}/", f":{proxy.port}/")
        urls = {"database_url": shared_url, "redis_url": url, "simulator_url": simulator_url}
        with installed(request, folder, **urls) as flow:
            flow.start("webhooks", "events", "worker", "beat", **SCALED)
            flow.await_ready()
            yield Brittle(flow, valkey, proxy)


def test_connections_that_are_swallowed_are_replaced_and_a_worker_still_stops(brittle: Brittle) -> None:
    flow = brittle.flow
    flow.start("worker2")
    first, second = (
        flow.add_campaign(name, [flow.add_account(name, rate=20)], people=60) for name in ("Black Friday", "Natal")
    )
    flow.await_ready()
    flow.start_campaigns(first)
    flow.await_accepted(first, 10)

    assert brittle.proxy.lose() > 10
    worker = flow.role("worker2")
    worker.send_signal(signal.SIGTERM)
    flow.start_campaigns(second)
    flow.await_accepted(second, 1)
    wait_for(lambda: not worker.is_running(), "SIGTERM ends a worker also then")
    flow.forget_role("worker2")
    flow.await_arrival(first, second)
    flow.assert_everybody_got_one(first, second)
    assert flow.counts(first, second).get("uncertain", 0) == 0


def test_a_valkey_that_was_killed_and_came_back_empty_costs_time_and_nothing_else(brittle: Brittle) -> None:
    flow, valkey = brittle.flow, brittle.valkey
    campaigns = [
        flow.add_campaign(name, [flow.add_account(name, rate=10)], people=200) for name in ("Um", "Dois", "Três")
    ]
    flow.await_ready()
    flow.start_campaigns(*campaigns)
    for campaign in campaigns:
        flow.await_accepted(campaign, 20)

    valkey.kill()
    brittle.proxy.refuse()  # as the machine of a server that is gone
    killed_at = flow.server_time()
    accepted = len(flow.far.accepted(*campaigns))
    wait_for(lambda: len(flow.far.accepted(*campaigns)) > accepted, "what runs goes on without its broker")
    wait_for(lambda: flow.server_time() > killed_at + 4, "slices end, and cannot enqueue the next ones")
    valkey.restart()
    brittle.proxy.accept()
    flow.execute("UPDATE accounts SET messages_per_second = 200")
    flow.await_arrival(*campaigns)
    flow.await_status("completed", *campaigns)
    flow.assert_everybody_got_one(*campaigns)
    flow.assert_nobody_got_two()
    flow.assert_counters_equal_rows()
