"""What a hook may get, and the bytes of a POST."""

from __future__ import annotations

import base64
import datetime as dt

import pytest

from campaigns.domain.hooks.events import EventType, choose_types, write_body
from campaigns.domain.hooks.signature import sign, write_secret
from campaigns.domain.statement import Refusal


def test_without_names_a_hook_gets_all_types_but_those_with_phones():
    assert set(choose_types([])) == set(EventType) - {EventType.PERSON_OPTED_OUT}
    assert choose_types(["person.opted_out", "person.opted_out"]) == [EventType.PERSON_OPTED_OUT]


def test_an_unknown_type_is_refused():
    with pytest.raises(Refusal) as refused:
        choose_types(["campaign.started", "campaign.exploded"])
    assert refused.value.code == "hook_type_unknown"
    assert "campaign.exploded" in str(refused.value)


def test_the_signature_is_that_of_the_published_example():
    # https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_during_a_rotation_there_are_two_signatures():
    new, old = (write_secret(bytes([number]) * 32) for number in (1, 2))
    both = sign([new, old], "evt_1", 1, b"{}")["webhook-signature"]
    assert both.split(" ") == [sign([each], "evt_1", 1, b"{}")["webhook-signature"] for each in (new, old)]
    assert base64.b64decode(new.removeprefix("whsec_")) == b"\x01" * 32


def test_a_body_has_type_timestamp_and_data():
    at = dt.datetime(2026, 11, 29, 12, 0, 0, 123456, tzinfo=dt.timezone(dt.timedelta(hours=-3)))
    body = write_body("template.status_changed", at, {"name": "verão"})
    expected = '{"type":"template.status_changed","timestamp":"2026-11-29T15:00:00.123Z","data":{"name":"verão"}}'
    assert body == expected.encode()
