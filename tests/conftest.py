"""Real servers for the tests: one Postgres, one Valkey and one simulator per run, a fresh database per test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from campaigns.store.database import Database
from campaigns.store.migrate import migrate
from devstack.postgres import Postgres, start_postgres
from devstack.valkey import Valkey, start_valkey
from tests.simulator.far_end import FarEnd, start_simulator
from tests.store.rows import shared_database

_numbers = itertools.count(1)

# How fast this machine is just now says nothing about the code.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """The server, with a migrated database `template_revoada` to clone."""
    with start_postgres(tmp_path_factory.mktemp("postgres") / "data", fsync=False) as server:
        migrate(server.create_database("template_revoada"))
        yield server


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with start_valkey(tmp_path_factory.mktemp("valkey") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where the simulator of this run listens."""
    with start_simulator() as (_, url):
        yield url


@pytest.fixture
def far(address: str) -> Iterator[FarEnd]:
    """The simulator, as if it had just started."""
    end = FarEnd(address)
    end.control("reset")
    with end.session:
        yield end


@pytest.fixture
def database_url(postgres: Postgres) -> str:
    """A migrated database of the test's own."""
    return postgres.create_database(f"test_{next(_numbers)}", template="template_revoada")


@pytest.fixture
def open_database(database_url: str) -> Iterator[Callable[..., Database]]:
    """Opens pools on the test's database; all are closed at its end."""
    opened: list[Database] = []

    def open_one(**options: Any) -> Database:
        # Not one of the roles, for those that ask who is there.
        opened.append(Database(database_url, **{"name": "a test"} | options))
        opened[-1].open()
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def database(open_database: Callable[..., Database]) -> Database:
    return open_database()


@pytest.fixture(scope="module")
def shared(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database for all tests of a module, which empty it themselves."""
    with shared_database(postgres, request.module.__name__.rpartition("test_")[2]) as database:
        yield database


@pytest.fixture(scope="session")
def project() -> Path:
    return Path(__file__).resolve().parent.parent
