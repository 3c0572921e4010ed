"""Reads the identity of the database and the numbers of its claims, which reveal whether the database lacks claims."""

from __future__ import annotations

import datetime as dt

from psycopg.rows import class_row

from campaigns.domain.continuity import ClaimCount, DatabaseIdentity
from campaigns.store.database import Connection, query


def load_identity(connection: Connection) -> DatabaseIdentity:
    with connection.cursor(row_factory=class_row(DatabaseIdentity)) as cursor:
        identity = cursor.execute(query("load_identity")).fetchone()
    assert identity is not None, "the database was not migrated"
    return identity


def load_found_older_at(connection: Connection) -> dt.datetime | None:
    """Return the time at which a check found that this database lacks claims; None if no check has found this.

    The query also works on a standby.
    """
    row = connection.execute(query("load_found_older_at")).fetchone()
    return row[0] if row else None


def load_claim_counts(connection: Connection) -> tuple[DatabaseIdentity, list[ClaimCount]]:
    """Return the identity of the database, and the number of claims of each campaign."""
    rows = connection.execute(query("load_claim_counts")).fetchall()
    return load_identity(connection), [ClaimCount(*row) for row in rows]


def note_older(connection: Connection, incarnation: str) -> bool:
    """Record that this database lacks claims whose messages were sent. Return False if this was recorded before.

    Records nothing and returns False if the connection leads to a database with another incarnation.
    """
    if load_identity(connection).incarnation != incarnation:
        return False
    return connection.execute(query("note_older")).rowcount == 1
