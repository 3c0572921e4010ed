"""The health of accounts, as last heard of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from campaigns.store.database import Connection, query


@dataclass(frozen=True, slots=True)
class CheckedAccount:
    """What a health check must know of an account. `token` is still encrypted, `health` is the last readable answer."""

    phone_number_id: str
    token: bytes
    health: dict[str, Any]


def begin_check(connection: Connection, account_id: int) -> bool:
    """Claim the latest requested check; False: another task has begun it, or no check was requested."""
    return connection.execute(query("begin_health_check"), {"account_id": account_id}).rowcount == 1


def load_checked(connection: Connection, account_id: int) -> CheckedAccount | None:
    with connection.cursor(row_factory=class_row(CheckedAccount)) as cursor:
        statement = "SELECT phone_number_id, token, health FROM accounts WHERE id = %s"
        return cursor.execute(statement, (account_id,)).fetchone()


def record_health(connection: Connection, account_id: int, health: Mapping[str, str]) -> None:
    connection.execute(query("record_health"), {"account_id": account_id, "health": Jsonb(dict(health))})


def record_failure(connection: Connection, account_id: int, reason: str) -> bool:
    """Note that a check failed, beside the last readable answer; return whether this reason is new."""
    row = connection.execute(query("record_health_failure"), {"account_id": account_id, "reason": reason}).fetchone()
    return bool(row and row[0])
