"""The pool of connections, and transactions that are tried again where Postgres asks for it."""

from __future__ import annotations

import datetime as dt
import random
import re
import time
from collections.abc import Callable, Generator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg import errors
from psycopg.errors import _WaitTimeout
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

Connection = psycopg.Connection[TupleRow]
DatabaseError = psycopg.Error
DataError = (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError)
DatabaseUnavailable = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)

P = ParamSpec("P")
T = TypeVar("T")
V = TypeVar("V")

# A claim must be on disk before a request leaves, whatever the server's, the database's or the role's default is.
_OPTIONS = (
    "-c synchronous_commit=on -c timezone=UTC -c statement_timeout={statement_ms} "
    "-c lock_timeout={lock_ms} -c idle_in_transaction_session_timeout={idle_ms}"
)
_RETRIES = 5
# So much later than the server's own timeout a statement is given up: then the server is not there.
_PATIENCE_FACTOR = 1.25
# What a process of Revoada is called among the server's connections: `recover` refuses to run beside one.
PROCESS = "revoada"


def query(name: str) -> bytes:
    """Return the statement of this name from the SQL files of this folder."""
    return _load_queries()[name]


@cache
def _load_queries() -> dict[str, bytes]:
    """Read `NAME.sql` beside each `NAME.py`: a line `-- name: X` begins the statement X with its notes."""
    queries: dict[str, bytes] = {}
    for file in files("campaigns.store").iterdir():
        if file.name.endswith(".sql") and file.name != "schema.sql":
            for section in re.split(rb"^-- name: ", file.read_bytes(), flags=re.MULTILINE)[1:]:
                name, _, text = section.partition(b"\n")
                queries[name.decode()] = text.strip()
    return queries


class ConstraintError(ValueError):
    """The schema refuses a row. `constraint` is the name of what refused it; the transaction is over."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class ServerSilentError(psycopg.OperationalError):
    """A statement was neither done nor refused in its time."""


class PatientConnection(psycopg.Connection[TupleRow]):
    """A connection that is given up when the server is silent for longer than any statement may take.

    The server's timeouts do not help when it is frozen, or behind something that swallows the bytes and keeps the
    connection open; without this a thread would wait for ever.
    """

    patience_seconds: float | None = None

    def wait(self, gen: Generator[Any, Any, V], interval: float = 0.1, timeout: float | None = None) -> V:
        try:
            return super().wait(gen, interval, self.patience_seconds if timeout is None else timeout)
        except _WaitTimeout:
            self.pgconn.finish()
            raise ServerSilentError(f"Postgres was silent for {self.patience_seconds:g} s") from None


def allow_long_statements(connection: Connection) -> None:
    """Let the statements of this transaction take as long as they need: a whole campaign is more than a batch."""
    connection.execute(query("allow_long_statements"))
    if isinstance(connection, PatientConnection):
        connection.patience_seconds = None


def commit_lazily(connection: Connection) -> None:
    """Let this transaction end before it is on disk: only for what is done again when a crash takes it back."""
    connection.execute(query("commit_lazily"))


def read_clock(connection: Connection) -> dt.datetime:
    """Return the server's time, which decides everywhere."""
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
    """Postgres as this process sees it. No connection is open before `open`, none is held while waiting for others."""

    def __init__(
        self,
        url: str,
        *,
        max_connections: int = 8,
        wait_seconds: float = 5.0,
        statement_seconds: float = 15.0,
        name: str = PROCESS,
    ) -> None:
        """`name` is what the server's administrator sees; only the roles have the default."""
        options = _OPTIONS.format(
            statement_ms=int(statement_seconds * 1000),
            lock_ms=int(statement_seconds * 500),
            idle_ms=int(statement_seconds * 1000),
        )
        self._patience_seconds = statement_seconds * _PATIENCE_FACTOR
        self._pool: ConnectionPool[PatientConnection] = ConnectionPool(
            url,
            connection_class=PatientConnection,
            kwargs={"options": options, "connect_timeout": 5, "application_name": name, **_KEEPALIVE},
            min_size=1,
            max_size=max_connections,
            timeout=wait_seconds,
            max_idle=60,
            open=False,
            name="revoada",
        )

    def open(self) -> None:
        """Start the pool. The server may still be away: the first use tells."""
        self._pool.open(wait=False)

    def close(self) -> None:
        self._pool.close(timeout=2)

    def run(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(connection, …)` in one transaction and return what it returns, committed.

        A deadlock or a serialization failure rolled everything back, so the whole is tried again. A lost connection
        is not: the commit may have happened. When the server was silent, the other connections are replaced too.
        """
        for left in reversed(range(_RETRIES)):
            try:
                with self._pool.connection() as connection:
                    connection.patience_seconds = self._patience_seconds
                    with connection.transaction():
                        return work(connection, *args, **kwargs)
            except (errors.DeadlockDetected, errors.SerializationFailure):
                if not left:
                    raise
                time.sleep(random.uniform(0.01, 0.1))  # noqa: S311  only to part the two that met
            except ServerSilentError:
                self._pool.drain()
                raise
        raise AssertionError("unreachable")

    def is_ready(self) -> bool:
        """Tell whether a statement gets through now."""
        try:
            return self.run(lambda connection: bool(connection.execute(query("is_ready")).fetchone()))
        except DatabaseError:
            return False


# A peer that vanished without a word is noticed within about half a minute, well inside a lease.
_KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
