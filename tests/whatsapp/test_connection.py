"""How a connection is opened (addresses, proxies), and how requests leave and replies are read on it."""

from __future__ import annotations

import base64
import contextlib
import math
import select
import socket
import socketserver
import ssl
import threading
from types import SimpleNamespace

import pytest

from campaigns.domain.failures import STRAY_REPLY
from campaigns.domain.verdict import Accepted, NotSent, Rejected, Unknown
from campaigns.whatsapp.connection import Connection
from campaigns.whatsapp.mailbox import Mailbox, Request
from campaigns.whatsapp.resolver import Address, Resolver
from campaigns.whatsapp.transport import Transport
from tests.faults.stray_replies import make_authority
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.support.serving import serving

FOR_EVER = SimpleNamespace(deadline=math.inf)
BODY = b'{"to":"+5511999990001"}'
ACCEPTED = b'{"messages":[{"id":"wamid.%d"}]}'
REFUSED = b'{"error":{"code":131056}}'


def write(body, status=b"200 OK", *headers):
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


class Server(socketserver.ThreadingTCPServer):
    """Gives the requests of all connections these replies in turn, and closes a connection after the last."""

    daemon_threads, block_on_close, request_queue_size = True, False, 128

    def __init__(self, *replies, context=None, host="127.0.0.1"):
        self.replies, self.context = list(replies), context
        self.connection_count, self.received = 0, b""
        super().__init__((host, 0), _Handler)
        self.port = self.server_address[1]
        self.url = f"http{'s' if context else ''}://{host}:{self.port}/"


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        server = self.server
        server.connection_count += 1
        with contextlib.suppress(OSError):
            connection = server.context.wrap_socket(self.request, server_side=True) if server.context else self.request
            while server.replies and (received := connection.recv(65536)):
                server.received += received
                connection.sendall(server.replies.pop(0))


@pytest.fixture
def serve():
    with contextlib.ExitStack() as stack:
        yield lambda *replies, **options: stack.enter_context(serving(Server(*replies, **options)))


@pytest.fixture
def make_transport():
    with contextlib.ExitStack() as stack:

        def make(**options):
            options = {"connect_timeout": PATIENCE_SECONDS, "total_timeout": PATIENCE_SECONDS} | options
            transport = Transport(**options)
            stack.callback(transport.close)
            return transport

        yield make


@pytest.fixture
def transport(make_transport):
    return make_transport()


def send(transport, *urls, body=BODY):
    """Send a request to each URL at once; return the replies in the order of the URLs."""
    mailbox, replies = Mailbox(), []
    transport.submit(
        [Request(n, url, ["Authorization: Bearer t"], body, FOR_EVER) for n, url in enumerate(urls)], mailbox
    )
    while len(replies) < len(urls):
        got = mailbox.collect(timeout_seconds=PATIENCE_SECONDS, linger_seconds=0, batch_count=1)
        assert got, "no reply came"
        replies += got
    return sorted(replies, key=lambda reply: reply.request.key)


# addresses


@pytest.fixture
def names(monkeypatch):
    """The results of lookups by name: addresses, or an error."""
    found = {}

    def look_up(host, port, **_):
        found.setdefault("asked", []).append(host)
        addresses = found[host]
        if isinstance(addresses, Exception):
            raise addresses
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    monkeypatch.setattr("campaigns.whatsapp.resolver.socket.getaddrinfo", look_up)
    return found


@pytest.fixture
def silent():
    """An address that answers no attempt to connect, because its queue of connections is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()


def test_the_next_address_is_tried_where_one_refuses(transport, serve, names):
    server = serve(write(ACCEPTED % 1), write(ACCEPTED % 2))
    names["graph.example"] = [("127.0.0.1", 9), server.server_address]
    url = f"http://graph.example:{server.port}/"
    assert [reply.verdict for reply in send(transport, url)] == [Accepted("wamid.1")]
    assert [reply.verdict for reply in send(transport, url)] == [Accepted("wamid.2")]
    assert names["asked"] == ["graph.example"]


def test_an_address_that_is_silent_has_its_share_of_the_time(make_transport, serve, names, silent, monkeypatch):
    tried = []

    class Recorded(Connection):
        def __init__(self, target, address, *arguments, **options):
            tried.append(address.sockaddr)
            super().__init__(target, address, *arguments, **options)

    monkeypatch.setattr("campaigns.whatsapp.transport.Connection", Recorded)
    transport = make_transport(connect_timeout=1.0)
    server = serve(write(ACCEPTED % 1), write(ACCEPTED % 2, b"200 OK", b"Connection: close"), write(ACCEPTED % 3))
    names["graph.example"] = [silent, server.server_address]
    url = f"http://graph.example:{server.port}/"
    (reply,) = send(transport, url)
    assert reply.verdict == Accepted("wamid.1")
    assert tried == [silent, server.server_address]
    send(transport, url)
    (later,) = send(transport, url)  # on a new connection, which first tries the address that has answered
    assert (later.verdict, server.connection_count) == (Accepted("wamid.3"), 2)
    assert tried == [silent, server.server_address, server.server_address]


def test_a_server_whose_addresses_are_all_silent_gets_nothing(make_transport, names, silent):
    names["graph.example"] = [silent, silent]
    (reply,) = send(make_transport(connect_timeout=0.3), "http://graph.example/")
    assert reply.verdict == NotSent("timeout", is_unreachable=True)


def test_all_requests_to_an_unknown_name_end_at_once(transport, names):
    names["graph.example"] = socket.gaierror("unknown")
    replies = send(transport, *["http://graph.example/"] * 20)
    assert {reply.verdict for reply in replies} == {NotSent("the name could not be resolved", is_unreachable=True)}
    assert names["asked"] == ["graph.example"]


def test_a_lookup_that_hangs_ends_in_a_timeout(make_transport, monkeypatch):
    over = threading.Event()

    def hang(*_, **__):
        over.wait(PATIENCE_SECONDS)
        return []

    monkeypatch.setattr("campaigns.whatsapp.resolver.socket.getaddrinfo", hang)
    (reply,) = send(make_transport(connect_timeout=0.2), "http://graph.example/")
    over.set()
    assert reply.verdict == NotSent("timeout", is_unreachable=True)


def test_a_lookup_that_cannot_start_is_tried_again(names, monkeypatch):
    now, ended = [0.0], threading.Semaphore(0)
    monkeypatch.setattr("campaigns.whatsapp.resolver.clock", lambda: now[0])
    resolver, names["graph.example"] = Resolver(ended.release), [("192.0.2.1", 443)]

    def refuse(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr("threading.Thread.start", refuse)
        assert resolver.find("graph.example", 443) == []
    now[0] = 2.0
    assert resolver.find("graph.example", 443) is None
    assert ended.acquire(timeout=PATIENCE_SECONDS)
    assert [each.sockaddr for each in resolver.find("graph.example", 443)] == [("192.0.2.1", 443)]


def test_known_addresses_serve_on_while_lookups_fail(names, monkeypatch):
    now, ended = [0.0], threading.Semaphore(0)
    monkeypatch.setattr("campaigns.whatsapp.resolver.clock", lambda: now[0])
    resolver = Resolver(ended.release)

    def find_after_lookup():
        first = resolver.find("graph.example", 443)
        assert ended.acquire(timeout=PATIENCE_SECONDS)
        second = resolver.find("graph.example", 443)
        return [addresses and [each.sockaddr for each in addresses] for addresses in (first, second)]

    names["graph.example"] = [("192.0.2.1", 443)]
    assert find_after_lookup() == [None, [("192.0.2.1", 443)]]
    names["graph.example"] = socket.gaierror("away")
    now[0] = 61.0
    assert find_after_lookup() == [[("192.0.2.1", 443)], [("192.0.2.1", 443)]]
    names["graph.example"] = [("192.0.2.2", 443), ("192.0.2.3", 443)]
    now[0] = 63.0
    assert find_after_lookup() == [[("192.0.2.1", 443)], [("192.0.2.2", 443), ("192.0.2.3", 443)]]
    resolver.prefer("graph.example", 443, Address(socket.AF_INET, ("192.0.2.3", 443)))
    now[0] = 124.0
    assert find_after_lookup() == [[("192.0.2.3", 443), ("192.0.2.2", 443)]] * 2  # it stays the first


def test_an_ipv6_server_is_reached(transport, serve):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")

    class Server6(Server):
        address_family = socket.AF_INET6

    with serving(Server6(write(ACCEPTED % 1), host="::1")) as server:
        (reply,) = send(transport, f"http://[::1]:{server.port}/v24.0")
    assert reply.verdict == Accepted("wamid.1")
    assert f"POST /v24.0 HTTP/1.1\r\nHost: [::1]:{server.port}\r\n".encode() in server.received


# proxies


class Proxy(socketserver.ThreadingTCPServer):
    """Answers CONNECT, and connects to the port that was asked for."""

    daemon_threads, block_on_close = True, False

    def __init__(self, answer=b"HTTP/1.1 200 Connection established\r\n\r\n"):
        self.answer, self.heads = answer, []
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.netloc = f"127.0.0.1:{self.server_address[1]}"


class _ProxyHandler(socketserver.BaseRequestHandler):
    def handle(self):
        head = self.request.recv(65536)
        self.server.heads.append(head)
        self.request.sendall(self.server.answer)
        if not self.server.answer.startswith(b"HTTP/1.1 200"):
            return
        port = int(head.split(b" ")[1].rpartition(b":")[2])
        with socket.create_connection(("127.0.0.1", port)) as server, contextlib.suppress(OSError):
            while True:
                ready, _, _ = select.select([server, self.request], [], [], PATIENCE_SECONDS)
                for source in ready:
                    if not (data := source.recv(65536)):
                        return
                    (server if source is self.request else self.request).sendall(data)


@pytest.fixture
def secure(serve, make_transport, tmp_path):
    """A server that speaks TLS, and a transport that trusts it."""
    context, ca_file = make_authority(tmp_path)
    return serve(write(ACCEPTED % 1), context=context), make_transport(ca_file=str(ca_file))


def test_https_goes_through_the_proxy_of_the_environment(secure, monkeypatch):
    server, transport = secure
    with serving(Proxy()) as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:p%40ss@{proxy.netloc}")
        (reply,) = send(transport, server.url)
    assert reply.verdict == Accepted("wamid.1")
    secret = base64.b64encode(b"me:p@ss")
    assert proxy.heads == [
        f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n".encode()
        + b"Proxy-Authorization: Basic %b\r\n\r\n" % secret
    ]
    assert secret not in server.received


def test_a_proxy_that_opens_no_tunnel_gets_no_message(secure, monkeypatch):
    server, transport = secure
    with serving(Proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")) as proxy:
        monkeypatch.setenv("https_proxy", f"http://{proxy.netloc}")
        (reply,) = send(transport, server.url)
    assert reply.verdict == NotSent("the proxy opened no tunnel", is_unreachable=True)
    assert server.connection_count == 0


def test_a_proxy_that_refuses_with_a_page_is_not_waited_for(secure, monkeypatch):
    _, transport = secure
    page = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 5\r\n\r\nhello"
    closing = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            assert self.request.recv(65536)
            self.request.sendall(page)
            assert closing.wait(PATIENCE_SECONDS)

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as proxy:
        proxy.daemon_threads, proxy.block_on_close = True, False
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.server_address[1]}")  # without a scheme
        (reply,) = send(transport, "https://127.0.0.1:9/")
        closing.set()
    assert reply.verdict == NotSent("the proxy opened no tunnel", is_unreachable=True)


def test_a_proxy_of_another_kind_is_named(secure, monkeypatch):
    server, transport = secure
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:9")
    (reply,) = send(transport, server.url)
    assert reply.verdict == NotSent(
        "the address of the proxy in https_proxy does not begin with http://", is_unreachable=True
    )


def test_the_variable_no_proxy_is_obeyed(secure, monkeypatch):
    server, transport = secure
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (reply,) = send(transport, server.url)
    assert reply.verdict == Accepted("wamid.1")


# TLS


def test_authorities_that_cannot_be_read_are_read_again_with_the_next_connection(serve, make_transport, tmp_path):
    context, ca_file = make_authority(tmp_path)
    later = tmp_path / "later.pem"
    server, transport = serve(write(ACCEPTED % 1), context=context), make_transport(ca_file=str(later))
    assert send(transport, server.url)[0].verdict == NotSent("TLS failed", is_unreachable=True)
    later.write_bytes(ca_file.read_bytes())
    assert send(transport, server.url)[0].verdict == Accepted("wamid.1")


def test_a_reply_without_a_length_is_cut_off_where_tls_does_not_end(make_transport, tmp_path):
    """Anybody on the way can end a connection, but not TLS."""
    context, ca_file = make_authority(tmp_path)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            tls = context.wrap_socket(self.request, server_side=True)
            assert tls.recv(65536)
            tls.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + ACCEPTED % 1)
            socket.close(tls.detach())  # without the end of TLS

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as server:
        (reply,) = send(make_transport(ca_file=str(ca_file)), f"https://127.0.0.1:{server.server_address[1]}/")
    assert reply.verdict == Unknown("the connection broke while the reply came")


def test_a_connection_with_half_a_record_carries_nothing(make_transport, tmp_path):
    """It may be the beginning of the late reply to an earlier request."""
    context, ca_file = make_authority(tmp_path)
    transport, has_half, received = make_transport(ca_file=str(ca_file)), threading.Event(), []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_side=True)

            def call(function, *arguments):
                while True:
                    try:
                        result = function(*arguments)
                    except ssl.SSLWantReadError:
                        self.request.sendall(outgoing.read())
                        if not (data := self.request.recv(65536)):
                            return b""
                        incoming.write(data)
                    else:
                        return result

            call(tls.do_handshake)
            call(tls.read, 65536)
            received.append(call(tls.write, write(ACCEPTED % (len(received) + 1))))
            self.request.sendall(outgoing.read())
            if len(received) == 1:
                tls.write(write(REFUSED, b"400 Bad"))
                self.request.sendall(outgoing.read()[:20])
                has_half.set()
            with contextlib.suppress(OSError):
                assert call(tls.read, 65536) == b"", "another request came on this connection"

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as server:
        server.daemon_threads, server.block_on_close = True, False
        url = f"https://127.0.0.1:{server.server_address[1]}/"
        assert send(transport, url)[0].verdict == Accepted("wamid.1")
        assert has_half.wait(PATIENCE_SECONDS)
        wait_for(lambda: not transport._connections)
        assert send(transport, url)[0].verdict == Accepted("wamid.2")


# requests


@pytest.mark.parametrize("url", ["http://127.0.0.1:65536/", "http://127.0.0.1:x/", "http:///", "http://a b/"])
def test_a_url_of_another_form_leaves_nothing(transport, url):
    (reply,) = send(transport, url)
    assert reply.verdict == NotSent("the request cannot be made: ValueError", is_unreachable=True)


def test_an_error_before_the_request_has_left_wholly_does_not_keep_the_thread_awake(transport):
    server_reads = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            assert self.request.recv(65536)
            self.request.sendall(write(ACCEPTED % 1))
            assert self.request.recv(1000)
            self.request.sendall(write(REFUSED, b"400 Bad"))
            assert server_reads.wait(PATIENCE_SECONDS)
            with contextlib.suppress(OSError):
                while self.request.recv(65536):
                    pass

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as server:
        server.daemon_threads, server.block_on_close = True, False
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        send(transport, url)
        mailbox = Mailbox()
        transport.submit([Request(0, url, [], BODY + b" " * 20_000_000, FOR_EVER)], mailbox)
        wait_for(lambda: transport._held_errors)
        server_reads.set()
        assert transport._poller.poll(0.05) == []  # the error is held for a quarter of a second
        (reply,) = mailbox.collect(timeout_seconds=PATIENCE_SECONDS, linger_seconds=0, batch_count=1)
    assert isinstance(reply.verdict, Rejected)


def test_a_request_that_the_socket_takes_in_parts_leaves_whole(transport):
    body, received, go_on = BODY + b" " * 8_000_000, bytearray(), threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            assert go_on.wait(PATIENCE_SECONDS)
            while not received.endswith(body[-1_000_000:]) or len(received) < len(body):
                received.extend(self.request.recv(65536))
            self.request.sendall(write(ACCEPTED % 1))

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as server:
        mailbox, url = Mailbox(), f"http://127.0.0.1:{server.server_address[1]}/"
        transport.submit([Request(0, url, [], body, FOR_EVER)], mailbox)
        wait_for(lambda: any(each._unsent for each in list(transport._connections.values())))
        go_on.set()
        (reply,) = mailbox.collect(timeout_seconds=PATIENCE_SECONDS, linger_seconds=0, batch_count=1)
    assert reply.verdict == Accepted("wamid.1")
    assert bytes(received).partition(b"\r\n\r\n")[2] == body


def test_the_head_of_a_request(transport, serve):
    server = serve(write(ACCEPTED % 1))
    send(transport, f"{server.url}v24.0/106540352242922/messages")
    assert server.received == (
        f"POST /v24.0/106540352242922/messages HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n".encode()
        + b"User-Agent: revoada/0.1\r\nAccept: */*\r\nAuthorization: Bearer t\r\nContent-Length: 23\r\n\r\n"
        + BODY
    )


def test_a_connection_that_was_idle_for_long_carries_nothing_more(transport, serve, monkeypatch):
    monkeypatch.setattr("campaigns.whatsapp.transport._IDLE_SECONDS", -1.0)
    server = serve(write(ACCEPTED % 1), write(ACCEPTED % 2))
    assert [send(transport, server.url)[0].verdict for _ in range(2)] == [Accepted("wamid.1"), Accepted("wamid.2")]
    assert server.connection_count == 2


def test_idle_connections_make_room_for_those_to_another_server(make_transport, serve, monkeypatch):
    monkeypatch.setattr("campaigns.whatsapp.transport._MAX_CONNECTIONS", 2)
    transport = make_transport()
    servers = [serve(write(ACCEPTED % n), write(ACCEPTED % (n + 10))) for n in range(4)]
    for _ in range(2):
        for server in servers:
            assert not send(transport, server.url)[0].error
            assert len(transport._connections) <= 2


# replies


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\n\r\n" + ACCEPTED % 1,  # ends with its connection
        b"HTTP/1.0 200 OK\r\nContent-Length: 31\r\n\r\n" + ACCEPTED % 1,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f\r\n" + ACCEPTED % 1 + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" + write(ACCEPTED % 1),
        write(ACCEPTED % 1, b"201 Created", b"X-Long: " + b"a" * 60_000),
    ],
    ids=["no length", "HTTP/1.0", "chunked", "1xx", "long head"],
)
def test_every_form_of_reply_is_read(transport, serve, reply):
    (got,) = send(transport, serve(reply).url)
    assert (got.verdict, got.error, got.body) == (Accepted("wamid.1"), "", ACCEPTED % 1)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"", "the connection was closed without a reply"),
        (b"HTTP/1.1 200", "the reply was cut off"),
        (write(ACCEPTED % 1)[:-1], "the reply was cut off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f\r\n" + ACCEPTED % 1, "the reply was cut off"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "the reply was cut off"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "the reply is not HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", "the reply is not HTTP"),
        (write(b"x" * 300_000), "the reply is too long"),
    ],
)
def test_a_reply_that_is_not_whole_leaves_the_message_uncertain(transport, serve, reply, error):
    (got,) = send(transport, serve(reply).url)
    assert (got.has_left, got.verdict) == (True, Unknown(error))


@pytest.mark.parametrize("more", [write(ACCEPTED % 1), b"garbage", b"\0"])
def test_an_error_with_bytes_behind_it_leaves_the_message_uncertain(transport, serve, more):
    (got,) = send(transport, serve(write(REFUSED, b"400 Bad") + more).url)
    assert got.verdict == Unknown("two replies came for one request", STRAY_REPLY.code)


def test_an_acceptance_with_bytes_behind_it_counts_and_ends_its_connection(transport, serve):
    server = serve(write(ACCEPTED % 1) + b"garbage", write(ACCEPTED % 2))
    assert [send(transport, server.url)[0].verdict for _ in range(2)] == [Accepted("wamid.1"), Accepted("wamid.2")]
    assert server.connection_count == 2


def test_an_error_that_is_held_counts_if_only_the_end_of_the_connection_follows(transport, serve):
    server = serve(write(ACCEPTED % 1), write(REFUSED, b"400 Bad"))  # closes the connection behind its last reply
    send(transport, server.url)
    (got,) = send(transport, server.url)
    assert isinstance(got.verdict, Rejected)
    assert server.connection_count == 1
    wait_for(lambda: not transport._connections)
