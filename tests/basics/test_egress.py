from __future__ import annotations

import contextlib
import ipaddress
import socket
import socketserver
import threading
from concurrent.futures import ThreadPoolExecutor

import certifi
import pytest

from campaigns import egress
from campaigns.domain.statement import Refusal
from campaigns.egress import Poster, PostError, check_url, is_allowed, wait_seconds
from tests.simulator.far_end import PATIENCE_SECONDS, Receiver
from tests.support.serving import serving
from tests.support.tls import Authority, TlsFront

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


@pytest.fixture
def receiver():
    with serving(Receiver()) as server:
        yield server


def post(url, body, headers, *, networks):
    """POST once."""
    with Poster(url, networks) as poster:
        return poster.post(body, headers)


@contextlib.contextmanager
def answering(*chunks, holds=False):
    """A server that reads a request, writes these bytes, and then either closes the connection or holds it open."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65_536)
            with contextlib.suppress(OSError):
                for chunk in chunks:
                    self.request.sendall(chunk)
                if holds:
                    self.request.recv(1)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close = True, False

    with serving(Server(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}/"


def test_a_post_brings_body_and_headers_and_returns_the_answer(receiver):
    result = post(
        receiver.url, b'{"a": "\xc3\xa9"}', {"Content-Type": "application/json", "X-Own": "1"}, networks=LOOPBACK
    )
    ((headers, body, _),) = receiver.posts
    assert (result.status, result.error, result.is_success) == (200, None, True)
    assert body == b'{"a": "\xc3\xa9"}'
    assert (headers["Content-Type"], headers["X-Own"], headers["path"]) == ("application/json", "1", "/hook?x=1")


def test_posts_one_after_the_other_share_a_connection(receiver):
    with Poster(receiver.url, LOOPBACK) as poster:
        for number in range(5):
            assert poster.post(b"%d" % number, {"X-Own": str(number)}).is_success
    assert [(body, headers["X-Own"]) for headers, body, _ in receiver.posts] == [
        (b"%d" % number, str(number)) for number in range(5)
    ]
    assert receiver.connection_count == 1


def test_threads_have_a_connection_each(receiver):
    with Poster(receiver.url, LOOPBACK) as poster, ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda number: poster.post(b"%d" % number, {}), range(100)))
    assert all(each.is_success for each in results)
    assert sorted(int(body) for _, body, _ in receiver.posts) == list(range(100))
    assert receiver.connection_count <= 4


def test_a_connection_ends_with_an_error(receiver):
    receiver.answers = [200, 503]
    with Poster(receiver.url, LOOPBACK) as poster:
        assert [poster.post(b"{}", {}).status for _ in range(3)] == [200, 503, 200]
    assert receiver.connection_count == 2


def test_a_target_may_close_its_connections():
    with answering(OK) as url, Poster(url, LOOPBACK) as poster:
        assert all(poster.post(b"{}", {}).is_success for _ in range(5))


def test_an_answer_to_no_post_is_not_taken_for_the_next_answer():
    may_repeat, has_repeated, requests = threading.Event(), threading.Event(), []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            requests.append(self.request.recv(65_536))
            self.request.sendall(OK)
            assert may_repeat.wait(PATIENCE_SECONDS)
            self.request.sendall(OK)
            has_repeated.set()
            self.request.recv(65_536)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close = True, False

    server = Server(("127.0.0.1", 0), Handler)
    with serving(server), Poster(f"http://127.0.0.1:{server.server_address[1]}/", LOOPBACK) as poster:
        assert poster.post(b"first", {}).is_success
        may_repeat.set()
        assert has_repeated.wait(PATIENCE_SECONDS)
        assert poster.post(b"second", {}).is_success
    assert [each.partition(b"\r\n\r\n")[2] for each in requests] == [b"first", b"second"]


def test_each_new_connection_is_checked_and_a_kept_one_keeps_its_address(receiver, monkeypatch):
    with Poster(receiver.url, LOOPBACK) as poster:
        assert poster.post(b"1", {}).is_success
        monkeypatch.setattr(egress, "is_allowed", lambda *_, **__: False)
        receiver.answers = [200, 503]
        assert [poster.post(b"{}", {}).status for _ in range(2)] == [200, 503]
        assert poster.post(b"{}", {}).error is PostError.ADDRESS_REFUSED
    assert len(receiver.posts) == 3


def test_a_large_body_arrives_byte_by_byte(receiver):
    body = bytes(range(256)) * 8192
    assert post(receiver.url, body, {}, networks=LOOPBACK).is_success
    assert receiver.posts[0][1] == body


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(receiver, status):
    receiver.answers, receiver.location = [status], receiver.url
    result = post(receiver.url, b"{}", {}, networks=LOOPBACK)
    assert (result.status, result.is_success) == (status, False)
    assert len(receiver.posts) == 1


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",  # one decimal number
        "0x7f000001",
        "017700000001",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
    ],
)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_no_form_of_an_own_address_is_reached(receiver, scheme, host):
    port = receiver.server_address[1]
    result = post(f"{scheme}://{host}:{port}/", b"{}", {}, networks=())
    # Some systems resolve some forms of a number to nothing.
    assert result.error in {PostError.ADDRESS_REFUSED, PostError.NAME_UNKNOWN}
    assert receiver.posts == []


def test_a_name_that_leads_to_a_private_address_is_refused(receiver):
    result = post(f"https://localhost:{receiver.server_address[1]}/", b"{}", {}, networks=())
    assert result.error is PostError.ADDRESS_REFUSED


@pytest.mark.parametrize(
    ("host", "is_public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("64:ff9b::5db8:d822", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("100.100.100.200", False),
        ("127.0.0.1", False),
        ("168.63.129.16", False),
        ("169.254.169.254", False),
        ("172.16.0.1", False),
        ("192.0.0.192", False),
        ("192.168.0.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::7f00:1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b:1::1", False),
        ("2001:0:7f00:1::", False),
        ("2002:7f00:1::", False),
        ("fc00::1", False),
        ("fd00:ec2::254", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("ff02::1", False),
    ],
)
def test_only_public_addresses_are_reached_by_https(host, is_public):
    assert is_allowed(host, networks=(), is_https=True) is is_public
    assert not is_allowed(host, networks=(), is_https=False)


def test_the_setting_allows_a_network_for_http_too():
    networks = (ipaddress.ip_network("10.1.0.0/16"),)
    for host in ("10.1.2.3", "::ffff:10.1.2.3"):
        assert is_allowed(host, networks=networks, is_https=False)
        assert is_allowed(host, networks=networks, is_https=True)
    assert not is_allowed("10.2.0.1", networks=networks, is_https=True)
    assert not is_allowed("93.184.216.34", networks=networks, is_https=False)


def test_https_keeps_the_name_of_the_url(receiver, tmp_path, monkeypatch):
    authority = Authority(tmp_path / "authority")
    monkeypatch.setattr(certifi, "where", lambda: str(authority.path))
    names = []
    with serving(TlsFront(receiver.server_address[1], authority.issue("localhost"))) as front:
        front.context.sni_callback = lambda _socket, name, _context: names.append(name)
        result = post(f"https://localhost:{front.port}/", b"{}", {}, networks=LOOPBACK)
    assert result.is_success
    assert set(names) == {"localhost"}
    assert receiver.posts[0][0]["Host"] == f"localhost:{front.port}"


@pytest.mark.parametrize(("host", "is_expired"), [("example.test", False), ("localhost", True)])
def test_a_wrong_certificate_gets_nothing(receiver, tmp_path, monkeypatch, host, is_expired):
    authority = Authority(tmp_path / "authority")
    monkeypatch.setattr(certifi, "where", lambda: str(authority.path))
    with serving(TlsFront(receiver.server_address[1], authority.issue(host, is_expired=is_expired))) as front:
        result = post(f"https://localhost:{front.port}/", b"{}", {}, networks=LOOPBACK)
    assert result.error is PostError.TLS_FAILED
    assert receiver.posts == []


def test_a_refused_address_does_not_hide_the_error_of_the_address_that_was_reached(receiver, tmp_path, monkeypatch):
    """`localhost` may have two addresses, of which only one is allowed here."""
    authority = Authority(tmp_path / "authority")
    monkeypatch.setattr(certifi, "where", lambda: str(authority.path))
    with serving(TlsFront(receiver.server_address[1], authority.issue(is_expired=True))) as front:
        result = post(f"https://localhost:{front.port}/", b"{}", {}, networks=LOOPBACK[:1])
    assert result.error is PostError.TLS_FAILED


def test_no_proxy_of_the_environment_gets_the_request(receiver, monkeypatch):
    for name in ("http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post(receiver.url, b"{}", {}, networks=LOOPBACK).is_success


def test_a_target_that_does_not_answer_costs_the_limit_of_time(monkeypatch):
    monkeypatch.setattr(egress, "POST_SECONDS", 0.3)
    with answering(holds=True) as url:
        assert post(url, b"{}", {}, networks=LOOPBACK).error is PostError.TIMEOUT


def test_a_head_without_end_costs_the_limit_of_time(monkeypatch):
    monkeypatch.setattr(egress, "POST_SECONDS", 0.3)
    with answering(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200", holds=True) as url:
        assert post(url, b"{}", {}, networks=LOOPBACK).error is PostError.TIMEOUT


def test_a_status_counts_although_the_rest_of_the_answer_does_not_come(monkeypatch):
    monkeypatch.setattr(egress, "POST_SECONDS", 0.3)
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", holds=True) as url:
        result = post(url, b"{}", {}, networks=LOOPBACK)
    assert (result.status, result.error, result.body) == (200, None, b"abc")


def test_no_more_than_64_kibibytes_of_an_answer_are_kept():
    with answering(b"HTTP/1.1 200 OK\r\n\r\n", *(b"x" * 65_536 for _ in range(400)), holds=True) as url:
        result = post(url, b"{}", {}, networks=LOOPBACK)
    assert (result.status, len(result.body)) == (200, egress.MAX_ANSWER_BYTES)


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 xyz\r\n\r\n", b"\x00\x01\x02"])
def test_an_answer_that_is_no_http_is_an_error(reply):
    with answering(reply) as url:
        result = post(url, b"{}", {}, networks=LOOPBACK)
    assert (result.status, result.error) == (None, PostError.BROKEN)


def test_a_target_that_is_away_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert post(f"http://127.0.0.1:{port}/", b"{}", {}, networks=LOOPBACK).error is PostError.NO_CONNECTION
    assert post("https://no-such-name.invalid/", b"{}", {}, networks=()).error is PostError.NAME_UNKNOWN


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https:///path",
        "https://user:secret@example.com/",
        "https://@example.com/",
        "https://example.com/#part",
        "https://example.com:99999/",
        "https://example.com:0/",
        "https://exam ple.com/",
        "https://example.com/\r\nX-Own: 1",
        "https://example.com\\@10.0.0.1/",
        "https://exämple.com/",
        "https://[::1/",
        "https://example.com/" + "x" * egress.MAX_URL_CHARACTERS,
    ],
)
def test_a_url_that_is_none_is_refused_when_it_is_entered(url):
    with pytest.raises(Refusal) as refused:
        check_url(url, LOOPBACK)
    assert refused.value.code == "target_url_invalid"


def test_http_is_entered_only_for_allowed_networks():
    check_url("https://example.com:8443/path?key=1", ())
    check_url("http://10.0.0.1/", LOOPBACK)
    with pytest.raises(Refusal) as refused:
        check_url("http://example.com/", ())
    assert refused.value.code == "target_url_not_https"


def test_ten_tries_wait_as_standard_webhooks_proposes_and_a_little_longer():
    hour = 3600
    table = [0, 5, 300, hour / 2, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour]
    for try_count, seconds in enumerate(table):
        waits = {wait_seconds(try_count) for _ in range(20)}
        assert all(seconds <= wait <= 1.2 * seconds for wait in waits)
        assert len(waits) > 1 or seconds == 0
    assert wait_seconds(len(table)) is None
