"""One simulator for the run, told anew before each test; a database, a broker and roles of each test's own.

Flows, faults and clocks share them: the conftest of each imports all names.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from harness import PATIENCE_SECONDS, Flow, SimulatorClient, make_environment

from campaigns.store.database import Database
from devstack.ports import free_port
from devstack.proxy import Proxy
from devstack.stack import Stack, await_http
from devstack.valkey import Valkey
from tests.store.rows import PATIENT

_DATABASES = itertools.cycle(range(1, 16))


@pytest.fixture(scope="session")
def simulator_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    with Stack(tmp_path_factory.mktemp("simulator"), {}) as stack:
        stack.start_process("simulator", [sys.executable, "-m", "simulator", "--port", str(port)])
        url = f"http://127.0.0.1:{port}"
        await_http(f"{url}/_simulator/stats", stack, seconds=PATIENCE_SECONDS)
        yield url


@pytest.fixture
def database_url(cloned_url: str) -> str:
    """A database of the test's own: roles are connected to it, and some tests change its schema."""
    return cloned_url


@pytest.fixture
def redis_url(valkey: Valkey) -> str:
    return make_redis_url(valkey)


def make_redis_url(valkey: Valkey) -> str:
    """Return the address of a database of Valkey that is empty, and no other test's."""
    url = f"{valkey.url.removesuffix('/0')}/{next(_DATABASES)}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@contextmanager
def installed(
    request: pytest.FixtureRequest, folder: Path, *, database_url: str, redis_url: str, simulator_url: str
) -> Iterator[Flow]:
    """An installation without any role. What is started in it is stopped at its end; no log may hold a secret."""
    failed_before = request.session.testsfailed
    far = SimulatorClient(simulator_url)
    far.reset()
    far.script(limits={"messages_per_second": 0})
    database = Database(database_url, **PATIENT)
    database.open()
    one = Flow(folder, database, make_environment(database_url, redis_url, simulator_url), far)
    try:
        yield one
    finally:
        one.stop()
        database.close()
        if request.session.testsfailed > failed_before:
            one.print_logs()
    assert one.find_leaks() == []


@pytest.fixture
def flow(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str, redis_url: str, simulator_url: str
) -> Iterator[Flow]:
    """An installation of the test's own."""
    urls = {"database_url": database_url, "redis_url": redis_url, "simulator_url": simulator_url}
    with installed(request, tmp_path, **urls) as one:
        yield one


@pytest.fixture(scope="module")
def module_flow(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    simulator_url: str,
    shared_url: str,
    valkey: Valkey,
) -> Iterator[Flow]:
    """An installation for the tests of one file: a fixture of the file starts its roles."""
    urls = {"database_url": shared_url, "redis_url": make_redis_url(valkey), "simulator_url": simulator_url}
    with installed(request, tmp_path_factory.mktemp("module"), **urls) as one:
        yield one


@pytest.fixture
def api_proxy(flow: Flow) -> Iterator[Proxy]:
    """A proxy between the workers and the far end."""
    parts = urlsplit(flow.stack.environment["GRAPH_API_URL"])
    assert parts.port is not None
    with Proxy(parts.port) as proxy:
        flow.stack.environment["GRAPH_API_URL"] = f"http://127.0.0.1:{proxy.port}{parts.path}"
        yield proxy


@pytest.fixture
def gate(flow: Flow, api_proxy: Proxy) -> Proxy:
    """All requests of the roles to the far end pass this proxy. While it is frozen, nobody gets an answer.

    Requests wait at a frozen gate until the test thaws it. No timeout and no lease ends before that.
    """
    flow.stack.environment |= {
        "REVOADA_HTTP_TIMEOUT_SECONDS": f"{PATIENCE_SECONDS}",
        "REVOADA_HEALTH_TIMEOUT_SECONDS": f"{PATIENCE_SECONDS}",
        "REVOADA_LEASE_SECONDS": f"{3 * PATIENCE_SECONDS}",
    }
    return api_proxy
