"""If there are more campaigns than slots, they share the slots by time slices, like processes on a CPU."""

from __future__ import annotations

from harness import Flow, wait_for


def test_twelve_campaigns_on_four_slots_all_send_before_one_of_them_is_complete(flow: Flow) -> None:
    """A slice may last longer than the test, so the others can start only because it ends early for them."""
    flow.start("events", "worker", "beat", slots=4, slice_seconds=600)
    accounts = [flow.add_account("Vendas"), flow.add_account("Novidades")]
    campaigns = [flow.add_campaign(f"Campaign {number}", accounts, people=2_000) for number in range(12)]
    flow.await_ready()

    flow.start_campaigns(*campaigns)
    wait_for(lambda: all(flow.far.times(campaign) for campaign in campaigns), "everybody has begun")

    assert {flow.status(campaign)[0] for campaign in campaigns} == {"running"}
    assert flow.query("SELECT count(*) <= 4 FROM leases WHERE until > clock_timestamp()") == [(True,)]
    flow.assert_nobody_got_two()
