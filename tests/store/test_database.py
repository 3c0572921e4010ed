"""The pool, where Postgres does not answer, or asks to try again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from campaigns.store.database import Database, ServerSilentError, allow_long_statements
from devstack.postgres import Postgres
from devstack.proxy import Proxy
from tests.simulator.far_end import PATIENCE_SECONDS
from tests.store.rows import PATIENT


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[Proxy]:
    with Proxy(postgres.port) as proxy:
        yield proxy


@pytest.fixture
def far_database(proxy: Proxy, database_url: str, postgres: Postgres) -> Iterator[Database]:
    """The test's database through a proxy."""
    url = database_url.replace(f":{postgres.port}/", f":{proxy.port}/")
    database = Database(url, max_connections=4, **PATIENT)
    database.open()
    yield database
    database.close()


@contextmanager
def impatience(database: Database) -> Iterator[None]:
    """Give up a statement after a quarter of a second: only for statements that the server never gets."""
    patience, database._timeout_seconds = database._timeout_seconds, 0.25
    yield
    database._timeout_seconds = patience


def one(connection: psycopg.Connection) -> int:
    return connection.execute("SELECT 1").fetchone()[0]


def test_a_server_that_vanished_is_given_up_and_its_other_connections_too(far_database: Database, proxy: Proxy) -> None:
    far_database._pool.resize(4, 4)
    far_database._pool.wait(PATIENCE_SECONDS)
    assert far_database.run(one) == 1
    assert proxy.lose() == 4
    with impatience(far_database), pytest.raises(ServerSilentError, match=r"silent for 0\.25 s"):
        far_database.run(one)
    assert [far_database.run(one) for _ in range(8)] == [1] * 8


def test_a_long_statement_may_be_allowed_for_one_transaction(open_database: Callable[..., Database]) -> None:
    database = open_database(statement_seconds=1.0)

    def sleep(connection: psycopg.Connection) -> int:
        allow_long_statements(connection)
        connection.execute("SELECT pg_sleep(1.5)")
        return one(connection)

    assert database._timeout_seconds == 1.25
    assert database.run(sleep) == 1
    database._timeout_seconds = PATIENCE_SECONDS  # the server's own limit is enough
    with pytest.raises(psycopg.errors.QueryCanceled):
        database.run(lambda connection: connection.execute("SELECT pg_sleep(100)"))


def test_what_was_allowed_once_is_not_allowed_again(far_database: Database, proxy: Proxy) -> None:
    far_database.run(allow_long_statements)
    proxy.lose()
    with impatience(far_database), pytest.raises(ServerSilentError):
        far_database.run(one)


@pytest.mark.parametrize("is_pooled", [False, True])
def test_commits_wait_for_the_disk_whatever_the_default_of_database_and_role_is(
    database_url: str, open_database: Callable[..., Database], is_pooled: bool
) -> None:
    name = database_url.rpartition("/")[2]
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        admin.execute(f"ALTER ROLE postgres IN DATABASE {name} SET synchronous_commit = off")
        with psycopg.connect(database_url) as other:
            assert other.execute("SHOW synchronous_commit").fetchone() == ("off",)
    database = open_database(is_pooled=is_pooled)
    assert database.run(lambda each: each.execute("SHOW synchronous_commit").fetchone()) == ("on",)


SETTINGS = (
    "SELECT current_setting('synchronous_commit'), current_setting('timezone'), current_setting('statement_timeout'),"
    " current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')"
)
PREPARED = "SELECT count(*) FROM pg_prepared_statements"


def test_a_pooled_transaction_has_the_settings_of_a_session_and_leaves_none(
    open_database: Callable[..., Database],
) -> None:
    direct, pooled = open_database(), open_database(is_pooled=True, max_connections=1)
    wanted = direct.run(lambda each: each.execute(SETTINGS).fetchone())
    assert wanted == ("on", "UTC", "2min", "1min", "2min")
    with pooled._pool.connection() as connection:
        before = connection.execute(SETTINGS).fetchone()
    assert before != wanted

    assert pooled.run(lambda each: each.execute(SETTINGS).fetchone()) == wanted

    with pooled._pool.connection() as connection:
        assert connection.execute(SETTINGS).fetchone() == before


def test_a_pooled_connection_prepares_no_statement(open_database: Callable[..., Database]) -> None:
    direct, pooled = open_database(max_connections=1), open_database(is_pooled=True, max_connections=1)
    for database in (direct, pooled):
        for _ in range(8):
            database.run(lambda each: each.execute("SELECT %s::int", [1]).fetchone())
    assert direct.run(lambda each: each.execute(PREPARED, prepare=False).fetchone()) != (0,)
    assert pooled.run(lambda each: each.execute(PREPARED).fetchone()) == (0,)


def test_an_error_in_a_transaction_leaves_nothing_of_it(open_database: Callable[..., Database]) -> None:
    database = open_database(max_connections=1)
    database.run(lambda each: each.execute("CREATE TABLE kept (n int)"))

    def fail(connection: psycopg.Connection) -> None:
        connection.execute("INSERT INTO kept VALUES (1)")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.run(fail)
    assert database.run(lambda each: each.execute("SELECT count(*) FROM kept").fetchone()) == (0,)
    database.run(lambda each: each.execute("DROP TABLE kept"))
