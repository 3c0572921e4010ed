"""Asks the broker how many tasks wait, and the processes behind it whether they live."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu import Connection, Queue
from kombu.exceptions import ChannelError, OperationalError

from campaigns.broker.message_filter import BrokerUnavailable
from campaigns.valkey import find_reply

# A broker that does not answer in this time counts as away.
_BROKER_SECONDS = 3


class BrokerError(Exception):
    """The broker does not serve. The text is the kind of error, which holds no password; `reply` is the error reply of
    the broker, "" if it sent none.
    """

    def __init__(self, kind: str, *, reply: str = "") -> None:
        super().__init__(kind)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Alive:
    """Who answers over the broker: the workers of each queue, and the beats (one that hangs does not answer)."""

    queues: dict[str, set[str]]
    beats: set[str]


def count_tasks(queue: str, connection: Connection) -> int:
    """Return how many tasks wait in a queue. Raises OperationalError where the broker does not answer."""
    try:
        connection.ensure_connection(max_retries=1, timeout=_BROKER_SECONDS)
        return _count_waiting(connection, queue)
    except (*connection.connection_errors, *connection.channel_errors) as error:
        raise OperationalError(type(error).__name__) from error


def ask_alive(app: Celery, timeout_seconds: float) -> Alive:
    """Ask all processes. Raises `BrokerError` where the broker does not serve."""
    with _broker_errors(), app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=round(timeout_seconds))
        inspect = app.control.inspect(timeout=timeout_seconds, connection=connection)
        listed = inspect.active_queues() or {}
        answered = set(inspect.ping() or {})
    queues: dict[str, set[str]] = {}
    for worker, taken in listed.items():
        for queue in taken if isinstance(taken, list) else ():  # a worker may answer with an error
            if isinstance(queue, dict):
                queues.setdefault(str(queue.get("name")), set()).add(worker)
    return Alive(queues, answered - set(listed))


def count_waiting(app: Celery, timeout_seconds: float) -> dict[str, int]:
    """Return how many tasks wait in each queue. Raises `BrokerError` where the broker does not serve."""
    with _broker_errors(), app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=round(timeout_seconds))
        return {queue.name: _count_waiting(connection, queue.name) for queue in app.conf.task_queues}


@contextmanager
def _broker_errors() -> Iterator[None]:
    try:
        yield
    except BrokerUnavailable as error:
        raise BrokerError(type(error).__name__, reply=find_reply(error)) from None


def _count_waiting(connection: Connection, queue: str) -> int:
    try:
        with connection.channel() as channel:  # a broker may close the channel on which it was asked for a queue
            declared: Any = Queue(queue).bind(channel).queue_declare(passive=True)
            return int(declared.message_count)
    except ChannelError:
        return 0  # nobody has made it yet
