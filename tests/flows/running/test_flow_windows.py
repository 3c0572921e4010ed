"""Sending hours follow the time zone of each person. Messages that are unsent at the end of a campaign expire."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from harness import Flow

from campaigns.domain.recipients import Choice
from campaigns.management.drafts.imports import add_recipients
from campaigns.management.recipients import Reading
from tests.support.actors import TESTER

ZONE = "America/Sao_Paulo"


def test_people_get_their_message_in_their_own_window_or_it_expires(flow: Flow) -> None:
    now = dt.datetime.now(ZoneInfo(ZONE))
    # In a time zone one hour behind, the sending hours have not begun.
    opens, closes = now - dt.timedelta(minutes=30), now + dt.timedelta(hours=3)
    campaign = flow.add_campaign(
        "Black Friday",
        [flow.add_account("Vendas")],
        people=20,
        window=(_minute(opens), _minute(closes)),
        time_zone=ZONE,
        uses_recipient_zones=True,
    )
    path = flow.stack.folder / "manaus.csv"
    path.write_text("phone,nome,desconto\n" + "".join(f"+559291234500{n},Ana,5%\n" for n in range(5)))
    reading = Reading(choice=Choice(mapping={"1": "nome", "2": "desconto"}))
    add_recipients(flow._database, campaign.id, path, reading, actor=TESTER)

    flow.start_campaigns(campaign)
    flow.await_status("running", campaign, reason="window")
    flow.assert_everybody_got_one(campaign)
    assert len(flow.far.accepted()) == 20
    opening = opens.replace(second=0, microsecond=0) + dt.timedelta(hours=1)
    assert flow.query("SELECT due_at FROM campaigns") == [(opening,)]
    flow.assert_no_lease_lives()

    end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=20)  # longer than the command takes to start
    done = flow.run_command("revoada", "campaign", "set", str(campaign.id), "--expire-at", end.isoformat())
    assert done.returncode == 0, done.stderr
    flow.await_status("completed", campaign)
    assert dt.datetime.now(dt.UTC) >= end
    assert len(flow.far.accepted()) == 20
    assert flow.counts(campaign) == {"sent": 20, "expired": 5}
    (told,) = flow.sentences("campaign_completed", campaign_id=campaign.id)
    assert "20 sent, 0 failed, 0 uncertain, 5 expired" in told
    flow.assert_counters_equal_rows()


def test_a_campaign_that_starts_too_late_sends_nothing(flow: Flow) -> None:
    campaign = flow.add_campaign(
        "Newsletter",
        [flow.add_account("Vendas")],
        people=20,
        schedule=(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat(),
        start_within_seconds=1.0,
    )
    flow.start_campaigns(campaign)
    # As if no worker had run in the hour.
    flow.execute("UPDATE campaigns SET scheduled_at = now() - interval '2 s'")
    flow.await_status("completed", campaign)
    assert flow.far.arrived() == {}
    assert flow.counts(campaign) == {"expired": 20}


def _minute(moment: dt.datetime) -> dt.time:
    return moment.time().replace(second=0, microsecond=0)
