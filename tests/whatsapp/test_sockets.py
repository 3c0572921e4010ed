"""What has come on a connection while an error was held."""

from __future__ import annotations

import socket

import pytest

from campaigns.whatsapp.sockets import has_received_more


@pytest.fixture
def pair():
    here, there = socket.socketpair()
    with here, there:
        yield here, there


@pytest.mark.parametrize("end", [b"", b"\x15\x03\x03\x00\x1a" + b"x" * 26, b"\x17\x03\x03\x00\x13" + b"x" * 19])
def test_the_end_of_a_connection_is_no_reply(pair, end):
    """TLS 1.2 and TLS 1.3 say in a record that the connection ends."""
    here, there = pair
    there.sendall(end)
    there.close()
    assert not has_received_more(here, None)


@pytest.mark.parametrize("more", [b"H", b"HTTP/1.1 200 OK\r\n", b"\x17\x03\x03\x00\x40" + b"x" * 64])
def test_other_bytes_are_more_than_the_reply(pair, more):
    here, there = pair
    there.sendall(more)
    assert has_received_more(here, None)
