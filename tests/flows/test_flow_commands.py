"""Commands take effect during a slice: pause and cancel stop it, and resume enqueues the campaign."""

from __future__ import annotations

from harness import Flow, wait_for

from campaigns.management.lifecycle import cancel_campaigns, pause_campaigns, resume_campaigns

PEOPLE = 2_500  # at 20 messages/s this takes longer than the time limit of any wait in the test
LIVE_LEASES = "SELECT count(*) FROM leases WHERE until > clock_timestamp()"


def test_pause_and_cancel_stop_a_running_slice_and_resume_goes_on(flow: Flow) -> None:
    """A slice may last longer than the test. Beat does not run: only the task of `resume` can start another slice."""
    flow.start("worker", tick_seconds=10, slice_seconds=2_000)
    paused = flow.add_campaign("Paused", [flow.add_account("One", rate=20)], people=PEOPLE)
    cancelled = flow.add_campaign("Cancelled", [flow.add_account("Two", rate=20)], people=PEOPLE)
    # This campaign claims nothing for a quarter of an hour, so it cannot notice the pause by a claim.
    waiting = flow.add_campaign("Waiting", [flow.add_account("Three")], people=2, interval_seconds=900)
    flow.await_ready()
    flow.start_campaigns(paused, cancelled, waiting)
    for campaign in (paused, cancelled):
        flow.await_accepted(campaign, 20)
    wait_for(lambda: flow.counts(waiting) == {"sent": 1, "pending": 1}, "its slice waits for the interval")

    flow.command(pause_campaigns, paused, waiting)
    flow.command(cancel_campaigns, cancelled)
    wait_for(lambda: flow.query(LIVE_LEASES) == [(0,)], "the slices have ended")

    assert flow.status(paused) == flow.status(waiting) == ("paused", None)
    assert flow.status(cancelled) == ("cancelled", None)
    before, sent_count = len(flow.far.accepted(paused)), len(flow.far.accepted(cancelled))
    assert max(before, sent_count) < PEOPLE
    assert flow.counts(paused) == {"sent": before, "pending": PEOPLE - before}
    assert flow.counts(cancelled) == {"sent": sent_count, "cancelled": PEOPLE - sent_count}
    assert flow.counts(waiting) == {"sent": 1, "pending": 1}

    flow.execute("UPDATE accounts SET messages_per_second = 500")
    flow.command(resume_campaigns, paused)
    flow.await_status("completed", paused)

    flow.assert_everybody_got_one(paused)
    flow.assert_nobody_got_two()
    assert len(flow.far.accepted(cancelled)) == sent_count
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
