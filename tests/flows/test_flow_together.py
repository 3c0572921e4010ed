"""Three campaigns run at the same time, all messages arrive, and the log shows it."""

from __future__ import annotations

import re

from harness import Flow, wait_for

from devstack.proxy import Proxy


def test_three_campaigns_overlap_all_arrive_once_and_the_log_tells_it(flow: Flow, gate: Proxy) -> None:
    flow.stack.environment["LOG_LEVEL"] = "DEBUG"
    flow.start("webhooks", "events", "worker", "beat")
    first, second = flow.add_account("Vendas"), flow.add_account("Novidades")
    campaigns = [
        flow.add_campaign("Black Friday", [first, second], people=360),
        flow.add_campaign("Promoção Verão", [first], people=180),
        flow.add_campaign("Newsletter", [second], people=180),
    ]
    flow.await_ready()

    gate.freeze()
    flow.start_campaigns(*campaigns)
    # No campaign can end before all have started and a tick has counted them.
    flow.await_on_the_wire(*campaigns)
    wait_for(lambda: any("3 already running" in told for told in flow.sentences("tick")), "a tick sees all three")
    gate.thaw()
    flow.await_status("completed", *campaigns)
    flow.await_arrival(*campaigns)

    flow.assert_everybody_got_one(*campaigns)
    flow.assert_nobody_got_two()
    flow.assert_counters_equal_rows()
    _assert_story(flow)


def _assert_story(flow: Flow) -> None:
    ids = flow.query("SELECT id, name FROM campaigns ORDER BY id")
    ticks = flow.events("tick")
    assert ticks
    shape = re.compile(
        r"Checking campaigns every 2 s: (\d+) running simultaneously \((\d+) enqueued, (\d+) already running\)"
    )
    found = [shape.fullmatch(each["message"]) for each in ticks]
    assert all(found), ticks
    assert any(each and each.groups() == ("3", "0", "3") for each in found), ticks
    assert {each["role"] for each in ticks} == {"events"}
    for campaign_id, name in ids:
        assert flow.sentences("campaign_started", campaign_id=campaign_id) == [
            f"Starting campaign {campaign_id}: {name}"
        ]
        accounts = 2 if name == "Black Friday" else 1
        assert set(flow.sentences("accounts_active", campaign_id=campaign_id)) == {
            f"Campaign {campaign_id} has {accounts} active accounts"
        }
        _assert_batches(flow, campaign_id)
        (completed,) = flow.sentences("campaign_completed", campaign_id=campaign_id)
        people = 360 if name == "Black Friday" else 180
        assert re.fullmatch(
            rf"Campaign {campaign_id} completed: {people} sent, 0 failed, 0 uncertain in \d+\.\d s", completed
        )
        assert len(flow.events("sending", campaign_id=campaign_id, level="DEBUG")) == people
        assert len(flow.events("sent", campaign_id=campaign_id, level="DEBUG")) == people
    assert re.fullmatch(r"Sending message #\d+", flow.sentences("sending")[0])
    assert set(flow.sentences("sent")) == {"Message accepted"}
    checking = flow.events("health_checking")
    assert {each["message"] for each in checking} <= {
        f"Checking health of the accounts of campaign {campaign_id}" for campaign_id, _ in ids
    }
    assert sorted(account for each in checking for account in each["accounts"]) == [1, 2]
    wait_for(lambda: len(flow.events("health_ok")) == 2, "both checks have ended")
    assert sorted(flow.sentences("health_ok")) == ["Account 1 health OK (GREEN)", "Account 2 health OK (GREEN)"]
    assert flow.events("account_deactivated") == []


def _assert_batches(flow: Flow, campaign_id: int) -> None:
    """Assert that a slice logs settled messages at most once a second, and once more when it ends."""
    batches = flow.events("batch", campaign_id=campaign_id, level="INFO")
    shape = re.compile(rf"Processing (\d+) recipients of campaign {campaign_id}")
    sizes = [shape.fullmatch(each["message"]) for each in batches]
    assert all(sizes), batches
    total = flow.query("SELECT count(*) FROM messages WHERE campaign_id = %s", campaign_id)[0][0]
    assert sum(int(each[1]) for each in sizes if each) == total
    slices = len(flow.events("accounts_active", campaign_id=campaign_id))
    assert len(batches) <= batches[-1]["at"] - batches[0]["at"] + 2 * slices + 1
