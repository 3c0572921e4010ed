"""The users: people who may sign in, with their role."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from psycopg.rows import class_row

from campaigns.store.database import Connection, insert_row, query


@dataclass(frozen=True, slots=True)
class User:
    """`has_password` False: only a proxy signs the user in. `disabled_at` not None: the user cannot sign in.

    `wants_updates`: the numbers of open pages change by themselves. `session_count`: the number of browsers in which
    the user is signed in. `seen_at`: the time of the last request, within a minute.
    """

    id: int
    name: str
    role: str
    has_password: bool
    disabled_at: dt.datetime | None
    language: str
    time_zone: str
    wants_updates: bool
    created_at: dt.datetime
    session_count: int
    seen_at: dt.datetime | None


def insert_user(
    connection: Connection, name: str, *, role: str, password_hash: str | None, language: str, time_zone: str
) -> int:
    """Insert a user; return its id. Raises ConstraintError if there is a user of this name."""
    columns = {
        "name": name,
        "role": role,
        "password_hash": password_hash,
        "language": language,
        "time_zone": time_zone,
    }
    return insert_row(connection, "insert_user", columns)


def list_users(connection: Connection, name: str | None = None) -> list[User]:
    """Return all users, or the user of this name."""
    with connection.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(query("list_users"), {"name": name}).fetchall()


def find_user(connection: Connection, name: str) -> User | None:
    return next(iter(list_users(connection, name)), None)


def lock_user(connection: Connection, name: str) -> User | None:
    """Lock a user until the transaction ends; return None if there is no user of this name."""
    if connection.execute(query("lock_user"), {"name": name}).fetchone() is None:
        return None
    return find_user(connection, name)


def lock_admins(connection: Connection) -> list[int]:
    """Lock the admins who can sign in until the transaction ends; return their ids.

    A caller that locks a user as well locks the admins first.
    """
    return [row[0] for row in connection.execute(query("lock_admins"))]


def update_user(
    connection: Connection,
    user_id: int,
    *,
    role: str | None = None,
    password_hash: str | None = None,
    language: str | None = None,
    time_zone: str | None = None,
) -> None:
    """Change columns of a user. A column with the value None stays as it is."""
    columns = {"role": role, "password_hash": password_hash, "language": language, "time_zone": time_zone}
    connection.execute(query("update_user"), {"user_id": user_id, **columns})


def choose_updates(connection: Connection, user_id: int, *, wants_updates: bool) -> bool:
    """Store whether a user wants numbers that change by themselves; return False if the user had chosen so before."""
    parameters = {"user_id": user_id, "wants_updates": wants_updates}
    return connection.execute(query("choose_updates"), parameters).rowcount == 1


def enable_user(connection: Connection, user_id: int) -> bool:
    """Let a user sign in again; return False if the user could already."""
    return connection.execute(query("enable_user"), {"user_id": user_id}).rowcount == 1


def disable_user(connection: Connection, user_id: int) -> bool:
    """Let a user sign in no more; return False if the user was disabled already."""
    return connection.execute(query("disable_user"), {"user_id": user_id}).rowcount == 1


def end_sessions_of_user(connection: Connection, user_id: int) -> int:
    """End all sessions of a user; return their number."""
    return connection.execute(query("end_sessions_of_user"), {"user_id": user_id}).rowcount
