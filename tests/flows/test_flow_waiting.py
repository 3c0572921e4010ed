"""A campaign that cannot go on says why, and goes on by itself when the reason is gone."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from harness import Flow, wait_for

ZONE = "America/Sao_Paulo"


def test_a_closed_window_is_waited_for_and_campaign_set_opens_it(flow: Flow) -> None:
    """Without beat: only the task of `campaign set` can end the wait."""
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
    wait_for(lambda: flow.sentences("campaign_waiting", campaign_id=campaign.id, level="INFO"), "the wait is logged")
    assert flow.sentences("campaign_waiting", campaign_id=campaign.id, level="INFO") == [
        f"Campaign {campaign.id} waits until {until}: window"
    ]
    (line,) = flow.events("campaign_waiting", campaign_id=campaign.id, level="INFO")
    in_utc = opens.replace(second=0, microsecond=0).astimezone(dt.UTC)
    assert line["until"] == in_utc.isoformat(timespec="seconds"), "the time in UTC, as the time of the line"
    assert flow.query("SELECT due_at FROM campaigns") == [(opens.replace(second=0, microsecond=0),)]
    flow.assert_no_lease_lives()
    assert flow.far.accepted() == []

    done = flow.run_command("revoada", "campaign", "set", str(campaign.id), "--no-window")
    assert done.returncode == 0, done.stderr
    flow.await_status("completed", campaign)
    flow.assert_everybody_got_one(campaign)


def _minute(moment: dt.datetime) -> dt.time:
    return moment.time().replace(second=0, microsecond=0)
