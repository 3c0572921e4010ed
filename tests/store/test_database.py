"""The pool, where Postgres does not answer, or asks to try again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from campaigns.store.database import Database, ServerSilentError, allow_long_statements
from devstack.postgres import Postgres
from devstack.proxy import Proxy


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[Proxy]:
    with Proxy(postgres.port) as proxy:
        yield proxy


@pytest.fixture
def far_database(proxy: Proxy, database_url: str, postgres: Postgres) -> Iterator[Database]:
    """A database whose every statement may take a fifth of a second."""
    url = database_url.replace(f":{postgres.port}/", f":{proxy.port}/")
    database = Database(url, max_connections=4, statement_seconds=0.2)
    database.open()
    yield database
    database.close()


def one(connection: psycopg.Connection) -> int:
    return connection.execute("SELECT 1").fetchone()[0]


def test_a_server_that_vanished_is_given_up_and_its_other_connections_too(far_database: Database, proxy: Proxy) -> None:
    far_database._pool.resize(4, 4)
    far_database._pool.wait(10)
    assert far_database.run(one) == 1
    assert proxy.lose() == 4
    with pytest.raises(ServerSilentError, match=r"silent for 0\.25 s"):
        far_database.run(one)
    assert [far_database.run(one) for _ in range(8)] == [1] * 8


def test_a_long_statement_may_be_allowed_for_one_transaction(far_database: Database) -> None:
    def sleep(connection: psycopg.Connection) -> int:
        allow_long_statements(connection)
        connection.execute("SELECT pg_sleep(0.5)")
        return one(connection)

    assert far_database.run(sleep) == 1
    with pytest.raises(psycopg.errors.QueryCanceled):
        far_database.run(lambda connection: connection.execute("SELECT pg_sleep(5)"))


def test_what_was_allowed_once_is_not_allowed_again(far_database: Database, proxy: Proxy) -> None:
    far_database.run(allow_long_statements)
    proxy.lose()
    with pytest.raises(ServerSilentError):
        far_database.run(one)


def test_commits_wait_for_the_disk_whatever_the_default_of_database_and_role_is(
    database_url: str, open_database: Callable[..., Database]
) -> None:
    name = database_url.rpartition("/")[2]
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        admin.execute(f"ALTER ROLE postgres IN DATABASE {name} SET synchronous_commit = off")
        with psycopg.connect(database_url) as other:
            assert other.execute("SHOW synchronous_commit").fetchone() == ("off",)
    assert open_database().run(lambda each: each.execute("SHOW synchronous_commit").fetchone()) == ("on",)
