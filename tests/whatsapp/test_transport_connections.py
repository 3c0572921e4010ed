"""How the transport opens connections: the authorities it trusts, resumed TLS sessions, and bursts of requests."""

from __future__ import annotations

import contextlib
import math
import socketserver
import threading
from collections import deque
from types import SimpleNamespace

import pytest

from campaigns.domain.verdict import Accepted, NotSent
from campaigns.whatsapp.mailbox import Mailbox, Request
from campaigns.whatsapp.transport import Transport
from tests.faults.stray_replies import make_authority
from tests.simulator.far_end import PATIENCE_SECONDS, SimulatorClient, start_simulator, wait_for
from tests.support.serving import serving

FOR_EVER = SimpleNamespace(deadline=math.inf)
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
LAST_REPLY = REPLY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
BODY = (
    b'{"messaging_product":"whatsapp","to":"+4915112345678","type":"template",'
    b'"template":{"name":"spring_sale","language":{"code":"de"}}}'
)


@pytest.fixture
def make_transport():
    with contextlib.ExitStack() as stack:

        def make(**options):
            transport = Transport(connect_timeout=PATIENCE_SECONDS, total_timeout=PATIENCE_SECONDS, **options)
            stack.callback(transport.close)
            return transport

        yield make


@contextlib.contextmanager
def serve(*, context=None, gate=None, reply=REPLY):
    """Serve each connection until it ends; answer once `gate` is set. Records the connections and their sessions."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                connection = context.wrap_socket(self.request, server_side=True) if context else self.request
                server.were_resumed.append(bool(context) and connection.session_reused)
                while connection.recv(65536):
                    server.requests.append(self.client_address)
                    assert gate is None or gate.wait(PATIENCE_SECONDS)
                    connection.sendall(reply)
                    if reply is LAST_REPLY:
                        return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close, request_queue_size = True, False, 1024

    with serving(Server(("127.0.0.1", 0), Handler)) as server:
        server.requests, server.were_resumed = [], []
        server.url = f"http{'s' if context else ''}://127.0.0.1:{server.server_address[1]}/"
        yield server


def send(transport, url, count=1):
    """Send `count` requests; return their replies."""
    mailbox, replies = Mailbox(), []
    transport.submit([Request(n, url, ["Authorization: Bearer t"], BODY, FOR_EVER) for n in range(count)], mailbox)
    while len(replies) < count:
        got = mailbox.collect(timeout_seconds=PATIENCE_SECONDS, linger_seconds=0, batch_count=1)
        assert got, "no reply came"
        replies += got
    return replies


def test_the_given_authority_is_trusted_and_no_other(make_transport, tmp_path):
    ca_file = tmp_path / "ca.pem"
    with start_simulator("--ca-file", str(ca_file)) as (process, plain):
        url = f"{process.stdout.readline().split()[-1]}/v24.0/1/messages"
        (trusted,) = send(make_transport(ca_file=str(ca_file)), url)
        (refused,) = send(make_transport(), url)
        assert SimulatorClient(plain).stats()["accepted"] == 1
    assert isinstance(trusted.verdict, Accepted)
    assert (refused.verdict, refused.has_left) == (NotSent("the certificate is not valid", is_unreachable=True), False)


def test_a_connection_resumes_the_session_of_an_earlier_one(make_transport, tmp_path):
    context, ca_file = make_authority(tmp_path)
    gate = threading.Event()
    transport = make_transport(ca_file=str(ca_file))
    with serve(context=context, gate=gate) as server:
        gate.set()
        send(transport, server.url)
        gate.clear()
        requests = [Request(n, server.url, ["Authorization: Bearer t"], BODY, FOR_EVER) for n in range(2)]
        transport.submit(requests, Mailbox())  # two new connections, because `{}` is no acceptance
        wait_for(lambda: len(server.requests) == 3)
        gate.set()
        assert server.were_resumed == [False, True, True]


def test_a_burst_opens_more_connections_only_as_replies_are_missing(make_transport):
    """A server that sends no replies gets all requests in the end, because the average number of connections grows."""
    gate, count = threading.Event(), 600
    transport = make_transport()
    mailbox = Mailbox()
    with serve(gate=gate) as server:
        requests = [Request(n, server.url, ["Authorization: Bearer t"], BODY, FOR_EVER) for n in range(count)]
        transport.submit(requests, mailbox)
        wait_for(lambda: len(server.requests) >= 256)
        wait_for(lambda: len(server.requests) == count)
        gate.set()
        replies = []
        while len(replies) < count:
            replies += mailbox.collect(timeout_seconds=PATIENCE_SECONDS, linger_seconds=0, batch_count=1)
    assert {reply.has_left for reply in replies} == {True}


def test_one_campaign_does_not_wait_for_the_requests_of_another_that_hang(make_transport):
    gate, count = threading.Event(), 2_000
    transport, mailbox = make_transport(), Mailbox()
    with serve(gate=gate) as hanging, serve() as server:
        requests = [Request(n, hanging.url, ["Authorization: Bearer t"], BODY, FOR_EVER) for n in range(count)]
        transport.submit(requests, mailbox)
        wait_for(lambda: len(hanging.requests) >= 256)
        send(transport, server.url)
        left_count = len(hanging.requests)
        gate.set()
    assert left_count < count / 2


def test_slices_with_many_and_with_few_requests_start_in_turn(make_transport):
    """Of two slices with many requests, each starts 32 in its turn; one of few requests comes after each of them."""
    transport = make_transport()
    many, more, few, fewer = (Mailbox() for _ in range(4))
    for queue, mailbox, count in (
        (transport._many, many, 40),
        (transport._many, more, 33),
        (transport._few, few, 3),
        (transport._few, fewer, 1),
    ):
        queue[mailbox] = deque(Request(n, "", [], b"", FOR_EVER) for n in range(count))
        transport._queued_count += count
    names = {many: "m", more: "M", few: "f", fewer: "F"}
    order = "".join(names[transport._take_queued()[1]] for _ in range(77))
    assert order == "fmFmfmfm" + 28 * "m" + 32 * "M" + 8 * "m" + "M"
    assert (transport._queued_count, transport._many, transport._few) == (0, {}, {})


def test_a_slice_with_few_requests_does_not_wait_for_one_with_many(make_transport, monkeypatch):
    """There is one connection, and another slice has submitted 500 requests before."""
    monkeypatch.setattr("campaigns.whatsapp.transport._MAX_CONNECTIONS", 1)
    gate, transport = threading.Event(), make_transport()
    with serve(gate=gate) as server:
        requests = [Request(n, server.url, ["Authorization: Bearer t"], BODY, FOR_EVER) for n in range(500)]
        transport.submit(requests, Mailbox())
        wait_for(lambda: len(server.requests) == 1)
        mailbox = Mailbox()
        transport.submit([Request(0, server.url, ["Authorization: Bearer t"], BODY, FOR_EVER)], mailbox)
        wait_for(lambda: transport._few)
        gate.set()
        assert mailbox.collect(timeout_seconds=PATIENCE_SECONDS, linger_seconds=0, batch_count=1)
        assert len(server.requests) < 100


@pytest.mark.parametrize(("descriptors", "connections"), [(90, 1), (140, 12), (1024, 768), (4096, 2048), (65536, 2048)])
def test_descriptors_are_left_to_other_connections(make_transport, monkeypatch, descriptors, connections):
    """Valkey has a connection for each slot that asks at the same time."""
    monkeypatch.setattr("campaigns.whatsapp.transport._raise_descriptor_limit", lambda: descriptors)
    assert make_transport()._max_connections == connections
