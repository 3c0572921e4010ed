"""The receiver as it runs: gunicorn by the command of the Procfile, a Postgres and a Valkey of its own."""

import hashlib
import hmac
import time

import pytest
import requests

from campaigns.store.database import Database
from campaigns.store.migrate import migrate
from devstack.ports import LOOPBACK, free_port
from devstack.server import wait_until
from devstack.stack import Stack, await_http
from tests.store.rows import fetch

SECRET = "an app secret"
WAIT_SECONDS = 2.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("service"), {}) as stack:
        stack.postgres = stack.start_postgres(fsync=False)
        stack.valkey = stack.start_valkey()
        stack.database_url = stack.postgres.create_database("revoada")
        migrate(stack.database_url)
        stack.environment |= {
            "DATABASE_URL": stack.database_url,
            "REDIS_URL": stack.valkey.url,
            "META_APP_SECRET": SECRET,
            "META_VERIFY_TOKEN": "a verify token",
            "REVOADA_INBOX_WAIT_SECONDS": str(WAIT_SECONDS),
            "HOST": LOOPBACK,
            "PORT": str(free_port()),
        }
        stack.start_role("webhooks")
        await_http(f"{stack.webhooks_url}/healthz", stack)
        yield stack


@pytest.fixture
def read_bodies(stack):
    """What is stored, by a connection of the test's own."""

    def read():
        database = Database(stack.database_url, max_connections=1)
        database.open()
        bodies = fetch(database, "SELECT body FROM webhook_events ORDER BY id")
        database.close()
        return bodies

    return read


def post(stack, body, *, secret=SECRET):
    signature = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}
    return requests.post(f"{stack.webhooks_url}/webhooks/whatsapp", data=body, headers=headers, timeout=20)


def is_ready(stack):
    return requests.get(f"{stack.webhooks_url}/readyz", timeout=20).status_code == 200


def test_a_signed_body_is_stored_as_it_came(stack, read_bodies):
    body = b'{"entry": [], "name": "\\u00e9 \xff"}'
    assert post(stack, body).status_code == 200
    assert read_bodies()[-1] == body


def test_a_wrong_signature_is_refused_and_nothing_is_stored(stack, read_bodies):
    before = read_bodies()
    answer = post(stack, b"{}", secret="another")
    assert (answer.status_code, answer.content) == (401, b"")
    assert read_bodies() == before


def test_the_handshake_echoes_the_challenge(stack):
    asked = {"hub.mode": "subscribe", "hub.verify_token": "a verify token", "hub.challenge": "42"}
    assert requests.get(f"{stack.webhooks_url}/webhooks/whatsapp", params=asked, timeout=20).text == "42"


def test_a_frozen_broker_holds_no_answer_up(stack, read_bodies):
    stack.valkey.freeze()
    try:
        started = time.monotonic()
        assert [post(stack, b'{"frozen": %d}' % number).status_code for number in range(3)] == [200] * 3
        assert time.monotonic() - started < 3
    finally:
        stack.valkey.thaw()
    assert read_bodies()[-3:] == [b'{"frozen": %d}' % number for number in range(3)]


def test_a_body_that_cannot_be_stored_is_refused_in_time_and_taken_later(stack, read_bodies):
    assert is_ready(stack)
    stack.postgres.stop()
    started = time.monotonic()
    refused = post(stack, b'{"down": 1}')
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
    assert time.monotonic() - started < WAIT_SECONDS + 3
    assert not is_ready(stack)
    assert requests.get(f"{stack.webhooks_url}/healthz", timeout=20).status_code == 200
    stack.postgres.restart()
    assert wait_until(lambda: post(stack, b'{"up": 1}').status_code == 200, 20)
    assert is_ready(stack)
    assert b'{"up": 1}' in read_bodies()
