"""A template that is refused, disabled or edited stops its campaign; its parts arrive as Meta wants them."""

from __future__ import annotations

import re
import time
from pathlib import Path

from harness import WABA, Flow, wait_for


def test_a_refused_template_is_waited_for_until_a_webhook_says_that_it_is_approved(flow: Flow) -> None:
    flow.receive_webhooks()
    flow.far.script(outcome="error:132015", latency_ms=[50, 100])
    account = flow.add_account("Vendas")
    campaign = flow.add_campaign("Black Friday", [account], people=60)

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

    flow.far.script(outcome="ok")
    flow.await_ticks(3)
    assert sum(flow.far.arrived().values()) == refused_count, "nothing is tried while Meta refuses the template"
    flow.far.inject(_template_status("template_1", "APPROVED"))
    flow.await_status("completed", campaign)

    flow.assert_everybody_got_one(campaign)
    assert flow.query("SELECT status, blocked_until FROM templates") == [("approved", None)]
    assert flow.query("SELECT DISTINCT attempts FROM messages") == [(1,)]
    assert flow.events("template_status")
    flow.assert_counters_equal_rows()


def test_a_template_that_a_webhook_disables_is_sent_no_more_until_it_is_approved(flow: Flow) -> None:
    """Nothing is refused here: the webhook alone stops the campaign, and the webhook alone lets it go on."""
    flow.receive_webhooks()
    account = flow.add_account("Vendas")
    campaign = flow.add_campaign("Black Friday", [account], people=500, interval_seconds=0.3)
    flow.start_campaigns(campaign)
    flow.await_accepted(campaign, 3)

    flow.far.inject(_template_status("template_1", "DISABLED"))
    flow.await_status("running", campaign, reason="template")
    accepted_count = len(flow.far.accepted(campaign))
    assert accepted_count < 500
    flow.await_ticks(3)
    assert len(flow.far.accepted(campaign)) == accepted_count
    assert flow.query("SELECT status FROM templates") == [("disabled",)]

    assert flow.run_command("revoada", "campaign", "set", str(campaign.id), "--interval", "0").returncode == 0
    flow.far.inject(_template_status("template_1", "APPROVED", seconds=5))
    flow.await_status("completed", campaign)
    flow.assert_everybody_got_one(campaign)
    flow.assert_counters_equal_rows()


def test_a_template_that_was_edited_at_meta_lets_its_campaign_wait_and_loses_nobody(flow: Flow) -> None:
    account = flow.add_account("Vendas")
    campaign = flow.add_campaign("Black Friday", [account], people=40)
    (components,) = flow.query("SELECT components::text FROM templates")[0]
    flow.query('UPDATE templates SET components = \'[{"type": "BODY", "text": "Oi {{1}}"}]\' RETURNING id')
    flow.start_campaigns(campaign)
    flow.await_status("running", campaign, reason="template")
    assert flow.events("template_misfit")
    assert flow.counts(campaign) == {"pending": 40}
    assert flow.far.accepted() == []

    flow.query("UPDATE templates SET components = %s RETURNING id", components)
    flow.query("UPDATE campaigns SET due_at = NULL RETURNING id")
    flow.await_status("completed", campaign)
    flow.assert_everybody_got_one(campaign)


def test_media_links_payloads_and_codes_arrive_as_the_template_wants_them(flow: Flow, tmp_path: Path) -> None:
    """The simulator checks each part of a send against the template as it lists it, by rules of its own."""
    buttons = [
        {"type": "URL", "text": "Ver", "url": "https://example.com/{{1}}"},
        {"type": "QUICK_REPLY", "text": "Sair"},
        {"type": "PHONE_NUMBER", "text": "Ligar", "phone_number": "+551133334444"},
        {"type": "COPY_CODE", "text": "Copiar"},
    ]
    bodies = {"by_number": "Oi {{1}}!", "by_name": "Oi {{nome}}!"}
    headers = {"by_number": "DOCUMENT", "by_name": "IMAGE"}
    flow.far.script(
        templates=[
            {
                "name": name,
                "language": "pt_BR",
                "body": body,
                "components": [
                    {"type": "HEADER", "format": headers[name]},
                    {"type": "BUTTONS", "buttons": buttons},
                ],
            }
            for name, body in bodies.items()
        ]
    )
    flow.add_account("Vendas")
    done = flow.run_command("revoada", "template", "sync")
    assert done.returncode == 0, done.stderr
    people = tmp_path / "people.csv"
    people.write_text(
        "phone,header,nome,button 1,button 4\n"
        "+5521990000001,https://example.com/a,Ana,u/ana,A1\n+5521990000002,77,Bia,u/bia,B2\n",
        encoding="utf-8",
    )
    for name in bodies:
        done = flow.run_command(
            *("revoada", "campaign", "create", name, "--template", f"{name}:pt_BR", "--account", "Vendas"),
            *("--recipients", str(people), "--set", "button 2=STOP"),
            *(("--set", "file name=Oferta.pdf") if headers[name] == "DOCUMENT" else ()),
        )
        assert done.returncode == 0, done.stderr
    ids = [str(each) for (each,) in flow.query("SELECT id FROM campaigns")]
    assert flow.run_command("revoada", "campaign", "start", *ids).returncode == 0
    wait_for(
        lambda: flow.query("SELECT count(*) FROM campaigns WHERE status = 'completed'") == [(2,)],
        "both campaigns are completed",
    )
    assert flow.query("SELECT DISTINCT status::text, error_title FROM messages") == [("sent", None)]
    assert len(flow.far.accepted()) == 4


def _template_status(name: str, event: str, *, seconds: int = 1) -> dict[str, object]:
    value = {
        "event": event,
        "message_template_id": 594425479261596,
        "message_template_name": name,
        "message_template_language": "pt_BR",
        "reason": "NONE",
    }
    change = {"field": "message_template_status_update", "value": value}
    entry = {"id": WABA, "time": int(time.time()) + seconds, "changes": [change]}
    return {"object": "whatsapp_business_account", "entry": [entry]}
