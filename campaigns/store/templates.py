"""What the send path learns of a template, and what Meta's list says of all of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from campaigns.domain.template import ListedTemplate
from campaigns.store.database import Connection, query


@dataclass(frozen=True, slots=True)
class SyncedRow:
    """A template as it was before a read of Meta's list, and as it is now. The old values of a new one are None."""

    id: int
    name: str
    language: str
    is_new: bool
    old_components: list[dict[str, Any]] | None
    components: list[dict[str, Any]]
    old_status: str | None
    status: str
    old_category: str | None
    category: str
    old_quality: str | None
    quality: str


@dataclass(frozen=True, slots=True)
class Recategorised:
    """A template with a category that a refusal by Meta has corrected; the category known before is "" if none was."""

    name: str
    language: str
    old_category: str
    category: str
    code: int


def block_template(
    connection: Connection, template_id: int, *, account_id: int, status: str, retry_seconds: float
) -> dt.datetime | None:
    """Let a template that Meta refused to an account rest; return until when, or None if it rests already."""
    parameters = {
        "template_id": template_id,
        "account_id": account_id,
        "status": status,
        "retry_seconds": retry_seconds,
    }
    row = connection.execute(query("block_template"), parameters).fetchone()
    return row[0] if row else None


def approve_template(connection: Connection, template_id: int, *, account_ids: Iterable[int]) -> None:
    """Note that Meta takes messages with this template from these accounts."""
    connection.execute(query("approve_template"), {"template_id": template_id, "account_ids": sorted(account_ids)})


def recategorise_template(
    connection: Connection, campaign_id: int, account_id: int, *, category: str, code: int, at: dt.datetime
) -> Recategorised | None:
    """Note the category that a refusal (`code`, at that time) named; None if it, or a newer one, was known already."""
    parameters = {"campaign_id": campaign_id, "account_id": account_id, "category": category, "at": at}
    row = connection.execute(query("recategorise_template"), parameters).fetchone()
    if row is None:
        return None
    name, language, old_category = row
    return Recategorised(name, language, old_category, category, code)


def read_clock(connection: Connection) -> dt.datetime:
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]


def sync_templates(
    connection: Connection,
    waba_id: str,
    listed: Sequence[ListedTemplate],
    *,
    read_at: dt.datetime,
    as_of: dt.datetime,
    retry_seconds: float,
) -> list[SyncedRow]:
    """Write what a read of a WABA's list said. `read_at`: when it began; `as_of`: see the statement."""
    parameters = {
        "waba_id": waba_id,
        "templates": Jsonb([asdict(each) for each in listed]),
        "read_at": read_at,
        "as_of": as_of,
        "retry_seconds": retry_seconds,
    }
    with connection.cursor(row_factory=class_row(SyncedRow)) as cursor:
        return cursor.execute(query("sync_templates"), parameters).fetchall()


def mark_gone_templates(
    connection: Connection,
    waba_id: str,
    listed: Iterable[tuple[str, str]],
    *,
    read_at: dt.datetime,
    as_of: dt.datetime,
    retry_seconds: float,
) -> list[tuple[int, str, str]]:
    """Mark what Meta no longer lists, by name and language; return id, name and language of each."""
    parameters = {
        "waba_id": waba_id,
        "listed": Jsonb([{"name": name, "language": language} for name, language in listed]),
        "read_at": read_at,
        "as_of": as_of,
        "retry_seconds": retry_seconds,
    }
    return connection.execute(query("mark_gone_templates"), parameters).fetchall()


def list_filled_campaigns(connection: Connection, template_ids: Sequence[int]) -> list[int]:
    """Return the campaigns that have not ended and were made for these templates."""
    return [row[0] for row in connection.execute(query("list_filled_campaigns"), {"template_ids": list(template_ids)})]
