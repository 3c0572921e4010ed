"""Reads lists page by page. A page begins behind a key of the last row of the page before (keyset, no offset).

A row that is added or deleted meanwhile neither repeats nor hides another row. No function counts all rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.optout.recognition import Source
from campaigns.domain.statement import Refusal
from campaigns.domain.template import TemplateStatus
from campaigns.management.reports import find_campaign
from campaigns.store import accounts, campaigns, recipients, templates
from campaigns.store.database import Connection, Database
from campaigns.store.optouts import suppressions
from campaigns.store.users import audit
from campaigns.store.users.audit import AuditFilter

MAX_ROWS = 200

Row = TypeVar("Row")
Key = TypeVar("Key")
CampaignKey = tuple[dt.datetime, int]  # creation, id
TemplateKey = tuple[str, str, str]  # name, language, WABA
SuppressionKey = tuple[dt.datetime, str, str]  # time, key of the person, source
AuditKey = tuple[dt.datetime, int]  # time, id


@dataclass(frozen=True, slots=True)
class Page(Generic[Row, Key]):
    """Some rows of a list. `next_key`: the key of the last row, or None if no row follows."""

    rows: Sequence[Row]
    next_key: Key | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignFilter:
    """Which campaigns a list has. An empty collection, an empty text or None does not restrict the list.

    `text`: a part of the name, in capitals or small letters. `account`: the name or the id of an account.
    `made_by`: the name of the person who made the campaign. `template`: `name:language`.
    """

    statuses: Collection[CampaignStatus] = ()
    text: str = ""
    account: str | None = None
    made_by: str | None = None
    template: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFilter:
    """Which templates a list has. An empty collection, an empty text or None does not restrict the list.

    `text`: a part of the name. `accounts`: names or ids; the list has the templates of the WABAs of these accounts.
    """

    statuses: Collection[TemplateStatus] = ()
    text: str = ""
    accounts: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionFilter:
    """Which suppressions a list has. An empty collection or text does not restrict the list.

    `text`: a part of the phone or of the user id.
    """

    sources: Collection[Source] = ()
    text: str = ""


def page_campaigns(
    database: Database, wanted: CampaignFilter | None = None, *, after: CampaignKey | None = None, limit: int = 50
) -> Page[campaigns.CampaignListing, CampaignKey]:
    """Return campaigns without tests, the newest first, behind the campaign with the key `after`. Raises Refusal."""
    chosen = wanted or CampaignFilter()

    def load(connection: Connection) -> list[campaigns.CampaignListing]:
        account_id = None
        if chosen.account is not None:
            (account_id,) = accounts.find_account_ids(connection, [chosen.account])
        return campaigns.page_campaigns(
            connection,
            statuses=sorted(chosen.statuses or CampaignStatus),
            pattern=contains(chosen.text),
            account_id=account_id,
            made_by=chosen.made_by,
            template=chosen.template or None,
            before=after,
            limit=limit + 1,
        )

    return load_page(database, load, limit, lambda row: (row.created_at, row.id))


def page_uncertain(
    database: Database, *, after: int | None = None, limit: int = 50
) -> Page[campaigns.CampaignListing, int]:
    """Return campaigns with uncertain messages, the newest first, behind the campaign with the id `after`."""

    def load(connection: Connection) -> list[campaigns.CampaignListing]:
        return campaigns.page_uncertain(connection, before=after, limit=limit + 1)

    return load_page(database, load, limit, lambda row: row.id)


def page_templates(
    database: Database, wanted: TemplateFilter | None = None, *, after: TemplateKey | None = None, limit: int = 50
) -> Page[templates.TemplateRow, TemplateKey]:
    """Return templates by name, language and WABA, behind the template with the key `after`. Raises Refusal."""
    chosen = wanted or TemplateFilter()

    def load(connection: Connection) -> list[templates.TemplateRow]:
        waba_ids = None
        if chosen.accounts:
            ids = accounts.find_account_ids(connection, list(chosen.accounts))
            waba_ids = sorted({account.waba_id for account in accounts.list_accounts(connection, ids)})
        return templates.page_templates(
            connection,
            pattern=contains(chosen.text),
            statuses=sorted(chosen.statuses) or None,
            waba_ids=waba_ids,
            after=after or ("", "", ""),
            limit=limit + 1,
        )

    return load_page(database, load, limit, lambda row: (row.name, row.language, row.waba_id))


def page_suppressions(
    database: Database, wanted: SuppressionFilter | None = None, *, after: SuppressionKey | None = None, limit: int = 50
) -> Page[suppressions.SuppressionRow, SuppressionKey]:
    """Return active suppressions, the newest first, behind the suppression with the key `after`. Raises Refusal."""
    chosen = wanted or SuppressionFilter()

    def load(connection: Connection) -> list[suppressions.SuppressionRow]:
        return suppressions.page_suppressions(
            connection,
            sources=sorted(chosen.sources or Source),
            pattern=contains(chosen.text),
            before=after,
            limit=limit + 1,
        )

    return load_page(database, load, limit, lambda row: (row.at, row.recipient_key, row.source))


def page_audit(
    database: Database, wanted: AuditFilter | None = None, *, after: AuditKey | None = None, limit: int = 50
) -> Page[audit.AuditEvent, AuditKey]:
    """Return events of the audit, the newest first, behind the event with the key `after`. Raises Refusal."""
    chosen = wanted or AuditFilter()

    def load(connection: Connection) -> list[audit.AuditEvent]:
        return audit.page_audit(connection, chosen, before=after, limit=limit + 1)

    return load_page(database, load, limit, lambda row: (row.at, row.id))


def page_import_errors(
    database: Database, campaign_id: int, *, is_rejected: bool = False, after: int = 0, limit: int = 50
) -> Page[recipients.ImportErrorRow, int]:
    """Return rows of a campaign's files that did not become messages, in the order of the files, behind `after`.

    `is_rejected`: omit the rows of people who have a message by another row. Raises Refusal.
    """

    def load(connection: Connection) -> list[tuple[int, recipients.ImportErrorRow]]:
        find_campaign(connection, campaign_id)
        return recipients.page_import_errors(
            connection, campaign_id, is_rejected=is_rejected, after=after, limit=limit + 1
        )

    page = load_page(database, load, limit, lambda row: row[0])
    return Page([row for _, row in page.rows], page.next_key)


def load_page(
    database: Database, load: Callable[[Connection], list[Row]], limit: int, key: Callable[[Row], Key]
) -> Page[Row, Key]:
    """Return the page of the rows that `load` returns. `load` returns one row more than `limit` if more rows follow."""
    if not 1 <= limit <= MAX_ROWS:
        raise Refusal("page_limit_out_of_range", "A page has 1 to {most} rows.", most=MAX_ROWS)
    rows = database.run(load)
    return Page(rows[:limit], key(rows[limit - 1]) if len(rows) > limit else None)


def contains(text: str) -> str | None:
    """Return the pattern for LIKE of texts that contain `text`; None if every text does."""
    if not text:
        return None
    escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"
