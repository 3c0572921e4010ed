"""HTTP 200 sets a message to `sent`. Webhooks come later, in any order, and settle uncertain messages."""

from __future__ import annotations

import re

from harness import Flow, wait_for

NEVER_MS = 600_000  # until the test changes it


def test_sent_at_once_and_late_webhooks_raise_it_and_settle_lost_replies_without_a_resend(flow: Flow) -> None:
    flow.receive_webhooks()
    flow.far.script(
        webhooks={
            **dict.fromkeys(("sent_after_ms", "delivered_after_ms", "read_after_ms"), NEVER_MS),
            "duplicate_probability": 0.5,
            "shuffle": True,
            "batch_size": 30,
        }
    )
    account = flow.add_account("Vendas", rate=200)
    quiet = flow.add_campaign("Promoção Verão", [account], people=150)
    lossy = flow.add_campaign("Newsletter", [account], people=60)
    lost = set(lossy.phones[5:17])
    flow.far.script(suffixes={phone.removeprefix("+"): "lost" for phone in lost})

    flow.start_campaigns(quiet, lossy)
    flow.await_status("completed", quiet, lossy)

    # No webhook has arrived yet.
    assert flow.far.stats()["webhooks"]["sent"] == 0
    assert flow.counts(quiet) == {"sent": 150}
    assert flow.counts(lossy) == {"sent": 48, "uncertain": 12}
    uncertain = flow.query("SELECT phone, error_title FROM messages WHERE status = 'uncertain'")
    assert {phone for phone, _ in uncertain} == lost
    assert all("without a reply" in title or "broke" in title for _, title in uncertain), uncertain
    assert flow.query("SELECT count(*) FROM messages WHERE status = 'sent' AND (sent_at IS NULL OR wamid IS NULL)") == [
        (0,)
    ]
    accepted = {f"+{each['to']}": each["epoch"] for each in flow.far.accepted()}
    rows = flow.query("SELECT phone, extract(epoch FROM sent_at)::float FROM messages WHERE status = 'sent'")
    assert all(accepted[phone] <= sent_at for phone, sent_at in rows), rows
    (told,) = flow.sentences("campaign_completed", campaign_id=lossy.id)
    assert re.fullmatch(rf"Campaign {lossy.id} completed: 48 sent, 0 failed, 12 uncertain in \d+\.\d s", told)
    assert flow.events("failures", campaign_id=lossy.id, level="WARNING")

    flow.far.flush()
    flow.await_arrival(quiet, lossy)
    wait_for(
        lambda: flow.far.has_told_all() and flow.query("SELECT count(*) FROM webhook_events") == [(0,)],
        "all webhooks are applied",
    )

    counts = flow.counts()
    assert counts["delivered"] > 0 and counts["read"] > 0
    assert flow.query("SELECT count(*) FROM messages WHERE status = 'read' AND read_at IS NULL") == [(0,)]
    assert flow.query("SELECT count(*) FROM messages WHERE delivered_at IS NULL") == [(0,)]
    flow.assert_counters_equal_rows()
    flow.assert_everybody_got_one(quiet, lossy)
    assert set(flow.far.arrived().values()) == {1}
    assert flow.status(lossy) == ("completed", None)
