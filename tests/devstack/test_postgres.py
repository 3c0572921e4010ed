import itertools
import os
import socket
import subprocess
from contextlib import closing

import psutil
import psycopg
import pytest

from devstack import server
from devstack.ports import free_port
from devstack.postgres import start_postgres
from devstack.server import DevstackError, ServerFailedError, ServerInUseError, wait_until
from devstack.server_user import find_server_user
from tests.support.processes import is_gone


def ask(url, query):
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchone()[0] if cursor.description else None


def test_it_accepts_connections_when_it_is_returned(data_dir):
    with start_postgres(data_dir, fsync=False) as postgres:
        assert ask(postgres.url, "SELECT 1") == 1


def test_a_missing_locale_and_a_foreign_pg_environment_change_nothing(data_dir, monkeypatch):
    for name, value in {"LANG": "pt_BR.UTF-8", "LC_ALL": "pt_BR.UTF-8", "PGDATA": "/nowhere", "PGPORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with start_postgres(data_dir, fsync=False) as postgres:
        assert ask(postgres.url, "SHOW server_encoding") == "UTF8"
        assert ask(postgres.create_database("ação"), "SELECT upper('promoção')") == "PROMOÇÃO"


def test_it_listens_on_loopback_tcp_only(shared_postgres):
    family = [psutil.Process(shared_postgres.pid), *psutil.Process(shared_postgres.pid).children()]
    listening = {c.laddr for p in family for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", shared_postgres.port)}
    assert ask(shared_postgres.url, "SHOW unix_socket_directories") == ""


def test_nobody_gets_in_without_the_password(shared_postgres):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(shared_postgres.url, password="wrong")


def test_a_database_is_cloned_from_a_template(shared_postgres):
    ask(shared_postgres.create_database("the template"), "CREATE TABLE campaigns AS SELECT 34 AS id")
    url = shared_postgres.create_database("-ação/1", template="the template")
    assert ask(url, "SELECT id FROM campaigns") == 34
    assert url == shared_postgres.database_url("-ação/1")


def test_a_database_that_cannot_be_created_says_why(shared_postgres):
    with pytest.raises(DevstackError, match='template database "missing" does not exist'):
        shared_postgres.create_database("clone", template="missing")


def test_settings_reach_the_server(data_dir):
    with start_postgres(data_dir, fsync=False, settings={"max_connections": "33"}) as postgres:
        assert ask(postgres.url, "SHOW max_connections") == "33"
        assert ask(postgres.url, "SHOW fsync") == "off"


def test_a_server_that_does_not_start_shows_the_end_of_its_log(data_dir):
    with pytest.raises(ServerFailedError, match='invalid value for parameter "work_mem"'):
        start_postgres(data_dir, settings={"work_mem": "much"})


def test_a_port_lost_between_look_and_bind_is_replaced(data_dir, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as thief:
        offers = itertools.chain([thief.getsockname()[1]], iter(free_port, None))
        monkeypatch.setattr(server, "free_port", lambda _preferred: next(offers))
        with start_postgres(data_dir, fsync=False) as postgres:
            assert ask(postgres.url, "SELECT 1") == 1


def test_a_restart_keeps_port_and_data(postgres):
    url = postgres.create_database("kept")
    first_pid = postgres.pid
    postgres.restart()
    assert ask(url, "SELECT 1") == 1
    assert postgres.pid != first_pid


def test_a_killed_server_comes_back_with_every_commit(postgres):
    ask(postgres.url, "CREATE TABLE sent AS SELECT 1 AS id")
    with closing(psycopg.connect(postgres.url)) as session:
        # A backend that waits notices the death of its parent by itself; one that computes does not.
        session.pgconn.send_query(b"DO $$BEGIN LOOP END LOOP; END$$")
        busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active'"
        assert wait_until(lambda: ask(postgres.url, busy) == 1, 120)
        family = [psutil.Process(postgres.pid), *psutil.Process(postgres.pid).children()]
        postgres.kill()
        assert wait_until(lambda: all(map(is_gone, family)), 120)  # the lock of a process is free before it has ended
    postgres.restart()
    assert ask(postgres.url, "SELECT id FROM sent") == 1


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_stop_ends_open_sessions_leaves_no_process_and_can_be_repeated(postgres, mode):
    family = [psutil.Process(postgres.pid), *psutil.Process(postgres.pid).children()]
    with psycopg.connect(postgres.url):
        postgres.stop(mode=mode)
    assert all(map(is_gone, family))
    postgres.stop(mode=mode)
    postgres.kill()


def test_a_directory_of_a_live_server_is_refused(postgres, monkeypatch):
    monkeypatch.setattr(server, "LOCK_SECONDS", 0.05)
    with pytest.raises(ServerInUseError, match="in use by another running postgres"):
        start_postgres(postgres.data_dir)
    assert ask(postgres.url, "SELECT 1") == 1


def test_a_stale_pid_file_that_names_a_living_process_is_no_obstacle(postgres):
    postgres.kill()
    user = find_server_user()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=user.uid, group=user.gid, cwd="/") as bystander:
        pid_file = postgres.data_dir / "cluster/postmaster.pid"
        _, rest = pid_file.read_text().split("\n", 1)
        pid_file.write_text(f"{bystander.pid}\n{rest}")
        postgres.restart()
        assert ask(postgres.url, "SELECT 1") == 1
        assert bystander.poll() is None


def test_what_an_interrupted_initdb_left_is_not_started(data_dir):
    (data_dir / "cluster.new").mkdir(parents=True)
    (data_dir / "cluster.new/PG_VERSION").write_text("18\n")
    with start_postgres(data_dir, fsync=False) as postgres:
        assert ask(postgres.url, "SELECT 1") == 1


def test_ctrl_c_in_the_terminal_does_not_reach_it(shared_postgres):
    assert os.getsid(shared_postgres.pid) != os.getsid(0)
