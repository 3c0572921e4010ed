"""What leaves this side, how often, and what is known of it. Counted at the far end, never believed."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import math
import resource
import select
import socket
import socketserver
import ssl
import struct
import threading
from pathlib import Path
from types import SimpleNamespace

import pycurl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from campaigns.domain.failures import STRAY_REPLY
from campaigns.domain.verdict import Accepted, NotSent, Rejected, Unknown
from campaigns.whatsapp.mailbox import Mailbox, Request
from campaigns.whatsapp.transport import Transport
from tests.faults.stray_replies import ReplyFault, make_authority, serve_stray_replies
from tests.simulator.far_end import NUMBER, PATIENCE_SECONDS, start_simulator, template_message, wait_for
from tests.support.serving import serving

FOR_EVER = SimpleNamespace(deadline=math.inf)
HEADERS = ["Authorization: Bearer token-1", "Content-Type: application/json"]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
HANGING = "491519666008"
LIMITS = {"messages_per_second": 0, "pair_seconds": 0}


@pytest.fixture(scope="module")
def address():
    """A simulator that may open thousands of sockets; this process starts with the usual 1,024 and has to see to it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 8192) if hard < 0 else hard, hard))
    with start_simulator() as (_, url):
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        yield url
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def far(far):
    far.script(limits=LIMITS)
    return far


@pytest.fixture
def transport():
    """With all the time that thousands of requests take on a busy machine."""
    transport = Transport(connect_timeout=PATIENCE_SECONDS, total_timeout=PATIENCE_SECONDS)
    yield transport
    transport.close()


@pytest.fixture
def impatient():
    transport = Transport(connect_timeout=0.5, total_timeout=1)
    yield transport
    transport.close()


@pytest.fixture
def answer():
    """`answer(first, second)` starts a server that answers each connection's requests with these bytes in turn.

    It holds its answers while its `gate` is closed.
    """
    with contextlib.ExitStack() as stack:
        yield lambda *replies, tls=None: stack.enter_context(serve(replies, tls))


@contextlib.contextmanager
def serve(replies, tls=None):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            server.connection_count += 1
            with contextlib.suppress(OSError):
                connection = tls.wrap_socket(self.request, server_side=True) if tls else self.request
                for reply in replies:
                    if not connection.recv(65536):
                        return
                    server.requests.append(connection)
                    assert server.gate.wait(PATIENCE_SECONDS)
                    connection.sendall(reply)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close, request_queue_size = True, False, 128

    with serving(Server(("127.0.0.1", 0), Handler)) as server:
        server.connection_count, server.requests, server.gate = 0, [], threading.Event()
        server.gate.set()
        server.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}/"
        yield server


def make(url, key="one", *, permit=FOR_EVER, body=b"{}", headers=HEADERS):
    return Request(key, url, list(headers), body, permit)


def messages(far, phones, **more):
    url = f"{far.url}/v24.0/{NUMBER}/messages"
    return [make(url, phone, body=json.dumps(template_message(f"+{phone}")).encode(), **more) for phone in phones]


def collect(mailbox, count):
    """Return `count` replies by the key of their request; there must be no more, and no second one to any."""
    replies = []

    def has_all():
        replies.extend(mailbox.collect(timeout_seconds=0.1, batch_count=count, linger_seconds=0.1))
        return len(replies) >= count

    wait_for(has_all)
    found = {reply.request.key: reply for reply in replies}
    assert len(found) == len(replies) == count
    return found


def send(transport, requests):
    mailbox = Mailbox()
    transport.submit(requests, mailbox)
    return collect(mailbox, len(requests))


def send_one(transport, url, **more):
    return send(transport, [make(url, **more)])["one"]


def phones(first, count):
    return [str(491510000000 + number) for number in range(first, first + count)]


def wire(far):
    """Return how many whole requests arrived for each phone."""
    return far.ask("wire")["recipients"]


# once


def test_two_hundred_posts_over_dying_connections_leave_once_each(far, transport):
    far.script(close_reused_after=1, latency_ms=50)
    first, second = phones(0, 200), phones(200, 200)
    replies = [*send(transport, messages(far, first)).values(), *send(transport, messages(far, second)).values()]
    broken = [reply for reply in replies if reply.error]
    assert len(broken) > 100  # each connection carries one, and dies with the next
    assert all(reply.has_left and not reply.was_held_back for reply in broken)
    assert wire(far) == dict.fromkeys(first + second, 1)


def test_libcurl_alone_would_send_a_post_twice(far):
    """So the test above can fail: the same happens with most libraries of HTTP."""
    far.script(close_reused_after=1)
    first, second = messages(far, phones(0, 2))
    curl = pycurl.Curl()
    for request in (first, second):
        curl.setopt(pycurl.URL, request.url)
        curl.setopt(pycurl.HTTPHEADER, request.headers)
        curl.setopt(pycurl.POSTFIELDS, request.body)
        curl.setopt(pycurl.WRITEFUNCTION, io.BytesIO().write)
        curl.perform()
    curl.close()
    assert wire(far) == {first.key: 1, second.key: 2}


@pytest.mark.parametrize(
    ("ending", "error"),
    [
        ("9666001", "the connection was closed without a reply"),  # lost
        ("9666002", "the connection was closed without a reply"),  # lost-before
        ("9666003", "the reply was cut off"),  # half
        ("9666004", ""),  # html
        ("9666005", ""),  # html-accepted
        ("9666006", ""),  # empty
        ("9666007", ""),  # garbage
    ],
)
def test_a_broken_reply_has_left_once_and_says_how_it_broke(far, transport, ending, error):
    phone = f"49151{ending}"
    reply = send(transport, messages(far, [phone]))[phone]
    assert (reply.has_left, reply.error) == (True, error)
    assert wire(far) == {phone: 1}


def test_a_whole_reply_is_handed_over_as_it_came(far, transport):
    html, refused = "491519666004", "491519131026"
    replies = send(transport, messages(far, [html, refused]))
    assert (replies[html].http_status, replies[html].content_type.partition(";")[0]) == (502, "text/html")
    assert replies[html].body.lstrip().startswith(b"<")
    assert replies[refused].http_status == 400
    assert json.loads(replies[refused].body)["error"]["code"] == 131026


def test_an_api_that_hangs_has_the_request_and_ends_in_a_timeout(far, impatient):
    reply = send(impatient, messages(far, [HANGING]))[HANGING]
    assert (reply.has_left, reply.error) == (True, "timeout")
    assert reply.seconds > 0.9
    assert wait_for(lambda: wire(far)) == {HANGING: 1}


def test_a_request_that_hangs_does_not_hold_up_those_beside_it(far, transport):
    others, mailbox = phones(0, 10), Mailbox()
    transport.submit(messages(far, [HANGING, *others]), mailbox)
    replies = collect(mailbox, len(others))
    assert {phone: reply.error for phone, reply in replies.items()} == dict.fromkeys(others, "")


# never left


@pytest.mark.parametrize(
    ("kind", "url", "errors"),
    [
        ("transport", "http://127.0.0.1:9/", {"no connection"}),  # a port that nobody listens on
        ("impatient", "https://graph.invalid/", {"the name could not be resolved", "timeout"}),
        ("transport", "https://{far}/", {"TLS failed"}),  # a port that speaks plain
    ],
)
def test_without_a_connection_nothing_leaves(far, request, kind, url, errors):
    reply = send_one(request.getfixturevalue(kind), url.format(far=far.url.removeprefix("http://")))
    assert (reply.has_left, reply.was_held_back) == (False, False)
    assert reply.error in errors


def test_a_server_that_never_finishes_tls_leaves_nothing(impatient):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reply = send_one(impatient, f"https://127.0.0.1:{listener.getsockname()[1]}/")
    assert (reply.has_left, reply.error) == (False, "timeout")


def make_tls(folder):
    """A certificate for 127.0.0.1 that nobody but us has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    no_password = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password)
    (folder / "both.pem").write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


def test_a_certificate_that_nobody_vouches_for_is_refused(transport, answer, tmp_path):
    reply = send_one(transport, answer(OK, tls=make_tls(tmp_path)).url)
    assert (reply.has_left, reply.error, reply.http_status) == (False, "the certificate is not valid", 0)


def test_nothing_leaves_after_the_deadline(far, transport):
    late, good = phones(0, 50), phones(50, 50)
    over = SimpleNamespace(deadline=0.0)
    replies = send(transport, messages(far, late, permit=over) + messages(far, good))
    assert all((replies[phone].has_left, replies[phone].was_held_back) == (False, True) for phone in late)
    assert all((replies[phone].has_left, replies[phone].was_held_back) == (True, False) for phone in good)
    assert wire(far) == dict.fromkeys(good, 1)


def test_a_request_that_was_held_back_says_so(far, transport):
    (phone,) = one = phones(0, 1)
    reply = send(transport, messages(far, one, permit=SimpleNamespace(deadline=0.0)))[phone]
    assert reply.error != "the connection was closed without a reply"


@pytest.mark.parametrize("connection_count", [1, 40])
def test_a_permit_that_ends_while_requests_wait_for_a_connection_holds_them_back(answer, monkeypatch, connection_count):
    """With one connection, nothing is in flight when the last request is held back, and no socket reports anything."""
    monkeypatch.setattr("campaigns.whatsapp.transport._MAX_CONNECTIONS", connection_count)
    transport = Transport(connect_timeout=PATIENCE_SECONDS, total_timeout=PATIENCE_SECONDS)
    server, permit, mailbox = answer(OK, OK, OK), SimpleNamespace(deadline=math.inf), Mailbox()
    server.gate.clear()
    keys = range(5 * connection_count)
    transport.submit([make(server.url, key, permit=permit) for key in keys], mailbox)
    wait_for(lambda: len(server.requests) == connection_count)
    permit.deadline = 0.0
    server.gate.set()
    replies = collect(mailbox, len(keys))
    transport.close()
    assert all(reply.has_left != reply.was_held_back for reply in replies.values())
    assert sum(reply.has_left for reply in replies.values()) == len(server.requests) == connection_count


# many, and for long


def test_connections_are_kept_between_two_submits(transport, answer):
    server = answer(OK, OK, OK)
    for _ in range(3):
        assert not send_one(transport, server.url).error
    assert server.connection_count == 1


def test_three_thousand_requests_pass_the_1024_descriptors(far, transport):
    if 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 4096:
        pytest.skip("this machine does not allow so many descriptors")
    hanging = [f"{phone}9666008" for phone in range(10_000, 11_100)]
    transport.submit(messages(far, hanging), Mailbox())

    def highest_descriptor():
        return max(int(each.name) for each in Path("/proc/self/fd").iterdir())

    wait_for(lambda: highest_descriptor() > 1024 and len(wire(far)) == len(hanging))
    mailbox, all_phones = Mailbox(), phones(0, 1900)
    transport.submit(messages(far, all_phones), mailbox)
    replies = collect(mailbox, len(all_phones))
    assert all(reply.http_status == 200 and not reply.error for reply in replies.values())
    assert wire(far) == dict.fromkeys([*hanging, *all_phones], 1)


def test_a_wait_for_a_free_connection_is_not_a_failure_to_connect(far, monkeypatch):
    monkeypatch.setattr("campaigns.whatsapp.transport._MAX_CONNECTIONS", 4)
    transport = Transport(connect_timeout=0.5, total_timeout=PATIENCE_SECONDS)
    far.script(latency_ms=200)
    replies = send(transport, messages(far, phones(0, 20))).values()  # five round trips for each connection
    transport.close()
    assert {reply.error for reply in replies} == {""}


def test_a_reply_larger_than_any_of_metas_is_cut_and_nothing_else_is_hurt(transport, answer):
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 9_000_000
    reply = send_one(transport, answer(large).url)
    assert reply.has_left
    assert reply.error
    assert len(reply.body) <= 256 * 1024
    assert not send_one(transport, answer(OK).url).error


@pytest.mark.parametrize(
    "bad",
    [
        make("http://127.0.0.1:9/a\nb", "bad"),
        make("nonsense://127.0.0.1/", "bad"),
        make("http://bücher.invalid/", "bad"),
        make(None, "bad"),
        make("http://127.0.0.1:9/", "bad", headers=["Authorization: Bearer EAA…"]),
        make("http://127.0.0.1:9/", "bad", body=None),
    ],
)
def test_one_bad_request_does_not_hurt_the_others(far, transport, bad):
    first, second = phones(0, 10), phones(10, 10)
    replies = send(transport, [*messages(far, first), bad, *messages(far, second)])
    refused = replies.pop("bad")
    assert not refused.has_left
    assert isinstance(refused.verdict, NotSent)  # nobody gets a message twice if it is sent again
    assert all(reply.http_status == 200 for reply in replies.values())


def test_a_content_type_that_is_no_text_does_not_lose_replies(far, transport, answer):
    strange = b"HTTP/1.1 502 Bad\r\nContent-Type: text/\xff\r\nContent-Length: 0\r\n\r\n"
    good = phones(0, 20)
    replies = send(transport, [make(answer(strange).url), *messages(far, good)])
    assert (replies["one"].has_left, replies["one"].http_status) == (True, 502)


def test_a_submit_after_close_is_refused():
    transport = Transport(connect_timeout=1, total_timeout=1)
    transport.close()
    with pytest.raises(RuntimeError, match="closed"):
        transport.submit([make("http://127.0.0.1:9/")], Mailbox())


def test_close_ends_the_thread_also_with_requests_in_flight(far):
    transport = Transport(connect_timeout=PATIENCE_SECONDS, total_timeout=PATIENCE_SECONDS)
    transport.submit(messages(far, [HANGING]), Mailbox())
    wait_for(lambda: wire(far))
    transport.close()
    assert "transport" not in {thread.name for thread in threading.enumerate()}


# connections that the other side has closed


@pytest.mark.parametrize("ending", ["closed", "half-closed", "reset"])
def test_a_kept_connection_that_was_closed_carries_nothing_more(transport, ending):
    count = 0

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            nonlocal count
            assert self.request.recv(65536)
            count += 1
            self.request.sendall(OK)
            if ending == "reset":
                assert read.wait(PATIENCE_SECONDS)  # a reset takes what has not been read with it
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.request.close()
            else:
                self.request.shutdown(socket.SHUT_WR)
            closed.set()
            if ending == "half-closed":
                over.wait(PATIENCE_SECONDS)

    over = threading.Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        for number in range(1, 6):
            read, closed = threading.Event(), threading.Event()
            reply = send_one(transport, f"http://127.0.0.1:{server.server_address[1]}/")
            read.set()
            assert (reply.error, reply.http_status, count) == ("", 200, number)
            assert closed.wait(PATIENCE_SECONDS)
        over.set()
        server.shutdown()


def test_a_system_without_epoll_keeps_connections_too(answer, monkeypatch):
    monkeypatch.setattr("campaigns.whatsapp.transport._make_poller", select.poll)
    monkeypatch.setattr("campaigns.whatsapp.transport._POLLER_UNITS", 1000)
    server = answer(OK, OK)  # each connection ends after two replies
    transport = Transport(connect_timeout=PATIENCE_SECONDS, total_timeout=PATIENCE_SECONDS)
    assert [send_one(transport, server.url).http_status for _ in range(4)] == [200] * 4
    transport.close()
    assert server.connection_count == 2


def test_a_kept_connection_that_was_closed_does_not_keep_the_thread_awake(transport):
    """The socket of such a connection is readable for ever."""
    closing = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            assert self.request.recv(65536)
            self.request.sendall(OK)
            closing.wait(PATIENCE_SECONDS)

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as server:
        send_one(transport, f"http://127.0.0.1:{server.server_address[1]}/")
        closing.set()
    wait_for(lambda: not transport._poller.poll(0.05))


# replies that belong to no request, or to another one


@pytest.fixture
def far_end(tmp_path, monkeypatch):
    """`far_end(fault, is_tls=…)` starts a far end that accepts messages and writes stray replies."""
    context, file = make_authority(tmp_path)
    monkeypatch.setattr("certifi.where", lambda: str(file))
    with contextlib.ExitStack() as stack:
        yield lambda fault, *, is_tls=False: stack.enter_context(
            serve_stray_replies(fault, context if is_tls else None)
        )


def to(far, phone):
    payload = {"to": f"+{phone}", "biz_opaque_callback_data": f"r1.0badcafe.{phone}.1"}
    return make(far.url, phone, body=json.dumps(payload).encode())


BOTH = pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])


@BOTH
def test_a_connection_is_kept_after_each_acceptance(transport, far_end, is_tls):
    """This holds over TLS too, where the server sends session tickets without a request."""
    far = far_end(ReplyFault(), is_tls=is_tls)
    for phone in phones(0, 4):
        assert send(transport, [to(far, phone)])[phone].verdict == Accepted(far.memory.wamids[f"r1.0badcafe.{phone}"])
    assert far.connection_count == 1


@BOTH
def test_a_request_leaves_on_another_connection_where_one_has_unread_bytes(transport, far_end, is_tls):
    far = far_end(ReplyFault("repeat", 0.003, every=1), is_tls=is_tls)
    for number, phone in enumerate(phones(0, 4), 1):
        reply = send(transport, [to(far, phone)])[phone]
        assert reply.verdict == Accepted(far.memory.wamids[f"r1.0badcafe.{phone}"])
        wait_for(lambda number=number: far.memory.late_count == number)
    assert far.connection_count == 4


@BOTH
def test_a_connection_that_brought_the_reply_of_another_is_closed(transport, far_end, is_tls):
    far = far_end(ReplyFault("swapped", every=1), is_tls=is_tls)
    strays = send(transport, [to(far, phone) for phone in phones(0, 2)]).values()
    assert {reply.verdict for reply in strays} == {Unknown("the reply names another recipient", STRAY_REPLY.code)}
    wait_for(lambda: far.open_count == 0)


@BOTH
def test_a_connection_that_brought_an_error_is_closed_and_the_error_counts(transport, far_end, is_tls):
    far = far_end(ReplyFault("error"), is_tls=is_tls)  # to every third request
    replies = [send(transport, [to(far, phone)])[phone] for phone in phones(0, 7)]
    assert [type(reply.verdict) for reply in replies] == [
        Accepted,
        Accepted,
        Rejected,
        Accepted,
        Accepted,
        Rejected,
        Accepted,
    ]
    assert far.connection_count == 3


def test_an_error_that_announces_the_end_of_the_connection_counts(transport, answer):
    body = b'{"error":{"code":131056}}'
    head = b"HTTP/1.1 400 Bad\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    accepted = b'{"messages":[{"id":"wamid.%d"}]}'
    first = b"HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n" + accepted % 1
    server = answer(first, head + body)
    assert send_one(transport, server.url, body=b'{"to":"+5511999990001"}').verdict == Accepted("wamid.1")
    refused = send_one(transport, server.url, body=b'{"to":"+5511999990002"}')
    assert isinstance(refused.verdict, Rejected)
    assert server.connection_count == 1


def test_an_error_whose_body_holds_parts_of_two_replies_leaves_the_message_uncertain(transport, answer):
    """As a refusal it would be sent again, though one of the two replies may have been an acceptance."""
    body = b'{"error":{"coHTTP/1.1 200 OK\r\nCont'
    accepted = b'{"messages":[{"id":"wamid.1"}]}'
    first = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(accepted) + accepted
    server = answer(first, b"HTTP/1.1 400 Bad\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert send_one(transport, server.url, body=b'{"to":"+5511999990001"}').verdict == Accepted("wamid.1")
    garbled = send_one(transport, server.url, body=b'{"to":"+5511999990002"}')
    assert garbled.verdict == Unknown("two replies came for one request", STRAY_REPLY.code)
    assert server.connection_count == 1


@pytest.mark.parametrize(
    "url", ["file:///etc/hostname", "ftp://127.0.0.1:9/", "gopher://127.0.0.1:9/", "dict://127.0.0.1:9/"]
)
def test_only_http_and_https_are_spoken(transport, url):
    mailbox = Mailbox()
    transport.submit([make(url)], mailbox)
    reply = collect(mailbox, 1)["one"]
    assert not reply.has_left
    assert "not supported" in reply.error or "disabled" in reply.error


def test_a_redirect_is_a_reply_like_any_other(transport, answer):
    other = answer(OK)
    moved = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n".encode()
    mailbox = Mailbox()
    transport.submit([make(answer(moved).url)], mailbox)
    assert collect(mailbox, 1)["one"].http_status == 307
    assert other.connection_count == 0
