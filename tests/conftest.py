"""Real servers for the tests: one Postgres, one Valkey and one simulator per run, an empty database per test."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings

import devstack.valkey
from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.management.accounts import add_account
from campaigns.secrets import make_key
from campaigns.sending.continuity import Continuity
from campaigns.sending.leases import LeaseKeeper
from campaigns.sending.start import Tools
from campaigns.store.database import Database
from campaigns.store.migrate import migrate
from campaigns.throttle.bucket import Throttle
from campaigns.throttle.ledger import Ledger
from campaigns.whatsapp.transport import Transport
from devstack.postgres import Postgres, start_postgres
from devstack.valkey import Valkey, start_valkey
from tests.simulator.far_end import PATIENCE_SECONDS, SimulatorClient, start_simulator
from tests.store.rows import PATIENT, empty
from tests.support.actors import TESTER

_numbers = itertools.count(1)
_SECRET_KEY = make_key()

# How fast this machine is just now says nothing about the code.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# A red run of the tests shall be about the change, so each run tries the same inputs. `make nightly` tries new ones.
settings.register_profile("same", settings.get_profile("search"), derandomize=True)
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--redis-server", type=Path, help="a redis-server that the tests start in place of Valkey")


def pytest_configure(config: pytest.Config) -> None:
    # The tests compare English texts, in whatever language the machine is.
    os.environ["REVOADA_LANGUAGE"] = "en"
    server: Path | None = config.getoption("--redis-server")
    if server is not None and not server.is_file():
        raise pytest.UsageError(f"{server} is missing: install Debian's package `redis-server`.")
    if server is not None:
        devstack.valkey.find_binary = lambda: server


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
def far(address: str) -> Iterator[SimulatorClient]:
    """The simulator, as if it had just started."""
    end = SimulatorClient(address)
    end.control("reset")
    with end.session:
        yield end


@pytest.fixture(scope="module")
def shared_url(postgres: Postgres) -> str:
    """A migrated database for all tests of a module: a clone costs more than most of them."""
    return postgres.create_database(f"shared_{next(_numbers)}", template="template_revoada")


@pytest.fixture(scope="module")
def shared(shared_url: str) -> Iterator[Database]:
    """The database of the module as its tests leave it: `database` empties it."""
    database = Database(shared_url, max_connections=16, **PATIENT)
    database.open()
    yield database
    database.close()


@pytest.fixture
def database(shared: Database) -> Database:
    """The database of the module without any rows. A test that changes the schema takes `cloned_url` instead."""
    empty(shared)
    return shared


@pytest.fixture
def database_url(database: Database, shared_url: str) -> str:
    """Where processes and other pools find `database`."""
    return shared_url


@pytest.fixture
def cloned_url(postgres: Postgres) -> str:
    """A migrated database of the test's own."""
    return postgres.create_database(f"test_{next(_numbers)}", template="template_revoada")


@pytest.fixture
def open_database(database_url: str) -> Iterator[Callable[..., Database]]:
    """Opens pools on the test's database; all are closed at its end."""
    opened: list[Database] = []

    def open_one(**options: Any) -> Database:
        opened.append(Database(database_url, **PATIENT | options))
        opened[-1].open()
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def make_tools(database: Database, valkey: Valkey) -> Iterator[Callable[..., Tools]]:
    """Makes what the slices of a process work with, on an empty Valkey; all is closed at the end of the test.

    `used`: the database of the slices. The keeper has that of the test, so that nobody counts its statements.
    """
    with ExitStack() as stack:

        def make(
            graph_api_url: str,
            *,
            used: Database = database,
            valkey_url: str = valkey.url,
            total_timeout: float = PATIENCE_SECONDS,
            **changes: Any,
        ) -> Tools:
            chosen = Settings(secret_key=_SECRET_KEY, graph_api_url=graph_api_url, **changes)
            client = stack.enter_context(redis.Redis.from_url(valkey_url))
            client.flushall()
            keeper = LeaseKeeper(database, chosen)
            stack.callback(keeper.close)
            transport = Transport(connect_timeout=PATIENCE_SECONDS, total_timeout=total_timeout)
            stack.callback(transport.close)
            alerts = Alerts(None)
            return Tools(
                chosen,
                used,
                Throttle(client),
                transport,
                keeper,
                alerts,
                threading.Event(),
                "me",
                Continuity(used, Ledger(client), chosen, alerts),
            )

        yield make


@pytest.fixture
def add_sender(database: Database) -> Callable[..., int]:
    """Adds an account that the slices of `make_tools` can send with, as fast as they like; returns its id."""

    def add(number: str = "1", *, waba_id: str = "22") -> int:
        account = {"phone_number_id": number, "waba_id": waba_id, "token": "EAA", "messages_per_second": 1_000_000}
        return add_account(database, f"account {number}", secret_key=_SECRET_KEY, **account, actor=TESTER)

    return add


@pytest.fixture(scope="session")
def project() -> Path:
    return Path(__file__).resolve().parent.parent
