"""Flask and the production server give the same answers, also to the posts that the server takes by its shorter way."""

import hashlib
import hmac
import socket
from contextlib import closing
from http.client import HTTPResponse

import pytest

from campaigns.store.database import Database
from campaigns.store.events import insert_events
from devstack.ports import LOOPBACK
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.store.rows import fetch
from tests.webhooks.webhook_bodies import APP_SECRET, VERIFY_TOKEN
from webhooks.receiver.app import MAX_BODY_BYTES, PATH, make_app
from webhooks.receiver.inbox import Inbox
from webhooks.receiver.notifier import Notifier
from webhooks.receiver.posts import read_head

TEXT = "text/plain; charset=utf-8"


@pytest.fixture
def database(stack):
    # With the patience of the roles, so that it gives up as soon as they do when Postgres is down.
    with closing(Database(stack.database_url, max_connections=2, name="a test")) as database:
        database.open()
        yield database


# The ways of a request: to the application alone, through gunicorn and the application, and the server's shorter way.
@pytest.fixture(params=["flask", "gunicorn", "short"])
def ask(request, stack, database):
    def ask_flask(method, target, body, headers):
        app = make_app(
            app_secret=APP_SECRET,
            verify_token=VERIFY_TOKEN,
            inbox=Inbox(lambda bodies: database.run(insert_events, bodies), wait_seconds=PATIENCE_SECONDS),
            notifier=Notifier(lambda: None),
            is_ready=database.is_ready,
        )
        answer = app.test_client().open(target, method=method, data=body, headers=headers)
        return answer.status_code, answer.data, answer.headers

    def ask_server(method, target, body, headers):
        # The shorter way leaves a head with an empty header to gunicorn.
        lines = [f"{method} {target} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["X-Empty:"] if request.param == "gunicorn" else []
        sent = "\r\n".join([*lines, "", ""]).encode() + body
        is_post = (method, target) == ("POST", PATH) and len(body) <= MAX_BODY_BYTES
        assert (read_head(sent) is not None) == (request.param == "short" and is_post)
        address = (LOOPBACK, int(stack.environment["PORT"]))
        with socket.create_connection(address, timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(sent)
            answer = HTTPResponse(connection, method=method)
            answer.begin()
            return answer.status, answer.read(), answer.headers

    def ask_any(method, target, body=b"", headers=None):
        send = ask_flask if request.param == "flask" else ask_server
        status, content, got = send(method, target, body, headers or {})
        assert got.get("Connection") == (None if request.param == "flask" else "keep-alive")
        return status, content, got.get("Content-Type"), got.get("Retry-After")

    return ask_any


def sign(body, secret=APP_SECRET):
    return {"X-Hub-Signature-256": f"sha256={hmac.digest(secret.encode(), body, hashlib.sha256).hex()}"}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"name": "\xff"}', b"x" * 200_000, b"x" * MAX_BODY_BYTES], ids=len)
def test_a_signed_body_is_stored_before_it_is_answered(ask, database, body):
    assert ask("POST", PATH, body, sign(body)) == (200, b"EVENT_RECEIVED", TEXT, None)
    assert fetch(database, "SELECT body FROM webhook_events ORDER BY id")[-1] == body


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": "sha256="},
        {"X-Hub-Signature-256": sign(b"{}")["X-Hub-Signature-256"].upper()},
        {"X-Hub-Signature": sign(b"{}")["X-Hub-Signature-256"]},
        sign(b"{}", "another"),
        sign(b"{} "),
    ],
)
def test_an_unsigned_body_is_refused(ask, database, headers):
    before = fetch(database, "SELECT count(*) FROM webhook_events")
    assert ask("POST", PATH, b"{}", headers) == (401, b"", TEXT, None)
    assert fetch(database, "SELECT count(*) FROM webhook_events") == before


def test_a_larger_body_is_refused(ask):
    """Of 3 MB and one byte, which the server reads whole, and so the connection stays open."""
    body = b"x" * (MAX_BODY_BYTES + 1)
    assert ask("POST", PATH, body, sign(body)) == (413, b"", TEXT, None)


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        (f"{PATH}?hub.mode=subscribe&hub.verify_token=a+verify+token&hub.challenge=42", 200, b"42"),
        (f"{PATH}?hub.mode=subscribe&hub.verify_token=another&hub.challenge=42", 403, b""),
        (PATH, 403, b""),
        ("/healthz", 200, b"ok"),
        ("/readyz", 200, b"ready"),
    ],
)
def test_other_requests_have_their_answers(ask, target, status, body):
    assert ask("GET", target) == (status, body, TEXT, None)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("HEAD", PATH, 405), ("PUT", PATH, 405), ("POST", "/healthz", 405), ("POST", f"{PATH}/", 404), ("GET", "/", 404)],
)
def test_nothing_else_is_served(ask, method, target, status):
    assert ask(method, target)[0] == status


def test_meta_is_asked_to_come_again_while_postgres_is_down(ask, stack, database):
    stack.postgres.stop()
    try:
        assert ask("POST", PATH, b"{}", sign(b"{}")) == (503, b"", TEXT, "10")
        assert ask("GET", "/readyz") == (503, b"not ready", TEXT, None)
    finally:
        stack.postgres.restart()
    wait_for(lambda: ask("POST", PATH, b"{}", sign(b"{}"))[0] == 200)
