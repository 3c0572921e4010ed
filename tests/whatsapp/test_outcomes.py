from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.failures import find_failure
from campaigns.domain.verdict import Accepted, Action, Rejected, Unknown
from campaigns.whatsapp.outcomes import MAX_DETAILS, MAX_FBTRACE_ID, MAX_TITLE, read_reply

HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def reply(status, document):
    return read_reply(status, json.dumps(document).encode())


def rejection(status=400, **error):
    return reply(status, {"error": {"code": 131026, **error}})


def acceptance(**message):
    return {"messaging_product": "whatsapp", "messages": [{"id": "wamid.HBgN+/=", **message}]}


def test_a_wamid_is_an_acceptance():
    assert reply(200, acceptance()) == Accepted("wamid.HBgN+/=")


@pytest.mark.parametrize(
    ("message_status", "is_held"),
    [("accepted", False), ("held_for_quality_assessment", True), ("paused", True), ("new_word", False), (None, False)],
)
def test_a_held_message_is_accepted_but_held(message_status, is_held):
    assert reply(200, acceptance(message_status=message_status)) == Accepted("wamid.HBgN+/=", is_held=is_held)


@pytest.mark.parametrize("more", [{}, {"error": {}}])
@pytest.mark.parametrize(
    ("contacts", "recipient"),
    [
        ([{"input": "+5511987654321", "wa_id": "551187654321"}], "+5511987654321"),
        ([{"input": 5511987654321}], ""),
        ([{"wa_id": "551187654321"}], ""),
        ([None], ""),
        ([], ""),
        ({}, ""),
        (None, None),
    ],
)
def test_an_acceptance_in_any_form_names_its_recipient(contacts, recipient, more):
    verdict = reply(200, acceptance(message_status="paused") | {"contacts": contacts} | more)
    assert verdict == Accepted("wamid.HBgN+/=", is_held=True)
    assert verdict.recipient == recipient


def test_a_second_message_that_cannot_be_read_changes_nothing():
    document = acceptance() | {"contacts": [{"input": "+5511987654321"}]}
    assert reply(200, document | {"messages": [*document["messages"], None]}).recipient == "+5511987654321"


def test_a_wamid_outweighs_an_error_beside_it():
    assert isinstance(reply(200, acceptance() | {"error": {"code": 130429}}), Accepted)


@pytest.mark.parametrize("status", [302, 400, 429, 500])
def test_a_wamid_without_a_2xx_status_is_unknown(status):
    assert isinstance(reply(status, acceptance()), Unknown)


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        None,
        "wamid.x",
        {"messages": []},
        {"messages": {}},
        {"messages": [None]},
        {"messages": ["wamid.x"]},
        {"messages": [[]]},
        {"messages": [{"id": None}]},
        {"messages": [{"id": 17}]},
        {"messages": [{"id": ""}]},
        {"messages": [{"id": "wamid.\0"}]},
        {"messages": [{"id": "wamid.\ud800"}]},
        {"messages": [{"id": "w" * 513}]},
        {"success": True},
        {"error": "nope"},
        {"error": []},
        {"error": {"code": None}},
        {"error": {"code": True}},
        {"error": {"code": 131026.5}},
        {"error": {"code": [131026]}},
        {"error": {"code": "not a number"}},
        {"error": {"code": -1}},
        {"error": {"code": 10**29}},
        {"error": {"code": "9" * 30}},
    ],
    ids=str,
)
@pytest.mark.parametrize("status", [200, 500])
def test_a_reply_without_wamid_and_code_is_unknown(status, document):
    assert isinstance(reply(status, document), Unknown)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "HTTP 200 with an empty body"),
        (b" \n", "HTTP 200 with an empty body"),
        (HTML, "HTTP 200 with HTML instead of JSON"),
        (b'{"messages":[{"id":"wam', "HTTP 200 with an unreadable body"),
        (b"\xff\xfe\x00", "HTTP 200 with an unreadable body"),
        (b"[" * 100_000, "HTTP 200 with an unreadable body"),
        (b'{"a":' * 100_000, "HTTP 200 with an unreadable body"),
        (b'{"error":{"code":' + b"1" * 5000 + b"}}", "HTTP 200 with an unreadable body"),
        (b'{"error":{"message":"x"}}', "HTTP 200 with an error without a code"),
        (b'{"success":true}', "HTTP 200 with JSON that is neither an acceptance nor an error"),
    ],
    ids=lambda value: value[:30],
)
def test_the_reason_of_an_unknown_verdict_describes_the_reply(body, reason):
    assert read_reply(200, body) == Unknown(reason)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 499, 303, 0])
@pytest.mark.parametrize("body", [b"", HTML, b'{"error":{"mess'], ids=["empty", "HTML", "cut off"])
def test_a_server_error_without_a_code_is_unknown(status, body):
    assert isinstance(read_reply(status, body), Unknown)


@pytest.mark.parametrize("status", [302, 400, 403, 404, 413])
@pytest.mark.parametrize("body", [b"", HTML, b'{"message":"Forbidden"}'], ids=["empty", "HTML", "foreign JSON"])
def test_a_refusal_before_meta_uses_an_attempt(status, body):
    verdict = read_reply(status, body)
    assert isinstance(verdict, Rejected)
    assert (verdict.code, verdict.failure.action, verdict.failure.is_known) == (status, Action.RETRY, False)
    assert verdict.details.startswith(f"HTTP {status} with ")


def test_a_proxy_that_says_too_many_slows_us_down():
    assert read_reply(429, HTML).failure.action is Action.SLOW_DOWN


def test_the_type_of_the_content_tells_html_too():
    verdict = read_reply(502, b"Bad gateway", content_type="text/HTML; charset=utf-8")
    assert verdict == Unknown("HTTP 502 with HTML instead of JSON")


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500, 503])
def test_a_code_is_a_verdict_whatever_the_status(status):
    assert rejection(status).failure == find_failure(131026)


@pytest.mark.parametrize(
    ("status", "code", "action"),
    [
        (503, 2, Action.BACK_OFF),
        (500, 131016, Action.BACK_OFF),
        (400, 1, Action.UNCERTAIN),
        (500, 131000, Action.UNCERTAIN),
        (503, 999999, Action.BACK_OFF),
        (500, 999999, Action.UNCERTAIN),
        (400, 999999, Action.RETRY),
    ],
)
def test_server_errors_are_distinguished_from_unknown_results(status, code, action):
    assert rejection(status, code=code).failure.action is action


def test_a_code_written_as_text_is_read():
    assert rejection(code="131026").code == 131026


def test_the_subcode_tells_a_foreign_number_from_a_bad_parameter():
    assert rejection(code=100, error_subcode=33).failure.action is Action.SWITCH_ACCOUNT
    assert rejection(code=100, error_subcode="33").failure.action is Action.SWITCH_ACCOUNT
    assert rejection(code=100, error_subcode=None).failure.action is Action.FAIL


def test_the_words_of_meta_are_kept_without_the_code():
    verdict = rejection(
        message="(#131026) Message undeliverable", error_data={"details": "Not on WhatsApp."}, fbtrace_id="AbC-1_x"
    )
    assert (verdict.title, verdict.details, verdict.fbtrace_id) == (
        "Message undeliverable",
        "Not on WhatsApp.",
        "AbC-1_x",
    )


@pytest.mark.parametrize(
    ("error_data", "details"),
    [("a text", "a text"), (None, ""), ([], ""), (7, ""), ({"details": None}, ""), ({"details": ["x"]}, "")],
)
def test_error_data_may_be_a_text_or_nonsense(error_data, details):
    assert rejection(error_data=error_data).details == details


def test_the_words_for_users_stand_in_for_missing_ones():
    verdict = rejection(error_user_title="Not allowed", error_user_msg="Add the number.")
    assert (verdict.title, verdict.details) == ("Not allowed", "Add the number.")


TOKEN = "EAAGm0PX4ZCpsBAJZBZCx9ZA" + "kQ7wVtR2" * 20


@pytest.mark.parametrize(
    "text",
    [
        f"Invalid token {TOKEN}",
        f"Invalid token '{TOKEN}' was sent",
        f"Header Bearer {TOKEN}",
        f"token={TOKEN}|{TOKEN}",
        f"EAAG\0{TOKEN}",
        f"https://graph.example/?access_token={TOKEN}&x=1",
        f"Malformed access token {TOKEN.removeprefix('EAA')} and more {TOKEN}",
        f"bearer  {TOKEN[3:20]}",
        f"an app's token 634974688087057|{TOKEN[3:40]}",
        f"Malformed access token {TOKEN[3:9]} {TOKEN[3:20]}",
        f"Invalid token {TOKEN[:20]}",
    ],
)
def test_a_token_that_meta_repeats_is_not_kept(text):
    verdict = rejection(message=text, error_data=text, fbtrace_id=TOKEN)
    kept = f"{verdict.title} {verdict.details} {verdict.fbtrace_id}"
    assert "[redacted]" in kept
    assert TOKEN[6:18] not in kept


@pytest.mark.parametrize(
    "text",
    [
        "Error validating access token: Session has expired on Friday, 02-Oct-26 10:00:00 PDT.",
        "Template name (a_very_long_template_name_of_a_spring_sale_2026_v2) does not exist in de",
        "see https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    ],
)
def test_what_is_no_token_is_kept(text):
    assert rejection(message=text).title == text


def test_words_are_one_printable_line():
    verdict = rejection(message="a\0b\r\n\tc\ud800\x1b[31m\u202ed  e")
    assert verdict.title == "ab c[31md e"


def test_long_words_are_cut():
    verdict = rejection(message="m" * 9999, error_data="d" * 9999, fbtrace_id="f" * 9999)
    assert [len(verdict.title), len(verdict.details), len(verdict.fbtrace_id)] == [200, 500, 64]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["131026", 131026, 2, 1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
errors = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(["code", "error_subcode", "message", "error_data", "fbtrace_id", "error_user_msg"], values),
)
documents = values | st.fixed_dictionaries(
    {},
    optional={
        "error": values | errors,
        "messages": values | st.lists(st.fixed_dictionaries({}, optional={"id": values, "message_status": values})),
    },
)
bodies = st.binary() | documents.map(lambda document: json.dumps(document).encode())
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@given(status=st.integers(0, 999), body=bodies, content_type=st.text())
def test_whatever_arrives_is_a_verdict_that_can_be_stored(status, body, content_type):
    verdict = read_reply(status, body, content_type=content_type)
    assert isinstance(verdict, Accepted | Rejected | Unknown)
    if isinstance(verdict, Accepted):
        assert 200 <= status <= 299
        assert verdict.wamid
        assert not UNSTORABLE.search(verdict.wamid)
    if isinstance(verdict, Rejected):
        assert 0 <= verdict.code < 2**31
        for text, limit in (
            (verdict.title, MAX_TITLE),
            (verdict.details, MAX_DETAILS),
            (verdict.fbtrace_id, MAX_FBTRACE_ID),
        ):
            assert len(text) <= limit
            assert not UNSTORABLE.search(text)


@given(st.data())
def test_a_reply_cut_anywhere_is_never_an_acceptance(data):
    body = json.dumps(acceptance(message_status="accepted")).encode()
    cut = data.draw(st.integers(0, len(body) - 1))
    assert isinstance(read_reply(200, body[:cut]), Unknown)
