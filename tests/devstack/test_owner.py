"""Embedded servers end when the process that started them is killed."""

import subprocess
import sys

import psutil
import pytest

from devstack import server
from devstack.postgres import start_postgres
from devstack.server import wait_until
from devstack.valkey import start_valkey
from tests.support.processes import is_gone

DEADLINE_SECONDS = 120.0
OWNER = """
import os, sys
from pathlib import Path
from devstack.postgres import start_postgres
from devstack.valkey import start_valkey
postgres = start_postgres(Path(sys.argv[1]), fsync=False)
valkey = start_valkey(Path(sys.argv[1]))
child = os.fork() if sys.argv[2] == "fork" else None
if child != 0:
    print(postgres.pid, valkey.pid, child or "", flush=True)
sys.stdin.read()
os._exit(0)
"""


@pytest.fixture
def start_owner(data_dir):
    owners = []

    def start(kind):
        command = [sys.executable, "-c", OWNER, str(data_dir), kind]
        owners.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return owners[-1]

    yield start
    for owner in owners:
        owner.kill()
        owner.communicate()


def read_processes(owner):
    return [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]


def test_servers_end_after_sigkill_of_their_owner_and_the_next_start_works(start_owner, data_dir, monkeypatch):
    monkeypatch.setattr(server, "LOCK_SECONDS", DEADLINE_SECONDS)
    owner = start_owner("plain")
    servers = read_processes(owner)
    owner.kill()
    with start_postgres(data_dir, fsync=False), start_valkey(data_dir):
        assert all(map(is_gone, servers))


def test_a_forked_child_that_outlives_the_owner_does_not_keep_servers_alive(start_owner):
    owner = start_owner("fork")
    *servers, child = read_processes(owner)
    owner.kill()
    assert wait_until(lambda: all(map(is_gone, servers)), DEADLINE_SECONDS)
    assert not is_gone(child)


@pytest.mark.skipif(sys.platform != "linux", reason="needs the parent death signal")
def test_servers_end_when_every_python_is_killed(start_owner):
    owner = start_owner("plain")
    servers = read_processes(owner)
    for python in (*[each.parent() for each in servers], owner):
        python.kill()
    assert wait_until(lambda: all(map(is_gone, servers)), DEADLINE_SECONDS)
