"""Starts one server for another process, its owner. Stops the server when the owner asks for that, or is gone.

The guard is a process of its own, because only another process survives a SIGKILL of the owner. The first line of stdin
is a `ServerSpec` as JSON. The spec is not an argument, because its environment holds secrets, and every user of the
machine can read arguments. The guard prints the server's pid and ends when the server ends. Stdin is a pipe from the
owner, and its end tells the guard to stop the server. The guard uses the standard library only, so that it can
run without the owner's import path (`python -I -S`) and start in 20 ms.

The guard also writes the server's log, because only one process can rotate a file without losing or cutting a line. The
server prints into a pipe. The guard's stderr is the log file.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass

OWNER_CHECK_SECONDS = 1.0
# A process that outlives its server may keep the pipe open. The guard waits this long for the last lines of the log.
LAST_LINES_SECONDS = 5.0
PIPE_BYTES = 1024 * 1024
READ_BYTES = 64 * 1024
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True)
class ServerSpec:
    owner_pid: int
    argv: list[str]
    environment: dict[str, str]
    directory: str
    uid: int | None  # the user to run as, None for the owner's user
    gid: int | None
    kept_fds: list[int]  # descriptors that the server inherits, of its lock and of directories
    stop_signals: list[int]  # from the gentlest to SIGKILL
    scratch: str | None  # a directory to remove when the server has ended
    log_path: str
    log_bytes: int = 10_000_000  # the size at which a new file begins
    log_count: int = 5  # the files that are kept: LOG, LOG.1 (the one before) … LOG.4
    grace_seconds: float = 15.0  # from one stop signal to the next


def send_spec(process: subprocess.Popen[bytes], spec: ServerSpec) -> None:
    """Send `spec` to a guard that was just started. The guard's stdin stays open: its end stops the server."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(spec)).encode() + b"\n")
    process.stdin.flush()


def main() -> int:
    with os.fdopen(os.dup(0), "rb", buffering=0) as owner:  # unbuffered: reads no byte after the line
        spec = ServerSpec(**json.loads(owner.readline()))
    reading, writing = os.pipe()
    try:
        server = subprocess.Popen(  # noqa: S603 - the owner's argv, no shell
            spec.argv,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            env=spec.environment,
            cwd=spec.directory,
            user=spec.uid,
            group=spec.gid,
            extra_groups=None if spec.uid is None else [],
            pass_fds=spec.kept_fds,
            umask=0o077,
            preexec_fn=lambda: stop_with_guard(spec.stop_signals[0]),  # noqa: PLW1509 - no thread yet
        )
        # The guard must not end before its server, so it ignores these signals. It does so only now, because a process
        # inherits ignored signals.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.write(1, b"%d\n" % server.pid)
        os.close(writing)
        threading.Thread(target=stop_without_owner, args=(spec, server), daemon=True).start()
        writer = threading.Thread(target=write_log, args=(spec, reading), daemon=True)
        writer.start()
        code = server.wait()
        writer.join(LAST_LINES_SECONDS)
        return code
    finally:
        if spec.scratch is not None:
            shutil.rmtree(spec.scratch, ignore_errors=True)


def stop_without_owner(spec: ServerSpec, server: subprocess.Popen[bytes]) -> None:
    # The end of the pipe shows at once that the owner is gone. If a forked child of the owner still holds the pipe
    # open, the changed parent pid shows that the owner is gone.
    while os.getppid() == spec.owner_pid and not select.select([0], [], [], OWNER_CHECK_SECONDS)[0]:
        pass
    for number in spec.stop_signals:
        server.send_signal(number)
        server.send_signal(signal.SIGCONT)  # a stopped process handles no other signal until it continues
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(spec.grace_seconds)
            return


def write_log(spec: ServerSpec, pipe: int) -> None:
    """Copy what the server prints into its log, whole lines only, so that each line is in one file.

    The lines of two processes of a server stay apart. The kernel promises this up to 4 kB (PIPE_BUF). It also holds for
    longer lines, unless the pipe is full.
    """
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux; a larger pipe lets the server print on while a file is rotated
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    rest = b""
    while chunk := os.read(pipe, READ_BYTES):
        lines, end, rest = (rest + chunk).rpartition(b"\n")
        append_to_log(spec, lines + end)
        if len(rest) > PIPE_BYTES:  # no line is that long
            append_to_log(spec, rest)
            rest = b""
    append_to_log(spec, rest)


def append_to_log(spec: ServerSpec, text: bytes) -> None:
    if not text:
        return
    # If the disk is full, lines are lost and the server goes on. A server whose pipe nobody reads would stop.
    with contextlib.suppress(OSError):
        if is_elsewhere(spec.log_path):
            open_log(spec.log_path)
        if os.fstat(2).st_size > 0 and spec.log_bytes < os.fstat(2).st_size + len(text):
            rotate(spec)
        while text:
            text = text[os.write(2, text) :]


def is_elsewhere(path: str) -> bool:
    """Return whether somebody has renamed or removed the open log file."""
    try:
        return not os.path.samestat(os.stat(path), os.fstat(2))  # noqa: PTH116  pathlib makes the start slower
    except FileNotFoundError:
        return True


def rotate(spec: ServerSpec) -> None:
    names = [spec.log_path, *(f"{spec.log_path}.{number}" for number in range(1, spec.log_count))]
    for older, newer in reversed(list(zip(names[1:], names, strict=False))):
        with contextlib.suppress(FileNotFoundError):
            os.replace(newer, older)  # noqa: PTH105
    open_log(spec.log_path)


def open_log(path: str) -> None:
    """Make the file the stderr of this process."""
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 2)
    os.close(log)


def stop_with_guard(number: int) -> None:
    """Let the kernel stop the server if the guard itself is killed (`killall -9 python`). Only Linux can do this."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


if __name__ == "__main__":
    sys.exit(abs(main()))
