"""Connections to Valkey or Redis that close after an error reply, for the throttle and for Celery's transport.

Two facts make this necessary:

- After a failover the old primary refuses writes (READONLY) but keeps its connections open. The host name already
  resolves to the new primary, so only a new connection reaches the new primary.
- Celery waits for a broker whose connection broke. But Celery ends the worker after a reply such as READONLY, OOM or
  MISCONF.

So an error reply closes the connection and is raised as a connection error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelManagedConnection

from campaigns.valkey_url import ServerUrl, read_server_url

Client = redis.Redis

# The errors that a client raises for a server that cannot be reached, or cannot serve.
ServerUnavailable = (redis.RedisError, OSError)

_MAX_CHARACTERS = 200
_MAX_CONNECTIONS = 100_000

# The reason in an error of OpenSSL, such as "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate
# has expired (_ssl.c:1006)". If TLS to a Sentinel fails, redis-py keeps only this text of the error.
_TLS_ERROR = re.compile(r"\[[A-Z0-9 ]+: [A-Z0-9_]+\] (?:certificate verify failed: )?(.+?)\.? \(_ssl\.c")


# The names in the connection classes below that override no name of redis-py.
OWN_NAMES = frozenset({"_is_connecting", "_refuse"})


class RefusedError(redis.RedisError, ConnectionError):
    """The server answered with an error reply. The text of the exception is the first sentence of this reply.

    The connection is closed. This class is no subclass of redis-py's own ConnectionError, because redis-py would retry
    a transaction for ever after that error.
    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"  # Celery logs the repr; redis-py's repr has no text


class _EndsWithErrorReply(AbstractConnection):
    _is_connecting = False

    def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002  redis-py's
        # During the handshake redis-py itself handles the errors of older servers that do not know some commands.
        self._is_connecting = True
        try:
            super().on_connect_check_health(check_health)
        except redis.ResponseError as error:
            raise RefusedError(_first_sentence(error)) from error
        finally:
            self._is_connecting = False

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            response = super().read_response(*args, **options)
        except redis.exceptions.NoScriptError:
            raise  # redis-py handles this error by sending the script
        except redis.ResponseError as error:
            if self._is_connecting:
                raise
            self._refuse(error)
        # The response to a transaction is a list with the reply to each command.
        for each in response if isinstance(response, list) else ():
            if isinstance(each, redis.ResponseError):
                self._refuse(each)
        return response

    def _refuse(self, error: redis.ResponseError) -> NoReturn:
        self.disconnect()  # type: ignore[no-untyped-call]
        raise RefusedError(_first_sentence(error)) from error


class Connection(_EndsWithErrorReply, redis.Connection):
    pass


class SSLConnection(_EndsWithErrorReply, redis.SSLConnection):
    pass


class _FindsPrimary(SentinelManagedConnection):
    """Asks a Sentinel for the primary at each connect.

    The classes below inherit from this class before `Connection` or `SSLConnection`. So `Connection` or `SSLConnection`
    sees a READONLY reply first, and raises RefusedError. Otherwise redis-py would raise its own ConnectionError.
    """

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[no-untyped-call]
        except redis.ResponseError as error:  # from the Sentinel; an error of the primary is a RefusedError
            raise RefusedError(_first_sentence(error)) from error


class SentinelConnection(_FindsPrimary, Connection):
    pass


class SentinelSSLConnection(_FindsPrimary, SSLConnection):
    pass


def make_client(url: str, *, timeout_seconds: float) -> redis.Redis:
    """Return a client that does not retry. The client connects at its first use."""
    server = read_server_url(url)
    options: dict[str, Any] = {
        "db": server.database,
        "username": server.username,
        "password": server.password,
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        # redis-py refuses the 101st connection by default, but all slices of a process may ask at the same time.
        "max_connections": _MAX_CONNECTIONS,
        **(server.tls or {}),
    }
    if server.master_name is None:
        host, port = server.hosts[0]
        options |= {"connection_class": SSLConnection if server.tls else Connection, "host": host, "port": port}
        return redis.Redis.from_pool(redis.ConnectionPool(**options))
    asked = make_sentinel_options(server, connect_timeout_seconds=timeout_seconds, timeout_seconds=timeout_seconds)
    sentinel = Sentinel(server.hosts, sentinel_kwargs=asked, **options)  # type: ignore[no-untyped-call]
    client: redis.Redis = sentinel.master_for(
        server.master_name, connection_class=SentinelSSLConnection if server.tls else SentinelConnection
    )  # type: ignore[no-untyped-call]
    return client


def make_sentinel_options(
    server: ServerUrl, *, connect_timeout_seconds: float, timeout_seconds: float
) -> dict[str, Any]:
    """Return the arguments of redis-py's clients of the Sentinels. Such a client does not retry."""
    options: dict[str, Any] = {
        "username": server.sentinel_username,
        "password": server.sentinel_password,
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": connect_timeout_seconds,
        "retry": Retry(NoBackoff(), 0),
    }
    return options | ({"ssl": True, **server.tls} if server.tls else {})


def find_error_reply(error: BaseException | None) -> str:
    """Return the server's error reply that caused an error of a client; "" if the server did not answer."""
    while error is not None and not isinstance(error, redis.RedisError):
        error = error.__cause__  # kombu raises its own errors from the client's errors
    if isinstance(error, redis.RedisError) and (error.status_code or isinstance(error, redis.ResponseError)):
        return _first_sentence(error)
    return str(error) if isinstance(error, RefusedError) else ""


def find_tls_error(error: BaseException | None) -> str:
    """Return why TLS failed, such as "certificate has expired"; "" if the error has another cause."""
    for each in _causes(error):
        if found := _TLS_ERROR.search(str(each)):
            return found[1][:_MAX_CHARACTERS]
    return ""


def describe(error: BaseException) -> str:
    """Return in a few words why a server does not serve, without its address and password."""
    if reason := find_error_reply(error) or find_tls_error(error):
        return reason
    for each in _causes(error):
        if isinstance(each, MasterNotFoundError):
            return "no Sentinel names a primary of this master_name"
    # kombu wraps the client's error in an error of its own, whose name does not show the cause.
    cause = next((each for each in _causes(error) if isinstance(each, ServerUnavailable)), error)
    return type(cause).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_sentence(error: redis.RedisError) -> str:
    """Return the first sentence of an error reply with its code, which redis-py may have removed from the text."""
    return f"{error.status_code or ''} {error}".strip().split(". ")[0].rstrip(".")[:_MAX_CHARACTERS]
