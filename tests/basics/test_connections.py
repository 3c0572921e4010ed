"""Slow clients, and a peer on the internet, do not take all connections of a public port."""

from __future__ import annotations

import socket
import time
from collections import Counter
from types import SimpleNamespace

import pytest
from gunicorn.workers.ggevent import GeventWorker

from campaigns.connections import PATIENCE_SECONDS, PEER_SHARE, SHORT_PATIENCE_SECONDS, BoundedWorker, name_peer


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        (("8.8.8.8", 1), "8.8.8.8"),
        (("::ffff:8.8.8.8", 1, 0, 0), "8.8.8.8"),
        (("2001:4860:1:2:3::8", 1, 0, 0), "2001:4860:1:2::/64"),
        (("127.0.0.1", 1), None),
        (("::1", 1, 0, 0), None),
        (("10.1.2.3", 1), None),
        (("172.17.0.1", 1), None),
        (("192.168.1.1", 1), None),
        (("::ffff:10.1.2.3", 1, 0, 0), None),
        (("fd00::1", 1, 0, 0), None),
        (("fe80::1", 1, 0, 2), None),
        ("", None),
        (b"", None),
        (("", 0), None),
    ],
)
def test_a_peer_on_the_internet_has_a_name_and_a_proxy_beside_us_has_none(address, peer):
    assert name_peer(address) == peer


class Noting(BoundedWorker):
    lowest_rate = 1000.0

    def note_refusal(self, reason, count=1):
        self.noted.append((reason, count))


@pytest.fixture
def worker(monkeypatch):
    """A worker for 50 connections, whose handling of a connection calls `during`. It keeps its refusals."""
    made = object.__new__(Noting)
    made.worker_connections, made.during, made.alive, made.noted = 50, lambda: None, True, []
    made.cfg = SimpleNamespace(is_ssl=False)
    made._clients, made._peers = {}, Counter()
    monkeypatch.setattr(GeventWorker, "handle", lambda self, *_: self.during())
    monkeypatch.setattr(GeventWorker, "notify", lambda _self: None)
    return made


@pytest.fixture
def open_many(worker):
    """Opens connections within each other, and returns how many of them were handled."""

    def open_each(addresses):
        handled = []
        left = iter(addresses)

        def during():
            handled.append(1)
            open_next()

        def open_next():
            address = next(left, None)
            if address is None:
                return
            one, other = socket.socketpair()
            with one, other:
                before = len(handled)
                worker.handle(None, one, address)
                if len(handled) == before:
                    assert one.fileno() == -1  # closed
                    open_next()

        worker.during = during
        open_next()
        return len(handled)

    return open_each


def test_a_peer_on_the_internet_gets_a_part_of_the_connections(worker, open_many):
    most = worker.worker_connections // PEER_SHARE
    assert open_many([("8.8.8.8", port) for port in range(20)]) == most
    assert open_many([("8.8.8.8", port) for port in range(20)]) == most  # what has ended does not count
    assert open_many([(f"8.8.8.{n}", 1) for n in range(20)]) == 20
    assert (worker._clients, worker._peers) == ({}, {})


def test_a_proxy_gets_all_connections(worker, open_many):
    assert open_many([("10.0.0.1", port) for port in range(40)]) == 40
    assert open_many([("127.0.0.1", port) for port in range(40)]) == 40


@pytest.fixture
def add_client(worker, monkeypatch):
    """Adds a connection whose head came some seconds ago (`headers` None: no head); tells whether it is still read."""
    opened = []

    def add(headers, *, seconds):
        one, other = socket.socketpair()
        opened.extend((one, other))
        one.setblocking(False)

        def is_read():
            try:
                return one.recv(1) != b""
            except BlockingIOError:
                return True

        def begin():
            worker._clients[one].since = time.monotonic() - seconds
            worker.notify()

        worker.during = begin
        if headers is not None:
            monkeypatch.setattr(GeventWorker, "handle_request", lambda *_: begin())
            request = SimpleNamespace(headers=headers)
            worker.during = lambda: worker.handle_request(None, request, one, ("127.0.0.1", 1))
        worker.handle(None, one, ("127.0.0.1", 1))
        return is_read()

    yield add
    for each in opened:
        each.close()


SLOW = PATIENCE_SECONDS + 1


@pytest.mark.parametrize(
    ("headers", "seconds", "is_read"),
    [
        ([("CONTENT-LENGTH", "10")], SLOW, False),
        ([("TRANSFER-ENCODING", "chunked")], SLOW, False),
        ([("CONTENT-LENGTH", "10")], PATIENCE_SECONDS - 1, True),
        ([("CONTENT-LENGTH", "60000")], SLOW + 55, True),  # 60 s at the lowest rate
        ([("CONTENT-LENGTH", "60000")], SLOW + 65, False),
        ([], 10_000, True),  # its answer is a stream
        ([("CONTENT-LENGTH", "0")], 10_000, True),
        (None, SLOW, True),  # an idle connection, while there are enough
    ],
)
def test_a_body_has_a_time_limit_and_an_answer_has_none(worker, add_client, headers, seconds, is_read):
    assert add_client(headers, seconds=seconds) == is_read
    assert worker.noted == ([] if is_read else [("too slow", 1)])


@pytest.mark.parametrize("headers", [None, [("CONTENT-LENGTH", "60000")]])
def test_in_a_crowd_the_time_is_short(worker, add_client, headers):
    worker.worker_connections = 1
    assert not add_client(headers, seconds=SHORT_PATIENCE_SECONDS + 1)


def test_at_the_end_of_the_worker_an_idle_connection_ends(worker, add_client):
    worker.alive = False
    assert not add_client(None, seconds=SHORT_PATIENCE_SECONDS + 1)
    assert add_client([], seconds=SHORT_PATIENCE_SECONDS + 1)
