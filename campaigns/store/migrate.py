"""Brings a database to the newest schema: the files of `migrations/`, in order, each once, each in a transaction."""

from __future__ import annotations

from importlib.resources import files

import psycopg

from campaigns.store.database import query


def migrations() -> list[str]:
    """Return the names of all migrations, in order."""
    folder = files("campaigns.store").joinpath("migrations")
    return sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql"))


def migrate(url: str) -> list[str]:
    """Apply what is missing; return the names of what was applied. Raises psycopg.Error with everything rolled back."""
    applied = []
    with psycopg.connect(url, connect_timeout=10, autocommit=True) as connection:
        connection.execute(query("lock_migrations"))
        connection.execute(query("make_migrations"))
        done = {row[0] for row in connection.execute(query("list_migrations"))}
        for name in migrations():
            if name in done:
                continue
            script = files("campaigns.store").joinpath("migrations", f"{name}.sql").read_text(encoding="utf-8")
            with connection.transaction():
                connection.execute(script.encode())
                connection.execute(query("note_migration"), {"name": name})
                connection.execute(query("make_installation"))
            applied.append(name)
    return applied


def missing_migrations(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    """Return the migrations that the database lacks; all of them where it was never migrated."""
    exists = connection.execute(query("has_migrations")).fetchone()
    if not (exists and exists[0]):
        return migrations()
    done = {row[0] for row in connection.execute(query("list_migrations"))}
    return [name for name in migrations() if name not in done]


def unknown_migrations(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    """Return the migrations that the database has and this program does not know: a newer one was here."""
    exists = connection.execute(query("has_migrations")).fetchone()
    if not (exists and exists[0]):
        return []
    done = [str(row[0]) for row in connection.execute(query("list_migrations"))]
    return [name for name in done if name not in migrations()]
