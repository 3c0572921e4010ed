"""What comes from the broker passes here before Celery reads it: one message must not end a worker.

Celery and kombu read a message as one that they wrote, and end (or lose a slot for good) over one that is not:
docs/decisions/0022.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer
from kombu.message import Message
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis

from campaigns.domain.ring import NotARing, Ring, find_flaw, read_ring
from campaigns.logs import event

_log = logging.getLogger(__name__)

# What reading JSON raises, with kombu's own types in it.
_Unreadable = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


class Channel(kombu_redis.Channel):
    """Drops what is no JSON (by then it is out of its queue), and says so when its connection is gone.

    kombu 5.7 stumbles over the missing connection (AttributeError), which nobody expects there: a task that ran while
    Valkey died was acknowledged, or given back, by an error that ended its worker.
    """

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  kombu's
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("the connection to the broker is gone")
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]
        return parameters

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # its stub leaves it out
        except _Unreadable as error:
            _refuse(f"it cannot be read ({type(error).__name__})")
            return True


class Transport(kombu_redis.Transport):
    """Drops what kombu cannot make a message of."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str | None) -> None:
        if flaw := find_flaw(message):
            _refuse(flaw, queue=queue)
            return
        super()._deliver(message, queue)


class Consumer(CeleryConsumer):
    """Lets Celery see nothing but what a ring says, whatever else stands in the message."""

    connection_errors: tuple[type[Exception], ...]

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], Any]:
        handle = super().create_task_handler(*args, **kwargs)
        queues = {name: route["queue"] for name, route in self.app.conf.task_routes.items()}

        def admit(message: Any) -> Any:
            queue = message.delivery_info.get("routing_key")
            try:
                ring = read_ring(message.headers, message.body, queue=queue, queues=queues)
            except NotARing as error:
                _refuse(str(error), queue=queue)
                return message.reject_log_error(_log, self.connection_errors)
            _rewrite(message, ring)
            return handle(message)

        return admit


def install() -> None:
    """Let every connection of this process to Redis or Valkey use the transport above."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:Transport"))


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


def _refuse(why: str, **bound: Any) -> None:
    _log.warning("Task message refused: %s", why, extra=event("task_refused", **bound))
