"""One installation whose roles run for all tests of this folder: they need neither a fault nor other settings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fixtures import installed, make_redis_url, simulator_url
from harness import PATIENCE_SECONDS, Flow

from devstack.postgres import Postgres
from devstack.valkey import Valkey

__all__ = ["simulator_url"]


@pytest.fixture(scope="package")
def running(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    simulator_url: str,
    postgres: Postgres,
    valkey: Valkey,
) -> Iterator[Flow]:
    folder = tmp_path_factory.mktemp("running")
    urls = {
        "database_url": postgres.create_database(folder.name, template="template_revoada"),
        "redis_url": make_redis_url(valkey),
        "simulator_url": simulator_url,
    }
    with installed(request, folder, **urls) as one:
        # A webhook that gets 503 comes again, which no test here is about.
        one.start("webhooks", "events", "worker", "beat", tick_seconds=1, inbox_wait_seconds=PATIENCE_SECONDS)
        one.await_ready()
        yield one


@pytest.fixture
def flow(running: Flow) -> Iterator[Flow]:
    """The installation that runs, as if it had just been made."""
    running.begin_anew()
    yield running
    running.stack.check_alive()
    assert running.find_leaks() == []
