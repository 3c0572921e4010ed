"""Enqueues tasks that make a worker query Postgres: not while enough of them wait in their queue already."""

from __future__ import annotations

import time

from celery import Celery
from kombu import Connection

from campaigns.broker.inspection import count_tasks

# One waiting task of a kind is enough. The limit is higher because tasks of several kinds share a queue.
ENOUGH_WAITING = 5
# A process asks for the length of a queue at most this often, in seconds.
_ASK_SECONDS = 1.0

# By queue: when the broker last said that it is short.
_short_at: dict[str, float] = {}


def enqueue_wake_up(app: Celery, task: str) -> None:
    """Enqueue a task by its name, unless enough wait. Raises what the client raises; bounded, not repeated."""
    with app.producer_or_acquire() as producer:
        if not is_enough_waiting(app, task, producer.connection):
            app.send_task(task, producer=producer, retry=False)


def is_enough_waiting(app: Celery, task: str, connection: Connection, *, enough: int = ENOUGH_WAITING) -> bool:
    """Return whether `enough` tasks wait in the queue of a task.

    A process believes for a second that a queue is short. It does not believe so that enough tasks wait: workers may
    have taken them since, and a webhook would wait for the next tick.
    """
    queue: str = app.conf.task_routes[task]["queue"]
    if time.monotonic() - _short_at.get(queue, float("-inf")) < _ASK_SECONDS:
        return False
    is_enough = count_tasks(queue, connection) >= enough
    if not is_enough:
        _short_at[queue] = time.monotonic()
    return is_enough
