"""Beat ends at SIGTERM, also if the exception of the signal is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Each pass of this scheduler deletes an object, and SIGTERM arrives while its `__del__` runs.
BEAT = """
import signal
from celery.apps.beat import Beat
from campaigns.broker.scheduler import Scheduler
from campaigns.celery import app

class Deleted:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

class Deleting(Scheduler):
    def tick(self):
        Deleted()
        return 0.01

Beat(app=app, scheduler_cls=Deleting, quiet=True, remote_control=False).run()
print("ended")
"""


def test_sigterm_ends_beat_although_its_exception_is_lost(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEAT],
        cwd=project,
        env={"REDIS_URL": "redis://127.0.0.1:1/0", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Exception ignored in" in done.stderr, "the exception of the signal is lost"
    assert (done.returncode, done.stdout) == (0, "ended\n")
