"""The Celery application: `celery -A campaigns …`. Settings stand in `celeryconfig.py`, tasks in `tasks.py`."""

from __future__ import annotations

from typing import Any

from celery import Task
from kombu import Producer

from campaigns.broker.app import make_app
from campaigns.broker.enqueue import ENOUGH_WAITING, is_enough_waiting

app = make_app()


class WakeUp(Task):  # type: ignore[type-arg]  # generic in its stub only
    """A task that makes a worker query Postgres. It is not published while enough tasks wait in its queue already.

    So tasks do not pile up while workers are away, and no task needs an expiry, which a worker would judge by the clock
    of its own machine.
    """

    abstract = True
    most_waiting = ENOUGH_WAITING

    def apply_async(self, *args: Any, producer: Producer | None = None, **options: Any) -> Any:
        """Publish, or return None. Errors of the broker's client pass through."""
        with self.app.producer_or_acquire(producer) as mine:
            if is_enough_waiting(self.app, str(self.name), mine.connection, enough=self.most_waiting):
                return None
            return super().apply_async(*args, **options, producer=mine)  # type: ignore[misc]  # the name is taken above
