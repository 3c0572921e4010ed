"""Replies that are believed, and replies that belong to other requests."""

from __future__ import annotations

import json

import pytest

from campaigns.domain.failures import STRAY_REPLY
from campaigns.domain.verdict import Accepted, Rejected, Unknown
from campaigns.whatsapp import attribution as module
from campaigns.whatsapp.attribution import Attribution, find_recipient, is_garbled
from campaigns.whatsapp.mailbox import Reply, Request
from campaigns.whatsapp.payloads import encode

ANA, BIA = "+5511999990001", "+5511999990002"
REFUSED = {"error": {"code": 131056, "message": "too many"}}
ABSENT = object()


def answer(to, document, *, status=200, seconds=0.1):
    request = Request("key", "https://graph.invalid/", [], encode({"to": to, "type": "template"}), None)
    body = json.dumps(document).encode()
    return Reply(request, has_left=True, error="", http_status=status, body=body, seconds=seconds)


def accepted(contacts, wamid="wamid.1"):
    named = {} if contacts is ABSENT else {"contacts": contacts}
    return {"messaging_product": "whatsapp", **named, "messages": [{"id": wamid}]}


def naming(phone, **more):
    return [{"input": phone, **more}]


def is_stray(verdict):
    return isinstance(verdict, Unknown) and verdict.code == STRAY_REPLY.code


@pytest.mark.parametrize("named", [ANA, "5511999990001", " +55 11 99999-0001"])
def test_a_reply_that_repeats_the_recipient_is_believed(named):
    assert Attribution().judge(answer(ANA, accepted(naming(named)))) == Accepted("wamid.1")


def test_only_the_input_counts_not_the_wa_id():
    assert Attribution().judge(answer(ANA, accepted(naming(ANA, wa_id="551199990001")))) == Accepted("wamid.1")
    assert is_stray(Attribution().judge(answer(ANA, accepted(naming(BIA, wa_id="5511999990001")))))


@pytest.mark.parametrize(
    "contacts",
    [naming(BIA), naming(ANA + "2"), naming("11999990001"), naming(""), naming("?"), naming(None), naming(5),
     [], {}, "", "x", 0, False, [None], ["+5511999990001"], [[ANA]], [{"wa_id": "5511999990001"}],
     [{"input": BIA}, {"input": ANA}]],
    ids=str,
)  # fmt: skip
def test_contacts_that_do_not_name_the_recipient_settle_nothing(contacts):
    assert is_stray(Attribution().judge(answer(ANA, accepted(contacts))))


@pytest.mark.parametrize("contacts", [ABSENT, None], ids=["absent", "null"])
def test_without_contacts_a_new_wamid_is_believed_once(contacts):
    attribution = Attribution()
    assert attribution.judge(answer(ANA, accepted(contacts))) == Accepted("wamid.1")
    assert is_stray(attribution.judge(answer(BIA, accepted(contacts))))
    assert attribution.judge(answer(BIA, accepted(contacts, "wamid.2"))) == Accepted("wamid.2")


def test_the_same_person_in_two_campaigns_does_not_make_a_repetition_believable():
    attribution = Attribution()
    attribution.judge(answer(ANA, accepted(naming(ANA))))
    assert is_stray(attribution.judge(answer(ANA, accepted(naming(ANA)))))


def test_a_wamid_that_came_for_another_request_is_still_believed_from_the_right_one():
    attribution = Attribution()
    assert is_stray(attribution.judge(answer(BIA, accepted(naming(ANA)))))
    assert attribution.judge(answer(ANA, accepted(naming(ANA)))) == Accepted("wamid.1")


def test_an_error_counts_unless_more_came_or_another_request_got_the_acceptance():
    attribution, refused = Attribution(), answer(ANA, REFUSED, status=400)
    refused.verdict = attribution.judge(refused)
    assert isinstance(refused.verdict, Rejected)
    assert attribution.confirm(refused, has_more=False) is refused.verdict
    assert is_stray(attribution.confirm(refused, has_more=True))
    attribution.judge(answer(BIA, accepted(naming(ANA))))
    assert is_stray(attribution.confirm(refused, has_more=False))


def test_an_error_is_held_for_longer_than_an_acceptance_takes():
    attribution = Attribution()
    quick = attribution.hold_seconds
    attribution.judge(answer(ANA, accepted(naming(ANA)), seconds=2.0))
    assert 0 < quick < 2.0 < attribution.hold_seconds


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "_MAX_WAMIDS", 500)
    monkeypatch.setattr(module, "_MAX_MISDIRECTED", 100)
    attribution = Attribution()
    for number in range(1_200):
        attribution._note_misdirected(str(number))
        attribution.judge(answer(ANA, accepted(ABSENT, f"wamid.{number}")))
    assert len(attribution._wamids) <= 500 and len(attribution._misdirected_at) <= 100
    assert is_stray(attribution.judge(answer(ANA, accepted(ABSENT, "wamid.1199"))))


@pytest.mark.parametrize(
    ("payload", "phone"),
    [({"to": ANA}, ANA[1:]), ({"to": ANA[1:]}, ANA[1:]), ({}, None), ({"text": '"to":"+1"', "to": ANA}, ANA[1:])],
)
def test_the_recipient_is_read_from_what_has_left(payload, phone):
    assert find_recipient(encode(payload)) == phone


@pytest.mark.parametrize(
    ("body", "garbled"),
    [
        (b'{"error":{"code":4}}', False),
        (b'{"error":{"coHTTP/1.1 200 OK\r\nCont', True),
        (b'{"error":{"code":4}H', True),
        (b"<html>ForbiddenHTTP/1.1 200 OK\r\n", True),
        (b"<html>Forbidden</html>", False),
        (b"", False),
    ],
)
def test_a_half_reply_that_another_one_completes_is_garbled(body, garbled):
    reply = answer(ANA, {}, status=403)
    reply.body = body
    assert is_garbled(reply) == garbled
