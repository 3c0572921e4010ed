"""Many webhooks arrive while a campaign sends: all are applied, in any order, and the campaign goes on."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from concurrent.futures import ThreadPoolExecutor

import requests
from harness import APP_SECRET, PATIENCE_SECONDS, Flow, wait_for

PEOPLE = 120
POISON = [
    b"<html>",
    b"[" * 100_000,
    b'{"entry": 7}',
    b'{"entry": [{"id": "1", "changes": 7}]}',
    b'{"entry": [{"id": "1", "changes": [{"field": "messages", "value": {"statuses": [{"status": "read"}]}}]}]}',
]


def test_a_storm_of_webhooks_is_applied_whole_while_a_campaign_goes_on(flow: Flow) -> None:
    account = flow.add_account("Vendas", rate=400)
    told = flow.add_campaign("Told", [account], people=PEOPLE)
    # At 20 messages/s the campaign lasts longer than the time limit of any wait in the test.
    going_on = flow.add_campaign("On", [flow.add_account("Novidades", rate=20)], people=2_500)
    flow.start_campaigns(told, going_on)
    flow.await_status("completed", told)
    bodies = _make_bodies(flow, account.number, told.id)

    before = len(flow.far.accepted(going_on))
    assert _post_all(flow, bodies) == {200}
    flow.await_accepted(going_on, before + 40)
    assert flow.status(going_on)[0] == "running"
    left = "SELECT count(*) FROM webhook_events WHERE status = 'stored'"
    wait_for(lambda: flow.query(left) == [(0,)], "the storm is applied")

    assert flow.counts(told) == {"read": PEOPLE}
    assert flow.query("SELECT count(*) FROM messages WHERE delivered_at > sent_at AND read_at > delivered_at") == [
        (PEOPLE,)
    ]
    aside = flow.query("SELECT status, reason <> '' FROM webhook_events")
    assert aside == [("set_aside", True)] * 10 * len(POISON)
    flow.execute("UPDATE accounts SET messages_per_second = 500")
    flow.await_status("completed", going_on)
    flow.assert_everybody_got_one(told, going_on)
    flow.assert_counters_equal_rows()
    flow.stack.check_alive()
    for name in ("slice_error", "slice_failed", "webhook_error", "celery.app.trace", "webhook_not_stored"):
        assert flow.events(name) == []


def _make_bodies(flow: Flow, number: str, campaign_id: int) -> list[bytes]:
    """Return a body per status (sent, delivered and read of each message), some of them twice, and invalid bodies.

    Their times are before the sends, because no time in a webhook counts that is later than its receipt.
    """
    rows = flow.query(
        "SELECT m.id, m.wamid, i.id, extract(epoch FROM m.sent_at)::bigint FROM messages m, installation i"
        " WHERE campaign_id = %s",
        campaign_id,
    )
    bodies = []
    for message_id, wamid, installation, sent_at in rows:
        for word, after in (("sent", -3), ("delivered", -2), ("read", -1)):
            status = {"id": wamid, "status": word, "timestamp": str(sent_at + after)}
            status["biz_opaque_callback_data"] = f"r1.{installation}.{message_id}.1"
            value = {"metadata": {"phone_number_id": number}, "statuses": [status]}
            entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
            bodies.append(json.dumps({"entry": [entry]}).encode())
    chance = random.Random(12)
    bodies += chance.sample(bodies, len(bodies) // 4) + POISON * 10
    chance.shuffle(bodies)
    return bodies


def _post_all(flow: Flow, bodies: list[bytes]) -> set[int]:
    url = f"{flow.stack.webhooks_url}/webhooks/whatsapp"

    def post_some(first: int) -> set[int]:
        with requests.Session() as session:
            return {
                session.post(
                    url, data=body, headers={"X-Hub-Signature-256": _sign(body)}, timeout=PATIENCE_SECONDS
                ).status_code
                for body in bodies[first::16]
            }

    with ThreadPoolExecutor(16) as threads:
        return set().union(*threads.map(post_some, range(16)))


def _sign(body: bytes) -> str:
    return "sha256=" + hmac.digest(APP_SECRET.encode(), body, hashlib.sha256).hex()
