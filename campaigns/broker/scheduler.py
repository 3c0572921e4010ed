"""Beat's scheduler: Celery's scheduler in memory, which also touches REVOADA_ALIVE_FILE to show that beat runs."""

from __future__ import annotations

import signal
from functools import cached_property
from typing import Any

from celery import signals
from celery.beat import Scheduler as CeleryScheduler
from celery.beat import Service

from campaigns.broker.alive_file import touch_alive_file
from campaigns.broker.overrides import require_names
from campaigns.config import read_settings

require_names(CeleryScheduler, ("tick",))


class Scheduler(CeleryScheduler):
    """Touches REVOADA_ALIVE_FILE after each pass over the schedule. Beat makes a pass every few seconds.

    While the broker is away, a pass waits for the broker, and the file is not touched.
    """

    @cached_property
    def _alive_file(self) -> str | None:
        return read_settings().alive_file

    def tick(self, *args: Any, **options: Any) -> float:
        seconds: float = super().tick(*args, **options)
        touch_alive_file(self._alive_file)
        return seconds


@signals.beat_init.connect
def _end_after_signal(sender: Service, **_: Any) -> None:
    """Let SIGTERM and SIGINT end beat after the current pass, even if the exception of Celery's handler is lost.

    Celery's handler only raises SystemExit. Python drops an exception that is raised in the `__del__` of an object, and
    the connections of redis-py have such a method. While the broker refuses connections, many connections are deleted.
    """
    end_now = signal.getsignal(signal.SIGTERM)
    assert callable(end_now)

    def end(number: int, frame: Any) -> None:
        sender.stop()
        end_now(number, frame)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
