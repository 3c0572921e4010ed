"""Templates: what the send path learns of them, Meta's list of them, and the templates as people keep them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from campaigns.domain.template import ListedTemplate
from campaigns.store.database import Connection, insert_row, query


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


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A template as stored; `components` as Meta lists them. `waba_id` is "" where a person added it for any."""

    id: int
    waba_id: str
    meta_id: str | None
    name: str
    language: str
    components: list[dict[str, Any]]
    status: str
    status_at: dt.datetime
    category: str
    quality: str
    blocked_until: dt.datetime | None
    synced_at: dt.datetime | None
    created_at: dt.datetime


def insert_template(
    connection: Connection, *, name: str, language: str, components: Sequence[Mapping[str, Any]]
) -> int:
    """Add an approved template. Raise ConstraintError where the schema refuses it."""
    parameters = {"name": name, "language": language, "components": Jsonb([dict(part) for part in components])}
    return insert_row(connection, "insert_template", parameters)


def list_templates(connection: Connection) -> list[TemplateRow]:
    with connection.cursor(row_factory=class_row(TemplateRow)) as cursor:
        return cursor.execute(query("list_templates")).fetchall()


def find_templates(connection: Connection, name: str, language: str) -> list[TemplateRow]:
    """Return the templates of this name, of every WABA; the one that a person added for any comes first."""
    with connection.cursor(row_factory=class_row(TemplateRow)) as cursor:
        return cursor.execute(query("find_templates"), {"name": name, "language": language}).fetchall()


def list_synced_wabas(connection: Connection) -> dict[str, dt.datetime]:
    """Return when the list of a WABA's templates was last read, for each that has any."""
    return dict(connection.execute(query("list_synced_wabas")).fetchall())


def load_template(connection: Connection, template_id: int) -> TemplateRow:
    with connection.cursor(row_factory=class_row(TemplateRow)) as cursor:
        row = cursor.execute(query("load_template"), {"template_id": template_id}).fetchone()
    assert row is not None  # campaigns refer to it
    return row
