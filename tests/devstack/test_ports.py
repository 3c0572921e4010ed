import socket
from pathlib import Path

import pytest

from devstack.ports import CANDIDATES, free_port, is_free, keep_port


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


def test_a_port_on_which_a_server_listens_for_ipv6_only_is_taken():
    """A browser that opens `localhost` may connect to ::1 first."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with socket.socket(socket.AF_INET6) as listener:
        try:
            listener.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        listener.listen()
        taken = listener.getsockname()[1]
        assert not is_free(taken)
        assert free_port(taken) != taken


def test_a_port_is_kept_between_runs(tmp_path):
    port = keep_port(tmp_path / "port")
    assert port in CANDIDATES
    assert keep_port(tmp_path / "port") == port


@pytest.mark.parametrize("content", ["", "x\n", "0\n", "80\n", "99999\n"])
def test_a_file_without_a_usable_port_gets_one(tmp_path, content):
    (tmp_path / "port").write_text(content)
    assert keep_port(tmp_path / "port") in CANDIDATES
    assert (tmp_path / "port").read_text() != content


def test_a_kept_port_that_is_taken_is_replaced_in_the_file(tmp_path):
    port = keep_port(tmp_path / "port")
    with socket.create_server(("127.0.0.1", port)):
        other = keep_port(tmp_path / "port")
    assert other != port
    assert keep_port(tmp_path / "port") == other


def test_the_first_port_is_taken_where_it_is_free_and_another_port_is_kept(tmp_path, taken_port):
    first = free_port()
    assert keep_port(tmp_path / "flower.port", first) == first
    assert keep_port(tmp_path / "flower.port", first) == first
    other = keep_port(tmp_path / "webhooks.port", taken_port)
    assert other in CANDIDATES
    assert keep_port(tmp_path / "webhooks.port", first) == other  # also when the first port is free again


def test_no_client_can_be_handed_the_port_of_a_server_that_is_down():
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if not ephemeral.exists():
        pytest.skip("only Linux tells its range")
    lowest = int(ephemeral.read_text().split()[0])
    if lowest <= 32_000:
        pytest.skip("this machine hands out nearly all ports")
    assert all(free_port() < lowest for _ in range(100))
