"""Connections to Valkey or Redis that close after an error reply, for the throttle and for Celery's transport.

After a failover the old primary refuses writes (READONLY) and keeps its connections, while its host name already leads
to the new primary: only a new connection reaches that. Celery waits for a broker whose connection broke, but ends the
worker at a reply such as READONLY, OOM or MISCONF. So an error reply closes the connection and is raised as a
connection error.
"""

from __future__ import annotations

from typing import Any, NoReturn
from urllib.parse import urlsplit

import redis
from redis.connection import AbstractConnection

# The errors that a client raises for a server that cannot be reached, or cannot serve.
ServerUnavailable = (redis.RedisError, OSError)

_MOST_CHARACTERS = 200


class RefusedError(redis.RedisError, ConnectionError):
    """The server answered with an error; the message is its text. The connection is closed.

    It is no subclass of redis-py's own ConnectionError: with that, a transaction would be retried for ever.
    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"  # Celery logs this; redis-py leaves the text out


class _EndsWithErrorReply(AbstractConnection):
    _is_connecting = False

    def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002  redis-py's
        # redis-py itself ignores the errors of an older server that does not know parts of the greeting.
        self._is_connecting = True
        try:
            super().on_connect_check_health(check_health)
        except redis.ResponseError as error:
            raise RefusedError(_spell(error)) from error
        finally:
            self._is_connecting = False

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            response = super().read_response(*args, **options)
        except redis.exceptions.NoScriptError:
            raise  # redis-py then sends the script
        except redis.ResponseError as error:
            if self._is_connecting:
                raise
            self._refuse(error)
        # For a transaction, a list with the reply to each command.
        for each in response if isinstance(response, list) else ():
            if isinstance(each, redis.ResponseError):
                self._refuse(each)
        return response

    def _refuse(self, error: redis.ResponseError) -> NoReturn:
        self.disconnect()  # type: ignore[no-untyped-call]
        raise RefusedError(_spell(error)) from error


class Connection(_EndsWithErrorReply, redis.Connection):
    pass


class SSLConnection(_EndsWithErrorReply, redis.SSLConnection):
    pass


def make_client(url: str, *, timeout_seconds: float) -> redis.Redis:
    """Return a client without retries of its own; it connects at first use."""
    return redis.Redis.from_url(
        url,
        connection_class=SSLConnection if urlsplit(url).scheme == "rediss" else Connection,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        max_connections=None,
    )


def find_reply(error: BaseException | None) -> str:
    """Return the error reply behind an error of a client, "" if the server did not answer."""
    while error is not None and not isinstance(error, redis.RedisError):
        error = error.__cause__  # kombu's own errors have the client's as their cause
    if isinstance(error, redis.RedisError) and (error.status_code or isinstance(error, redis.ResponseError)):
        return _spell(error)
    return str(error) if isinstance(error, RefusedError) else ""


def _spell(error: redis.RedisError) -> str:
    """Return the first sentence of a reply, with its code, which redis-py cuts off if it knows it."""
    return f"{error.status_code or ''} {error}".strip().split(". ")[0].rstrip(".")[:_MOST_CHARACTERS]
