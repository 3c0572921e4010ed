"""Hooks: their addresses, types, secrets and states."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import args_row, class_row

from campaigns.domain.hooks.events import DisabledReason
from campaigns.store.database import Connection, insert_row, query


@dataclass(frozen=True, slots=True)
class Hook:
    """`failing_since`: the first failed POST since the last success; None: the last POST succeeded, or there was none.

    `old_secret_until`: until then the secret from before the last rotation signs, too. `waiting_count`: the events that
    wait for a try. `given_up_count`: the events whose tries have all failed.
    """

    id: int
    url: str
    types: list[str]
    created_at: dt.datetime
    succeeded_at: dt.datetime | None
    failing_since: dt.datetime | None
    disabled_at: dt.datetime | None
    disabled_reason: str | None
    old_secret_until: dt.datetime | None
    waiting_count: int
    given_up_count: int


@dataclass(frozen=True, slots=True)
class FailingHook:
    """A hook that needs a person. `disabled_reason` None: it is still tried. `since`: since when it is so."""

    id: int
    url: str
    disabled_reason: str | None
    since: dt.datetime


def insert_hook(connection: Connection, url: str, *, types: Sequence[str], secret: bytes) -> int:
    """Insert a hook and return its id. `secret`: encrypted."""
    return insert_row(connection, "insert_hook", {"url": url, "types": list(types), "secret": secret})


def list_hooks(connection: Connection, hook_id: int | None = None) -> list[Hook]:
    """Return all hooks, or the hook with this id."""
    with connection.cursor(row_factory=class_row(Hook)) as cursor:
        return cursor.execute(query("list_hooks"), {"hook_id": hook_id}).fetchall()


def lock_hook(connection: Connection, hook_id: int) -> bool:
    """Lock a hook until the transaction ends; return False if there is none with this id."""
    return connection.execute(query("lock_hook"), {"hook_id": hook_id}).rowcount == 1


def set_hook_types(connection: Connection, hook_id: int, types: Sequence[str]) -> bool:
    """Set the types of events that a hook gets; return False if it had these types already."""
    return connection.execute(query("set_hook_types"), {"hook_id": hook_id, "types": list(types)}).rowcount == 1


def rotate_hook(connection: Connection, hook_id: int, *, secret: bytes) -> None:
    """Give a hook a new secret, encrypted. The secret before it signs for 24 more hours."""
    connection.execute(query("rotate_hook"), {"hook_id": hook_id, "secret": secret})


def disable_hook(connection: Connection, hook_id: int, reason: DisabledReason) -> bool:
    """Disable a hook; return False if it was disabled already."""
    return connection.execute(query("disable_hook"), {"hook_id": hook_id, "reason": reason.value}).rowcount == 1


def enable_hook(connection: Connection, hook_id: int) -> bool:
    """Enable a hook; return False if it was enabled already."""
    return connection.execute(query("enable_hook"), {"hook_id": hook_id}).rowcount == 1


def remove_hook(connection: Connection, hook_id: int) -> None:
    """Delete a hook with its deliveries."""
    connection.execute(query("remove_hook"), {"hook_id": hook_id})
    connection.execute(query("remove_deliveries"), {"hook_id": hook_id})


def lock_hook_secrets(connection: Connection) -> list[tuple[int, bytes, bytes | None]]:
    """Lock all hooks; return the id, the secret and the secret before it of each, encrypted."""
    return connection.execute(query("lock_hook_secrets")).fetchall()


def write_hook_secrets(connection: Connection, hook_id: int, *, secret: bytes, old_secret: bytes | None) -> None:
    parameters = {"hook_id": hook_id, "secret": secret, "old_secret": old_secret}
    connection.execute(query("write_hook_secrets"), parameters)


def find_failing_hooks(connection: Connection, *, seconds: float) -> list[FailingHook]:
    """Return the hooks that the program has disabled, and those that have failed for longer than `seconds`."""
    with connection.cursor(row_factory=args_row(FailingHook)) as cursor:
        return cursor.execute(query("find_failing_hooks"), {"seconds": seconds}).fetchall()
