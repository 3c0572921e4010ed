"""Migrates a database: applies each file of `migrations/` once, in order, each in its own transaction."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import psycopg

from campaigns.store.database import LockTimeout, limit_lock_waits, query

# While a statement waits for a strong lock, each later statement on the table waits behind it, also a SELECT. So a
# migration waits only that long, lets the others go on for a moment, and tries again.
_LOCK_SECONDS = 3.0
_PAUSE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """A transaction of another session. `session`: its `application_name`; `pid`: its process of Postgres."""

    session: str
    pid: int
    seconds: float


def list_migrations() -> list[str]:
    """Return the names of all migrations, in order."""
    folder = files("campaigns.store").joinpath("migrations")
    return sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql"))


def migrate(url: str, *, report: Callable[[str, list[OpenTransaction]], None] = lambda _name, _open: None) -> list[str]:
    """Apply the missing migrations; return their names.

    A migration that does not get its locks is tried again until it gets them. Before each new try, `report` is called
    with the name of the migration and with the oldest transactions of other sessions. If a migration fails, the
    migration is rolled back, and psycopg.Error is raised.

    The function also works through a pooler in transaction mode: each lock belongs to a transaction, not to a session,
    and no statement is prepared.
    """
    with psycopg.connect(url, connect_timeout=10, autocommit=True, prepare_threshold=None) as connection:
        with connection.transaction():
            connection.execute(query("lock_migrations"))
            connection.execute(query("make_migrations"))
        return [name for name in list_migrations() if _apply_patiently(connection, name, report)]


def _apply_patiently(
    connection: psycopg.Connection[tuple[object, ...]],
    name: str,
    report: Callable[[str, list[OpenTransaction]], None],
) -> bool:
    while True:
        try:
            return _apply(connection, name)
        except (LockTimeout, psycopg.errors.DeadlockDetected):
            rows = connection.execute(query("list_open_transactions")).fetchall()
            report(name, [OpenTransaction(*row) for row in rows])  # type: ignore[arg-type]
            time.sleep(_PAUSE_SECONDS)


def _apply(connection: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    """Apply a migration in a transaction of its own. Return False if the migration was applied before."""
    script = files("campaigns.store").joinpath("migrations", f"{name}.sql").read_text(encoding="utf-8")
    with connection.transaction():
        limit_lock_waits(connection, _LOCK_SECONDS)
        connection.execute(query("lock_migrations"))
        if connection.execute(query("is_applied"), {"name": name}).fetchone() is not None:
            return False
        connection.execute(script.encode())
        connection.execute(query("note_migration"), {"name": name})
        connection.execute(query("make_installation"))
    return True


def find_newest_migration(connection: psycopg.Connection[tuple[object, ...]]) -> str:
    """Return the name of the newest migration that was applied to the database; "" if none was."""
    return max(_list_applied(connection), default="")


def find_missing_migrations(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    """Return the migrations that were not applied to the database. If no migration was ever applied, return all
    migrations.
    """
    done = _list_applied(connection)
    return [name for name in list_migrations() if name not in done]


def find_unknown_migrations(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    """Return the applied migrations that this version lacks, because a newer version has migrated the database."""
    return [name for name in _list_applied(connection) if name not in list_migrations()]


def _list_applied(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    exists = connection.execute(query("has_migrations_table")).fetchone()
    if not (exists and exists[0]):
        return []
    return [str(row[0]) for row in connection.execute(query("list_applied_migrations"))]
