"""Starts one server for an owner and stops it when the owner asks for it or is gone.

A process of its own, because only another process survives the SIGKILL of the owner. It reads a JSON `Order` as the
first line of stdin (not from its arguments: those are for every user to see, and an environment holds secrets), prints
the server's pid, and lives exactly as long as the server: the end of stdin, a pipe from the owner, means stop. Standard
library only: it runs isolated from the owner's path, in 20 ms.
"""

import contextlib
import ctypes
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
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True)
class Order:
    owner_pid: int
    argv: list[str]
    environment: dict[str, str]
    directory: str
    uid: int | None  # whom to run as, None for the owner's user
    gid: int | None
    kept_fds: list[int]  # what the server inherits: its lock, and directories it could not reach by their path
    stop_signals: list[int]  # from gentle to hard
    scratch: str | None  # a directory to remove when the server is gone
    patience_seconds: float = 15.0  # between one stop signal and the next, harder one


def give_order(process: subprocess.Popen[bytes], order: Order) -> None:
    """Send `order` to a guard that was just started; its stdin stays open, for it is what keeps the server alive."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
    process.stdin.flush()


def main() -> int:
    with os.fdopen(os.dup(0), "rb", buffering=0) as owner:  # unbuffered: not a byte more than the line
        order = Order(**json.loads(owner.readline()))
    try:
        server = subprocess.Popen(  # noqa: S603 - the owner's argv, no shell
            order.argv,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            env=order.environment,
            cwd=order.directory,
            user=order.uid,
            group=order.gid,
            extra_groups=None if order.uid is None else [],
            pass_fds=order.kept_fds,
            umask=0o077,
            preexec_fn=lambda: end_with_guard(order.stop_signals[0]),  # noqa: PLW1509 - no thread yet
        )
        # After the start, for ignored signals are inherited. A guard that died first would leave its server alone.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.write(1, b"%d\n" % server.pid)
        threading.Thread(target=stop_without_owner, args=(order, server), daemon=True).start()
        return server.wait()
    finally:
        if order.scratch is not None:
            shutil.rmtree(order.scratch, ignore_errors=True)


def stop_without_owner(order: Order, server: subprocess.Popen[bytes]) -> None:
    # The pipe tells at once; the parent's pid tells where a fork of the owner still holds the pipe open.
    while os.getppid() == order.owner_pid and not select.select([0], [], [], OWNER_CHECK_SECONDS)[0]:
        pass
    for number in order.stop_signals:
        server.send_signal(number)
        server.send_signal(signal.SIGCONT)  # a frozen server would never read the other one
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(order.patience_seconds)
            return


def end_with_guard(number: int) -> None:
    """Have the kernel stop the server where the guard itself is killed (`killall -9 python`); only Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


if __name__ == "__main__":
    sys.exit(abs(main()))
