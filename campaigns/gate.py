"""What comes from the broker passes here before Celery reads it: no message and no error reply may end a process.

Celery and kombu read a message as one that they wrote, and end (or lose a slot for good) over one that is not:
docs/decisions/0022. They end as well over a server that says that it cannot serve now: docs/decisions/0032.
"""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Callable
from typing import Any

import kombu
import redis
from celery.app.amqp import AMQP as CeleryAMQP  # noqa: N811  its own name
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.state import maybe_shutdown
from kombu.exceptions import KombuError, OperationalError
from kombu.message import Message
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from kombu.utils.json import loads

from campaigns.domain import remote
from campaigns.domain.machinery import QUEUES
from campaigns.domain.ring import NotARing, Ring, find_flaw, is_shallow, read_ring
from campaigns.logs import event
from campaigns.throttle import connection as valkey

_log = logging.getLogger(__name__)

# What a broker that is away, frozen, or cannot serve raises.
BrokerUnavailable = (OperationalError, KombuError, *valkey.ServerUnavailable)

# What reading JSON raises, with kombu's own types in it.
_Unreadable = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
_MOST_BYTES = 4_000_000
# Between two tries to be served again: a second more each time, up to this many. Seconds.
_MOST_PAUSE = 5
# A connection that held for so long owes nothing to the tries before it. Seconds.
_SOUND_SECONDS = 10.0
_POLL_SECONDS = 0.1
_REPLY_QUEUE = f".{remote.REPLIES_EXCHANGE}"

# What is overridden below and has no public name: without it, the rest would do nothing and nobody would see it.
_PRIVATE = ("_get_client", "_connparams", "get_table", "connection_class", "connection_class_ssl", "QoS")


class PubSub(redis.client.PubSub):
    """Drops what was published and is neither a command nor an event."""

    def parse_response(self, *args: Any, **options: Any) -> Any:
        response = super().parse_response(*args, **options)  # type: ignore[no-untyped-call]
        match response:
            case [b"message" | b"pmessage", *_, bytes() as channel, bytes() as data] if data:
                exchange = channel.decode(errors="replace").partition(".")[2].partition("/")[0]
                return None if _is_refused(data, exchange) else response
        return response


class Client(redis.Redis):
    """Drops what came out of a queue and is no task, or no reply."""

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        response = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        match response:
            case [bytes() as key, bytes() as item] if command_name == "BRPOP":
                queue = key.decode(errors="replace").partition(Channel.sep)[0]
                return None if _is_refused(item, queue) else response
        return response

    def pubsub(self, **options: Any) -> PubSub:
        return PubSub(self.connection_pool, **options)


class QoS(kombu_redis.QoS):
    """Drops what lies among the unacknowledged tasks, is to be delivered again, and is none."""

    channel: Channel

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:  # noqa: FBT001, FBT002  kombu's
        with self.channel.conn_or_acquire(client) as connected:
            stored = connected.hget(self.unacked_key, tag)
            if stored is not None and (flaw := _find_stored_flaw(stored)):
                _refuse(flaw, "unacked")
                self._remove_from_indices(tag).execute()  # type: ignore[attr-defined]  # not in its stub
                return
            super().restore_by_tag(tag, client=connected, leftmost=leftmost)


class Channel(kombu_redis.Channel):
    """Reads by the clients above; its connections end with an error reply, and it says so when they are gone.

    kombu 5.7 stumbles over the missing connection (AttributeError), which nobody expects there: a task that ran while
    Valkey died was acknowledged, or given back, by an error that ended its worker.
    """

    QoS = QoS
    connection_class = valkey.Connection
    connection_class_ssl = valkey.SSLConnection

    def _get_client(self) -> type[Client]:
        return Client

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  kombu's
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("the connection to the broker is gone")
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]
        return parameters

    def get_table(self, exchange: str) -> list[tuple[str, str, str]]:
        """Return the bindings of an exchange: routing key, pattern, queue."""
        return [binding for binding in super().get_table(exchange) if len(binding) == 3]  # noqa: PLR2004


class Transport(kombu_redis.Transport):
    """kombu's, with the channel above."""

    Channel = Channel


class Connection(kombu.Connection):
    """Tries again soon, however long the broker has been away."""

    def _ensure_connection(
        self,
        errback: Any = None,
        max_retries: int | None = None,
        interval_start: int = 1,
        interval_step: int = 1,
        interval_max: int = _MOST_PAUSE,
        *args: Any,
        **options: Any,
    ) -> Any:
        return super()._ensure_connection(
            errback, max_retries, interval_start, interval_step, interval_max, *args, **options
        )


class AMQP(CeleryAMQP):
    """Celery's, with the connection above."""

    Connection = Connection


class Consumer(CeleryConsumer):
    """Lets Celery see nothing but what a ring says, whatever else stands in the message.

    A broker that can be reached and serves nothing is asked at a measured pace: Celery would ask without a pause.
    """

    connection_errors: tuple[type[Exception], ...]
    _lost_count = 0
    _connected_at: float | None = None

    def connect(self) -> Any:
        if self._connected_at is not None and time.monotonic() > self._connected_at + _SOUND_SECONDS:
            self._lost_count = 0
        self._connected_at = None
        deadline = time.monotonic() + min(self._lost_count, _MOST_PAUSE)
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
                _refuse(str(error), queue)
                return message.reject_log_error(_log, self.connection_errors)
            _rewrite(message, ring)
            return handle(message)

        return admit


def install() -> None:
    """Let every connection of this process to Redis or Valkey use the transport above."""
    if missing := [name for name in _PRIVATE if not hasattr(kombu_redis.Channel, name)]:
        raise RuntimeError(f"This version of kombu cannot be used: its channel has no {', '.join(missing)}")
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:Transport"))


def _is_refused(item: bytes, place: str) -> bool:
    """Judge what was written at a place, which is a queue or an exchange, and tell of what is refused."""
    try:
        flaw = _find_flaw(_read(item), place)
    except _UnreadableError as error:
        flaw = str(error)
    if flaw and _is_remote(place):
        _log.warning("Remote control message refused: %s", flaw, extra=event("control_refused", exchange=place))
    elif flaw:
        _refuse(flaw, place)
    return bool(flaw)


def _is_remote(place: str) -> bool:
    return place in {remote.COMMANDS_EXCHANGE, remote.EVENTS_EXCHANGE} or place.endswith(_REPLY_QUEUE)


def _find_flaw(message: Any, place: str) -> str:
    if flaw := find_flaw(message):
        return flaw
    if not _is_remote(place):
        return ""  # of a task, the consumer reads the rest
    if flaw := remote.find_header_flaw(message["headers"]):
        return flaw
    content = _read(base64.b64decode(message["body"]))
    if place == remote.COMMANDS_EXCHANGE:
        return remote.find_command_flaw(content, QUEUES)
    return remote.find_event_flaw(content) if place == remote.EVENTS_EXCHANGE else remote.find_reply_flaw(content)


def _find_stored_flaw(stored: bytes) -> str:
    """Judge what kombu keeps of a message until it is acknowledged: the message, its exchange and its routing key."""
    try:
        match _read(stored):
            case [message, str(), str()]:
                return find_flaw(message)
    except _UnreadableError as error:
        return str(error)
    return "it is not kept as a task is"


class _UnreadableError(Exception):
    """The text says why, and repeats nothing of what was read."""


def _read(text: bytes) -> Any:
    """Decode JSON as kombu does, and so that it can be encoded again. Raises _UnreadableError."""
    if len(text) > _MOST_BYTES:
        raise _UnreadableError("it is too long")
    try:
        value = loads(text.decode(errors="replace"))
    except _Unreadable as error:
        raise _UnreadableError(f"it cannot be read ({type(error).__name__})") from None
    if not is_shallow(value):
        raise _UnreadableError("it is too deep")
    return value


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


def _refuse(why: str, place: object) -> None:
    _log.warning("Task message refused: %s", why, extra=event("task_refused", queue=place))
