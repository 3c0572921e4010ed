"""`POST /{phone_number_id}/messages`: Meta's shapes, checks, limits."""

import base64
import time

import pytest
from far_end import NUMBER, PATIENCE_SECONDS, PHONE, raw_message, template_message


def error_of(response):
    return response.status_code, response.json()["error"]["code"]


def test_a_template_is_accepted_in_metas_shape(far):
    body = far.send().json()
    assert body["contacts"] == [{"input": PHONE, "wa_id": PHONE[1:]}]
    assert body["messages"][0]["message_status"] == "accepted"
    assert body["messaging_product"] == "whatsapp"


def test_the_wamid_carries_the_recipients_digits(far):
    wamid = far.send().json()["messages"][0]["id"]
    raw = base64.b64decode(wamid.removeprefix("wamid."))
    assert raw[:2] == b"\x1c\x18" and raw[3:16] == PHONE[1:].encode() and raw[-1:] == b"\x00"


def test_two_sends_get_two_wamids(far):
    assert far.send().json()["messages"][0]["id"] != far.send().json()["messages"][0]["id"]


def test_a_text_has_no_message_status(far):
    message = {"messaging_product": "whatsapp", "to": PHONE, "type": "text", "text": {"body": "Olá"}}
    assert list(far.post(message).json()["messages"][0]) == ["id"]


def test_marking_as_read_is_a_success_and_no_send(far):
    answer = far.post({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x"})
    assert answer.json() == {"success": True}
    assert far.stats()["accepted"] == 0


@pytest.mark.parametrize("prefix", ["", "/v24.0", "/v25.0"])
def test_any_version_prefix_is_served(far, prefix):
    url = f"{far.url}{prefix}/{NUMBER}/messages"
    assert far.session.post(url, json=template_message(), timeout=PATIENCE_SECONDS).status_code == 200


def test_an_error_has_metas_shape(far):
    error = far.send("+4915119131026").json()["error"]
    assert error["message"] == "(#131026) Message undeliverable"
    assert error["type"] == "OAuthException"
    assert error["error_data"] == {"messaging_product": "whatsapp", "details": "Message Undeliverable."}
    assert error["fbtrace_id"].startswith("A")


def test_a_missing_token_is_401_with_190(far):
    del far.session.headers["Authorization"]
    reply = far.send()
    assert error_of(reply) == (401, 190)
    assert "error_subcode" not in reply.json()["error"]


def test_an_expired_token_is_401_with_463(far):
    far.script(outcome="error:190")
    reply = far.send()
    assert error_of(reply) == (401, 190)
    assert reply.json()["error"]["error_subcode"] == 463


def test_an_unknown_token_is_401_with_190(far):
    far.script(tokens=["token-2"])
    assert error_of(far.send()) == (401, 190)
    far.script(tokens=["token-1"])
    assert far.send().status_code == 200


def test_an_unknown_number_is_100_with_33(far):
    far.script(accept_unknown_accounts=False, accounts={"7": {}})
    error = far.send().json()["error"]
    assert (error["code"], error["error_subcode"], error["type"]) == (100, 33, "GraphMethodException")
    assert far.send(number="7").status_code == 200


def without(key, **change):
    message = template_message() | change
    message.pop(key, None)
    return message


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (without("messaging_product"), 100),
        (without("to"), 100),
        (without("", to="+49 abc"), 131009),
        (without("", to=4915112345678), 131009),
        (without("template"), 131008),
        (template_message(name=""), 131008),
        (template_message(language="de"), 131008),
        (template_message(data="x" * 513), 100),
        (template_message(components=[1]), 131009),
        (without("", type=["text"]), 100),
        (without("", type="carrier_pigeon"), 100),
        ([], 100),
    ],
)
def test_a_request_that_breaks_the_contract_is_refused(far, message, code):
    far.script(templates=[{"name": "spring_sale", "language": "de"}])
    assert error_of(far.post(message)) == (400, code)


def test_a_body_that_is_not_json_is_refused(far):
    url = f"{far.url}/v24.0/{NUMBER}/messages"
    assert error_of(far.session.post(url, data=b"{", timeout=PATIENCE_SECONDS)) == (400, 100)


def test_separators_in_a_phone_are_tolerated(far):
    assert far.send("+49 (151) 123-45678").json()["contacts"][0]["wa_id"] == "4915112345678"


TEMPLATES = [
    {"name": "spring_sale", "language": "de", "body": "Hallo {{1}}, Code {{2}}"},
    {"name": "named", "language": "de", "body": "Hallo {{first_name}}"},
    {"name": "paused", "language": "de", "status": "PAUSED"},
    {"name": "disabled", "language": "de", "status": "DISABLED"},
    {"name": "pending", "language": "de", "status": "PENDING"},
]


def body_of(*parameters):
    return [{"type": "body", "parameters": [{"type": "text", "text": "x", **extra} for extra in parameters]}]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ({"components": body_of({}, {})}, 200),
        ({"components": body_of({})}, (400, 132000)),
        ({}, (400, 132000)),
        ({"name": "named", "components": body_of({"parameter_name": "first_name"})}, 200),
        ({"name": "named", "components": body_of({"parameter_name": "name"})}, (400, 132012)),
        ({"name": "unknown"}, (404, 132001)),
        ({"language": {"code": "en"}}, (404, 132001)),
        ({"name": "pending"}, (404, 132001)),
        ({"name": "paused"}, (400, 132015)),
        ({"name": "disabled"}, (400, 132016)),
    ],
)
def test_registered_templates_are_checked(far, template, expected):
    far.script(templates=TEMPLATES)
    response = far.post(template_message(**template))
    assert (response.status_code if expected == 200 else error_of(response)) == expected


def read_replies(link, count):
    """Read until `count` replies have come and the last one is complete; each body is a JSON object."""
    received = b""
    while received.count(b"HTTP/1.1 ") < count or not received.endswith(b"}"):
        received += link.recv(65536)
    return received


def test_it_answers_130429_after_a_second_of_throughput(far):
    far.script(limits={"messages_per_second": 20})
    started = time.monotonic()
    with far.connect() as link:  # all at once: sends one by one may be slower than the limit
        link.sendall(b"".join(raw_message(f"4915112{number:06}") for number in range(500)))
        replies = read_replies(link, 500)
    assert replies.count(b"HTTP/1.1 200 ") + replies.count(b'"code":130429') == 500
    accepted = far.stats()["accepted"]
    assert 20 <= accepted <= 20 + 20 * (time.monotonic() - started), "no more have come back meanwhile"
    assert replies.count(b"HTTP/1.1 400 ") == 500 - accepted > 0


def test_throughput_comes_back_with_time(far):
    far.script(limits={"messages_per_second": 50})
    started = time.monotonic()
    while far.stats()["accepted"] < 70:
        far.send(f"+4915112{time.monotonic_ns() % 10**6:06}")
    assert time.monotonic() - started >= (70 - 50) / 50


def test_each_number_has_its_own_throughput(far):
    far.script(limits={"messages_per_second": 0.001}, accounts={"9": {"messages_per_second": 0}})
    codes = [far.send(f"+49151123{digit}", number=number).status_code for digit in range(3) for number in ("8", "9")]
    assert codes == [200, 200, 400, 200, 400, 200]


def test_it_answers_131056_after_the_burst_to_one_person(far):
    far.script(limits={"messages_per_second": 0, "pair_seconds": 600})
    replies = [far.send() for _ in range(46)]
    assert {reply.status_code for reply in replies[:45]} == {200}
    assert error_of(replies[45]) == (400, 131056)
    assert far.send("+4915112345679").status_code == 200


def test_limits_can_be_switched_off(far):
    far.script(limits={"messages_per_second": 0, "pair_seconds": 0})
    assert {far.send().status_code for _ in range(100)} == {200}


def test_latency_is_kept(far):
    far.script(latency_ms=[60, 80])
    started = time.monotonic()
    far.send()
    assert time.monotonic() - started >= 0.06


def test_pipelined_requests_are_answered_in_order(far):
    far.script(latency_ms=[0, 30])
    phones = [f"49151100000{digit:02}" for digit in range(20)]
    wire = b"".join(map(raw_message, phones))
    quick = b"GET /_simulator/wire HTTP/1.1\r\n\r\n"
    with far.connect() as link:
        link.sendall(wire + quick)
        received = read_replies(link, 21)
    assert received.rindex(b'"recipients"') > received.rindex(b'"wa_id"')
    positions = [received.index(f'"wa_id":"{phone}"'.encode()) for phone in phones]
    assert positions == sorted(positions)


def test_a_client_that_asks_for_a_continue_gets_it(far):
    with far.connect() as link:
        link.sendall(b"POST /1/messages HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert link.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        link.sendall(b"{}")
        assert link.recv(1000).startswith(b"HTTP/1.1 401")


def test_connection_close_is_honoured(far):
    assert far.send(headers={"Connection": "close"}).headers["Connection"] == "close"
    with far.connect() as link:
        link.sendall(b"GET /1 HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer x\r\n\r\n")
        received = b""
        while chunk := link.recv(1000):
            received += chunk
    assert received.startswith(b"HTTP/1.1 200")


def test_nonsense_instead_of_http_is_400_and_the_end(far):
    with far.connect() as link:
        link.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert link.recv(1000).startswith(b"HTTP/1.1 400")
        assert link.recv(1000) == b""


FULL = {
    "name": "full",
    "components": [
        {"type": "HEADER", "format": "IMAGE"},
        {
            "type": "BUTTONS",
            "buttons": [
                {"type": "URL", "text": "See", "url": "https://example.com/{{1}}"},
                {"type": "QUICK_REPLY", "text": "Stop"},
            ],
        },
    ],
}
HEADER = {"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]}
LINK = {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "u"}]}
REPLY = {"type": "button", "sub_type": "quick_reply", "index": "1", "parameters": [{"type": "payload", "payload": "S"}]}


@pytest.mark.parametrize(
    ("components", "code"),
    [
        ([HEADER, LINK], None),
        ([HEADER, LINK, REPLY], None),
        ([LINK], 132000),
        ([{"type": "header", "parameters": [{"type": "video", "video": {"id": "1"}}]}, LINK], 132012),
        ([{"type": "header", "parameters": [{"type": "image", "image": {}}]}, LINK], 131008),
        ([HEADER], 131008),
        ([HEADER, LINK | {"sub_type": "quick_reply"}], 132012),
        ([HEADER, LINK, REPLY | {"parameters": []}], 132012),
        ([HEADER, LINK, REPLY | {"index": "7"}], 132018),
    ],
)
def test_header_and_buttons_must_fit_the_template(far, components, code):
    far.script(templates=[FULL])
    answer = far.post(template_message(name="full", language={"code": "en"}, components=components))
    assert answer.json().get("error", {}).get("code") == code


FLOW = {
    "name": "flow",
    "components": [
        {
            "type": "BUTTONS",
            "buttons": [
                {"type": "QUICK_REPLY", "text": "Stop"},
                {"type": "FLOW", "text": "Open", "flow_id": 123, "flow_action": "NAVIGATE", "navigate_screen": "S"},
                {"type": "URL", "text": "See", "url": "https://example.com/{{1}}"},
            ],
        }
    ],
}
URL = LINK | {"index": "2"}
OPEN = {"type": "button", "sub_type": "flow", "index": "1"}
ACTION = {"type": "action", "action": {"flow_token": "t1", "flow_action_data": {"name": "Ana"}}}


@pytest.mark.parametrize(
    ("components", "code"),
    [
        ([OPEN, URL], None),
        ([OPEN | {"index": 1}, URL], None),
        ([OPEN | {"sub_type": "FLOW"}, URL], None),
        ([OPEN | {"parameters": []}, URL], None),
        ([OPEN | {"parameters": [ACTION]}, URL], None),
        ([OPEN | {"parameters": [{"type": "action", "action": {"flow_token": "t1"}}]}, URL], None),
        ([OPEN | {"parameters": [{"type": "action", "action": {}}]}, URL], None),
        ([URL], 131009),
        ([], 131009),
        ([OPEN | {"index": "0"}, URL], 132012),
        ([OPEN | {"index": "3"}, URL], 131009),
        ([OPEN | {"sub_type": "url"}, URL], 132012),
        ([OPEN | {"parameters": [ACTION, ACTION]}, URL], 131009),
        ([OPEN | {"parameters": [{"type": "text", "text": "t1"}]}, URL], 131009),
        ([OPEN | {"parameters": [{"type": "action", "action": "t1"}]}, URL], 131009),
        ([OPEN | {"parameters": [{"type": "action", "action": {"flow_token": 1}}]}, URL], 131009),
        ([OPEN | {"parameters": [{"type": "action", "action": {"flow_action_data": "x"}}]}, URL], 131009),
        ([OPEN], 131008),
    ],
)
def test_a_flow_button_must_be_named_in_the_send(far, components, code):
    far.script(templates=[FLOW])
    answer = far.post(template_message(name="flow", language={"code": "en"}, components=components))
    assert answer.json().get("error", {}).get("code") == code
