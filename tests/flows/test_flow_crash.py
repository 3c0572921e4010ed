"""A worker is killed, or asked to stop, while it sends campaigns."""

from __future__ import annotations

import signal

from harness import Flow, wait_for

from devstack.proxy import Proxy

NEVER_MS = 600_000  # until the test changes it


def test_after_a_sigkill_another_worker_takes_over_after_the_lease_and_nobody_gets_two(flow: Flow, gate: Proxy) -> None:
    flow.start("webhooks", "events", "worker", "beat", tick_seconds=1, lease_seconds=600)
    flow.far.script(webhooks=dict.fromkeys(("sent_after_ms", "delivered_after_ms", "read_after_ms"), NEVER_MS))
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas", rate=40)], people=400)
    flow.await_ready()
    flow.start_campaigns(campaign)
    flow.await_accepted(campaign, 80)

    gate.freeze()
    flow.await_on_the_wire(campaign)
    flow.role("worker").kill()
    flow.forget_role("worker")
    # Some of its last requests have arrived at the API, others never do, and no reply is read.
    gate.reset()
    gate.thaw()
    flow.start("worker2")
    flow.await_ready("worker2")
    on_the_wire = {phone for (phone,) in flow.query("SELECT phone FROM messages WHERE status = 'sending'")}
    assert on_the_wire
    not_sent = {phone for (phone,) in flow.query("SELECT phone FROM messages WHERE status = 'pending'")}

    def first_sent_at() -> float | None:
        """Return the time of the first accepted message that the killed worker had not claimed."""
        return min((each["epoch"] for each in flow.far.accepted() if f"+{each['to']}" in not_sent), default=None)

    # Neither a tick nor a task ends a lease that has not expired.
    flow.enqueue([campaign.id])
    flow.await_ticks(3)
    assert first_sent_at() is None
    end_lease = (
        "UPDATE leases SET until = clock_timestamp() + interval '1 s' RETURNING extract(epoch FROM until)::float"
    )
    ((lease_end,),) = flow.query(end_lease)
    flow.await_status("completed", campaign)

    taken_over_at = first_sent_at()
    assert taken_over_at is not None and taken_over_at >= lease_end
    uncertain = flow.query("SELECT phone, error_title FROM messages WHERE status = 'uncertain'")
    assert {phone for phone, _ in uncertain} == on_the_wire
    assert {title for _, title in uncertain} == {"the runner ended before the reply was settled"}
    assert flow.counts() == {"uncertain": len(on_the_wire), "sent": 400 - len(on_the_wire)}
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


def test_sigterm_of_a_loaded_worker_drains_it_and_another_one_completes(flow: Flow, gate: Proxy) -> None:
    """Beat does not run: each slice that ends enqueues the next one of its campaign."""
    flow.start("worker", tick_seconds=10, slice_seconds=600)
    accounts = [flow.add_account("Vendas", rate=40), flow.add_account("Novidades", rate=40)]
    campaigns = [
        flow.add_campaign(f"Campaign {number}", [account], people=400) for number, account in enumerate(accounts)
    ]
    flow.await_ready()
    flow.start_campaigns(*campaigns)
    for campaign in campaigns:
        flow.await_accepted(campaign, 50)

    gate.freeze()
    flow.await_on_the_wire(*campaigns)
    worker = flow.role("worker")
    worker.send_signal(signal.SIGTERM)
    wait_for(lambda: flow.events("worker_stops"), "it is about to end")
    # It waits only for replies to requests in flight.
    assert worker.is_running()
    assert all(flow.counts(campaign)["sending"] for campaign in campaigns)
    gate.thaw()
    wait_for(lambda: not worker.is_running(), "the worker has ended")
    flow.forget_role("worker")

    flow.assert_no_lease_lives()
    assert flow.counts().keys() == {"sent", "pending"}
    flow.execute("UPDATE accounts SET messages_per_second = 400")
    flow.start("worker2")
    flow.await_status("completed", *campaigns)

    assert flow.counts() == {"sent": 800}
    flow.assert_everybody_got_one(*campaigns)
    assert set(flow.far.arrived().values()) == {1}
    assert flow.events("drain_failed") == []
    flow.assert_counters_equal_rows()
    flow.assert_no_lease_lives()
