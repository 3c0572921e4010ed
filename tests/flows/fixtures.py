"""One simulator for the run, told anew before each test; a database, a broker and roles of each test's own.

Flows and faults share them: the conftest of each imports all names.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from harness import PATIENCE_SECONDS, FarEnd, Flow, make_environment

from campaigns.store.database import Database
from devstack.ports import free_port
from devstack.stack import Stack, await_http
from devstack.valkey import Valkey

_DATABASES = itertools.cycle(range(1, 16))
_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.when == "call":
        item.stash[_failed] = report.failed
    return report


@pytest.fixture(scope="session")
def simulator_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    with Stack(tmp_path_factory.mktemp("simulator"), {}) as stack:
        stack.start_process("simulator", [sys.executable, "-m", "simulator", "--port", str(port)])
        url = f"http://127.0.0.1:{port}"
        await_http(f"{url}/_simulator/stats", stack, seconds=PATIENCE_SECONDS)
        yield url


@pytest.fixture
def redis_url(valkey: Valkey) -> str:
    """A database of Valkey that is empty, and no other test's."""
    url = f"{valkey.url.removesuffix('/0')}/{next(_DATABASES)}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def flow(  # noqa: PLR0917 - fixtures
    tmp_path: Path,
    request: pytest.FixtureRequest,
    simulator_url: str,
    database_url: str,
    redis_url: str,
    open_database: Callable[..., Database],
) -> Iterator[Flow]:
    """An installation without any role. What the test starts is stopped at its end; no log may hold a secret."""
    far = FarEnd(simulator_url)
    far.reset()
    far.script(limits={"messages_per_second": 0})
    installation = Flow(tmp_path, open_database(), make_environment(database_url, redis_url, simulator_url), far)
    try:
        yield installation
    finally:
        installation.stop()
        if request.node.stash.get(_failed, True):
            installation.print_logs()
    assert installation.find_leaks() == []
