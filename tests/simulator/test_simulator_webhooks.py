"""The simulator's webhooks: signed, delayed, repeated, in any order, in batches, retried after a refusal."""

import hashlib
import hmac
import itertools
import json
import time

import pytest
import requests
from far_end import NUMBER, PHONE, SECRET, WABA, raw_message, template_message, wait_for


def test_statuses_climb_and_carry_the_callback_data(far, receiver):
    wamid = far.send().json()["messages"][0]["id"]
    far.all_told()
    assert receiver.names() == ["sent", "delivered", "read"]
    for status in receiver.statuses():
        assert (status["id"], status["recipient_id"]) == (wamid, PHONE[1:])
        assert status["biz_opaque_callback_data"] == "m1:1"
        assert isinstance(status["timestamp"], str)
    assert receiver.statuses()[0]["pricing"]["pricing_model"] == "PMP"
    value = receiver.values()[0]
    assert value["metadata"]["phone_number_id"] == NUMBER
    assert value["contacts"][0]["wa_id"] == PHONE[1:]


def test_posts_are_signed_over_the_raw_bytes(far, receiver):
    far.control("webhook", {"entry": [{"text": "Promoção ☀"}]})
    headers, body, _ = wait_for(lambda: receiver.posts)[0]
    assert body == b'{"entry":[{"text":"Promo\\u00e7\\u00e3o \\u2600"}]}'
    assert headers["X-Hub-Signature-256"] == "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["User-Agent"] == "facebookexternalua"
    assert headers["path"] == "/hook?x=1"


def test_an_async_failure_has_its_error_and_no_contacts(far, receiver):
    assert far.send("+4915118131049").status_code == 200
    far.all_told()
    (status,) = receiver.statuses()
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131049)
    assert status["errors"][0]["error_data"]["details"]
    assert "contacts" not in receiver.values()[0]


def test_an_account_can_fail_by_webhook(far, receiver):
    far.script(accounts={NUMBER: {"outcome": "error:131042@async", "waba_id": "55"}})
    far.send()
    far.all_told()
    assert receiver.statuses()[0]["errors"][0]["code"] == 131042
    assert json.loads(receiver.posts[0][1])["entry"][0]["id"] == "55"


@pytest.mark.parametrize(
    ("outcome", "names"),
    [
        ("silent", []),
        ("sent", ["sent"]),
        ("delivered", ["sent", "delivered"]),
        ("read", ["sent", "delivered", "read"]),
        ("held", ["sent", "delivered"]),
        ("held:132015", ["failed"]),
    ],
)
def test_an_outcome_chooses_how_far_a_message_climbs(far, receiver, outcome, names):
    far.script(outcome=outcome, webhooks={"read_probability": 0})
    far.send()
    far.all_told()
    assert receiver.names() == names


@pytest.mark.parametrize("outcome", ["lost", "half"])
def test_a_lost_answer_is_settled_by_its_webhook(far, receiver, outcome):
    far.script(outcome=outcome)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        far.send()
    far.all_told()
    assert receiver.statuses()[0]["biz_opaque_callback_data"] == "m1:1"


def test_a_send_that_was_not_accepted_has_no_webhook(far, receiver):
    far.script(outcome="lost-before")
    with pytest.raises(requests.ConnectionError):
        far.send()
    assert far.all_told()["webhooks"]["sent"] == 0


def test_delivered_can_be_skipped(far, receiver):
    far.script(webhooks={"skip_delivered_probability": 1})
    far.send()
    far.all_told()
    assert receiver.names() == ["sent", "read"]


def test_not_every_message_is_delivered(far, receiver):
    far.script(webhooks={"delivered_probability": 0})
    far.send()
    far.all_told()
    assert receiver.names() == ["sent"]


def test_statuses_can_come_twice(far, receiver):
    far.script(webhooks={"duplicate_probability": 1})
    far.send()
    far.all_told()
    assert sorted(receiver.names()) == ["delivered", "delivered", "read", "read", "sent", "sent"]


def list_replies(receiver):
    return [message for value in receiver.values() for message in value.get("messages", ())]


@pytest.mark.parametrize("is_quoting", [False, True])
def test_a_person_can_reply_and_quote_the_message(far, receiver, is_quoting):
    far.script(
        webhooks={
            "reply_probability": 1,
            "reply_after_ms": 0,
            "reply_text": "Sim!",
            "quote_probability": int(is_quoting),
            "duplicate_probability": 1,
            "batch_size": 1,
        }
    )
    wamid = far.send().json()["messages"][0]["id"]
    far.all_told()
    first, copy = list_replies(receiver)
    assert first == copy
    assert (first["from"], first["type"], first["text"]) == (PHONE[1:], "text", {"body": "Sim!"})
    assert first["id"] != wamid
    assert first.get("context", {}).get("id") == (wamid if is_quoting else None)
    (value,) = (value for value in receiver.values()[:-1] if "messages" in value)
    assert value["metadata"]["phone_number_id"] == NUMBER
    assert value["contacts"][0]["wa_id"] == PHONE[1:]


@pytest.mark.parametrize("outcome", ["failed:131026", "sent", "silent"])
def test_nobody_replies_to_a_message_that_did_not_arrive(far, receiver, outcome):
    far.script(outcome=outcome, webhooks={"reply_probability": 1, "reply_after_ms": 0})
    far.send()
    far.all_told()
    assert list_replies(receiver) == []


def test_statuses_can_come_out_of_order(far, receiver):
    far.script(webhooks={"shuffle": True})
    for digit in range(10):
        far.send(f"+491511234567{digit}")
    far.all_told()
    orders = {}
    for status in receiver.statuses():
        orders.setdefault(status["id"], []).append(status["status"])
    assert all(sorted(order) == ["delivered", "read", "sent"] for order in orders.values())
    assert any(order != ["sent", "delivered", "read"] for order in orders.values())


def test_statuses_come_late(far, receiver):
    far.script(webhooks={"sent_after_ms": [100, 120], "delivered_after_ms": 200})
    started = time.monotonic()
    far.send()
    far.all_told()
    times = [arrived - started for _, _, arrived in receiver.posts]
    assert times[0] >= 0 and times[1] >= 0.1 and times[2] >= 0.2


def test_flush_posts_at_once_the_webhooks_that_are_not_due(far, receiver):
    far.script(webhooks={"sent_after_ms": 3_600_000, "delivered_after_ms": 3_600_000, "read_after_ms": 3_600_000})
    far.send()
    assert far.stats()["webhooks"]["pending"] == 3
    assert far.control("flush")["flushed"] == 3
    far.all_told()
    assert receiver.names() == ["sent", "delivered", "read"]


def test_statuses_come_in_batches(far, receiver):
    far.script(webhooks={"batch_size": 6, "batch_ms": 3_600_000})
    for digit in range(4):
        far.send(f"+491511234567{digit}", number=str(digit % 2))
    wait_for(lambda: len(receiver.statuses()) == 12)
    assert len(receiver.posts) == 2
    assert max(len(json.loads(body)["entry"][0]["changes"]) for _, body, _ in receiver.posts) == 2


def test_a_batch_that_is_not_full_is_sent_after_its_time(far, receiver):
    far.script(webhooks={"batch_size": 1000, "batch_ms": 200})
    far.send()
    far.all_told()
    assert len(receiver.posts) == 1


def test_a_webhook_may_come_before_the_answer(far, receiver):
    far.script(latency_ms=3_600_000, webhooks={"before_answer": True})
    with far.connect() as link:
        link.sendall(raw_message())
        wait_for(lambda: receiver.names() == ["sent", "delivered", "read"])
        link.setblocking(False)
        with pytest.raises(BlockingIOError):
            link.recv(1)


def test_a_webhook_comes_after_the_answer_otherwise(far, receiver):
    far.script(latency_ms=100)
    started = time.monotonic()
    far.send()
    far.all_told()
    assert receiver.posts[0][2] - started >= 0.1


def test_a_refused_webhook_is_posted_again_after_growing_gaps(far, receiver):
    receiver.answers = [500, 503, 404]
    far.script(webhooks={"retry_ms": 40, "retry_factor": 2})
    far.control("webhook", {"entry": []})
    counts = far.all_told()["webhooks"]
    times = [arrived for _, _, arrived in receiver.posts]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len({body for _, body, _ in receiver.posts}) == 1
    assert gaps[0] >= 0.035 and gaps[1] >= 0.075 and gaps[2] >= 0.155
    assert (counts["sent"], counts["acked"], counts["retried"]) == (4, 1, 3)


def test_retries_are_bounded(far, receiver):
    receiver.answers = [500] * 10
    far.script(webhooks={"retry_ms": 1, "retry_limit": 2})
    far.control("webhook", {"entry": []})
    assert far.all_told()["webhooks"]["given_up"] == 1
    assert len(receiver.posts) == 3


def test_a_receiver_that_was_down_gets_the_webhook_when_it_is_back(far, receiver):
    url = receiver.url
    far.script(webhooks={"callback_url": "http://127.0.0.1:1/", "retry_ms": 10, "retry_limit": 1000})
    far.send()
    wait_for(lambda: far.stats()["webhooks"]["retried"] > 3)
    assert far.stats()["webhooks"]["pending"] == 3
    far.script(webhooks={"callback_url": url})
    far.all_told()
    assert sorted(receiver.names()) == ["delivered", "read", "sent"]


def test_without_a_callback_url_nothing_waits(far):
    far.send()
    assert far.stats()["webhooks"]["pending"] == 0


def test_a_message_without_callback_data_echoes_none(far, receiver):
    far.post(template_message(data=None))
    far.all_told()
    assert "biz_opaque_callback_data" not in receiver.statuses()[0]
    assert json.loads(receiver.posts[0][1])["entry"][0]["id"] == WABA


def test_many_webhooks_go_over_few_connections(far, receiver):
    far.script(limits={"messages_per_second": 0}, webhooks={"concurrency": 4})
    for digit in range(100):
        far.send(f"+4915112345{digit:03}")
    counts = far.all_told()["webhooks"]
    assert (counts["acked"], counts["retried"]) == (300, 0)
    assert counts["statuses"] == {"sent": 100, "delivered": 100, "read": 100}
