"""The guard writes what a server prints into files of bounded size."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devstack import guard
from devstack.server import open_log, wait_until

# Two processes that write at the same time, as gunicorn's master and worker do.
WRITERS = """
import os, sys
is_parent = os.fork() > 0
name = b"parent" if is_parent else b"child"
for number in range(int(sys.argv[1])):
    os.write(1 + number % 2, b"%s %05d %s.\\n" % (name, number, b"x" * (number % 40 * 100)))
if is_parent:
    os.wait()
"""


@pytest.fixture
def serve(tmp_path):
    """Starts a guard with a server that writes; the log begins a new file at `log_bytes`."""
    started = []

    def start(*argv, log_bytes=200_000, log_count=1000):
        path = tmp_path / "role.log"
        spec = guard.ServerSpec(
            owner_pid=os.getpid(),
            argv=[sys.executable, *argv],
            environment={},
            directory=str(tmp_path),
            uid=None,
            gid=None,
            kept_fds=[],
            log_path=str(path),
            log_bytes=log_bytes,
            log_count=log_count,
            stop_signals=[signal.SIGTERM, signal.SIGKILL],
            scratch=None,
        )
        with open_log(path) as log:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        started.append(process)
        guard.send_spec(process, spec)
        return process, path

    yield start
    for process in started:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def files(path: Path) -> list[Path]:
    """The log's files, the oldest first."""
    rotated = sorted(path.parent.glob("role.log.*"), key=lambda each: int(each.suffix[1:]), reverse=True)
    return [*rotated, path]


def test_no_line_is_lost_or_cut_while_two_processes_write_and_files_are_rotated(serve):
    process, path = serve("-c", WRITERS, "3000")
    assert process.wait() == 0
    written = files(path)
    assert len(written) > 10
    assert all(each.stat().st_size <= 200_000 for each in written)
    lines = [line for each in written for line in each.read_text().split("\n")[:-1]]
    for writer in ("parent", "child"):
        whole = [f"{writer} {number:05} {'x' * (number % 40 * 100)}." for number in range(3000)]
        assert [line for line in lines if line.startswith(writer)] == whole
    assert len(lines) == 6000


def test_only_the_newest_files_are_kept(serve):
    process, path = serve("-c", WRITERS, "3000", log_count=3)
    process.wait()
    assert [each.name for each in files(path)] == ["role.log.2", "role.log.1", "role.log"]
    assert "02999" in path.read_text()
    assert {each.stat().st_mode & 0o777 for each in files(path)} == {0o600}


def test_the_last_line_of_a_server_is_kept_although_it_has_no_end(serve):
    process, path = serve("-c", "print('first'); print('last', end='')")
    process.wait()
    assert path.read_text() == "first\nlast"


def test_a_log_that_somebody_has_renamed_begins_again(serve, tmp_path):
    os.mkfifo(tmp_path / "turn")
    process, path = serve("-c", "print('one', flush=True); open('turn').read(); print('two')")
    assert wait_until(lambda: path.read_text() == "one\n", 60)
    path.rename(tmp_path / "moved")
    (tmp_path / "turn").write_text("")
    process.wait()
    assert path.read_text() == "two\n"
    assert (tmp_path / "moved").read_text() == "one\n"


def test_a_full_disk_does_not_stop_a_server(serve, tmp_path):
    """A folder in place of the log stands for the disk: nothing can be written."""
    os.mkfifo(tmp_path / "turn")
    process, path = serve("-c", "open('turn').read(); print('x' * 3_000_000)")
    path.unlink()
    path.mkdir()
    (tmp_path / "turn").write_text("")
    assert process.wait() == 0
