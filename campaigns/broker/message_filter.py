"""Filters all input from the broker before Celery reads it, so that no message and no error reply ends a process.

Celery and kombu trust that they wrote every message themselves. But a message from another program can end a worker or
block one of its slots for good: docs/decisions/0022. An error reply of the server, such as READONLY, can end a worker
too: docs/decisions/0032.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from functools import wraps
from ssl import CERT_REQUIRED
from typing import Any

import kombu
import redis
from celery.app.amqp import AMQP as CeleryAMQP  # noqa: N811  the name that Celery gives it
from celery.exceptions import ImproperlyConfigured
from kombu.exceptions import KombuError, OperationalError
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from kombu.utils.json import loads

from campaigns import valkey
from campaigns.broker import remote_control
from campaigns.broker.task_messages import find_flaw, is_shallow
from campaigns.logs import event

_log = logging.getLogger(__name__)

# The errors that a client raises if the broker is away, frozen, or cannot serve.
BrokerUnavailable = (OperationalError, KombuError, *valkey.ServerUnavailable)

# The errors that kombu's JSON decoder raises. These errors are of many classes, because kombu also decodes types such
# as dates.
_Unreadable = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
_MAX_BYTES = 4_000_000
# The longest pause between two attempts to connect, in seconds. The pause grows by a second with each attempt.
MAX_PAUSE_SECONDS = 5
_REPLY_QUEUE = f".{remote_control.REPLIES_EXCHANGE}"


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
    """Drops a message from a queue if it is neither a valid task nor a valid reply."""

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
    """Drops an unacknowledged message that is due for redelivery if it is no valid task."""

    channel: Channel

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:  # noqa: FBT001, FBT002  kombu's
        with self.channel.conn_or_acquire(client) as connected:
            stored = connected.hget(self.unacked_key, tag)
            if stored is not None and (flaw := _find_stored_flaw(stored)):
                log_refused_task(flaw, "unacked")
                self._remove_from_indices(tag).execute()  # type: ignore[attr-defined]  # not in its stub
                return
            super().restore_by_tag(tag, client=connected, leftmost=leftmost)


class _FilteringChannel(kombu_redis.Channel):
    """Reads with `Client` and `PubSub` above, which drop invalid messages.

    If the connection of a channel is gone, this channel raises ConnectionError. The channel of kombu 5.7 raises
    AttributeError, which Celery does not handle. When Valkey died during a task, that AttributeError ended the worker
    as soon as the worker acknowledged the task or gave it back to the queue.
    """

    QoS = QoS

    def _get_client(self) -> type[Client]:
        return Client

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  kombu's
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("the connection to the broker is gone")
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]
        return parameters

    def get_table(self, exchange: str) -> list[tuple[str, str, str]]:
        """Return the bindings of an exchange (routing key, pattern, queue), without malformed ones."""
        return [binding for binding in super().get_table(exchange) if len(binding) == 3]  # noqa: PLR2004


class Channel(_FilteringChannel):
    """Uses connections that close after an error reply."""

    connection_class = valkey.Connection
    connection_class_ssl = valkey.SSLConnection


class SentinelChannel(_FilteringChannel, kombu_redis.SentinelChannel):
    """Uses connections that close after an error reply, and that lead to the primary that a Sentinel names."""

    connection_class = valkey.SentinelConnection
    connection_class_ssl = valkey.SentinelSSLConnection


class Transport(kombu_redis.Transport):
    """kombu's transport, with `Channel` above."""

    Channel = Channel


class SentinelTransport(kombu_redis.SentinelTransport):
    """kombu's transport for Sentinels, with `SentinelChannel` above."""

    Channel = SentinelChannel


_TRANSPORTS = {"redis": Transport, "rediss": Transport, "sentinel": SentinelTransport}


class Connection(kombu.Connection):
    """Accepts only URLs of the transports above, and verifies certificates unless the settings switch the check off.

    The connection is made again within seconds after the broker is back, even after a long outage.
    """

    def _init_params(self, *, transport: Any, ssl: Any, **options: Any) -> None:  # type: ignore[override]
        # The URL may also come from Celery's option -b or from CELERY_BROKER_URL, which our settings do not check.
        if transport not in _TRANSPORTS:
            raise ImproperlyConfigured(f"The URL of the broker must begin with {', '.join(_TRANSPORTS)}")
        if transport == "rediss" and not ssl:
            ssl = {"ssl_cert_reqs": CERT_REQUIRED}  # kombu's default is to verify nothing
        super()._init_params(transport=transport, ssl=ssl, **options)

    def _ensure_connection(
        self,
        errback: Any = None,
        max_retries: int | None = None,
        interval_start: int = 1,
        interval_step: int = 1,
        interval_max: int = MAX_PAUSE_SECONDS,
        *args: Any,
        **options: Any,
    ) -> Any:
        return super()._ensure_connection(
            errback, max_retries, interval_start, interval_step, interval_max, *args, **options
        )


class AMQP(CeleryAMQP):
    """Celery's AMQP class, with the connection above."""

    Connection = Connection


# The classes that override methods and attributes of kombu, Celery and redis-py. Some of these names are private.
_OVERRIDING = (
    *(PubSub, Client, QoS, Channel, SentinelChannel, Transport, SentinelTransport, Connection, AMQP),
    *(valkey.Connection, valkey.SSLConnection, valkey.SentinelConnection, valkey.SentinelSSLConnection),
)


def install() -> None:
    """Let every connection of this process to the broker use the transports above.

    Raises RuntimeError if a library no longer has a name that we override, because the override would have no effect.
    """
    if missing := sorted({name for ours in _OVERRIDING for name in _find_unused_overrides(ours)}):
        raise RuntimeError(f"These versions of kombu, Celery and redis cannot be used: they lack {', '.join(missing)}")
    for scheme, transport in _TRANSPORTS.items():
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{transport.__name__}"


def _find_unused_overrides(ours: type) -> list[str]:
    """Return the names that `ours` or our base classes define and no base class of a library defines.

    Such a name overrides nothing: the library has renamed its method.
    """
    theirs = {name for each in ours.__mro__ if not each.__module__.startswith("campaigns.") for name in vars(each)}
    mine = {name for each in ours.__mro__ if each.__module__.startswith("campaigns.") for name in vars(each)}
    return [f"{ours.__name__}.{name}" for name in mine - theirs - valkey.OWN_NAMES if not name.startswith("__")]


def _is_refused(item: bytes, source: str) -> bool:
    """Return whether a message is refused, and log the refusal. `source`: the message's queue or exchange."""
    try:
        flaw = _find_flaw(_read(item), source)
    except _UnreadableError as error:
        flaw = str(error)
    if flaw and _is_remote_control(source):
        _log.warning("Remote control message refused: %s", flaw, extra=event("control_refused", exchange=source))
    elif flaw:
        log_refused_task(flaw, source)
    return bool(flaw)


def _is_remote_control(source: str) -> bool:
    return source in {remote_control.COMMANDS_EXCHANGE, remote_control.EVENTS_EXCHANGE} or source.endswith(_REPLY_QUEUE)


def _guard(find: Callable[..., str]) -> Callable[..., str]:
    """Return a check that logs an error in `find` with its traceback, and then refuses the message.

    Otherwise kombu would take a KeyError for a lost connection, and Celery would reconnect without a traceback.
    """

    @wraps(find)
    def guarded(*arguments: Any) -> str:
        try:
            return find(*arguments)
        except _UnreadableError:
            raise
        except Exception:  # noqa: BLE001  see the docstring of this function
            _log.exception("A message is dropped because of an error in its check", extra=event("filter_error"))
            return "its check failed"

    return guarded


@_guard
def _find_flaw(message: Any, source: str) -> str:
    """Return the reason to refuse a message; "" if there is none."""
    if flaw := find_flaw(message):
        return flaw
    if not _is_remote_control(source):
        return ""  # the consumer checks the other parts of a task
    if flaw := remote_control.find_header_flaw(message["headers"]):
        return flaw
    content = _read(base64.b64decode(message["body"]))
    if source == remote_control.COMMANDS_EXCHANGE:
        return remote_control.find_command_flaw(content)
    if source == remote_control.EVENTS_EXCHANGE:
        return remote_control.find_event_flaw(content)
    return remote_control.find_reply_flaw(content)


@_guard
def _find_stored_flaw(stored: bytes) -> str:
    """Return the reason to refuse an unacknowledged message; "" if there is none.

    kombu stores such a message in a list: the message, its exchange and its routing key.
    """
    try:
        match _read(stored):
            case [message, str(), str()]:
                return find_flaw(message)
    except _UnreadableError as error:
        return str(error)
    return "it does not have the form of an unacknowledged message"


class _UnreadableError(Exception):
    """The message is not readable JSON. The text of the error is the reason, and quotes no part of the message."""


def _read(text: bytes) -> Any:
    """Decode JSON as kombu does. The result is shallow enough to be encoded again. Raises _UnreadableError."""
    if len(text) > _MAX_BYTES:
        raise _UnreadableError("it is too long")
    try:
        value = loads(text.decode(errors="replace"))
    except _Unreadable as error:
        raise _UnreadableError(f"it cannot be read ({type(error).__name__})") from None
    if not is_shallow(value):
        raise _UnreadableError("it is too deep")
    return value


def log_refused_task(reason: str, source: object) -> None:
    _log.warning("Task message refused: %s", reason, extra=event("task_refused", queue=source))
