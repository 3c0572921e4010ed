"""Whatever rings twice: one runner per campaign, and nobody gets two."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from harness import Campaign, Flow, run_together

COPIES = 3


def test_two_workers_two_beats_and_every_task_three_times_in_parallel_send_nothing_twice(flow: Flow) -> None:
    flow.start("events", "worker", "worker2", "beat", "beat2", tick_seconds=1, slice_seconds=1)
    accounts = [flow.add_account("Vendas"), flow.add_account("Novidades")]
    campaigns = [flow.add_campaign(f"Campaign {number}", accounts, people=150) for number in range(4)]
    flow.await_ready()

    flow.start_campaigns(*campaigns)
    with _ringing(flow, campaigns):
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
        assert "campaigns.tick" in flow.role(beat).log_path.read_text()


@contextmanager
def _ringing(flow: Flow, campaigns: list[Campaign]) -> Iterator[None]:
    """Publish every campaign's task in copies, from as many threads at once, all the time."""
    is_over = threading.Event()

    def ring() -> None:
        while not is_over.wait(0.25):
            flow.ring([campaign.id for campaign in campaigns])

    ringer = threading.Thread(target=lambda: run_together(*[ring] * COPIES))
    ringer.start()
    try:
        yield
    finally:
        is_over.set()
        ringer.join()
