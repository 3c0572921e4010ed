"""Every answer of the corpus is read as what it is."""

from __future__ import annotations

import json

import pytest

from campaigns.domain.verdict import Accepted, Blame, Rejected
from campaigns.whatsapp.outcomes import read_reply

BLAMES = {
    1: Blame.SERVER,
    100: Blame.MESSAGE,
    190: Blame.ACCOUNT,
    130429: Blame.THROTTLE,
    131005: Blame.ACCOUNT,
    131030: Blame.RECIPIENT,
    134011: Blame.ACCOUNT,
}
# Codes of calls, of blocking users and of a made-up fixture: no send is answered with them.
FOREIGN = {400, 138006, 139100, 139102}


@pytest.mark.parametrize("status", [200, 400, 401, 429])
def test_an_error_is_a_rejection_with_its_code(error_response, status):
    body = error_response.read_bytes()
    error = json.loads(body)["error"]
    verdict = read_reply(status, body, content_type="application/json")
    assert isinstance(verdict, Rejected)
    assert verdict.code == error["code"]
    assert verdict.failure.blame is BLAMES.get(error["code"], Blame.UNKNOWN)
    assert verdict.failure.is_known is (error["code"] not in FOREIGN)


def test_the_words_of_an_error_are_kept(error_response):
    body = error_response.read_bytes()
    error = json.loads(body)["error"]
    verdict = read_reply(400, body)
    assert verdict.title
    assert error["message"].endswith(verdict.title)
    assert verdict.details == error.get("error_data", {}).get("details", "")
    assert verdict.fbtrace_id == error.get("fbtrace_id", "")


def test_an_ok_is_accepted_with_its_wamid(accepted_response):
    body = accepted_response.read_bytes()
    assert read_reply(200, body) == Accepted(json.loads(body)["messages"][0]["id"])
