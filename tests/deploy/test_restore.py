"""The scripts of deploy/postgres with the settings of docker-compose.yml: a state between two copies comes back."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml

from campaigns.store.database import Database
from campaigns.store.events import insert_events
from campaigns.store.migrate import find_missing_migrations, list_migrations, migrate
from devstack.ports import LOOPBACK
from devstack.postgres import start_postgres
from devstack.server import wait_until
from tests.simulator.far_end import wait_for
from tests.store.rows import add_campaign, add_messages, fetch, find_wrong_counters

# A row of a table that the migration 0030 has added.
NEWER_ROW = "INSERT INTO webhook_takes (event_ids, until) VALUES ('{1}', now()) RETURNING 1"


@pytest.fixture
def host(project) -> Iterator[SimpleNamespace]:
    """A running Postgres as docker-compose.yml starts it, and the folders of its container."""
    compose = yaml.safe_load((project / "docker-compose.yml").read_text())
    # The server has another user than the tests if the tests run as root, and that user reads and writes here.
    folder = Path(tempfile.mkdtemp(prefix="revoada-restore-"))
    folder.chmod(0o755)
    backup, scripts = folder / "backup", folder / "scripts"
    shutil.copytree(project / "deploy/postgres", scripts)
    hba = scripts / "pg_hba.conf"
    hba.write_text(hba.read_text().replace(" revoada ", " postgres "))
    for path in (backup, backup / "wal"):
        path.mkdir()
        path.chmod(0o777)
    words = compose["services"]["postgres"]["command"]
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    settings["shared_buffers"] = "16MB"
    settings["hba_file"] = str(hba)
    settings["archive_command"] = f"BACKUP={backup} {settings['archive_command'].replace('/deploy', str(scripts))}"
    with start_postgres(folder / "old", fsync=False, settings=settings) as server:
        url = server.create_database("revoada")
        migrate(url)
        yield SimpleNamespace(server=server, url=url, folder=folder, backup=backup, scripts=scripts, settings=settings)
    shutil.rmtree(folder)


def run(host, script, *words, data=None, keep="2", **environment):
    """Run a script as its service in docker-compose.yml does; return what it printed."""
    parts = urlsplit(host.url)
    password = host.folder / "password"
    password.write_text(f"{parts.password}\n")
    environment = {
        "PATH": f"{host.folder / 'tools'}:{host.server._install / 'bin'}:{os.environ['PATH']}",
        "LC_ALL": "C",
        "BACKUP": str(host.backup),
        "KEEP": keep,
        "PGHOST": LOOPBACK,
        "PGPORT": str(parts.port),
        "PGUSER": parts.username,
        "PGDATABASE": "revoada",
        "PGPASSWORD_FILE": str(password),
        **({"PGDATA": str(data)} if data else {}),
        **environment,
    }
    command = ["sh", str(host.scripts / script), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    return done.stdout


def put_tool(host, name, script):
    """Let the scripts find this command in place of the usual one."""
    tool = host.folder / "tools" / name
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def has_new_copy(host, project):
    """Whether the health check of the service `backup` is content."""
    compose = yaml.safe_load((project / "docker-compose.yml").read_text())
    check = compose["services"]["backup"]["healthcheck"]["test"][1].replace("/backup", str(host.backup))
    return subprocess.run(["sh", "-c", check], capture_output=True, check=False).returncode == 0


def use(url, work):
    database = Database(url)
    database.open()
    try:
        return work(database)
    finally:
        database.close()


def tell_time(url):
    return str(use(url, lambda database: fetch(database, "SELECT clock_timestamp()::timestamptz(3)::text")[0]))


def archive(host):
    """Close the file of the WAL, and wait until it is archived. An empty file would not be closed."""
    use(host.url, lambda each: fetch(each, "SELECT pg_logical_emit_message(true, 'test', '')"))
    name = use(host.url, lambda each: fetch(each, "SELECT pg_walfile_name(pg_switch_wal())"))[0]
    wait_for((host.backup / "wal" / name).exists)


def restore(host, time):
    """Stop Postgres, restore, and start it; return the URL of the restored database."""
    host.server.stop()
    data = host.folder / "new"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(host.folder / "old", data, ignore=shutil.ignore_patterns("*.lock", "*.log", "cluster"))
    run(host, "restore.sh", time, data=data / "cluster")
    for path in (data / "cluster", *(data / "cluster").rglob("*"), *host.backup.rglob("*")):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        host.server._user.give_ownership(fd)
        os.close(fd)
    host.server = start_postgres(data, fsync=False, settings=host.settings)
    return host.server.database_url("revoada")


@pytest.fixture
def restored(host) -> Iterator[SimpleNamespace]:
    yield host
    host.server.stop()


def test_the_state_of_a_time_between_two_copies_comes_back(restored):
    host = restored
    campaign_id = use(host.url, lambda each: each.run(add_campaign))
    use(host.url, lambda each: each.run(add_messages, campaign_id, 3))
    run(host, "backup.sh")
    use(host.url, lambda each: each.run(add_messages, campaign_id, 4))
    before = tell_time(host.url)
    use(host.url, lambda each: each.run(add_campaign))
    run(host, "backup.sh")
    archive(host)

    url = restore(host, before)

    assert use(url, lambda each: fetch(each, "SELECT id FROM campaigns")) == [campaign_id]
    assert use(url, lambda each: fetch(each, "SELECT count(*) FROM messages")) == [7]
    assert use(url, lambda each: fetch(each, "SELECT pg_is_in_recovery()")) == [False]
    assert use(url, find_wrong_counters) == []
    use(url, lambda each: each.run(add_messages, campaign_id, 1))


def test_latest_brings_back_all_that_was_archived(restored):
    host = restored
    run(host, "backup.sh")
    campaign_id = use(host.url, lambda each: each.run(add_campaign))
    archive(host)
    url = restore(host, "latest")
    assert use(url, lambda each: fetch(each, "SELECT id FROM campaigns")) == [campaign_id]


def test_old_copies_are_deleted_with_the_wal_that_only_they_need(restored):
    host = restored
    run(host, "backup.sh")
    [first] = (host.backup / "base").iterdir()
    archive(host)
    oldest_wal = min(path.name for path in (host.backup / "wal").iterdir())
    wait_for(lambda: run(host, "backup.sh", keep="1") and not first.exists())
    assert len(list((host.backup / "base").iterdir())) == 1
    assert not (host.backup / "wal" / oldest_wal).exists()


def test_a_later_time_than_that_of_an_earlier_restore_comes_back(restored):
    host = restored
    run(host, "backup.sh")
    too_early = tell_time(host.url)
    campaign_id = use(host.url, lambda each: each.run(add_campaign))
    time = tell_time(host.url)
    use(host.url, lambda each: each.run(add_campaign))
    archive(host)
    url = restore(host, too_early)
    assert use(url, lambda each: fetch(each, "SELECT count(*) FROM campaigns")) == [0]
    wait_for(lambda: list((host.backup / "wal").glob("00000002.history")))

    url = restore(host, time)

    assert use(url, lambda each: fetch(each, "SELECT id FROM campaigns")) == [campaign_id]


def test_what_was_written_after_a_restore_comes_back(restored):
    host = restored
    run(host, "backup.sh")
    time = tell_time(host.url)
    use(host.url, lambda each: each.run(add_campaign))
    archive(host)
    host.url = restore(host, time)
    use(host.url, lambda each: each.run(add_messages, each.run(add_campaign), 5))
    time = tell_time(host.url)
    use(host.url, lambda each: each.run(add_campaign))
    archive(host)

    url = restore(host, time)

    assert use(url, lambda each: fetch(each, "SELECT count(*) FROM campaigns")) == [1]
    assert use(url, lambda each: fetch(each, "SELECT count(*) FROM messages")) == [5]


def list_copies(host):
    return sorted((host.backup / "base").iterdir())


def test_a_copy_that_cannot_be_read_makes_no_further_copies(host, project):
    """Further copies would push out the older ones."""
    run(host, "backup.sh")
    [first] = list_copies(host)
    (first / "base.tar.gz").write_bytes(b"")
    os.utime(host.backup / "copied", (0, 0))
    put_tool(host, "sleep", f"echo $1 >{host.folder}/slept; kill $PPID")
    wait_until(lambda: f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}" > first.name, 5)  # copies are named by the second
    with pytest.raises(AssertionError):
        run(host, "backup.sh", EVERY="86400")
    assert len(list_copies(host)) == 2
    assert 86_000 < int((host.folder / "slept").read_text()) <= 86_400
    assert has_new_copy(host, project)


def test_a_restart_makes_no_copy_before_the_time(host):
    """If each restart made a copy, a service that restarts often would delete the copies of all other days."""
    run(host, "backup.sh")
    copies = list_copies(host)
    put_tool(host, "sleep", f"echo $1 >{host.folder}/slept; kill $PPID")
    with pytest.raises(AssertionError):
        run(host, "backup.sh", keep="1", EVERY="86400")
    assert 86_000 < int((host.folder / "slept").read_text()) <= 86_400
    assert list_copies(host) == copies


def test_a_night_without_a_copy_pushes_out_no_older_copy(host):
    run(host, "backup.sh")
    copies = list_copies(host)
    for tool in ("pg_basebackup", "pg_verifybackup"):
        put_tool(host, tool, "exit 1")
        for _ in range(2):
            with pytest.raises(AssertionError):
                run(host, "backup.sh", keep="1")
            assert [each for each in list_copies(host) if each.suffix != ".part"] == copies
        (host.folder / "tools" / tool).unlink()


def test_a_copy_that_fails_is_no_new_copy(host, project):
    run(host, "backup.sh")
    assert has_new_copy(host, project)
    for path in (host.backup, *host.backup.rglob("*")):
        os.utime(path, (0, 0))
    put_tool(host, "pg_verifybackup", "exit 1")
    with pytest.raises(AssertionError):
        run(host, "backup.sh")
    assert not has_new_copy(host, project)


def test_what_cannot_be_restored_changes_nothing(restored):
    host = restored
    run(host, "backup.sh")
    cluster = host.folder / "old/cluster"
    with pytest.raises(AssertionError, match="Postgres runs"):
        run(host, "restore.sh", "latest", data=cluster)
    host.server.stop()
    before = sorted(path.name for path in cluster.iterdir())
    for time, reason in (
        ("2020-01-01 00:00:00Z", "no copy"),
        ("2020-01-01 00:00:00", "no zone"),
        ("2040-01-01", "no zone"),
        ("tomorrow", "no zone"),
    ):
        with pytest.raises(AssertionError, match=reason):
            run(host, "restore.sh", time, data=cluster)
    put_tool(host, "pg_isready", "exit 1")  # Postgres reads the WAL of an earlier restore, and rejects connections
    with pytest.raises(AssertionError, match="Postgres runs"):
        run(host, "restore.sh", "latest", data=cluster)
    put_tool(host, "pg_isready", "exit 2")
    [copy] = (host.backup / "base").iterdir()
    (copy / "pg_wal.tar.gz").write_bytes(b"")
    with pytest.raises(AssertionError, match="tar"):
        run(host, "restore.sh", "latest", data=cluster)
    assert sorted(path.name for path in cluster.iterdir()) == before


@pytest.mark.parametrize("is_latest", [True, False])
def test_a_copy_of_a_state_that_was_left_is_not_restored(restored, is_latest):
    """The newest copy was made after the time to which an earlier restore went back, so it must be skipped."""
    host = restored
    run(host, "backup.sh")
    first = use(host.url, lambda each: each.run(add_campaign))
    time = tell_time(host.url)
    use(host.url, lambda each: each.run(add_campaign))
    run(host, "backup.sh")
    archive(host)
    host.url = restore(host, time)
    wait_for(list_histories(host))
    last = use(host.url, lambda each: each.run(add_campaign))
    now = tell_time(host.url)
    if not is_latest:
        use(host.url, lambda each: each.run(add_campaign))
    archive(host)

    url = restore(host, "latest" if is_latest else now)

    assert use(url, lambda each: fetch(each, "SELECT id FROM campaigns ORDER BY id")) == [first, last]


def test_a_cluster_that_was_put_back_goes_on_once_the_other_timeline_is_deleted(restored):
    """As docs/deploy.md tells it."""
    host = restored
    run(host, "backup.sh")
    time = tell_time(host.url)
    first = use(host.url, lambda each: each.run(add_campaign))
    archive(host)
    restore(host, time)
    wait_for(list_histories(host))
    host.server.stop()
    host.server = start_postgres(host.folder / "old", fsync=False, settings=host.settings)
    for path in (host.backup / "wal").glob("00000002*"):
        path.unlink()
    host.url = host.server.database_url("revoada")
    second = use(host.url, lambda each: each.run(add_campaign))
    archive(host)

    url = restore(host, "latest")

    assert use(url, lambda each: fetch(each, "SELECT id FROM campaigns ORDER BY id")) == [first, second]


def list_histories(host):
    return lambda: list((host.backup / "wal").glob("00000002.history"))


def test_a_file_of_the_wal_is_archived_once_and_never_replaced(project, tmp_path):
    source = tmp_path / "0001"
    source.write_text("one")

    def archive_it():
        command = ["sh", str(project / "deploy/postgres/archive.sh"), str(source), "0001"]
        environment = os.environ | {"BACKUP": str(tmp_path)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert [archive_it().returncode, archive_it().returncode] == [0, 0]
    source.write_text("two")
    refused = archive_it()
    assert refused.returncode == 1
    assert "another database" in refused.stderr
    assert f"Move {tmp_path}/wal and {tmp_path}/base to another place." in refused.stderr
    assert (tmp_path / "wal/0001").read_text() == "one"


def test_a_dump_is_loaded_over_what_came_after(restored):
    host = restored
    campaign_id = use(host.url, lambda each: each.run(add_campaign))
    run(host, "dump.sh")
    [dump] = (host.backup / "dumps").iterdir()
    use(host.url, lambda each: each.run(add_campaign))
    run(host, "load.sh", dump.name)
    assert use(host.url, lambda each: fetch(each, "SELECT id FROM campaigns")) == [campaign_id]


def test_a_dump_from_before_a_migration_leaves_no_newer_table(restored, monkeypatch):
    host = restored
    everything = list_migrations()
    older = [name for name in everything if name < "0025"]
    url = host.server.create_database("older")
    with monkeypatch.context() as patch:
        patch.setattr("campaigns.store.migrate.list_migrations", lambda: older)
        migrate(url)
    run(host, "dump.sh", PGDATABASE="older")
    [dump] = (host.backup / "dumps").iterdir()
    use(host.url, lambda each: each.run(insert_events, [b"{}"]))
    use(host.url, lambda each: fetch(each, NEWER_ROW))

    assert run(host, "load.sh", dump.name) == f"loaded {dump}\n"

    with psycopg.connect(host.url) as connection:
        assert find_missing_migrations(connection) == everything[len(older) :]
    migrate(host.url)
    assert use(host.url, lambda each: fetch(each, "SELECT count(*) FROM webhook_takes")) == [0]
    fresh = host.server.create_database("fresh")
    migrate(fresh)
    assert use(host.url, list_tables) == use(fresh, list_tables)
    use(host.url, lambda each: each.run(add_campaign))


def list_tables(database):
    return fetch(database, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1")


def test_a_dump_that_is_cut_off_changes_nothing(restored):
    host = restored
    campaign_id = use(host.url, lambda each: each.run(add_campaign))
    use(host.url, lambda each: each.run(add_messages, campaign_id, 2000))
    run(host, "dump.sh")
    [dump] = (host.backup / "dumps").iterdir()
    whole = dump.read_bytes()
    use(host.url, lambda each: each.run(add_campaign))
    for size in (0, len(whole) // 2, len(whole) - 10):
        dump.write_bytes(whole[:size])
        with pytest.raises(AssertionError):
            run(host, "load.sh", dump.name)
        assert use(host.url, lambda each: fetch(each, "SELECT count(*) FROM campaigns")) == [2]
    with pytest.raises(AssertionError):
        run(host, "load.sh", "missing.dump")
    dump.write_bytes(whole)
    run(host, "load.sh", dump.name)
    assert use(host.url, lambda each: fetch(each, "SELECT count(*) FROM messages")) == [2000]
