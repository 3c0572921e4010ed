"""The consumer of a worker: passes valid tasks to Celery, and pauses between attempts to connect."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from celery.worker import state
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu.message import Message

from campaigns.broker.message_filter import MAX_PAUSE_SECONDS, BrokerUnavailable, log_refused_task
from campaigns.broker.overrides import require_names
from campaigns.broker.task_messages import NotATaskMessage, TaskMessage, read_task_message
from campaigns.logs import event

_log = logging.getLogger(__name__)

# A connection that lasts this long counts as stable, so the pauses start from zero again.
_STABLE_SECONDS = 10.0
_POLL_SECONDS = 0.1

# Celery does not document these methods, so a new version may rename them.
require_names(CeleryConsumer, ("connect", "create_task_handler"))


class Consumer(CeleryConsumer):
    """Passes to Celery only the parts of a message that a `TaskMessage` holds, and drops invalid messages.

    An error in the handling of a message is logged with its traceback, and the message is dropped. A later tick
    enqueues the campaign of a dropped task again. If Celery got the error, Celery would end the worker, or reconnect
    for ever without a traceback, because kombu takes a KeyError for a lost connection.

    If the broker accepts connections but serves no command, Celery's own consumer reconnects without a pause. This
    consumer pauses between two attempts to connect.
    """

    connection_errors: tuple[type[Exception], ...]
    _lost_count = 0
    _connected_at: float | None = None

    def connect(self) -> Any:
        if self._connected_at is not None and time.monotonic() > self._connected_at + _STABLE_SECONDS:
            self._lost_count = 0
        self._connected_at = None
        deadline = time.monotonic() + min(self._lost_count, MAX_PAUSE_SECONDS)
        while time.monotonic() < deadline:
            state.maybe_shutdown()
            time.sleep(_POLL_SECONDS)
        self._lost_count += 1
        connection = super().connect()
        self._connected_at = time.monotonic()
        return connection

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], Any]:
        handle = super().create_task_handler(*args, **kwargs)
        queues = {name: route["queue"] for name, route in self.app.conf.task_routes.items()}

        def admit(message: Any) -> Any:
            queue = message.delivery_info.get("routing_key")
            task: TaskMessage | None = None
            try:
                task = read_task_message(message.headers, message.body, queue=queue, queues=queues)
                _rewrite(message, task)
                return handle(message)
            except NotATaskMessage as error:
                log_refused_task(str(error), queue)
            except BrokerUnavailable:
                raise
            except Exception:  # noqa: BLE001  see the docstring of the class
                bound = event("task_handler_error", task=task.task if task else None, queue=queue)
                _log.exception("A task of the queue %s was not begun: an error in the worker", queue, extra=bound)
                if task is not None and (request := state.requests.get(task.id)) is not None:
                    # Celery counts this task as taken, but has not begun it. Without this call the task would occupy a
                    # slot.
                    state.task_ready(request)
            return message.reject_log_error(_log, self.connection_errors)

        return admit


def _rewrite(message: Any, task: TaskMessage) -> None:
    message.headers = {
        **task.trace,
        # Sentry reads its headers from here.
        "headers": task.trace,
        "lang": "py",
        "task": task.task,
        "id": task.id,
        "root_id": task.id,
        "parent_id": None,
        "group": None,
        "eta": None,
        "expires": None,
        "lease_epoch": task.lease_epoch,
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": repr(tuple(task.arguments)),
        "kwargsrepr": "{}",
        "ignore_result": True,
    }
    message.body = json.dumps([task.arguments, {}, {}]).encode()
    message.content_type, message.content_encoding = "application/json", "utf-8"
