import hashlib
import hmac
import io
import logging
import threading

import pytest

from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from webhooks.receiver.app import MAX_BODY_BYTES, make_app
from webhooks.receiver.inbox import Inbox, InboxUnavailable
from webhooks.receiver.notifier import Notifier

SECRET = "an app secret"
TOKEN = "a verify token"
URL = "/webhooks/whatsapp"


class Desk:
    """The far side of the views: what was stored, how often the bell was pressed."""

    def __init__(self):
        self.bodies = []
        self.notified_count = 0
        self.is_down = False
        self.is_ready = True

    def insert(self, bodies):
        if self.is_down:
            raise ConnectionError("postgres is down")
        self.bodies.extend(bodies)


class CountingNotifier(Notifier):
    def __init__(self, desk):
        super().__init__(lambda: None)
        self.desk = desk

    def notify(self):
        self.desk.notified_count += 1


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def client(desk):
    app = make_app(
        app_secret=SECRET,
        verify_token=TOKEN,
        inbox=Inbox(desk.insert, wait_seconds=PATIENCE_SECONDS),
        notifier=CountingNotifier(desk),
        is_ready=lambda: desk.is_ready,
    )
    return app.test_client()


def sign(body, secret=SECRET):
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def handshake(client, **changes):
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": TOKEN, **changes}
    return client.get(URL, query_string={key: value for key, value in query.items() if value is not None})


# The handshake


def test_the_handshake_answers_the_raw_challenge(client):
    answer = handshake(client)
    assert (answer.status_code, answer.data, answer.mimetype) == (200, b"1158201444", "text/plain")


@pytest.mark.parametrize(
    "changes",
    [
        {"hub.verify_token": "another"},
        {"hub.verify_token": ""},
        {"hub.verify_token": None},
        {"hub.verify_token": "ã"},
        {"hub.mode": "unsubscribe"},
        {"hub.mode": None},
    ],
)
def test_the_handshake_refuses_a_stranger(client, changes):
    answer = handshake(client, **changes)
    assert (answer.status_code, answer.data) == (403, b"")


@pytest.mark.parametrize("challenge", ["", None])
def test_the_handshake_without_a_challenge_is_a_bad_request(client, challenge):
    assert handshake(client, **{"hub.challenge": challenge}).status_code == 400


def test_without_a_token_of_ours_nobody_is_known(desk):
    app = make_app(
        app_secret=SECRET, verify_token="", inbox=Inbox(desk.insert), notifier=CountingNotifier(desk), is_ready=bool
    )
    assert handshake(app.test_client(), **{"hub.verify_token": ""}).status_code == 403


# Receiving


def test_a_signed_body_is_stored_as_it_came_and_the_workers_are_notified(client, desk):
    body = b'{ "entry":\t["\\u00e3"] }\n'
    answer = client.post(URL, data=body, headers=sign(body))
    assert (answer.status_code, answer.data) == (200, b"EVENT_RECEIVED")
    assert (desk.bodies, desk.notified_count) == ([body], 1)


def test_a_broker_that_hangs_delays_no_answer(desk):
    was_called, may_return, returned = threading.Event(), threading.Event(), threading.Event()

    def enqueue():
        was_called.set()
        may_return.wait(PATIENCE_SECONDS)
        returned.set()

    app = make_app(
        app_secret=SECRET,
        verify_token=TOKEN,
        inbox=Inbox(desk.insert, wait_seconds=PATIENCE_SECONDS),
        notifier=Notifier(enqueue),
        is_ready=bool,
    )
    for _ in range(3):
        assert app.test_client().post(URL, data=b"{}", headers=sign(b"{}")).status_code == 200
    assert was_called.wait(PATIENCE_SECONDS)
    assert not returned.is_set()
    may_return.set()


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff\x00", b"a=1&b=2"])
@pytest.mark.parametrize(
    "content_type", [None, "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_any_signed_bytes_of_any_type_are_stored_unread(client, desk, body, content_type):
    answer = client.post(
        URL,
        input_stream=io.BytesIO(body),
        content_length=len(body),
        content_type=content_type,
        headers=sign(body),
    )
    assert answer.status_code == 200
    assert desk.bodies == [body]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256="},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": "sha256=\xe9"},
        {"X-Hub-Signature": sign(b"{}")["X-Hub-Signature-256"]},
        sign(b"{}", "another secret"),
        sign(b"{} "),
    ],
)
def test_an_unsigned_body_is_refused_and_nothing_is_stored_or_leaked(client, desk, headers, caplog):
    caplog.set_level(logging.WARNING, "webhooks.receiver")
    answer = client.post(URL, data=b"{}", headers=headers)
    assert (answer.status_code, answer.data) == (401, b"")
    assert (desk.bodies, desk.notified_count) == ([], 0)
    record = wait_for(lambda: caplog.records)[0]  # refusals are summed up for a second
    assert (record.levelname, record.event) == ("WARNING", "webhook_refused")
    assert sign(b"{}")["X-Hub-Signature-256"][7:] not in caplog.text


def test_a_body_of_three_megabytes_is_stored(client, desk):
    body = b"x" * MAX_BODY_BYTES
    assert client.post(URL, data=body, headers=sign(body)).status_code == 200
    assert desk.bodies == [body]


@pytest.mark.parametrize("excess", [1, 2, 1_000_000])
def test_a_larger_body_is_refused(client, desk, excess):
    body = b"x" * (MAX_BODY_BYTES + excess)
    assert client.post(URL, data=body, headers=sign(body)).status_code == 413
    assert desk.bodies == []


def post_chunked(client, body):
    """Post as gunicorn hands over a chunked body: no length, but an end."""
    environ = {"wsgi.input_terminated": True, "CONTENT_LENGTH": "", "wsgi.input": io.BytesIO(body)}
    return client.post(URL, headers=sign(body), environ_overrides=environ)


def test_a_chunked_body_is_stored(client, desk):
    assert post_chunked(client, b"{}").status_code == 200
    assert desk.bodies == [b"{}"]


def test_a_chunked_body_of_three_megabytes_is_stored_and_a_larger_one_refused(client, desk):
    assert post_chunked(client, b"x" * MAX_BODY_BYTES).status_code == 200
    for excess in (1, 2, 1_000_000):
        assert post_chunked(client, b"x" * (MAX_BODY_BYTES + excess)).status_code == 413
    assert len(desk.bodies) == 1


@pytest.mark.parametrize(("length", "status"), [("1", 401), ("99", 400), ("99999999", 413), ("x", 401), ("-1", 401)])
def test_a_lying_length_stores_nothing(client, desk, length, status):
    environ = {"CONTENT_LENGTH": length}
    answer = client.post(URL, data=b"{}", headers=sign(b"{}"), environ_overrides=environ)
    assert answer.status_code == status
    assert desk.bodies == []


def test_a_database_that_is_down_asks_meta_to_come_again(client, desk):
    desk.is_down = True
    answer = client.post(URL, data=b"{}", headers=sign(b"{}"))
    assert (answer.status_code, answer.headers["Retry-After"], desk.notified_count) == (503, "10", 0)


def test_nothing_of_the_failure_reaches_the_answer_or_the_log(client, desk, caplog):
    desk.is_down = True
    assert client.post(URL, data=b"{}", headers=sign(b"{}")).data == b""
    assert "postgres" not in caplog.text


# The rest


def test_alive_says_nothing_of_ready(client, desk):
    desk.is_down = True
    desk.is_ready = False
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503


def test_ready_when_a_body_could_be_stored(client):
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("path", [URL, "/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(client, path, method):
    assert client.open(path, method=method).status_code == 405


@pytest.mark.parametrize("path", ["/", "/static/x", "/webhooks", URL + "/", "/metrics"])
def test_there_is_no_other_route(client, path):
    assert client.get(path).status_code == 404


def test_the_unavailable_inbox_is_an_exception_of_its_own():
    assert not issubclass(InboxUnavailable, OSError)
