"""The connection pool, and transactions that are retried after a deadlock or a serialization failure."""

from __future__ import annotations

import datetime as dt
import random
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import psycopg
from psycopg import errors
from psycopg.errors import _WaitTimeout
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

Connection = psycopg.Connection[TupleRow]
DatabaseError = psycopg.Error
DataError = (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError)
DatabaseUnavailable = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
# Another transaction held a lock for longer than `lock_timeout`. `DatabaseUnavailable` includes this error.
LockTimeout = errors.LockNotAvailable
# A statement was cancelled, for example by `cancelling`. `DatabaseUnavailable` includes this error.
StatementCancelled = errors.QueryCanceled

P = ParamSpec("P")
T = TypeVar("T")
V = TypeVar("V")

# These settings override the defaults of the server, the database and the role. The claim of a message must be on disk
# before the request leaves (`synchronous_commit`), and all times are in UTC.
_SETTINGS = {"synchronous_commit": "on", "timezone": "UTC"}
_RETRIES = 5
_CONNECT_SECONDS = 5
_CANCEL_SECONDS = 0.2
# The client closes the connection if the server has not answered after `statement_timeout` times this factor.
_CLIENT_TIMEOUT_FACTOR = 1.25
# The `application_name` of all roles. `recover` refuses to run while such a process is connected.
PROCESS = "revoada"


def query(name: str) -> bytes:
    """Return the statement with this name from the SQL files of this folder."""
    return _load_queries()[name]


@cache
def _load_queries() -> dict[str, bytes]:
    """Read all `NAME.sql` files: a line `-- name: X` starts the statement X and its notes.

    Migrations and the schema have no such line.
    """
    queries: dict[str, bytes] = {}
    for file in _list_files(files("campaigns.store")):
        if file.name.endswith(".sql"):
            for section in re.split(rb"^-- name: ", file.read_bytes(), flags=re.MULTILINE)[1:]:
                name, _, text = section.partition(b"\n")
                queries[name.decode()] = text.strip()
    return queries


def _list_files(folder: Traversable) -> Iterator[Traversable]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _list_files(entry)
        else:
            yield entry


class ConstraintError(ValueError):
    """A row violates a constraint of the schema, so the transaction is aborted. `constraint`: the name of the
    constraint.
    """

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class ServerSilentError(psycopg.OperationalError):
    """The server did not answer a statement within the client's timeout."""


class PoolerError(psycopg.OperationalError):
    """A connection pooler is between this process and Postgres, although no setting says so."""

    def __init__(self) -> None:
        super().__init__(
            "DATABASE_URL leads to a connection pooler such as pgbouncer, which drops the timeouts of a session and may"
            " mix the prepared statements of several: set REVOADA_DATABASE_POOLER=transaction, or give the address of"
            " Postgres itself"
        )


class TimeoutConnection(psycopg.Connection[TupleRow]):
    """A connection that is closed if the server is silent for longer than any statement may take.

    The server's own timeouts do not help if the server is frozen, or if the network drops packets but keeps the
    connection open. Without a timeout of the client a thread would wait for ever.
    """

    timeout_seconds: float | None = None

    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """Connect to the server. Raises PoolerError if `options` are given and a pooler answers instead of Postgres.

        pgbouncer refuses these options with an error, or ignores them (`ignore_startup_parameters`). In the second case
        the pid of the backend reveals the pooler: pgbouncer reports a random number, because it chooses a backend only
        when a transaction begins.
        """
        try:
            connection = super().connect(conninfo, **kwargs)
        except psycopg.OperationalError as error:
            if "unsupported startup parameter" in str(error):
                raise PoolerError from None
            raise
        if "options" in kwargs:
            connection.timeout_seconds = _CONNECT_SECONDS
            row = connection.execute(query("read_backend_pid")).fetchone()
            if row != (connection.info.backend_pid,):
                connection.close()
                raise PoolerError
        return connection

    def wait(self, gen: Generator[Any, Any, V], interval: float = 0.1, timeout: float | None = None) -> V:
        try:
            return super().wait(gen, interval, self.timeout_seconds if timeout is None else timeout)
        except _WaitTimeout:
            self.pgconn.finish()
            raise ServerSilentError(f"Postgres was silent for {self.timeout_seconds:g} s") from None


@contextmanager
def cancelling(connection: Connection, stop: threading.Event) -> Iterator[None]:
    """Cancel the statement that runs once `stop` is set, and each later one until the block ends."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(_CANCEL_SECONDS):
            if stop.is_set():
                with suppress(psycopg.Error):  # the next round tries again
                    connection.cancel_safe(timeout=_CONNECT_SECONDS)

    watcher = threading.Thread(target=watch, name="cancelling", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def allow_long_statements(connection: Connection) -> None:
    """Remove the statement timeout for this transaction, for statements that read or write a whole campaign."""
    connection.execute(query("allow_long_statements"))
    if isinstance(connection, TimeoutConnection):
        connection.timeout_seconds = None


def read_one_snapshot(connection: Connection) -> None:
    """Let all statements of this transaction read the same state. Call this before the first of these statements."""
    connection.execute(query("read_one_snapshot"))


def limit_lock_waits(connection: Connection, seconds: float) -> None:
    """Let each later statement of this transaction wait this long for a lock before it raises LockTimeout."""
    connection.execute(query("limit_lock_waits"), {"milliseconds": int(seconds * 1000)})


def commit_lazily(connection: Connection) -> None:
    """Let this transaction commit without waiting for the disk. Callers use this only for work that is repeated after a
    crash.
    """
    connection.execute(query("commit_lazily"))


def read_clock(connection: Connection) -> dt.datetime:
    """Return the server's time. All decisions use this clock, because the clocks of machines differ."""
    row = connection.execute(query("read_clock")).fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]


def insert_row(connection: Connection, statement: str, parameters: Mapping[str, Any]) -> int:
    try:
        row = connection.execute(query(statement), parameters).fetchone()
    except (errors.UniqueViolation, errors.CheckViolation) as error:
        raise ConstraintError(error.diag.constraint_name or "") from None
    assert row is not None
    return int(row[0])


class Database:
    """The connection pool of this process. No connection is opened before `open` is called."""

    def __init__(
        self,
        url: str,
        *,
        max_connections: int = 8,
        wait_seconds: float = 5.0,
        statement_seconds: float = 15.0,
        name: str = PROCESS,
        is_pooled: bool = False,
    ) -> None:
        """`name` is the `application_name`. Only the roles use the default.

        `is_pooled`: a pooler in transaction mode gives each transaction another session. So nothing may depend on a
        session: no statement is prepared, and the settings are sent with the BEGIN of each transaction.
        """
        settings = _SETTINGS | {
            "statement_timeout": f"{int(statement_seconds * 1000)}",
            "lock_timeout": f"{int(statement_seconds * 500)}",
            "idle_in_transaction_session_timeout": f"{int(statement_seconds * 1000)}",
        }
        self._timeout_seconds = statement_seconds * _CLIENT_TIMEOUT_FACTOR
        self.is_pooled = is_pooled
        self._begin = _make_begin(settings if is_pooled else {})
        self._pool: ConnectionPool[TimeoutConnection] = ConnectionPool(
            url,
            connection_class=TimeoutConnection,
            kwargs=_make_connect_arguments({} if is_pooled else settings) | {"application_name": name},
            min_size=1,
            max_size=max_connections,
            timeout=wait_seconds,
            max_idle=60,
            open=False,
            name="revoada",
        )

    def open(self) -> None:
        """Start the pool without waiting for the server. If the server is down, the first use fails."""
        self._pool.open(wait=False)

    def close(self) -> None:
        self._pool.close(timeout=2)

    def run(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(connection, …)` in one transaction, commit the transaction and return the result of `work`.

        A deadlock or a serialization failure rolls the transaction back, so `run` retries the whole transaction. After
        a lost connection `run` does not retry the transaction, because it may have been committed. If the server was
        silent, all other connections of the pool are replaced too.
        """
        for retries_left in reversed(range(_RETRIES)):
            try:
                with self._pool.connection() as connection:
                    connection.timeout_seconds = self._timeout_seconds
                    connection.execute(self._begin, prepare=False)
                    return work(connection, *args, **kwargs)
            except (errors.DeadlockDetected, errors.SerializationFailure):
                if not retries_left:
                    raise
                time.sleep(random.uniform(0.01, 0.1))  # noqa: S311  separates the two transactions in time
            except ServerSilentError:
                self._pool.drain()
                raise
        raise AssertionError("unreachable")

    def is_ready(self) -> bool:
        """Whether the server answers a statement now."""
        try:
            return self.run(lambda connection: bool(connection.execute(query("is_ready")).fetchone()))
        except DatabaseError:
            return False


class JoinedDatabase(Database):
    """Runs all work in one open transaction, which another piece of code commits or rolls back.

    So a use case that was written for a transaction of its own becomes a part of a larger one. An error is raised
    through to the owner of the transaction, which rolls everything back, and repeats everything after a deadlock.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return work(self._connection, *args, **kwargs)


def refuse_pooler(url: str) -> None:
    """Raise PoolerError if the URL leads to a pooler. If the server does not answer now, do nothing.

    A process calls this function when it starts. If a pooler answers only later, each connection that the process opens
    raises the same error.
    """
    try:
        TimeoutConnection.connect(url, **_make_connect_arguments(_SETTINGS)).close()
    except PoolerError:
        raise
    except DatabaseError:
        return


def _make_begin(settings: Mapping[str, str]) -> bytes:
    """Return the statements that begin a transaction with these settings. The statements are sent in one round trip."""
    return "; ".join(["BEGIN", *(f"SET LOCAL {name} = '{value}'" for name, value in settings.items())]).encode()


def _make_connect_arguments(settings: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of `connect`. `settings`: the settings of the session; empty for a connection to a pooler.

    `autocommit` means that psycopg sends no BEGIN. `Database.run` sends its own BEGIN.
    """
    arguments = {"connect_timeout": _CONNECT_SECONDS, "autocommit": True, **_KEEPALIVE}
    if not settings:
        return arguments | {"prepare_threshold": None}
    return arguments | {"options": " ".join(f"-c {name}={value}" for name, value in settings.items())}


# If a server vanishes without closing the connection, TCP notices this within about 30 seconds, before a lease expires.
_KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
