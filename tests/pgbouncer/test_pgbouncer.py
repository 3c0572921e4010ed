"""Revoada through pgbouncer in transaction mode: refused without the setting, and as safe as without pgbouncer with it.

`make test-pgbouncer` runs these tests, because pgbouncer is a package of the system.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from harness import Flow

from campaigns.store.database import Database, PoolerError, refuse_pooler
from campaigns.store.migrate import list_migrations, migrate
from devstack.postgres import Postgres
from tests.store.rows import PATIENT

Pool = Callable[..., str]

REFUSAL = "DATABASE_URL leads to a connection pooler such as pgbouncer"
SETTING = "REVOADA_DATABASE_POOLER=transaction"
PEOPLE = 120


@pytest.fixture
def open_pooled(pooled_url: str) -> Iterator[Callable[..., Database]]:
    """Opens pools on the test's database through pgbouncer; all are closed at its end."""
    opened: list[Database] = []

    def open_one(**options: Any) -> Database:
        opened.append(Database(pooled_url, **PATIENT | {"is_pooled": True} | options))
        opened[-1].open()
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()


# without the setting


@pytest.fixture(params=["", "options"], ids=["options refused", "options ignored"])
def hidden_url(request: pytest.FixtureRequest, pool: Pool, database_url: str) -> str:
    """The test's database through pgbouncer, which refuses or ignores the options of a session."""
    return pool(database_url, ignore_startup_parameters=request.param)


@pytest.mark.parametrize(
    "words",
    [
        ("celery", "-A", "campaigns", "worker", "-P", "threads", "-Q", "campaigns"),
        ("gunicorn", "webhooks:create_app()", "--bind", "127.0.0.1:0", "--no-control-socket"),
        ("revoada", "campaign", "list"),
        ("revoada", "doctor"),
        ("revoada", "check-setup"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_without_the_setting_every_process_names_pgbouncer_and_the_setting(
    flow: Flow, hidden_url: str, words: tuple[str, ...]
) -> None:
    flow.stack.environment["DATABASE_URL"] = hidden_url
    done = flow.run_command(*words)
    assert done.returncode != 0
    output = " ".join((done.stdout + done.stderr).split())
    assert REFUSAL in output
    assert SETTING in output


def test_a_pool_that_meets_pgbouncer_later_runs_no_transaction(hidden_url: str) -> None:
    database = Database(hidden_url, wait_seconds=1.0)
    database.open()
    try:
        with pytest.raises(psycopg.OperationalError):
            database.run(lambda connection: connection.execute("SELECT 1"))
    finally:
        database.close()
    with pytest.raises(PoolerError, match=SETTING):
        refuse_pooler(hidden_url)


def test_postgres_itself_is_not_refused(database_url: str) -> None:
    refuse_pooler(database_url)


# with the setting


def test_several_campaigns_are_sent_and_their_webhooks_applied(flow: Flow, pooled_url: str) -> None:
    flow.stack.environment |= {"DATABASE_URL": pooled_url, "REVOADA_DATABASE_POOLER": "transaction"}
    flow.start("webhooks", "events", "worker1", "worker2", "beat", tick_seconds=1, slice_seconds=2)
    accounts = [flow.add_account(f"Account {number}") for number in range(4)]
    campaigns = [flow.add_campaign(account.name, [account], people=PEOPLE) for account in accounts]
    flow.await_ready()

    done = flow.run_command("revoada", "campaign", "start", *(str(each.id) for each in campaigns), "--yes")
    assert done.returncode == 0, done.stderr

    flow.await_status("completed", *campaigns)
    flow.await_arrival(*campaigns)
    flow.assert_everybody_got_one(*campaigns)
    flow.assert_nobody_got_two()
    flow.assert_counters_equal_rows()
    flow.assert_no_lease_lives()
    assert flow.events("slice_error") == []


def test_commands_import_export_and_migrate(flow: Flow, pooled_url: str) -> None:
    flow.stack.environment |= {"DATABASE_URL": pooled_url, "REVOADA_DATABASE_POOLER": "transaction"}
    campaign = flow.add_campaign("Export", [flow.add_account("One")], people=5)
    path = flow.stack.folder / "more.csv"
    path.write_text("phone,nome,desconto\n" + "".join(f"+55219770000{n:02d},Ana,20%\n" for n in range(20)))
    target = flow.stack.folder / "out.csv"
    for words in (
        ("migrate",),
        ("campaign", "import", str(campaign.id), str(path), "--map", "1=nome", "--map", "2=desconto"),
        ("campaign", "export", str(campaign.id), "--output", str(target)),
        ("suppress", "list"),
    ):
        done = flow.run_command("revoada", *words)
        assert done.returncode == 0, done.stderr
    assert len(target.read_text().splitlines()) == 1 + 25


def test_an_empty_database_is_migrated_once_by_two_at_the_same_time(pool: Pool, postgres: Postgres) -> None:
    url = pool(postgres.create_database("pooled_migrations"))
    with ThreadPoolExecutor(2) as threads:
        applied = [name for names in threads.map(migrate, [url] * 2) for name in names]
    assert sorted(applied) == list_migrations()


def test_statements_that_repeat_in_many_threads_meet_no_foreign_session(
    open_pooled: Callable[..., Database],
) -> None:
    database = open_pooled(max_connections=16)

    def ask(number: int) -> int:
        return database.run(lambda each: each.execute("SELECT %s::int", [number]).fetchone()[0])

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(ask, range(2_000))) == list(range(2_000))


def test_a_statement_ends_at_its_timeout(open_pooled: Callable[..., Database]) -> None:
    database = open_pooled(statement_seconds=1.0)
    database._timeout_seconds = PATIENT["statement_seconds"]  # only the server may end it
    with pytest.raises(psycopg.errors.QueryCanceled):
        database.run(lambda each: each.execute("SELECT pg_sleep(600)"))


def test_waiting_for_a_lock_ends_at_its_timeout(open_pooled: Callable[..., Database]) -> None:
    holder, waiter = open_pooled(), open_pooled(statement_seconds=2.0)
    waiter._timeout_seconds = PATIENT["statement_seconds"]
    is_locked, is_over = threading.Event(), threading.Event()

    def hold(connection: psycopg.Connection) -> None:
        connection.execute("LOCK TABLE campaigns")
        is_locked.set()
        is_over.wait(PATIENT["statement_seconds"])

    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(holder.run, hold)
        is_locked.wait(PATIENT["statement_seconds"])
        with pytest.raises(psycopg.errors.LockNotAvailable):
            waiter.run(lambda each: each.execute("LOCK TABLE campaigns"))
        is_over.set()
        held.result()


def test_a_transaction_that_stands_idle_is_ended(open_pooled: Callable[..., Database]) -> None:
    database = open_pooled(statement_seconds=1.0)
    is_over = threading.Event()

    def idle(connection: psycopg.Connection) -> None:
        connection.execute("SELECT 1")
        is_over.wait(4.0)
        connection.execute("SELECT 1")

    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        database.run(idle)
    assert database.run(lambda each: each.execute("SELECT 1").fetchone()) == (1,)


def test_commits_wait_for_the_disk_and_times_are_utc_whatever_the_defaults_are(
    database_url: str, open_pooled: Callable[..., Database]
) -> None:
    name = database_url.rpartition("/")[2]
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        admin.execute(f"ALTER DATABASE {name} SET timezone = 'America/Sao_Paulo'")
    statement = "SELECT current_setting('synchronous_commit'), current_setting('timezone')"
    assert open_pooled().run(lambda each: each.execute(statement).fetchone()) == ("on", "UTC")
