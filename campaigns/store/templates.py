"""Queries about templates: changes after Meta's replies, synchronisation with Meta's list, and operators' changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from campaigns.domain.template import ListedTemplate, TemplateStatus
from campaigns.store.database import Connection, insert_row, query


@dataclass(frozen=True, slots=True)
class SyncedRow:
    """A template before and after a synchronisation with Meta's list. The old values of a new template are None."""

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
    """A template whose category was corrected by a refusal of Meta. `old_category` is "" if the old category was
    unknown.
    """

    name: str
    language: str
    old_category: str
    category: str
    code: int


def block_template(
    connection: Connection, template_id: int, *, account_id: int, status: TemplateStatus, retry_seconds: float
) -> dt.datetime | None:
    """Block a template that Meta has refused to an account; return the end of the block.

    Returns None if the template was blocked already.
    """
    parameters = {
        "template_id": template_id,
        "account_id": account_id,
        "status": status,
        "retry_seconds": retry_seconds,
    }
    row = connection.execute(query("block_template"), parameters).fetchone()
    return row[0] if row else None


def approve_template(connection: Connection, template_id: int, *, account_ids: Iterable[int]) -> None:
    """Approve a template in the WABAs of these accounts, because Meta has accepted a message with the template."""
    connection.execute(query("approve_template"), {"template_id": template_id, "account_ids": sorted(account_ids)})


def recategorise_template(
    connection: Connection, campaign_id: int, account_id: int, *, category: str, code: int, at: dt.datetime
) -> Recategorised | None:
    """Write the category that a refusal (`code`, `at`) named; return None if the template already has it or a newer
    one.
    """
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
    is_whole: bool = True,
) -> list[SyncedRow]:
    """Write a WABA's list of templates. `read_at`: the time at which the read of the list began.

    `as_of`: the list includes all changes up to this time, so the values of newer webhooks are kept. `is_whole`: the
    list has all templates of the WABA.
    """
    parameters = {
        "waba_id": waba_id,
        "templates": Jsonb([asdict(each) for each in listed]),
        "read_at": read_at,
        "as_of": as_of,
        "retry_seconds": retry_seconds,
        "is_whole": is_whole,
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
    only: tuple[str, str] | None = None,
) -> list[tuple[int, str, str]]:
    """Mark as deleted the templates that Meta no longer lists; return id, name and language of each.

    `only`: name and language of the only template that the list is about; None: the list has all templates.
    """
    name, language = only or (None, None)
    parameters = {
        "waba_id": waba_id,
        "listed": Jsonb([{"name": name, "language": language} for name, language in listed]),
        "read_at": read_at,
        "as_of": as_of,
        "retry_seconds": retry_seconds,
        "only_name": name,
        "only_language": language,
    }
    return connection.execute(query("mark_gone_templates"), parameters).fetchall()


def list_campaigns_of_templates(connection: Connection, template_ids: Sequence[int]) -> list[int]:
    """Return the unfinished campaigns with these templates."""
    return [
        row[0] for row in connection.execute(query("list_campaigns_of_templates"), {"template_ids": list(template_ids)})
    ]


@dataclass(frozen=True, slots=True)
class TemplateUser:
    """An unfinished campaign that sends a template. `template`: `name:language`."""

    id: int
    name: str
    status: str
    template: str


def list_users_of_templates(connection: Connection, template_ids: Sequence[int]) -> list[TemplateUser]:
    """Return the unfinished campaigns that send these templates, the oldest first."""
    with connection.cursor(row_factory=class_row(TemplateUser)) as cursor:
        return cursor.execute(query("list_users_of_templates"), {"template_ids": list(template_ids)}).fetchall()


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A stored template.

    `components`: the components as Meta lists them. `waba_id`: "" if an operator added the template for any WABA.
    """

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
    connection: Connection, *, name: str, language: str, components: Sequence[Mapping[str, Any]], category: str = ""
) -> int:
    """Add an approved template for any WABA. Raises ConstraintError if a constraint is violated."""
    written = Jsonb([dict(part) for part in components])
    parameters = {"name": name, "language": language, "components": written, "category": category}
    return insert_row(connection, "insert_template", parameters)


def list_templates(connection: Connection) -> list[TemplateRow]:
    with connection.cursor(row_factory=class_row(TemplateRow)) as cursor:
        return cursor.execute(query("list_templates")).fetchall()


def page_templates(
    connection: Connection,
    *,
    pattern: str | None,
    statuses: Sequence[str] | None,
    waba_ids: Sequence[str] | None,
    after: tuple[str, str, str],
    limit: int,
) -> list[TemplateRow]:
    """Return at most `limit` templates behind `after`, a tuple of name, language and WABA, in the order of these.

    `pattern`: for ILIKE on the name. `waba_ids`: only templates of these WABAs, or of every WABA.
    """
    parameters = {
        **dict(zip(("name", "language", "waba_id"), after, strict=True)),
        "pattern": pattern,
        "statuses": None if statuses is None else list(statuses),
        "waba_ids": None if waba_ids is None else list(waba_ids),
        "limit": limit,
    }
    with connection.cursor(row_factory=class_row(TemplateRow)) as cursor:
        return cursor.execute(query("page_templates"), parameters).fetchall()


@dataclass(frozen=True, slots=True)
class GalleryRow(TemplateRow):
    """A template with the time at which a campaign with this name and language started last."""

    last_used_at: dt.datetime | None


def page_gallery(
    connection: Connection,
    *,
    pattern: str | None,
    language: str | None,
    status: str | None = None,
    category: str | None = None,
    waba_ids: Sequence[str] | None = None,
    after: tuple[str, str],
    limit: int,
) -> list[GalleryRow]:
    """Return the copies of at most `limit` templates behind `after`, in the order of name, language and WABA.

    `pattern`: for ILIKE on the name. `waba_ids`: as for `page_templates`.
    """
    parameters = {
        "name": after[0],
        "language_after": after[1],
        "pattern": pattern,
        "language": language,
        "status": status,
        "category": category,
        "waba_ids": None if waba_ids is None else list(waba_ids),
        "limit": limit,
    }
    with connection.cursor(row_factory=class_row(GalleryRow)) as cursor:
        return cursor.execute(query("page_gallery"), parameters).fetchall()


@dataclass(frozen=True, slots=True)
class TemplateResults:
    """What became of the messages of the campaigns with a template. `delivered_count` includes `read_count`."""

    name: str
    language: str
    campaign_count: int
    sent_count: int
    delivered_count: int
    read_count: int
    failed_count: int


def count_template_results(connection: Connection, keys: Sequence[tuple[str, str]]) -> list[TemplateResults]:
    """Return the results of the templates with these names and languages. A template that was never used has none."""
    with connection.cursor(row_factory=class_row(TemplateResults)) as cursor:
        return cursor.execute(query("count_template_results"), _split(keys)).fetchall()


@dataclass(frozen=True, slots=True)
class NewestUser:
    """A campaign with a template."""

    name: str
    language: str
    id: int
    campaign: str
    status: str


def list_newest_users(connection: Connection, keys: Sequence[tuple[str, str]], *, limit: int) -> list[NewestUser]:
    """Return, for each of the templates with these names and languages, its newest campaigns."""
    with connection.cursor(row_factory=class_row(NewestUser)) as cursor:
        return cursor.execute(query("list_newest_users"), _split(keys) | {"limit": limit}).fetchall()


def _split(keys: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {"names": [name for name, _ in keys], "languages": [language for _, language in keys]}


def list_choices(connection: Connection) -> tuple[list[str], list[str], list[str]]:
    """Return the languages, the statuses and the categories that templates have."""
    row = connection.execute(query("list_choices")).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def list_names(connection: Connection) -> list[tuple[str, str]]:
    """Return the name and the language of each template."""
    return connection.execute(query("list_names")).fetchall()


def find_templates(connection: Connection, name: str, language: str) -> list[TemplateRow]:
    """Return the rows of this template in all WABAs.

    The row with an empty `waba_id` comes first: an operator added it for every WABA.
    """
    with connection.cursor(row_factory=class_row(TemplateRow)) as cursor:
        return cursor.execute(query("find_templates"), {"name": name, "language": language}).fetchall()


def list_synced_wabas(connection: Connection) -> dict[str, dt.datetime]:
    """Return, by WABA, the time at which the list of its templates was last read."""
    return dict(connection.execute(query("list_synced_wabas")).fetchall())


def load_template(connection: Connection, template_id: int) -> TemplateRow:
    with connection.cursor(row_factory=class_row(TemplateRow)) as cursor:
        row = cursor.execute(query("load_template"), {"template_id": template_id}).fetchone()
    assert row is not None  # a foreign key refers to the row
    return row
