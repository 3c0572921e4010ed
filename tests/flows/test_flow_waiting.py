"""A campaign that cannot go on says why, and goes on by itself when the reason is gone."""

from __future__ import annotations

import datetime as dt
import re
import time
from zoneinfo import ZoneInfo

from harness import WABA, Flow, wait_for

ZONE = "America/Sao_Paulo"


def test_a_closed_window_is_waited_for_and_campaign_set_opens_it_at_once(flow: Flow) -> None:
    """Without beat: only the doorbell of `campaign set` can end the wait."""
    flow.start("worker", tick_seconds=10)
    now = dt.datetime.now(ZoneInfo(ZONE))
    opens, closes = now + dt.timedelta(hours=2), now + dt.timedelta(hours=3)
    campaign = flow.add_campaign(
        "Black Friday",
        [flow.add_account("Vendas")],
        people=40,
        window=(_minute(opens), _minute(closes)),
        time_zone=ZONE,
    )
    flow.await_ready()

    flow.start_campaigns(campaign)
    flow.await_status("running", campaign, reason="window")
    until = f"{opens:%H:%M}" if opens.date() == now.date() else f"{opens:%Y-%m-%d %H:%M}"
    assert flow.sentences("campaign_waiting", campaign_id=campaign.id, level="INFO") == [
        f"Campaign {campaign.id} waits until {until}: window"
    ]
    assert flow.query("SELECT due_at FROM campaigns") == [(opens.replace(second=0, microsecond=0),)]
    flow.assert_no_lease_lives()
    assert flow.far.accepted() == []

    done = flow.run_command("revoada", "campaign", "set", str(campaign.id), "--no-window")
    opened_at = flow.server_time()
    assert done.returncode == 0, done.stderr
    flow.await_status("completed", campaign)

    assert min(flow.far.times(campaign)) < opened_at + 2
    flow.assert_everybody_got_one(campaign)


def test_a_refused_template_is_waited_for_until_a_webhook_says_that_it_is_approved(flow: Flow) -> None:
    flow.start("webhooks", "events", "worker", "beat", tick_seconds=1)
    flow.far.script(outcome="error:132015", latency_ms=[50, 100])
    account = flow.add_account("Vendas")
    campaign = flow.add_campaign("Black Friday", [account], people=60)
    flow.await_ready()

    flow.start_campaigns(campaign)
    flow.await_status("running", campaign, reason="template")
    wait_for(lambda: "campaign_cannot_go_on" in flow.alerts.kinds(), "the alert is posted")
    (told,) = flow.sentences("campaign_waiting", campaign_id=campaign.id, level="INFO")
    assert re.fullmatch(rf"Campaign {campaign.id} waits until (\d{{4}}-\d\d-\d\d )?\d\d:\d\d: template", told), told
    assert flow.counts(campaign) == {"pending": 60}
    assert flow.query("SELECT max(attempts) FROM messages") == [(0,)]
    assert flow.query("SELECT status FROM templates") == [("paused",)]
    assert flow.query("SELECT active, consecutive_failures FROM accounts") == [(True, 0)]
    refused_count = sum(flow.far.arrived().values())
    ticks = len(flow.events("tick"))

    flow.far.script(outcome="ok")
    wait_for(lambda: len(flow.role("beat").log_path.read_text().split("campaigns.tick")) > ticks + 2, "ticks pass")
    assert sum(flow.far.arrived().values()) == refused_count, "nothing is tried while Meta refuses the template"
    flow.far.inject(_template_status("template_1", "APPROVED"))
    flow.await_status("completed", campaign)

    flow.assert_everybody_got_one(campaign)
    assert flow.query("SELECT status, blocked_until FROM templates") == [("approved", None)]
    assert flow.query("SELECT DISTINCT attempts FROM messages") == [(1,)]
    assert flow.events("template_status")
    flow.assert_counters_equal_rows()


def _minute(moment: dt.datetime) -> dt.time:
    return moment.time().replace(second=0, microsecond=0)


def _template_status(name: str, event: str) -> dict[str, object]:
    value = {
        "event": event,
        "message_template_id": 594425479261596,
        "message_template_name": name,
        "message_template_language": "pt_BR",
        "reason": "NONE",
    }
    change = {"field": "message_template_status_update", "value": value}
    entry = {"id": WABA, "time": int(time.time()) + 1, "changes": [change]}
    return {"object": "whatsapp_business_account", "entry": [entry]}
