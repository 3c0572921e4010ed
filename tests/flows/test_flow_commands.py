"""A person's word counts at once: pause and cancel stop a running slice, resume rings."""

from __future__ import annotations

from harness import Flow, wait_for

from campaigns.management.lifecycle import cancel_campaigns, pause_campaigns, resume_campaigns


def test_pause_and_cancel_stop_within_two_seconds_and_resume_goes_on_at_once(flow: Flow) -> None:
    """Without beat: only the doorbell of `resume` can start the campaign again."""
    flow.start("worker", tick_seconds=10, slice_seconds=10)
    flow.far.script(latency_ms=[50, 100])
    paused = flow.add_campaign("Paused", [flow.add_account("One", rate=250)], people=1500)
    cancelled = flow.add_campaign("Cancelled", [flow.add_account("Two", rate=250)], people=1500)
    flow.await_ready()
    flow.start_campaigns(paused, cancelled)
    flow.await_accepted(paused, 100)
    flow.await_accepted(cancelled, 100)

    paused_at = flow.command(pause_campaigns, paused)
    cancelled_at = flow.command(cancel_campaigns, cancelled)
    wait_for(lambda: flow.server_time() > cancelled_at + 3, "three seconds have passed")

    assert max(flow.far.times(paused)) - paused_at < 2
    assert max(flow.far.times(cancelled)) - cancelled_at < 2
    assert flow.counts(paused, cancelled).get("sending", 0) == 0
    flow.assert_no_lease_lives()
    assert flow.status(paused) == ("paused", None)
    assert flow.status(cancelled) == ("cancelled", None)
    sent_count = len(flow.far.times(cancelled))
    assert flow.counts(cancelled) == {"sent": sent_count, "cancelled": 1500 - sent_count}
    before = len(flow.far.times(paused))
    assert flow.counts(paused) == {"sent": before, "pending": 1500 - before}

    resumed_at = flow.command(resume_campaigns, paused)
    flow.await_status("completed", paused)

    assert flow.far.times(paused)[before] - resumed_at < 2
    flow.assert_everybody_got_one(paused)
    flow.assert_nobody_got_two()
    assert len(flow.far.times(cancelled)) == sent_count
    flow.assert_counters_equal_rows()


def test_a_test_send_reaches_own_phones_only_and_leaves_the_campaign_a_draft(flow: Flow) -> None:
    flow.start("worker")
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas")], people=5, interval_seconds=60)
    flow.await_ready()

    done = flow.run_command("revoada", "campaign", "test", "1", "--to", "+5521970000001", "--to", "+5521970000002")

    assert (done.returncode, done.stdout) == (0, "+5521970000001 sent\n+5521970000002 sent\n"), done.stderr
    assert sorted(each["to"] for each in flow.far.accepted()) == ["5521970000001", "5521970000002"]
    assert flow.status(campaign) == ("draft", None)
    assert flow.counts(campaign) == {"pending": 5}
    assert flow.sentences("campaign_completed")[0].startswith("Campaign 2 completed: 2 sent, 0 failed, 0 uncertain")
    flow.assert_counters_equal_rows()
