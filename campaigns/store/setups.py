"""What a look at the whole setup must know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from campaigns.store.database import Connection


@dataclass(frozen=True, slots=True)
class SetupAccount:
    """An account with its token, which is still encrypted."""

    id: int
    name: str
    phone_number_id: str
    waba_id: str
    token: bytes


@dataclass(frozen=True, slots=True)
class UsedTemplate:
    """A template that a campaign which has not ended sends by an account."""

    account_id: int
    name: str
    language: str


def load_setup_accounts(connection: Connection, account_ids: Sequence[int] | None) -> list[SetupAccount]:
    """Return accounts by id; all of them when no ids are given."""
    statement = (
        "SELECT id, name, phone_number_id, waba_id, token FROM accounts"
        " WHERE %(ids)s::bigint[] IS NULL OR id = ANY (%(ids)s) ORDER BY id"
    )
    with connection.cursor(row_factory=class_row(SetupAccount)) as cursor:
        return cursor.execute(statement, {"ids": None if account_ids is None else list(account_ids)}).fetchall()


def load_used_templates(connection: Connection) -> list[UsedTemplate]:
    statement = (
        "SELECT DISTINCT a.account_id, t.name, t.language FROM campaigns c"
        " JOIN templates t ON t.id = c.template_id JOIN campaign_accounts a ON a.campaign_id = c.id"
        " WHERE c.status NOT IN ('completed', 'cancelled') ORDER BY 1, 2, 3"
    )
    with connection.cursor(row_factory=class_row(UsedTemplate)) as cursor:
        return cursor.execute(statement).fetchall()
