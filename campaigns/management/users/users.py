"""Adds, changes and disables the users who may sign in."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.domain.statement import Hint, HintAction, Kind, Refusal
from campaigns.domain.users.actor import Act, Actor
from campaigns.domain.users.credentials import read_password, read_user_name
from campaigns.domain.users.rights import Role
from campaigns.management.users.hashing import Hasher
from campaigns.store.database import Connection, ConstraintError, Database
from campaigns.store.users import users as store
from campaigns.store.users.audit import write_audit
from campaigns.store.users.users import User

LANGUAGES = ("en", "pt_BR")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChanges:
    """The changes that a person asks for. A field with the value None stays as it is.

    `is_enabled`: may sign in. `wants_updates`: the numbers of open pages change by themselves.
    """

    role: Role | None = None
    password: str | None = None
    language: str | None = None
    time_zone: str | None = None
    is_enabled: bool | None = None
    wants_updates: bool | None = None


def add_user(
    database: Database,
    name: str,
    *,
    actor: Actor,
    role: Role,
    password: str | None,
    time_zone: str,
    language: str = "en",
    hasher: Hasher | None = None,
) -> User:
    """Add a user who may sign in. `password` None: only a proxy signs the user in. Raises Refusal.

    `hasher`: the hasher of a process with greenlets; None: the caller has nothing else to do meanwhile.
    """
    name = read_user_name(name)
    password_hash = _hash(name, password, hasher)

    def work(connection: Connection) -> User:
        columns = {"role": role.value, "language": language, "time_zone": time_zone}
        try:
            user_id = store.insert_user(connection, name, password_hash=password_hash, **columns)
        except ConstraintError:
            text = "There is a user {name} already."
            raise Refusal("user_exists", text, kind=Kind.CONFLICT, name=name) from None
        after = {"name": name, **columns, "has_password": password is not None}
        write_audit(connection, actor, Act.USER_ADD, user_id, after=after)
        return store.list_users(connection, name)[0]

    return database.run(work)


def change_user(
    database: Database, name: str, changes: UserChanges, *, actor: Actor, hasher: Hasher | None = None
) -> User:
    """Change a user. Another role, another password and `is_enabled` False end all sessions of the user.

    `hasher` as for `add_user`. Raises Refusal, also if no admin would be left who can sign in.
    """
    name = read_user_name(name)
    password_hash = _hash(name, changes.password, hasher)
    return database.run(_change, name, changes, password_hash, actor)


def find_user(database: Database, user_id: int) -> User:
    """Return a user. Raises Refusal if there is no user with this id."""
    found = next((each for each in database.run(store.list_users) if each.id == user_id), None)
    if found is None:
        raise missing_user(str(user_id))
    return found


def _hash(name: str, password: str | None, hasher: Hasher | None) -> str | None:
    return None if password is None else (hasher or Hasher()).hash(read_password(password, name=name))


def _change(connection: Connection, name: str, changes: UserChanges, password_hash: str | None, actor: Actor) -> User:
    admins = store.lock_admins(connection)
    user = store.lock_user(connection, name)
    if user is None:
        raise missing_user(name)
    is_disabled = changes.is_enabled is False and user.disabled_at is None
    loses_role = changes.role not in {None, user.role}
    if admins == [user.id] and (is_disabled or loses_role):
        raise Refusal(
            "last_admin",
            "{name} is the last admin who can sign in: make another user an admin first.",
            kind=Kind.CONFLICT,
            name=name,
        )
    store.update_user(
        connection,
        user.id,
        role=None if changes.role is None else changes.role.value,
        password_hash=password_hash,
        language=changes.language,
        time_zone=changes.time_zone,
    )
    if changes.wants_updates is not None:
        store.choose_updates(connection, user.id, wants_updates=changes.wants_updates)
    if changes.is_enabled is True:
        store.enable_user(connection, user.id)
    if is_disabled:
        store.disable_user(connection, user.id)
    ended = 0
    if is_disabled or loses_role or password_hash is not None:
        ended = store.end_sessions_of_user(connection, user.id)
    changed = store.list_users(connection, name)[0]
    extra = ({"password": "given"} if password_hash is not None else {}) | ({"ended_sessions": ended} if ended else {})
    act = Act.USER_DISABLE if is_disabled else Act.USER_CHANGE
    write_audit(connection, actor, act, user.id, before=_describe(user), after=_describe(changed) | extra)
    return changed


def _describe(user: User) -> dict[str, object]:
    return {
        "role": user.role,
        "language": user.language,
        "time_zone": user.time_zone,
        "is_enabled": user.disabled_at is None,
        "has_password": user.has_password,
        "wants_updates": user.wants_updates,
    }


def missing_user(name: str) -> Refusal:
    return Refusal(
        "user_missing",
        "There is no user {name}; {list_users} shows all.",
        kind=Kind.MISSING,
        name=name,
        list_users=Hint(HintAction.LIST_USERS),
    )
