"""Valkey away: a low rate, never unlimited, and nobody waits for it in turn."""

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace

import fakeredis
import pytest
import redis

from campaigns.throttle.bucket import Ask, Throttle
from campaigns.valkey import make_client
from devstack.proxy import Proxy
from devstack.server import wait_until

CALLERS = 50
# The default of REVOADA_SLOTS.
SLOTS = 512
PATIENCE = 120.0


@pytest.fixture
def away():
    """A throttle whose server can be cut off by `server.connected`, with a local clock to turn."""
    server = fakeredis.FakeServer()
    local = SimpleNamespace(now=1000.0)
    throttle = Throttle(fakeredis.FakeRedis(server=server), clock=lambda: local.now)
    server.connected = False
    return SimpleNamespace(server=server, local=local, throttle=throttle)


def ask(away, want=10, *, rate=80.0, campaign=1, **more):
    return away.throttle.grant(campaign, [Ask(7, rate, want, **more)])[0]


def test_creating_a_throttle_connects_to_nobody():
    Throttle(redis.Redis(host="192.0.2.1", socket_timeout=60, socket_connect_timeout=60))


def test_fallback_starts_empty_and_gives_one_message_a_second(away):
    given = []
    for _ in range(50):
        given.append(ask(away).tokens)
        away.local.now += 0.1
    assert given[0] == 0
    assert sum(given) == 4


def test_fallback_tells_when_its_next_token_comes(away):
    first = ask(away)
    away.local.now += first.retry_seconds

    assert first.retry_seconds == pytest.approx(1)
    assert (first.rate, first.granted_at) == (1, 0)
    assert ask(away).tokens == 1


def test_fallback_never_saves_up_tokens(away):
    ask(away)
    away.local.now += 3600
    assert [ask(away).tokens for _ in range(3)] == [1, 0, 0]


def test_fallback_is_no_faster_than_the_account(away):
    assert ask(away, rate=0.1).retry_seconds == pytest.approx(10)


def test_tokens_that_valkey_granted_are_not_given_again_by_the_fallback(away):
    ask(away)
    assert ask(away, give_back=50).tokens == 0


def test_fallback_keeps_accounts_apart_and_in_order(away):
    asks = [Ask(account, 80, 1) for account in (3, 1, 2)]
    away.throttle.grant(1, asks)
    away.local.now += 1
    assert [(g.account_id, g.tokens) for g in away.throttle.grant(1, asks)] == [(3, 1), (1, 1), (2, 1)]


def test_threads_share_the_fallback(away):
    ask(away)
    away.local.now += 1
    given = []
    threads = [threading.Thread(target=lambda: given.append(ask(away).tokens)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(given) == 1


def test_valkey_is_tried_again_only_now_and_then_by_one_caller(away, monkeypatch):
    tried_at = []

    def unreachable(*_):
        tried_at.append(away.local.now)
        if len(tried_at) > 1:
            ask(away, campaign=3)  # somebody asks while this one still waits for an answer
        raise redis.ConnectionError("gone")

    monkeypatch.setattr(away.throttle, "_script", unreachable)
    for _ in range(45):
        ask(away)
        ask(away, campaign=2)
        away.local.now += 0.1

    assert tried_at == pytest.approx([1000, 1002, 1004], abs=0.15)


def test_asking_for_no_account_asks_nobody(away, caplog):
    assert away.throttle.grant(1, []) == []
    assert not caplog.records


def test_story_is_told_once_at_the_start_and_once_at_the_end(away, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(3):
        ask(away)
        away.local.now += 2.1
    away.server.connected = True
    back = [ask(away) for _ in range(3)]

    assert [(r.levelname, r.event) for r in caplog.records] == [
        ("WARNING", "throttle_unreachable"),
        ("INFO", "throttle_back"),
    ]
    assert {grant.rate for grant in back} == {80}


def test_fallback_starts_empty_each_time(away):
    ask(away)
    for connected in (True, False):
        away.server.connected = connected
        away.local.now += 5
        last = ask(away)
    assert (last.rate, last.tokens) == (1, 0)


@pytest.mark.parametrize(
    "error",
    [
        redis.TimeoutError("late"),
        redis.exceptions.BusyLoadingError("LOADING"),
        redis.exceptions.ReadOnlyError("READONLY"),
        redis.exceptions.MaxConnectionsError("Too many connections"),
        redis.ResponseError("MISCONF"),
    ],
)
def test_server_that_cannot_serve_is_as_good_as_away(away, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(away.throttle, "_script", fail)
    assert ask(away).rate == 1


def test_valkey_that_became_a_replica_is_as_good_as_away(real):
    real.client.replicaof("127.0.0.1", 1)
    try:
        assert real.grant(10).rate == 1
    finally:
        real.client.replicaof("NO", "ONE")


def test_valkey_without_memory_for_others_still_keeps_the_limit(real):
    """A script that has removed something may go on writing: Valkey refuses it all or nothing."""
    real.client.config_set("maxmemory", 1)
    try:
        real.fill(rate=0.001)
        assert [real.grant(100, rate=0.001).tokens for _ in range(2)] == [1, 0]
    finally:
        real.client.config_set("maxmemory", 0)


def test_frozen_valkey_holds_up_no_caller_for_another_and_none_twice(valkey):
    """Valkey answers only after the test ends the freeze. A caller that gets tokens before has not waited for it."""
    clock = SimpleNamespace(now=1000.0)
    with Proxy(valkey.port) as proxy:
        url = valkey.url.replace(f":{valkey.port}/", f":{proxy.port}/")
        with make_client(url, timeout_seconds=PATIENCE) as client, ThreadPoolExecutor(CALLERS) as pool:
            throttle = Throttle(client, retry_after_seconds=2, clock=lambda: clock.now)

            def ask_all():
                return [pool.submit(throttle.grant, each, [Ask(7, 80, 10)]) for each in range(CALLERS)]

            proxy.freeze()
            firsts = ask_all()
            assert wait_until(lambda: proxy.connection_count() == CALLERS, PATIENCE), "all wait at the same time"
            proxy.reset()
            assert rates(firsts) == {1}

            asked_count = proxy.accepted_count
            assert rates(ask_all()) == {1}
            assert proxy.accepted_count == asked_count, "nobody asks Valkey again so soon"

            clock.now += 2
            one = pool.submit(throttle.grant, CALLERS, [Ask(7, 80, 10)])
            assert wait_until(lambda: proxy.accepted_count > asked_count, PATIENCE), "one asks Valkey again"
            assert rates([pool.submit(throttle.grant, 0, [Ask(7, 80, 10)])]) == {1}
            assert not one.done(), "Valkey still holds it up"

            proxy.thaw()
            assert rates([one]) == {80}
            assert rates(ask_all()) == {80}


def test_all_slots_of_a_process_may_ask_valkey_at_the_same_time(valkey):
    """By default the client refuses the 101st connection, and Valkey would count as away."""
    with make_client(valkey.url, timeout_seconds=PATIENCE) as client:
        connections = [client.connection_pool.get_connection() for _ in range(SLOTS)]
        assert len(set(connections)) == SLOTS
        for each in connections:
            client.connection_pool.release(each)


def test_frozen_valkey_is_given_up_after_the_clients_timeout(valkey):
    with make_client(valkey.url, timeout_seconds=0.05) as client:
        valkey.freeze()
        try:
            assert Throttle(client).grant(1, [Ask(7, 80, 10)])[0].rate == 1
        finally:
            valkey.thaw()


def rates(answers: list[Future]) -> set[float]:
    return {grant.rate for each in answers for grant in each.result(PATIENCE)}


def test_fallback_rate_must_be_a_rate():
    with pytest.raises(ValueError, match="fallback_rate"):
        Throttle(fakeredis.FakeRedis(), fallback_rate=0)
