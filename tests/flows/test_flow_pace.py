"""Each campaign keeps its own pace, and none slows another."""

from __future__ import annotations

import re

from harness import Flow, gaps, span


def test_interval_and_pause_are_kept_to_a_second_over_slices_while_another_runs_at_full_speed(flow: Flow) -> None:
    flow.start("events", "worker", "beat", tick_seconds=2, slice_seconds=2)
    slow = flow.add_campaign("Slow", [flow.add_account("One")], people=5, interval_seconds=3)
    bursts = flow.add_campaign("Bursts", [flow.add_account("Two")], people=6, pause_after=2, pause_seconds=4)
    fast = flow.add_campaign("Fast", [flow.add_account("Three")], people=640)
    flow.await_ready()

    flow.start_campaigns(slow, bursts, fast)
    flow.await_status("completed", slow, bursts, fast)

    between = gaps(flow.far.times(slow))
    assert all(abs(gap - 3) < 1 for gap in between), between
    assert abs(sum(between) - 12) < 1, between  # lateness does not add up
    slices = len(flow.events("accounts_active", campaign_id=slow.id))
    assert slices >= 3, "it was handed over"
    pair, pause = gaps(flow.far.times(bursts))[0::2], gaps(flow.far.times(bursts))[1::2]
    assert all(gap < 1 for gap in pair), pair
    assert all(abs(gap - 4) < 1 for gap in pause), pause
    assert span(flow.far.times(fast)) < 1.2 * 640 / 80
    for campaign, reason in ((slow, "interval"), (bursts, "pause")):
        told = flow.sentences("campaign_waiting", campaign_id=campaign.id, reason=reason)
        assert told and all(
            re.fullmatch(rf"Campaign {campaign.id} waits until \d\d:\d\d:\d\d: {reason}", each) for each in told
        ), told
    flow.assert_everybody_got_one(slow, bursts, fast)
    flow.assert_counters_equal_rows()
