"""The consumer of a worker: passes valid tasks to Celery, and waits between attempts to connect."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.state import maybe_shutdown
from kombu.message import Message

from campaigns.broker.message_filter import MOST_PAUSE_SECONDS, refuse
from campaigns.broker.task_messages import NotARing, Ring, read_ring

_log = logging.getLogger(__name__)

# After a connection has held for this many seconds, earlier attempts no longer count.
_SOUND_SECONDS = 10.0
_POLL_SECONDS = 0.1


class Consumer(CeleryConsumer):
    """Passes to Celery only the parts of a message that a `Ring` holds, and drops all others.

    If the broker accepts connections and does not serve, the consumer pauses between attempts. Celery would not pause.
    """

    connection_errors: tuple[type[Exception], ...]
    _lost_count = 0
    _connected_at: float | None = None

    def connect(self) -> Any:
        if self._connected_at is not None and time.monotonic() > self._connected_at + _SOUND_SECONDS:
            self._lost_count = 0
        self._connected_at = None
        deadline = time.monotonic() + min(self._lost_count, MOST_PAUSE_SECONDS)
        while time.monotonic() < deadline:
            maybe_shutdown()
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
            try:
                ring = read_ring(message.headers, message.body, queue=queue, queues=queues)
            except NotARing as error:
                refuse(str(error), queue)
                return message.reject_log_error(_log, self.connection_errors)
            _rewrite(message, ring)
            return handle(message)

        return admit


def _rewrite(message: Any, ring: Ring) -> None:
    message.headers = {
        "lang": "py",
        "task": ring.task,
        "id": ring.id,
        "root_id": ring.id,
        "parent_id": None,
        "group": None,
        "eta": None,
        "expires": None,
        "lease_epoch": ring.lease_epoch,
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": repr(tuple(ring.arguments)),
        "kwargsrepr": "{}",
        "ignore_result": True,
    }
    message.body = json.dumps([ring.arguments, {}, {}]).encode()
    message.content_type, message.content_encoding = "application/json", "utf-8"
