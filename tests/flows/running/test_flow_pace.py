"""Each campaign keeps its own pace and does not slow down another campaign."""

from __future__ import annotations

import re

from harness import Flow

INTERVAL_SECONDS = 3
PAUSE_SECONDS = 4


def test_interval_and_pause_are_kept_over_slices_and_no_campaign_waits_for_the_pace_of_another(flow: Flow) -> None:
    slow = flow.add_campaign("Slow", [flow.add_account("One")], people=4, interval_seconds=INTERVAL_SECONDS)
    bursts = flow.add_campaign(
        "Bursts", [flow.add_account("Two")], people=6, pause_after=2, pause_seconds=PAUSE_SECONDS
    )
    fast = flow.add_campaign("Fast", [flow.add_account("Three")], people=640)
    # This campaign waits for longer than the test and must not delay the other one, which sends all the time.
    sleeping = flow.add_campaign("Sleeping", [flow.add_account("Four")], people=2, interval_seconds=3_600)
    busy = flow.add_campaign("Busy", [flow.add_account("Five", rate=20)], people=2_500)

    started_at = flow.start_campaigns(slow, bursts, fast, sleeping, busy)
    flow.await_status("completed", slow, bursts, fast)

    assert flow.status(busy)[0] == "running"
    assert flow.counts(sleeping) == {"sent": 1, "pending": 1}
    for number, at in enumerate(flow.far.times(slow)):
        assert at - started_at >= number * INTERVAL_SECONDS
    for number, at in enumerate(flow.far.times(bursts)):
        assert at - started_at >= number // 2 * PAUSE_SECONDS
    # A slice is shorter than the interval, so each message was sent in a slice of its own.
    assert len(flow.events("accounts_active", campaign_id=slow.id)) >= 4
    for campaign, reason in ((slow, "interval"), (bursts, "pause")):
        told = flow.sentences("campaign_waiting", campaign_id=campaign.id, reason=reason)
        assert told and all(
            re.fullmatch(rf"Campaign {campaign.id} waits until \d\d:\d\d:\d\d: {reason}", each) for each in told
        ), told
    flow.assert_everybody_got_one(slow, bursts, fast)
    flow.assert_counters_equal_rows()
