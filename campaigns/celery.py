"""The Celery application of `celery -A campaigns …`. Its settings are in `celeryconfig.py`, its tasks in `tasks.py`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from celery import Task
from kombu import Producer

from campaigns.broker.app import make_app
from campaigns.broker.enqueue import MAX_WAITING, has_enough_waiting
from campaigns.logs import start_log

_ROLES = frozenset({"worker", "beat", "flower"})


def is_role(arguments: Sequence[str]) -> bool:
    """Return whether these arguments of a process start a role: a worker, beat or Flower.

    Other commands of Celery, such as `celery -A campaigns inspect active`, print a result for a person, and need no
    log.
    """
    program = Path(arguments[0])
    return "celery" in {program.name, program.parent.name} and not _ROLES.isdisjoint(arguments[1:])


# Celery imports this module before it reads the settings. Celery itself configures its log after it has read the
# settings, which is too late for an error in the settings. Flower configures no log.
if is_role(sys.argv):
    start_log()

app = make_app()


class WakeUp(Task):  # type: ignore[type-arg]  # generic in its stub only
    """A task that makes a worker query Postgres. At most `max_waiting` of these tasks wait.

    While that many tasks wait in its queue, the task is not published. So tasks do not pile up while no worker runs. An
    expiry of the tasks would have the same effect, but a worker would compare the expiry with the clock of its own
    machine.
    """

    abstract = True
    max_waiting = MAX_WAITING

    def apply_async(self, *args: Any, producer: Producer | None = None, **options: Any) -> Any:
        """Publish the task, or return None if `max_waiting` tasks wait. Raises the errors of the broker's client."""
        with self.app.producer_or_acquire(producer) as acquired:
            if has_enough_waiting(self.app, str(self.name), acquired.connection, limit=self.max_waiting):
                return None
            # mypy does not know that `options` has no `producer`, which is a parameter of this method.
            return super().apply_async(*args, **options, producer=acquired)  # type: ignore[misc]
