import socket
from pathlib import Path

import pytest

from devstack.ports import free_port


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_the_preferred_port_is_given_where_it_is_free():
    port = free_port()
    assert free_port(port) == port


def test_a_taken_port_is_replaced_by_a_free_one(taken_port):
    port = free_port(taken_port)
    assert port != taken_port
    socket.create_server(("127.0.0.1", port)).close()


def test_no_client_can_be_handed_the_port_of_a_server_that_is_down():
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if not ephemeral.exists():
        pytest.skip("only Linux tells its range")
    lowest = int(ephemeral.read_text().split()[0])
    if lowest <= 32_000:
        pytest.skip("this machine hands out nearly all ports")
    assert all(free_port() < lowest for _ in range(100))
