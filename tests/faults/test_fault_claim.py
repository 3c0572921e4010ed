"""Postgres fails between the commit of a claim and the departure of what it claimed."""

from __future__ import annotations

from harness import Flow, wait_for


def test_what_is_claimed_leaves_although_the_next_statement_fails(flow: Flow) -> None:
    flow.start("events", "worker", "beat", tick_seconds=1)
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas")], people=100)
    flow.execute("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'")
    flow.execute("UPDATE campaigns SET status = 'running', started_at = now(), waiting_reason = 'retry'")
    # The campaign does not wait any more, says the slice after its first claim.
    flow.execute(
        "CREATE TRIGGER fail BEFORE UPDATE ON campaigns FOR EACH ROW WHEN (old.waiting_reason IS NOT NULL "
        "AND new.waiting_reason IS NULL AND new.cursor = old.cursor) EXECUTE FUNCTION fail()"
    )
    flow.await_ready()
    wait_for(lambda: flow.counts(campaign).get("sent"), "what was claimed is sent")
    flow.execute("DROP TRIGGER fail ON campaigns")
    flow.await_status("completed", campaign)

    assert flow.events("slice_failed", campaign_id=campaign.id)
    assert flow.events("slice_error") == []
    assert flow.counts(campaign) == {"sent": 100}
    flow.assert_everybody_got_one(campaign)
