"""Signs users in and out."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from campaigns.config import Settings
from campaigns.domain.controls import escape_controls
from campaigns.domain.statement import Duration, Kind, Refusal
from campaigns.domain.users.actor import Act, Actor, ActorKind, Surface
from campaigns.domain.users.credentials import is_user_name
from campaigns.domain.users.proxy import find_header_user
from campaigns.management.users.hashing import Hasher
from campaigns.store.database import Connection, Database
from campaigns.store.users import sessions as store
from campaigns.store.users import users
from campaigns.store.users.audit import write_audit
from campaigns.store.users.sessions import Credentials, OpenSession, SessionUser
from campaigns.store.users.users import User

_TOKEN_BYTES = 32
# A provider gives one customer all addresses of such a network.
_IPV6_PREFIX = 64
_SHOWN_CHARACTERS = 2


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """`token`: the secret for the cookie of the browser. Postgres has only its SHA-256."""

    token: str
    user: SessionUser


def log_in(database: Database, hasher: Hasher, name: str, password: str, *, address: str) -> OpenedSession:
    """Open a session for a user with this name and password. `address`: the IP address of the request.

    Raises Refusal: with the code `login_wrong` if the name or the password is wrong or the user is disabled, with the
    same words in all cases; with the code `login_limited` after too many attempts. No Postgres connection is held while
    the password is hashed.
    """
    typed = name.strip().lower()
    attempt_id, found = _verify(database, hasher, typed, password, address)
    renewed = None
    if found.password_hash is not None and hasher.is_outdated(found.password_hash):
        renewed = hasher.hash(password)
    opened = database.run(_open, found, attempt_id, address, renewed)
    if opened is None:
        raise _refuse(database, found, typed, address)
    return opened


def confirm_session(database: Database, hasher: Hasher, token: str, password: str, *, address: str) -> None:
    """Note that the user of a session has typed the password again. The limits of `log_in` count these attempts, too.

    Raises Refusal: `session_ended`, `login_wrong` or `login_limited`.
    """
    user = find_session(database, token)
    if user is None:
        raise Refusal("session_ended", "You are not signed in any more.", kind=Kind.FORBIDDEN)
    attempt_id, found = _verify(database, hasher, user.name, password, address)
    if not database.run(_confirm, token, found, attempt_id, address):
        raise _refuse(database, found, user.name, address)


def demand_confirmation(user: SessionUser) -> None:
    """Raise Refusal if the user of a session has not typed the password in the last 10 minutes."""
    if not user.is_confirmed:
        text = "Type your password again: it was last asked for more than 10 minutes ago."
        raise Refusal("confirmation_needed", text, kind=Kind.FORBIDDEN)


def find_proxy_user(
    database: Database, settings: Settings, headers: Iterable[tuple[str, str]], peer: str
) -> User | None:
    """Return the user whom a trusted proxy names in a request; None if no proxy signs users in or it names nobody.

    `peer`: the address at the other end of the connection. Such a request needs no session: the proxy signs the user in
    and out, and asks for the password. Raises Refusal, also for an unknown or a disabled user.
    """
    name = find_header_user(headers, peer, header=settings.user_header, trusted=settings.trusted_proxies or ())
    if name is None:
        return None
    found = database.run(users.find_user, name)
    if found is None or found.disabled_at is not None:
        text = "{person} has no access here. Ask an admin to add this user, or to let this user sign in again."
        raise Refusal("user_without_access", text, kind=Kind.FORBIDDEN, person=name)
    return found


def find_session(database: Database, token: str) -> SessionUser | None:
    """Return the user of a session; None if it has ended: 12 hours after the last request, 7 days after the login, when
    the user was disabled, or with another role or password.
    """
    return database.run(_find, token)


def list_sessions(database: Database, user_id: int, *, token: str | None) -> list[OpenSession]:
    """Return the open sessions of a user, the one that was used last first. `token`: that of the present session."""
    return database.run(store.list_sessions, user_id, token=token)


def end_session(database: Database, token: str, *, actor: Actor) -> bool:
    """Sign out in one browser; return False if the session had ended already."""
    return database.run(_end, token, actor)


def end_sessions(database: Database, user_id: int, *, actor: Actor, kept: str | None = None) -> int:
    """End all sessions of a user except the one with the token `kept`; return their number."""

    def work(connection: Connection) -> int:
        count = store.end_other_sessions(connection, user_id, kept=kept)
        write_audit(connection, actor, Act.USER_END_SESSIONS, user_id, after={"ended_sessions": count})
        return count

    return database.run(work)


def end_session_of(database: Database, user_id: int, key: str, *, actor: Actor) -> bool:
    """End one session of a user; return False if it had ended already. `key`: as `list_sessions` returns it."""

    def work(connection: Connection) -> bool:
        if not store.end_session_of(connection, user_id, key):
            return False
        write_audit(connection, actor, Act.USER_END_SESSIONS, user_id, after={"ended_sessions": 1})
        return True

    return database.run(work)


def _verify(database: Database, hasher: Hasher, typed: str, password: str, address: str) -> tuple[int, Credentials]:
    """Count an attempt and verify a password; return the id of the attempt and the user. Raises Refusal."""
    attempt_id, wait_seconds = database.run(store.take_login_attempt, typed, network=_find_network(address))
    if attempt_id is None:
        raise Refusal(
            "login_limited",
            "There were too many attempts. Try again in {wait}.",
            kind=Kind.CONFLICT,
            wait=Duration(max(wait_seconds, 1)),
        )
    found = database.run(store.find_credentials, typed) if is_user_name(typed) else None
    usable = found is not None and not found.is_disabled
    is_right = hasher.verify(found.password_hash if found is not None and usable else None, password)
    if found is None or not is_right:
        raise _refuse(database, found, typed, address)
    return attempt_id, found


def _confirm(connection: Connection, token: str, credentials: Credentials, attempt_id: int, address: str) -> bool:
    if not store.confirm_session(connection, token, credentials):
        return False
    store.delete_login_attempt(connection, attempt_id)
    actor = Actor(credentials.name, ActorKind.USER, Surface.CONSOLE, network=address)
    write_audit(connection, actor, Act.USER_CONFIRM, credentials.user_id)
    return True


def _open(
    connection: Connection, credentials: Credentials, attempt_id: int, address: str, renewed: str | None
) -> OpenedSession | None:
    """Open a session; return None if the user was disabled or got another password a moment ago."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    if not store.open_session(connection, token, credentials, network=address):
        return None
    if renewed is not None:
        users.update_user(connection, credentials.user_id, password_hash=renewed)
    store.delete_login_attempt(connection, attempt_id)
    actor = Actor(credentials.name, ActorKind.USER, Surface.CONSOLE, network=address)
    write_audit(connection, actor, Act.USER_LOG_IN, credentials.user_id)
    user = store.find_session(connection, token)
    assert user is not None
    return OpenedSession(token, user)


def _refuse(database: Database, credentials: Credentials | None, typed: str, address: str) -> Refusal:
    """Write a failed login to the audit; return the refusal."""
    database.run(_write_failure, credentials, typed, address)
    return Refusal("login_wrong", "The name or the password is wrong.", kind=Kind.FORBIDDEN)


def _write_failure(connection: Connection, credentials: Credentials | None, typed: str, address: str) -> None:
    """Write a failed login to the audit. Of an unknown name only the beginning is kept: it may be a password."""
    name = _shorten(typed) if credentials is None else credentials.name
    actor = Actor(name, ActorKind.USER, Surface.CONSOLE, network=address)
    user_id = None if credentials is None else credentials.user_id
    write_audit(connection, actor, Act.USER_LOG_IN_FAILED, user_id)


def _find(connection: Connection, token: str) -> SessionUser | None:
    user = store.find_session(connection, token)
    if user is not None and user.is_unseen:
        store.see_session(connection, token)
    return user


def _end(connection: Connection, token: str, actor: Actor) -> bool:
    user_id = store.end_session(connection, token)
    if user_id is not None:
        write_audit(connection, actor, Act.USER_LOG_OUT, user_id)
    return user_id is not None


def _find_network(address: str) -> str:
    """Return the network whose logins are limited together: an IPv4 address, or the /64 of an IPv6 address."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))
    return str(parsed)


def _shorten(typed: str) -> str:
    return f"{escape_controls(typed[:_SHOWN_CHARACTERS])}…" if len(typed) > 2 * _SHOWN_CHARACTERS else "…"
