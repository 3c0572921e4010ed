"""The Celery application: `celery -A campaigns …`. Settings stand in `celeryconfig.py`, tasks in `tasks.py`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from celery import Celery, Task
from kombu import Connection, Producer, Queue
from kombu.exceptions import ChannelError, OperationalError

from campaigns.broker import message_filter
from campaigns.valkey import find_reply

message_filter.install()
app = Celery("revoada", amqp=message_filter.AMQP)
app.config_from_object("celeryconfig")

# A process asks for the length of a queue at most this often.
_ASK_SECONDS = 1.0
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


class WakeUp(Task):  # type: ignore[type-arg]  # generic in its stub only
    """A task that makes a worker query Postgres. It is not published while enough tasks wait in its queue already.

    So tasks do not pile up while workers are away, and no task needs an expiry, which a worker would judge by the clock
    of its own machine. A process reuses for a second the answer that a queue is short. It does not reuse the answer
    that enough tasks wait: workers may have taken them since, and a webhook would wait for the next tick.
    """

    abstract = True
    # One waiting task of a kind is enough. The limit is higher because tasks of several kinds share a queue.
    most_waiting = 5
    _short_at: ClassVar[dict[str, float]] = {}  # queue → when the broker last said that it is short

    def apply_async(self, *args: Any, producer: Producer | None = None, **options: Any) -> Any:
        """Publish, or return None. Errors of the broker's client pass through."""
        with self.app.producer_or_acquire(producer) as mine:
            if self._is_enough_waiting(mine.connection):
                return None
            return super().apply_async(*args, **options, producer=mine)  # type: ignore[misc]  # the name is taken above

    def _is_enough_waiting(self, connection: Connection) -> bool:
        queue: str = self.app.conf.task_routes[self.name]["queue"]
        if time.monotonic() - self._short_at.get(queue, float("-inf")) < _ASK_SECONDS:
            return False
        is_enough = count_tasks(queue, connection) >= self.most_waiting
        if not is_enough:
            self._short_at[queue] = time.monotonic()
        return is_enough


def count_tasks(queue: str, connection: Connection) -> int:
    """Return how many tasks wait in a queue. Raises OperationalError where the broker does not answer."""
    try:
        connection.ensure_connection(max_retries=1, timeout=_BROKER_SECONDS)
        return _count_waiting(connection, queue)
    except (*connection.connection_errors, *connection.channel_errors) as error:
        raise OperationalError(type(error).__name__) from error


def ask_alive(timeout_seconds: float) -> Alive:
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


def count_waiting(timeout_seconds: float) -> dict[str, int]:
    """Return how many tasks wait in each queue. Raises `BrokerError` where the broker does not serve."""
    with _broker_errors(), app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=round(timeout_seconds))
        return {queue.name: _count_waiting(connection, queue.name) for queue in app.conf.task_queues}


@contextmanager
def _broker_errors() -> Iterator[None]:
    try:
        yield
    except message_filter.BrokerUnavailable as error:
        raise BrokerError(type(error).__name__, reply=find_reply(error)) from None


def _count_waiting(connection: Connection, queue: str) -> int:
    try:
        with connection.channel() as channel:  # a broker may close the channel on which it was asked for a queue
            declared: Any = Queue(queue).bind(channel).queue_declare(passive=True)
            return int(declared.message_count)
    except ChannelError:
        return 0  # nobody has made it yet
