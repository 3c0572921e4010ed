"""The effect of each fault of the proxy on a connection."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from devstack.ports import LOOPBACK
from devstack.proxy import Proxy
from devstack.server import wait_until

PATIENCE = 120.0


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65_536):
            self.request.sendall(data)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with socketserver.ThreadingTCPServer((LOOPBACK, 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with Proxy(server.server_address[1]) as proxy:
            yield proxy
        server.shutdown()


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection((LOOPBACK, proxy.port), PATIENCE)


def ask(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    return read(connection, len(data))


def read(connection: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count and (more := connection.recv(count - len(got))):
        got += more
    return got


def is_silent(connection: socket.socket) -> bool:
    connection.settimeout(0.2)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(PATIENCE)
    return False


def test_bytes_pass_both_ways(proxy: Proxy) -> None:
    with connect(proxy) as client:
        assert ask(client, b"hello") == b"hello"
        large = b"x" * 3_000_000
        threading.Thread(target=client.sendall, args=(large,), daemon=True).start()
        assert read(client, len(large)) == large


def test_a_closed_connection_is_closed_on_the_other_side(proxy: Proxy) -> None:
    with connect(proxy) as client:
        client.sendall(b"bye")
        client.shutdown(socket.SHUT_WR)
        assert read(client, 100) == b"bye"
        assert client.recv(1) == b""
    assert wait_until(lambda: proxy.connection_count() == 0, PATIENCE)


def test_reset_ends_all_connections_at_once(proxy: Proxy) -> None:
    with connect(proxy) as client:
        ask(client, b"1")
        assert proxy.reset() == 1
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_lost_connections_stay_silent_and_new_ones_work(proxy: Proxy) -> None:
    with connect(proxy) as old, connect(proxy) as new:
        ask(old, b"1")
        ask(new, b"1")
        assert proxy.lose() == 2
        assert proxy.connection_count() == 0
        old.sendall(b"2")
        assert is_silent(old)
        with connect(proxy) as later:
            assert ask(later, b"3") == b"3"


def test_a_freeze_holds_bytes_and_loses_none(proxy: Proxy) -> None:
    with connect(proxy) as old:
        ask(old, b"1")
        proxy.freeze()
        with connect(proxy) as new:
            old.sendall(b"2")
            new.sendall(b"3")
            assert is_silent(old)
            assert is_silent(new)
            proxy.thaw()
            assert read(old, 1) == b"2"
            assert read(new, 1) == b"3"


def test_refused_connections_are_refused_until_accepted_again(proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.accept()
    with connect(proxy) as client:
        assert ask(client, b"1") == b"1"


@pytest.mark.parametrize("at_byte", [0, 1, 4])
def test_a_reply_is_cut_at_a_byte(proxy: Proxy, at_byte: int) -> None:
    proxy.cut("reply", at_byte, is_reset=False)
    with connect(proxy) as client:
        assert ask(client, b"12345") == b"12345"[:at_byte]
    with connect(proxy) as client:
        assert ask(client, b"12345") == b"12345"


def test_a_cut_that_has_not_come_yet_can_be_called_off(proxy: Proxy) -> None:
    with connect(proxy) as client:
        proxy.cut("reply", 8)
        proxy.cut("reply", 2)
        assert ask(client, b"12345") == b"12345"
        proxy.uncut()
        assert ask(client, b"12345") == b"12345"


def test_a_request_is_cut_at_a_byte_and_reset(proxy: Proxy) -> None:
    proxy.cut("request", 2)
    with connect(proxy) as client:
        client.sendall(b"12345")
        with pytest.raises(ConnectionResetError):
            read(client, 5)


def test_without_a_server_behind_it_a_connection_is_reset(proxy: Proxy) -> None:
    proxy.upstream_port = 1
    with pytest.raises(ConnectionResetError):
        connect(proxy).recv(1)


def test_a_delay_keeps_the_order(proxy: Proxy) -> None:
    proxy.delay_seconds = 0.01
    with connect(proxy) as client:
        for number in range(50):
            client.sendall(b"%02d" % number)
        assert read(client, 100) == b"".join(b"%02d" % number for number in range(50))


def test_a_reply_comes_twice_where_replies_are_repeated(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        proxy.repeat_seconds = 0.01
        assert ask(connection, b"once") == b"once"
        assert read(connection, 4) == b"once"
        proxy.repeat_seconds = None
        assert ask(connection, b"more") == b"more"
        assert is_silent(connection)
