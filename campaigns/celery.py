"""The Celery application: `celery -A campaigns …`. Settings stand in `celeryconfig.py`, tasks in `tasks.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu import Connection, Queue
from kombu.exceptions import ChannelError, KombuError, OperationalError

from campaigns import gate

gate.install()
app = Celery("revoada")
app.config_from_object("celeryconfig")


class BrokerError(Exception):
    """The broker does not answer; the text is the kind of error, which holds no password."""


@dataclass(frozen=True, slots=True)
class Alive:
    """Who answers over the broker: the workers of each queue, and the beats (one that hangs does not answer)."""

    queues: dict[str, set[str]]
    beats: set[str]


def ask_alive(timeout_seconds: float) -> Alive:
    """Ask all processes. Raises `BrokerError` where the broker does not answer."""
    queues: dict[str, set[str]] = {}
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=round(timeout_seconds))
            inspect = app.control.inspect(timeout=timeout_seconds, connection=connection)
            listed = inspect.active_queues() or {}
            answered = set(inspect.ping() or {})
    except (KombuError, OperationalError, OSError) as error:
        raise BrokerError(type(error).__name__) from None
    for worker, taken in listed.items():
        for queue in taken:
            queues.setdefault(str(queue["name"]), set()).add(worker)
    return Alive(queues, answered - set(listed))


def count_waiting(timeout_seconds: float) -> dict[str, int]:
    """Return how many tasks wait in each queue. Raises `BrokerError` where the broker does not answer."""
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=round(timeout_seconds))
            return {queue.name: _count_waiting(connection, queue.name) for queue in app.conf.task_queues}
    except (KombuError, OperationalError, OSError) as error:
        raise BrokerError(type(error).__name__) from None


def _count_waiting(connection: Connection, queue: str) -> int:
    try:
        with connection.channel() as channel:  # a broker may close the channel on which it was asked for a queue
            declared: Any = Queue(queue).bind(channel).queue_declare(passive=True)
            return int(declared.message_count)
    except ChannelError:
        return 0  # nobody has made it yet
