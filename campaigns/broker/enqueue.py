"""Enqueues tasks by name: many tasks in one batch, or one task unless enough tasks wait in its queue."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from celery import Celery
from kombu import Connection

from campaigns.broker.inspection import count_tasks
from campaigns.broker.message_filter import BrokerUnavailable
from campaigns.logs import event
from campaigns.valkey import describe

_log = logging.getLogger(__name__)

# One waiting task of each kind is enough. The limit is higher because several kinds share a queue.
MAX_WAITING = 5
# If a queue has fewer tasks than the limit, the process does not count its tasks again for this time.
_BELIEVE_SECONDS = 1.0

# The time (on the monotonic clock) at which the count of a queue was last below the limit, by queue.
_short_at: dict[str, float] = {}


def enqueue_wake_up(app: Celery, task: str) -> None:
    """Enqueue a task by its name, unless enough tasks wait in its queue.

    If the broker is away, the function does not retry. It raises the errors of the client.
    """
    with app.producer_or_acquire() as producer:
        if not has_enough_waiting(app, task, producer.connection):
            app.send_task(task, producer=producer, retry=False)


def has_enough_waiting(app: Celery, task: str, connection: Connection, *, limit: int = MAX_WAITING) -> bool:
    """Return whether `limit` tasks or more wait in the queue of a task.

    The answer False is cached for a second. The answer True is not cached, because workers may have consumed the tasks
    since, and a webhook without a new task would wait for beat's next task.
    """
    queue: str = app.conf.task_routes[task]["queue"]
    if time.monotonic() - _short_at.get(queue, float("-inf")) < _BELIEVE_SECONDS:
        return False
    has_enough = count_tasks(queue, connection) >= limit
    if not has_enough:
        _short_at[queue] = time.monotonic()
    return has_enough


def publish(app: Celery, task: str, calls: Sequence[tuple[tuple[Any, ...], dict[str, Any]]]) -> bool:
    """Publish one task for each (arguments, headers), in one batch; return False if the broker does not serve."""
    if not calls:
        return True
    try:
        with app.producer_or_acquire() as producer, producer.batch():
            for arguments, headers in calls:
                app.tasks[task].apply_async(arguments, producer=producer, headers=headers, retry=False)
    except BrokerUnavailable as error:
        # The broker may have accepted some of the tasks. This does no harm, because a second task for the same work
        # does nothing.
        warn_broker_away(task, len(calls), error)
        return False
    return True


def warn_broker_away(task: str, count: int, error: Exception) -> None:
    bound = event("doorbell_failed", tasks=count)
    _log.warning("The broker did not take %s: %s", task, describe(error), extra=bound)
