"""The receiver as it runs: gunicorn by the command of the Procfile, a Postgres and a Valkey of its own."""

import gzip
import hashlib
import hmac
import os
import resource
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import psycopg
import pytest
import requests

from campaigns.store.database import Database
from devstack.ports import LOOPBACK, free_port
from devstack.stack import await_http
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.store.rows import PATIENT, fetch
from tests.webhooks.webhook_bodies import APP_SECRET


@pytest.fixture
def read_bodies(stack):
    """What is stored, by a connection of the test's own."""

    def read():
        database = Database(stack.database_url, max_connections=1, **PATIENT)
        database.open()
        bodies = fetch(database, "SELECT body FROM webhook_events ORDER BY id")
        database.close()
        return bodies

    return read


def post(stack, body, *, secret=APP_SECRET, signed=None, **headers):
    signature = hmac.digest(secret.encode(), body if signed is None else signed, hashlib.sha256).hex()
    headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json", **headers}
    return requests.post(
        f"{stack.webhooks_url}/webhooks/whatsapp", data=body, headers=headers, timeout=PATIENCE_SECONDS
    )


def is_ready(stack):
    return requests.get(f"{stack.webhooks_url}/readyz", timeout=PATIENCE_SECONDS).status_code == 200


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
    assert requests.get(f"{stack.webhooks_url}/webhooks/whatsapp", params=asked, timeout=PATIENCE_SECONDS).text == "42"


@pytest.fixture
def connect(stack):
    """Opens connections, and sends the beginning of a request on each."""
    opened = []
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit[0], min(limit[1], 2 * CLIENTS)), limit[1]))

    def open_one(beginning):
        opened.append(socket.create_connection((LOOPBACK, int(stack.environment["PORT"])), timeout=PATIENCE_SECONDS))
        opened[-1].sendall(beginning)
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)


HEAD = b"POST /webhooks/whatsapp HTTP/1.1\r\nHost: x\r\n"
SLOW_BODIES = [HEAD + b"Content-Length: 3000000\r\n\r\n{", HEAD + b"Content-Length: 10\r\n\r\n"]
SLOW_BODIES += [HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n"]
CLIENTS = 2_500  # five times the connections of a process
SLOW_HEADS = [b"", b"POST /web", HEAD]


@pytest.mark.parametrize(
    "beginnings", [SLOW_BODIES, SLOW_HEADS, SLOW_BODIES + SLOW_HEADS], ids=["bodies", "heads", "both"]
)
def test_more_slow_clients_than_there_are_connections_hold_nobody_up(stack, connect, read_bodies, beginnings):
    slow = [connect(beginning) for beginning in CLIENTS // len(beginnings) * beginnings]
    assert post(stack, b'{"slow": 1}').status_code == 200
    for each in slow:
        with suppress(OSError):
            each.sendall(b"x")
    assert post(stack, b'{"slow": 2}').status_code == 200
    assert read_bodies()[-2:] == [b'{"slow": 1}', b'{"slow": 2}']
    if beginnings == SLOW_BODIES:
        wait_for(lambda: "too slow" in stack.roles[0].log_path.read_text())


UNSIGNED = HEAD + b"Content-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    "post", [UNSIGNED, HEAD + b"X-Empty:\r\nContent-Length: 2\r\n\r\n{}"], ids=["short", "gunicorn"]
)
def test_a_client_that_reads_no_answer_does_not_hold_its_connection(stack, connect, post):
    connection = connect(post)

    def flood():
        while True:
            connection.sendall(1_000 * post)

    with pytest.raises(ConnectionError):
        flood()
    assert is_ready(stack)
    assert "Socket error" not in stack.roles[0].log_path.read_text()


def test_a_connection_that_rests_is_answered_when_it_is_used_again(stack, connect):
    """Who closes it first loses a webhook that is just on its way: that must never be we."""
    connection = connect(UNSIGNED)
    assert connection.recv(4096)[9:12] == b"401"
    time.sleep(3.5)  # gunicorn's own patience is 2 s, and that of a crowd 1 s
    connection.sendall(UNSIGNED)
    assert connection.recv(4096)[9:12] == b"401"


def test_connections_that_rest_do_not_keep_the_receiver_from_ending(stack, connect):
    assert {connect(UNSIGNED).recv(4096)[9:12] for _ in range(20)} == {b"401"}
    [role] = stack.roles
    role.stop()
    assert "Shutting down: Master" in role.log_path.read_text(), "not killed after its time to drain"
    stack.roles.remove(role)
    stack.start_role("webhooks")
    await_http(f"{stack.webhooks_url}/healthz", stack)


def test_several_processes_behind_one_port_store_all_that_they_answer(stack, read_bodies):
    """One of three processes is killed meanwhile. Its connections break, and each body that got a 200 is stored."""
    port = free_port()
    role = stack.start_role("several", role="webhooks", environment={"PORT": str(port), "WEB_CONCURRENCY": "3"})
    url = f"http://{LOOPBACK}:{port}"
    await_http(f"{url}/healthz", stack)

    def post_some(sender):
        stored = set()
        with requests.Session() as session:
            for number in range(100):
                body = b'{"several": [%d, %d]}' % (sender, number)
                signature = hmac.digest(APP_SECRET.encode(), body, hashlib.sha256).hex()
                with suppress(requests.ConnectionError):  # its process was killed
                    answer = session.post(
                        f"{url}/webhooks/whatsapp",
                        data=body,
                        headers={"X-Hub-Signature-256": f"sha256={signature}"},
                        timeout=PATIENCE_SECONDS,
                    )
                    assert answer.status_code == 200
                    stored.add(body)
        return stored

    with ThreadPoolExecutor(12) as senders:
        results = [senders.submit(post_some, sender) for sender in range(12)]
        children = wait_for(lambda: len(found := psutil.Process(role.pid).children()) == 3 and found)
        children[0].kill()
        answered = set().union(*(result.result() for result in results))
    assert len(answered) > 1_000
    assert answered <= set(read_bodies())
    role.stop()
    stack.roles.remove(role)
    assert "Shutting down: Master" in role.log_path.read_text(), "not killed after its time to drain"


def test_a_post_that_is_half_sent_at_the_end_of_the_receiver_is_answered(stack, connect, read_bodies):
    signature = hmac.digest(APP_SECRET.encode(), b'{"last": 1}', hashlib.sha256).hex().encode()
    connection = connect(HEAD + b"X-Hub-Signature-256: sha256=%b\r\nContent-Length: 11\r\n\r\n" % signature)
    idle = connect(UNSIGNED)
    assert idle.recv(4096)[9:12] == b"401"
    [role] = stack.roles
    os.kill(role.pid, signal.SIGTERM)
    assert idle.recv(4096) == b""  # now it is ending
    connection.sendall(b'{"last": 1}')
    answer = connection.recv(4096)
    assert (answer[9:12], b"Connection: close" in answer, connection.recv(4096)) == (b"200", True, b"")
    role.stop()
    stack.roles.remove(role)
    stack.start_role("webhooks")
    await_http(f"{stack.webhooks_url}/healthz", stack)
    assert read_bodies()[-1] == b'{"last": 1}'


@pytest.mark.parametrize(
    "request_text",
    [
        HEAD + b"Content-Length: 99\r\nConnection: close\r\n\r\n{}",
        HEAD + b"Content-Length: -2\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nno number\r\n{}",
        HEAD + b"Content-Length: 99999999\r\n\r\n{}",
        HEAD + b"".join(b"X-%d: 1\r\n" % number for number in range(500)) + b"Content-Length: 2\r\n\r\n{}",
        HEAD + b"X: " + b"x" * 100_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /webhooks/whatsapp" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        HEAD + b"X-Hub-Signature-256 : sha256=0\r\nContent-Length: 2\r\n\r\n{}",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=lambda text: repr(text[45:90]),
)
def test_a_request_that_lies_is_refused_and_nothing_is_stored(stack, connect, read_bodies, request_text):
    before = read_bodies()
    connection = connect(request_text)
    with suppress(OSError):  # it may be closed already
        connection.shutdown(socket.SHUT_WR)
    with suppress(ConnectionResetError):
        assert connection.recv(12)[9:10] in {b"4", b""}
    assert read_bodies() == before
    assert post(stack, b"{}").status_code == 200


def test_a_compressed_or_chunked_body_is_stored_as_it_was_signed(stack, read_bodies):
    squeezed = gzip.compress(b"x" * 10_000_000)  # nobody here unpacks it
    assert post(stack, squeezed, **{"Content-Encoding": "gzip"}).status_code == 200
    assert post(stack, iter([b'{"a":', b"1}"]), signed=b'{"a":1}').status_code == 200
    assert read_bodies()[-2:] == [squeezed, b'{"a":1}']


def test_signatures_are_of_the_body_by_the_secret_of_today(stack, read_bodies):
    good = hmac.digest(APP_SECRET.encode(), b"{}", hashlib.sha256).hex()
    before = read_bodies()
    for signature in (
        f"sha256={good.upper()}",
        f"SHA256={good}",
        good,
        f"sha256={good}, sha256={good}",
        f"sha1={hmac.digest(APP_SECRET.encode(), b'{}', hashlib.sha1).hex()}",
        f"sha256={hmac.digest(b'an old secret', b'{}', hashlib.sha256).hex()}",
        f"sha256={hmac.digest(APP_SECRET.encode(), b'{} ', hashlib.sha256).hex()}",
    ):
        assert post(stack, b"{}", **{"X-Hub-Signature-256": signature}).status_code == 401
    assert read_bodies() == before


def test_a_frozen_broker_holds_no_answer_up(stack, read_bodies):
    stack.valkey.freeze()
    try:
        assert [post(stack, b'{"frozen": %d}' % number).status_code for number in range(3)] == [200] * 3
    finally:
        stack.valkey.thaw()
    assert read_bodies()[-3:] == [b'{"frozen": %d}' % number for number in range(3)]


def test_the_receiver_answers_others_while_a_body_waits_to_be_stored(stack):
    """If psycopg did not wait as gevent does, the process would stop at a statement that waits."""
    waits = "SELECT pid, waitstart FROM pg_locks WHERE NOT granted AND relation = 'webhook_events'::regclass"
    with ThreadPoolExecutor(1) as meta:
        with psycopg.connect(stack.database_url) as connection:
            connection.execute("LOCK TABLE webhook_events IN ACCESS EXCLUSIVE MODE")
            posted = meta.submit(post, stack, b'{"waits": 1}')
            before = wait_for(lambda: [row for row in connection.execute(waits).fetchall() if row[1] is not None])
            assert requests.get(f"{stack.webhooks_url}/healthz", timeout=PATIENCE_SECONDS).status_code == 200
            assert connection.execute(waits).fetchall() == before
        assert posted.result().status_code in {200, 503}  # 503 if the wait for the lock has ended before


def test_a_body_that_cannot_be_stored_is_refused_while_postgres_is_down_and_taken_later(stack, read_bodies):
    assert is_ready(stack)
    stack.postgres.stop()
    refused = post(stack, b'{"down": 1}')
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
    assert not is_ready(stack)
    assert requests.get(f"{stack.webhooks_url}/healthz", timeout=PATIENCE_SECONDS).status_code == 200
    stack.postgres.restart()
    wait_for(lambda: post(stack, b'{"up": 1}').status_code == 200)
    assert is_ready(stack)
    assert b'{"up": 1}' in read_bodies()
