"""Which installation this database is."""

from __future__ import annotations

from campaigns.store.database import Connection


def installation_id(connection: Connection) -> str:
    """Return the 8 hex digits that callback data carry. Made by the first migration."""
    row = connection.execute("SELECT id FROM installation").fetchone()
    assert row is not None, "the database was not migrated"
    return str(row[0])
