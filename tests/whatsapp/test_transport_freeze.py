"""What a process does with replies that came while it was frozen, for example while its machine was suspended."""

from __future__ import annotations

import contextlib
import math
import resource
import socketserver
import threading
import time
from types import SimpleNamespace

import pytest

from campaigns.domain.verdict import Accepted, NotSent
from campaigns.whatsapp.mailbox import Mailbox, Request
from campaigns.whatsapp.transport import Transport
from tests.faults.stray_replies import make_authority
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.support.serving import serving

FOR_EVER = SimpleNamespace(deadline=math.inf)
BODY = b'{"to":"+5511999990001"}'
TIMEOUT_SECONDS = 1.0


def write_reply(number):
    """Return the head and the body of an acceptance."""
    body = b'{"messages":[{"id":"wamid.%d"}]}' % number
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body


class FreezingMailbox(Mailbox):
    """Freezes the thread of the transport with the first reply, until `thaw` is set and the timeout has passed."""

    def __init__(self):
        super().__init__()
        self.frozen, self.thaw = threading.Event(), threading.Event()

    def put(self, replies):
        super().put(replies)
        self.frozen.set()
        assert self.thaw.wait(PATIENCE_SECONDS)
        time.sleep(2 * TIMEOUT_SECONDS)


@contextlib.contextmanager
def serve(handle):
    """Call `handle(connection, number)` in a thread for each connection."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                numbers.append(None)
                handle(self.request, len(numbers))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close, request_queue_size = True, False, 4096

    numbers = []
    with serving(Server(("127.0.0.1", 0), Handler)) as server:
        yield f"127.0.0.1:{server.server_address[1]}/"


def answer(connection, number):
    assert connection.recv(65536)
    connection.sendall(b"".join(write_reply(1_000_000 + number)))


@contextlib.contextmanager
def freeze(transport):
    """Freeze the transport before the block, and after it until a total timeout of `TIMEOUT_SECONDS` has passed."""
    mailbox = FreezingMailbox()
    with serve(answer) as address:
        transport.submit([Request(0, f"http://{address}", [], b"{}", FOR_EVER)], mailbox)
        assert mailbox.frozen.wait(PATIENCE_SECONDS)
        transport._total_timeout = TIMEOUT_SECONDS
        try:
            yield
        finally:
            mailbox.thaw.set()


def collect(mailbox, count):
    replies = []
    while len(replies) < count:
        replies += mailbox.collect(timeout_seconds=PATIENCE_SECONDS, linger_seconds=0, batch_count=1)
    return replies


@pytest.fixture
def secure(tmp_path):
    """A context of TLS, and a transport that trusts its authority."""
    context, ca_file = make_authority(tmp_path)
    transport = Transport(connect_timeout=PATIENCE_SECONDS, total_timeout=PATIENCE_SECONDS, ca_file=str(ca_file))
    yield context, transport
    transport.close()


def test_a_reply_of_several_tls_records_is_read_before_the_timeout_counts(secure):
    context, transport = secure
    has_request, go_on, has_replied = threading.Event(), threading.Event(), threading.Event()

    def handle(plain, number):
        with context.wrap_socket(plain, server_side=True) as connection:
            assert connection.recv(65536)
            has_request.set()
            assert go_on.wait(PATIENCE_SECONDS)
            for part in write_reply(number):
                connection.sendall(part)
            has_replied.set()
            connection.recv(65536)

    mailbox = Mailbox()
    with serve(handle) as address:
        transport.submit([Request(0, f"https://{address}", [], BODY, FOR_EVER)], mailbox)
        assert has_request.wait(PATIENCE_SECONDS)
        with freeze(transport):
            go_on.set()
            assert has_replied.wait(PATIENCE_SECONDS)
        (reply,) = collect(mailbox, 1)
    assert reply.verdict == Accepted("wamid.1")


def test_more_replies_than_epoll_reports_at_a_time_are_read_before_the_timeout_counts():
    if 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 4096:
        pytest.skip("this machine does not allow so many descriptors")
    count, go_on = 1_200, threading.Event()
    requests, replies = threading.Semaphore(0), threading.Semaphore(0)

    def handle(connection, number):
        assert connection.recv(65536)
        requests.release()
        assert go_on.wait(PATIENCE_SECONDS)
        connection.sendall(b"".join(write_reply(number)))
        replies.release()
        connection.recv(65536)

    transport = Transport(connect_timeout=PATIENCE_SECONDS, total_timeout=PATIENCE_SECONDS)
    transport._limit = SimpleNamespace(note=lambda *_, **__: None, allowed=2_048)
    mailbox = Mailbox()
    with serve(handle) as address:
        transport.submit([Request(n, f"http://{address}", [], BODY, FOR_EVER) for n in range(count)], mailbox)
        for _ in range(count):
            assert requests.acquire(timeout=PATIENCE_SECONDS)
        with freeze(transport):
            go_on.set()
            for _ in range(count):
                assert replies.acquire(timeout=PATIENCE_SECONDS)
        got = collect(mailbox, count)
    transport.close()
    assert {reply.error for reply in got} == {""}


def test_nothing_leaves_on_a_connection_that_opened_too_late(secure):
    context, transport = secure
    has_connection, go_on, received = threading.Event(), threading.Event(), []

    def handle(plain, _):
        has_connection.set()
        assert go_on.wait(PATIENCE_SECONDS)
        try:
            with context.wrap_socket(plain, server_side=True) as connection:
                received.append(connection.recv(65536))
        except OSError:
            received.append(b"")

    mailbox = Mailbox()
    with serve(handle) as address:
        transport.submit([Request(0, f"https://{address}", [], BODY, FOR_EVER)], mailbox)
        assert has_connection.wait(PATIENCE_SECONDS)
        with freeze(transport):
            go_on.set()
        (reply,) = collect(mailbox, 1)
        wait_for(lambda: received)
    assert (reply.verdict, received) == (NotSent("timeout", is_unreachable=True), [b""])
