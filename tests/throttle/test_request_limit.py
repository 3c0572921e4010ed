"""The limit of requests of a token, with Valkey and without it."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from campaigns.throttle.requests import PER_MINUTE, WINDOW_SECONDS, RequestLimit
from campaigns.valkey import make_client
from devstack.proxy import Proxy


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def now():
    return Clock()


@pytest.fixture
def url(valkey):
    make_client(valkey.url, timeout_seconds=5).flushdb()
    return valkey.url


def exceed(limit, token_id=1):
    """Use up the limit of a token; the allowances."""
    return [limit.count(token_id) for _ in range(PER_MINUTE + 1)]


def check(found):
    assert [each.is_exceeded for each in found] == [False] * PER_MINUTE + [True]
    assert [found[0].left, found[-2].left] == [PER_MINUTE - 1, 0]
    assert all(1 <= each.reset_seconds <= WINDOW_SECONDS for each in found)


def test_all_processes_count_together_and_each_token_by_itself(url):
    one, other = RequestLimit(url), RequestLimit(url)
    check(exceed(one))
    assert other.count(1).is_exceeded
    assert other.count(2).left == PER_MINUTE - 1
    client = make_client(url, timeout_seconds=5)
    assert 0 < client.ttl("revoada:requests:1") <= WINDOW_SECONDS
    client.delete("revoada:requests:1")  # as its end does
    assert not one.count(1).is_exceeded


def test_without_valkey_each_process_counts_for_itself(now):
    one, other = RequestLimit(None, now=now), RequestLimit(None, now=now)
    check(exceed(one))
    assert not other.count(1).is_exceeded
    now.now += WINDOW_SECONDS
    assert one.count(1).left == PER_MINUTE - 1


def test_while_valkey_is_away_the_process_counts_and_asks_it_rarely(url, now):
    with Proxy(urlsplit(url).port) as proxy:
        limit = RequestLimit(url.replace(f":{urlsplit(url).port}", f":{proxy.port}"), now=now)
        assert limit.count(1).left == PER_MINUTE - 1
        proxy.refuse()
        assert limit.count(1).left == PER_MINUTE - 1
        proxy.accept()
        assert limit.count(1).left == PER_MINUTE - 2
        now.now += 10
        assert limit.count(1).left == PER_MINUTE - 2  # that is what Valkey has counted: 2
