import time
from collections.abc import Iterator

import pytest
import redis
from throttle_worlds import World, fake_world

from devstack.valkey import Valkey, start_valkey


@pytest.fixture(scope="session")
def make_fake_world():
    """For hypothesis, which wants a new world for each example."""
    return fake_world


@pytest.fixture
def fake() -> Iterator[World]:
    with fake_world() as world:
        yield world


@pytest.fixture(scope="session")
def valkey(tmp_path_factory) -> Iterator[Valkey]:
    """A server of their own: these tests empty it, freeze it and take its memory away."""
    with start_valkey(tmp_path_factory.mktemp("throttle-valkey")) as server:
        yield server


@pytest.fixture
def real(valkey) -> Iterator[World]:
    with redis.Redis.from_url(valkey.url, socket_timeout=120) as client:
        client.flushall()
        yield World(client, time.sleep, time.time)


@pytest.fixture(params=["fake", "real"])
def world(request) -> World:
    return request.getfixturevalue(request.param)
