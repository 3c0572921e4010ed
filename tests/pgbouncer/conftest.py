"""Debian's pgbouncer in transaction mode, with fewer sessions than its clients have connections."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from fixtures import database_url, flow, redis_url, simulator_url
from harness import wait_for

from devstack.ports import LOOPBACK, free_port
from devstack.stack import Stack

__all__ = ["database_url", "flow", "redis_url", "simulator_url"]

_PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_SESSIONS = 3

Pool = Callable[..., str]


def pytest_configure() -> None:
    if _PROGRAM is None:
        raise pytest.UsageError("pgbouncer is missing: install Debian's package `pgbouncer`.")


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    """Starts a pgbouncer before a database, with further settings; returns the URL through it."""
    with Stack(tmp_path / "pgbouncer", {}) as stack:

        def start(url: str, **settings: object) -> str:
            parts, port = urlsplit(url), free_port()
            database = parts.path[1:]
            lines = {
                "listen_addr": LOOPBACK,
                "listen_port": port,
                "unix_socket_dir": "",
                "pool_mode": "transaction",
                "default_pool_size": _SESSIONS,
                "max_client_conn": 300,
                "auth_type": "any",
                **settings,
            }
            path = stack.folder / f"{port}.ini"
            path.write_text(
                f"[databases]\n{database} = host={parts.hostname} port={parts.port} dbname={database} "
                f"user={parts.username} password={parts.password}\n[pgbouncer]\n"
                + "".join(f"{name} = {value}\n" for name, value in lines.items())
            )
            # pgbouncer refuses to run as root, and reads its file before it changes the user.
            user = ["-u", "nobody"] if os.geteuid() == 0 else []
            assert _PROGRAM is not None
            role = stack.start_process(f"pgbouncer-{port}", [_PROGRAM, *user, str(path)])
            wait_for(lambda: stack.check_alive() or "process up" in role.log_path.read_text(), "pgbouncer is up")
            return parts._replace(netloc=f"{parts.username}@{LOOPBACK}:{port}").geturl()

        yield start


@pytest.fixture
def pooled_url(pool: Pool, database_url: str) -> str:
    """The test's database through pgbouncer as Debian installs it, in transaction mode."""
    url = pool(database_url)
    with psycopg.connect(url, prepare_threshold=None) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    return url
