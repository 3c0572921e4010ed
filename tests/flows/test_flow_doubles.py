"""Whatever rings twice: one runner per campaign, and nobody gets two."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from harness import Campaign, Flow, run_together, wait_for

from devstack.proxy import Proxy

COPIES = 3
# More tasks than that wait: the workers have enough to refuse.
ENOUGH_TASKS = 20


def test_two_workers_two_beats_and_every_task_three_times_in_parallel_send_nothing_twice(
    flow: Flow, gate: Proxy
) -> None:
    # Two slots each: four campaigns that run at the same time run on both workers.
    flow.start("events", "worker", "worker2", "beat", "beat2", tick_seconds=1, slice_seconds=1, slots=2)
    accounts = [flow.add_account("Vendas"), flow.add_account("Novidades")]
    campaigns = [flow.add_campaign(f"Campaign {number}", accounts, people=150) for number in range(4)]
    flow.await_ready()

    gate.freeze()
    flow.start_campaigns(*campaigns)
    owners = "SELECT count(*), count(DISTINCT owner) FROM leases WHERE until > clock_timestamp()"
    with _ringing(flow, campaigns):
        wait_for(lambda: flow.query(owners) == [(4, 2)], "all run, and on both workers")
        flow.await_on_the_wire(*campaigns)
        gate.thaw()
        flow.await_status("completed", *campaigns)

    flow.assert_everybody_got_one(*campaigns)
    flow.assert_nobody_got_two()
    assert set(flow.far.arrived().values()) == {1}
    assert flow.counts() == {"sent": 600}
    flow.assert_counters_equal_rows()
    flow.assert_no_lease_lives()
    for name in ("slice_error", "slice_failed", "abandoned", "leases_not_kept"):
        assert flow.events(name) == []
    assert {each["role"] for each in flow.events("accounts_active")} == {"worker", "worker2"}
    for campaign in campaigns:
        assert len(flow.events("campaign_started", campaign_id=campaign.id)) == 1
        assert len(flow.events("campaign_completed", campaign_id=campaign.id)) == 1
    for beat in ("beat", "beat2"):
        log_path = flow.role(beat).log_path
        wait_for(lambda log_path=log_path: "campaigns.tick" in log_path.read_text(), f"{beat} rings")


@contextmanager
def _ringing(flow: Flow, campaigns: list[Campaign]) -> Iterator[None]:
    """Publish every campaign's task in copies, from as many threads at once, as soon as few are left."""
    is_over = threading.Event()

    def ring() -> None:
        with redis.Redis.from_url(flow.stack.environment["REDIS_URL"]) as valkey:
            while not is_over.wait(0.05):
                if valkey.llen("campaigns") < ENOUGH_TASKS:
                    flow.ring([campaign.id for campaign in campaigns])

    ringer = threading.Thread(target=lambda: run_together(*[ring] * COPIES))
    ringer.start()
    try:
        yield
    finally:
        is_over.set()
        ringer.join()
