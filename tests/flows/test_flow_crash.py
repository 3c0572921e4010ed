"""A worker that is killed, or asked to stop, in the middle of its campaigns."""

from __future__ import annotations

import signal
import time

from harness import Flow, wait_for

NEVER_MS = 600_000  # until the test lets them go
LEASE_SECONDS = 6.0
HTTP_TIMEOUT_SECONDS = 3.0


def test_after_a_sigkill_another_worker_takes_over_after_the_lease_and_nobody_gets_two(flow: Flow) -> None:
    flow.start(
        "webhooks",
        "events",
        "worker",
        "beat",
        tick_seconds=1,
        lease_seconds=LEASE_SECONDS,
        renew_seconds=1,
        http_timeout_seconds=HTTP_TIMEOUT_SECONDS,
        connect_timeout_seconds=2,
    )
    flow.far.script(
        latency_ms=[500, 800],
        webhooks=dict.fromkeys(("sent_after_ms", "delivered_after_ms", "read_after_ms"), NEVER_MS),
    )
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas")], people=300)
    flow.await_ready()
    flow.start_campaigns(campaign)
    flow.await_accepted(campaign, 80)

    killed_at = flow.server_time()
    flow.role("worker").kill()
    flow.forget_role("worker")
    (lease_end,) = flow.query("SELECT extract(epoch FROM until)::float FROM leases")[0]
    # All that it will ever send has arrived by now.
    before = wait_for(lambda: flow.server_time() > killed_at + 1 and len(flow.far.accepted(campaign)), "it is silent")
    on_the_wire = {phone for (phone,) in flow.query("SELECT phone FROM messages WHERE status = 'sending'")}
    assert on_the_wire
    flow.start("worker2")
    flow.await_ready("worker2")
    ready_at = flow.server_time()
    flow.await_status("completed", campaign)

    taken_over_at = flow.far.times(campaign)[before]
    assert lease_end - 0.5 < taken_over_at < max(lease_end, ready_at) + 4, (lease_end, ready_at, taken_over_at)
    uncertain = flow.query("SELECT phone, error_title FROM messages WHERE status = 'uncertain'")
    assert {phone for phone, _ in uncertain} == on_the_wire
    assert {title for _, title in uncertain} == {"the runner ended before the reply was settled"}
    assert flow.counts() == {"uncertain": len(on_the_wire), "sent": 300 - len(on_the_wire)}
    (completed,) = flow.events("campaign_completed", level="WARNING")
    assert f"{len(on_the_wire)} uncertain in" in completed["message"]
    (abandoned,) = flow.sentences("abandoned", campaign_id=campaign.id)
    assert f"{len(on_the_wire)} messages are uncertain" in abandoned

    flow.far.flush()
    accepted = {f"+{each['to']}" for each in flow.far.accepted(campaign)}

    def is_settled() -> bool:
        unknown = flow.query("SELECT phone FROM messages WHERE status NOT IN ('delivered', 'read')")
        return {phone for (phone,) in unknown} == set(campaign.phones) - accepted

    wait_for(is_settled, "the webhooks have settled all that Meta accepted")
    assert set(campaign.phones) - accepted <= on_the_wire
    flow.assert_nobody_got_two()
    assert max(flow.far.arrived().values()) == 1
    flow.assert_counters_equal_rows()
    flow.assert_no_lease_lives()


def test_sigterm_of_a_loaded_worker_drains_it_and_another_one_completes(flow: Flow) -> None:
    """Without beat: the slices that end ring their campaigns' next ones."""
    flow.start("worker", tick_seconds=10, http_timeout_seconds=HTTP_TIMEOUT_SECONDS, connect_timeout_seconds=2)
    flow.far.script(latency_ms=[500, 800])
    accounts = [flow.add_account("Vendas"), flow.add_account("Novidades")]
    campaigns = [
        flow.add_campaign(f"Campaign {number}", [account], people=200) for number, account in enumerate(accounts)
    ]
    flow.await_ready()
    flow.start_campaigns(*campaigns)
    for campaign in campaigns:
        flow.await_accepted(campaign, 50)

    worker = flow.role("worker")
    asked_at = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    wait_for(lambda: not worker.is_running(), "the worker has ended")
    took_seconds = time.monotonic() - asked_at
    flow.forget_role("worker")

    assert took_seconds < HTTP_TIMEOUT_SECONDS + 5, took_seconds
    flow.assert_no_lease_lives()
    assert flow.counts().keys() == {"sent", "pending"}
    flow.start("worker2")
    flow.await_status("completed", *campaigns)

    assert flow.counts() == {"sent": 400}
    flow.assert_everybody_got_one(*campaigns)
    assert set(flow.far.arrived().values()) == {1}
    assert flow.events("drain_failed") == []
    flow.assert_counters_equal_rows()
    flow.assert_no_lease_lives()
