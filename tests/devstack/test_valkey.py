import os
import socket
import stat
from urllib.parse import urlsplit

import psutil
import pytest
import redis

from devstack import server
from devstack.server import ServerInUseError
from devstack.stack import Stack
from devstack.valkey import start_valkey


def connect(valkey, *, timeout_seconds=120):
    return redis.Redis.from_url(valkey.url, socket_timeout=timeout_seconds, retry=None)


def test_it_answers_when_it_is_returned_and_never_evicts(valkey):
    with connect(valkey) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("protected-mode") == {"protected-mode": "yes"}


def test_it_listens_on_loopback_only(valkey):
    connections = psutil.Process(valkey.pid).net_connections("all")
    assert {c.laddr for c in connections if c.status == psutil.CONN_LISTEN} == {("127.0.0.1", valkey.port)}


def test_a_taken_port_is_replaced(data_dir):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with start_valkey(data_dir, port=port) as valkey, connect(valkey) as client:
            assert valkey.port != port
            assert client.ping()


def test_with_appendonly_a_killed_server_comes_back_with_its_data(valkey):
    with connect(valkey) as client:
        client.set("tokens", 80)
        valkey.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        valkey.restart()
        assert client.get("tokens") == b"80"


def test_without_appendonly_a_restart_empties_it(data_dir):
    with start_valkey(data_dir) as valkey, connect(valkey) as client:
        client.set("tokens", 80)
        valkey.restart()
        assert client.get("tokens") is None


def test_a_frozen_server_keeps_its_connections_and_answers_after_the_thaw(valkey):
    with connect(valkey) as client, connect(valkey, timeout_seconds=0.2) as impatient:
        client_id = client.client_id()
        valkey.freeze()
        with pytest.raises(redis.TimeoutError):
            impatient.ping()
        valkey.thaw()
        assert client.client_id() == client_id


def test_a_frozen_server_is_stopped_in_order(valkey):
    valkey.freeze()
    valkey.stop()
    assert "Received SIGTERM" in valkey.log_path.read_text()
    assert not psutil.pid_exists(valkey.pid)
    valkey.stop()


def test_a_directory_of_a_live_server_is_refused(valkey, monkeypatch):
    monkeypatch.setattr(server, "LOCK_SECONDS", 0.05)
    with pytest.raises(ServerInUseError, match="in use by another running valkey"):
        start_valkey(valkey.data_dir)


def test_ctrl_c_in_the_terminal_does_not_reach_it(valkey):
    assert os.getsid(valkey.pid) != os.getsid(0)


def test_with_a_password_nobody_else_is_answered(data_dir):
    with start_valkey(data_dir, password="word") as valkey, connect(valkey) as client:
        assert valkey.url == f"redis://:word@127.0.0.1:{valkey.port}/0"
        assert client.ping()
        with redis.Redis(port=valkey.port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        arguments = psutil.Process(valkey.pid).cmdline()
        assert "word" not in " ".join(arguments)
        valkey.restart()
        assert client.ping()


def test_the_valkey_of_a_stack_has_a_password_that_survives_a_new_start(tmp_path):
    urls = []
    for _ in range(2):
        with Stack(tmp_path, {}) as stack:
            valkey = stack.start_valkey(appendonly=True)
            urls.append(urlsplit(valkey.url).password)
            with redis.Redis(port=valkey.port) as stranger, pytest.raises(redis.AuthenticationError):
                stranger.ping()
            with connect(valkey) as client:
                assert client.ping()
    assert urls[0] == urls[1]
    assert len(urls[0]) >= 32
    assert stat.S_IMODE((tmp_path / "valkey.password").stat().st_mode) == 0o600
