"""Filters all input from the broker before Celery reads it: no message and no error reply may end a process.

Celery and kombu read a message as one that they wrote, and end (or lose a slot for good) over one that is not:
docs/decisions/0022. They also end when the server replies that it cannot serve now: docs/decisions/0032.
"""

from __future__ import annotations

import base64
import logging
from typing import Any

import kombu
import redis
from celery.app.amqp import AMQP as CeleryAMQP  # noqa: N811  its own name
from kombu.exceptions import KombuError, OperationalError
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from kombu.utils.json import loads

from campaigns import valkey
from campaigns.broker import remote_control
from campaigns.broker.queues import QUEUES
from campaigns.broker.task_messages import find_flaw, is_shallow
from campaigns.logs import event

_log = logging.getLogger(__name__)

# The errors that a broker raises if it is away, frozen, or cannot serve.
BrokerUnavailable = (OperationalError, KombuError, *valkey.ServerUnavailable)

# What reading JSON raises, with kombu's own types in it.
_Unreadable = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
_MOST_BYTES = 4_000_000
# The longest pause between two attempts to be served again, in seconds. The pause grows by a second each time.
MOST_PAUSE_SECONDS = 5
_REPLY_QUEUE = f".{remote_control.REPLIES_EXCHANGE}"

# Private names that are overridden below. `install` checks them: overrides of a renamed one would silently do nothing.
_PRIVATE = ("_get_client", "_connparams", "get_table", "connection_class", "connection_class_ssl", "QoS")


class PubSub(redis.client.PubSub):
    """Drops published messages that are neither a valid command nor a valid event."""

    def parse_response(self, *args: Any, **options: Any) -> Any:
        response = super().parse_response(*args, **options)  # type: ignore[no-untyped-call]
        match response:
            case [b"message" | b"pmessage", *_, bytes() as channel, bytes() as data] if data:
                exchange = channel.decode(errors="replace").partition(".")[2].partition("/")[0]
                return None if _is_refused(data, exchange) else response
        return response


class Client(redis.Redis):
    """Drops messages from a queue that are no valid task or reply."""

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
    """Drops entries of the unacknowledged tasks that are due for redelivery and are no tasks."""

    channel: Channel

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:  # noqa: FBT001, FBT002  kombu's
        with self.channel.conn_or_acquire(client) as connected:
            stored = connected.hget(self.unacked_key, tag)
            if stored is not None and (flaw := _find_stored_flaw(stored)):
                refuse(flaw, "unacked")
                self._remove_from_indices(tag).execute()  # type: ignore[attr-defined]  # not in its stub
                return
            super().restore_by_tag(tag, client=connected, leftmost=leftmost)


class Channel(kombu_redis.Channel):
    """Reads with the clients above, on connections that close after an error reply.

    It raises ConnectionError if its connection is gone. Here kombu 5.7 raises AttributeError, which Celery does not
    handle: when Valkey died during a task, that error ended the worker as it acknowledged the task or gave it back.
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
    """kombu's transport, with the channel above."""

    Channel = Channel


class Connection(kombu.Connection):
    """Reconnects within seconds, however long the broker has been away."""

    def _ensure_connection(
        self,
        errback: Any = None,
        max_retries: int | None = None,
        interval_start: int = 1,
        interval_step: int = 1,
        interval_max: int = MOST_PAUSE_SECONDS,
        *args: Any,
        **options: Any,
    ) -> Any:
        return super()._ensure_connection(
            errback, max_retries, interval_start, interval_step, interval_max, *args, **options
        )


class AMQP(CeleryAMQP):
    """Celery's AMQP class, with the connection above."""

    Connection = Connection


def install() -> None:
    """Let every connection of this process to Redis or Valkey use the transport above."""
    if missing := [name for name in _PRIVATE if not hasattr(kombu_redis.Channel, name)]:
        raise RuntimeError(f"This version of kombu cannot be used: its channel has no {', '.join(missing)}")
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:Transport"))


def _is_refused(item: bytes, place: str) -> bool:
    """Return whether a message from a place, which is a queue or an exchange, is refused; log the refusal."""
    try:
        flaw = _find_flaw(_read(item), place)
    except _UnreadableError as error:
        flaw = str(error)
    if flaw and _is_remote(place):
        _log.warning("Remote control message refused: %s", flaw, extra=event("control_refused", exchange=place))
    elif flaw:
        refuse(flaw, place)
    return bool(flaw)


def _is_remote(place: str) -> bool:
    return place in {remote_control.COMMANDS_EXCHANGE, remote_control.EVENTS_EXCHANGE} or place.endswith(_REPLY_QUEUE)


def _find_flaw(message: Any, place: str) -> str:
    if flaw := find_flaw(message):
        return flaw
    if not _is_remote(place):
        return ""  # the consumer checks the other parts of a task
    if flaw := remote_control.find_header_flaw(message["headers"]):
        return flaw
    content = _read(base64.b64decode(message["body"]))
    if place == remote_control.COMMANDS_EXCHANGE:
        return remote_control.find_command_flaw(content, QUEUES)
    if place == remote_control.EVENTS_EXCHANGE:
        return remote_control.find_event_flaw(content)
    return remote_control.find_reply_flaw(content)


def _find_stored_flaw(stored: bytes) -> str:
    """Return the flaw in kombu's entry for an unacknowledged message: the message, its exchange and its routing key."""
    try:
        match _read(stored):
            case [message, str(), str()]:
                return find_flaw(message)
    except _UnreadableError as error:
        return str(error)
    return "it is not kept as a task is"


class _UnreadableError(Exception):
    """The text is the reason, and repeats nothing of the message."""


def _read(text: bytes) -> Any:
    """Decode JSON as kombu does; the result can be encoded again. Raises _UnreadableError."""
    if len(text) > _MOST_BYTES:
        raise _UnreadableError("it is too long")
    try:
        value = loads(text.decode(errors="replace"))
    except _Unreadable as error:
        raise _UnreadableError(f"it cannot be read ({type(error).__name__})") from None
    if not is_shallow(value):
        raise _UnreadableError("it is too deep")
    return value


def refuse(why: str, place: object) -> None:
    _log.warning("Task message refused: %s", why, extra=event("task_refused", queue=place))
