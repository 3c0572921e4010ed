"""More campaigns than slots: they take turns like processes on a CPU."""

from __future__ import annotations

from harness import Flow, wait_for

TICK_SECONDS = 4.0


def test_twelve_campaigns_on_four_slots_all_send_their_first_message_within_two_ticks(flow: Flow) -> None:
    flow.start("events", "worker", "beat", slots=4, tick_seconds=TICK_SECONDS, slice_seconds=TICK_SECONDS)
    accounts = [flow.add_account("Vendas"), flow.add_account("Novidades")]
    campaigns = [flow.add_campaign(f"Campaign {number}", accounts, people=400) for number in range(12)]
    flow.await_ready()

    started_at = flow.start_campaigns(*campaigns)
    wait_for(lambda: all(flow.far.times(campaign) for campaign in campaigns), "everybody has begun")

    firsts = {campaign.name: round(min(flow.far.times(campaign)) - started_at, 2) for campaign in campaigns}
    assert max(firsts.values()) <= 2 * TICK_SECONDS, firsts
    assert flow.query("SELECT count(*) <= 4 FROM leases WHERE until > clock_timestamp()") == [(True,)]
    flow.assert_nobody_got_two()
