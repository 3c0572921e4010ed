"""Sessions of signed-in users, and the attempts to log in, which are limited."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

from psycopg.rows import class_row

from campaigns.store.database import Connection, insert_row, query

# The limits of logins: for one name, whether there is such a user or not, and for one network.
NAME_PER_MINUTE = 5
NAME_PER_HOUR = 20
NETWORK_PER_MINUTE = 30


@dataclass(frozen=True, slots=True)
class Credentials:
    """`password_hash` None: only a proxy signs the user in."""

    user_id: int
    name: str
    password_hash: str | None
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class SessionUser:
    """The user of a session.

    `wants_updates`: the numbers of open pages change by themselves. `created_at`: the time of the login. `is_unseen`:
    `see_session` has to be called. `is_confirmed`: the user has typed the password in the last 10 minutes.
    """

    user_id: int
    name: str
    role: str
    language: str
    time_zone: str
    wants_updates: bool
    created_at: dt.datetime
    is_unseen: bool
    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class OpenSession:
    """`key`: names the session on pages; no browser can sign in with it. `is_present`: the session of the token that
    was given. `network`: the address of the login.
    """

    key: str
    created_at: dt.datetime
    seen_at: dt.datetime
    network: str | None
    is_present: bool


def find_credentials(connection: Connection, name: str) -> Credentials | None:
    row = connection.execute(query("find_credentials"), {"name": name}).fetchone()
    return None if row is None else Credentials(*row)


def open_session(connection: Connection, token: str, credentials: Credentials, *, network: str) -> bool:
    """Open a session; return False if the user was disabled or got another password since `find_credentials`."""
    parameters = {
        "token_sha256": _hash(token),
        "user_id": credentials.user_id,
        "password_hash": credentials.password_hash,
        "network": network,
    }
    return connection.execute(query("open_session"), parameters).fetchone() is not None


def find_session(connection: Connection, token: str) -> SessionUser | None:
    """Return the user of a session; None if there is no such session or it has ended."""
    with connection.cursor(row_factory=class_row(SessionUser)) as cursor:
        return cursor.execute(query("find_session"), {"token_sha256": _hash(token)}).fetchone()


def list_sessions(connection: Connection, user_id: int, *, token: str | None) -> list[OpenSession]:
    """Return the open sessions of a user, the one that was used last first."""
    parameters = {"user_id": user_id, "token_sha256": None if token is None else _hash(token)}
    with connection.cursor(row_factory=class_row(OpenSession)) as cursor:
        return cursor.execute(query("list_sessions"), parameters).fetchall()


def confirm_session(connection: Connection, token: str, credentials: Credentials) -> bool:
    """Note that the user has just typed the password of the credentials; return False if it is not valid any more."""
    parameters = {
        "token_sha256": _hash(token),
        "user_id": credentials.user_id,
        "password_hash": credentials.password_hash,
    }
    return connection.execute(query("confirm_session"), parameters).rowcount == 1


def see_session(connection: Connection, token: str) -> None:
    """Note that the session is in use, so that it does not end."""
    connection.execute(query("see_session"), {"token_sha256": _hash(token)})


def end_session(connection: Connection, token: str) -> int | None:
    """End a session; return the id of its user, None if there is no such session."""
    row = connection.execute(query("end_session"), {"token_sha256": _hash(token)}).fetchone()
    return None if row is None else int(row[0])


def end_other_sessions(connection: Connection, user_id: int, *, kept: str | None) -> int:
    """End all sessions of a user except the one with the token `kept`; return their number."""
    parameters = {"user_id": user_id, "token_sha256": None if kept is None else _hash(kept)}
    return connection.execute(query("end_other_sessions"), parameters).rowcount


def end_session_of(connection: Connection, user_id: int, key: str) -> bool:
    """End the session of a user with this key; return False if there is none."""
    return connection.execute(query("end_session_of"), {"user_id": user_id, "key": key}).rowcount == 1


def erase_logins(connection: Connection) -> None:
    """Delete the sessions that have ended by themselves, and the attempts that no limit counts any more."""
    connection.execute(query("erase_logins"))


def take_login_attempt(connection: Connection, name: str, *, network: str) -> tuple[int | None, float]:
    """Count a login with this name from this network; return the id of the attempt and 0.

    If a limit does not allow the login, count nothing; return None and the seconds until the limit allows one.
    """
    parameters = {"name_sha256": hashlib.sha256(name.encode(errors="backslashreplace")).digest(), "network": network}
    limits = {
        "name_per_minute": NAME_PER_MINUTE,
        "name_per_hour": NAME_PER_HOUR,
        "network_per_minute": NETWORK_PER_MINUTE,
    }
    connection.execute(query("lock_login"), parameters)
    row = connection.execute(query("read_login_wait"), parameters | limits).fetchone()
    assert row is not None
    if row[0] > 0:
        return None, row[0]
    return insert_row(connection, "add_login_attempt", parameters), 0.0


def delete_login_attempt(connection: Connection, attempt_id: int) -> None:
    """Let an attempt count no more, because its password was right."""
    connection.execute(query("delete_login_attempt"), {"attempt_id": attempt_id})


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="backslashreplace")).digest()
