"""Asks the broker how many tasks wait, and asks workers and beats over the broker whether they are alive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu import Connection, Queue
from kombu.exceptions import ChannelError, OperationalError

from campaigns.broker.message_filter import BrokerUnavailable
from campaigns.broker.queues import BrokerFacts
from campaigns.valkey import describe, find_error_reply, find_tls_error

# A broker that does not answer within this time counts as away.
_BROKER_TIMEOUT_SECONDS = 3


class BrokerError(Exception):
    """The broker does not serve. The text is the reason in a few words, without a password.

    `reply`: the error reply of the broker; "" if the broker sent none. `tls_error`: why TLS failed; "" if TLS did not
    fail.
    """

    def __init__(self, reason: str, *, reply: str = "", tls_error: str = "") -> None:
        super().__init__(reason)
        self.reply, self.tls_error = reply, tls_error


@dataclass(frozen=True, slots=True)
class LiveProcesses:
    """The processes that answered over the broker: the workers of each queue, and the beats.

    A process that hangs does not answer.
    """

    queues: dict[str, set[str]]
    beats: set[str]


def count_tasks(queue: str, connection: Connection) -> int:
    """Return how many tasks wait in a queue. Raises OperationalError if the broker does not answer."""
    try:
        connection.ensure_connection(max_retries=1, timeout=_BROKER_TIMEOUT_SECONDS)
        return _count_waiting(connection, queue)
    except (*connection.connection_errors, *connection.channel_errors) as error:
        raise OperationalError(type(error).__name__) from error


def read_broker(app: Celery, timeout_seconds: float, *, asks_processes: bool = True) -> BrokerFacts:
    """Return the state of the broker. An error of the broker becomes a part of the state.

    `asks_processes`: also ask which processes are alive. They have the whole timeout to answer, and for a second
    question as long again.
    """
    try:
        waiting = count_waiting(app, timeout_seconds)
        alive = find_live_processes(app, timeout_seconds) if asks_processes else None
    except BrokerError as error:
        return BrokerFacts(away=str(error), reply=error.reply, tls_error=error.tls_error)
    if alive is None:
        return BrokerFacts(waiting=waiting)
    return BrokerFacts(queues=alive.queues, beats=alive.beats, waiting=waiting)


def find_live_processes(app: Celery, timeout_seconds: float) -> LiveProcesses:
    """Return the processes that answer within the timeout. Raises `BrokerError` if the broker does not serve."""
    with _broker_errors(), app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=round(timeout_seconds))
        inspect = app.control.inspect(timeout=timeout_seconds, connection=connection)
        listed = inspect.active_queues() or {}
        answering = set(inspect.ping() or {})
    queues: dict[str, set[str]] = {}
    for worker, consumed in listed.items():
        for queue in consumed if isinstance(consumed, list) else ():  # a worker may answer with an error
            if isinstance(queue, dict):
                queues.setdefault(str(queue.get("name")), set()).add(worker)
    return LiveProcesses(queues, answering - set(listed))


def find_consumed(app: Celery, workers: Sequence[str], timeout_seconds: float) -> dict[str, set[str]]:
    """Return the queues from which these workers take tasks, by the name of the worker.

    The function returns as soon as all of them have answered. Workers that do not answer within the timeout are left
    out. Raises `BrokerError` if the broker does not serve.
    """
    with _broker_errors(), app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=_BROKER_TIMEOUT_SECONDS)
        inspect = app.control.inspect([*workers], timeout=timeout_seconds, connection=connection, limit=len(workers))
        listed = inspect.active_queues() or {}
    return {
        worker: {str(queue.get("name")) for queue in consumed if isinstance(queue, dict)}
        for worker, consumed in listed.items()
        if isinstance(consumed, list)  # a worker may answer with an error
    }


def count_waiting(app: Celery, timeout_seconds: float) -> dict[str, int]:
    """Return how many tasks wait in each queue. Raises `BrokerError` if the broker does not serve."""
    with _broker_errors(), app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=round(timeout_seconds))
        return {queue.name: _count_waiting(connection, queue.name) for queue in app.conf.task_queues}


@contextmanager
def _broker_errors() -> Iterator[None]:
    try:
        yield
    except BrokerUnavailable as error:
        reply, tls_error = find_error_reply(error), find_tls_error(error)
        raise BrokerError(describe(error), reply=reply, tls_error=tls_error) from None


def _count_waiting(connection: Connection, queue: str) -> int:
    try:
        # The channel of the connection: a channel of its own would open a connection to the broker each time.
        declared: Any = Queue(queue).bind(connection.default_channel).queue_declare(passive=True)
        return int(declared.message_count)
    except ChannelError:
        return 0  # the queue does not exist yet
