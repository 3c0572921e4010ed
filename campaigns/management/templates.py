"""Reads the templates of WABAs from Meta, and keeps what is new, changed or gone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from campaigns.domain.template import ListedTemplate, TemplateError, identify, read_listed, template_from_components
from campaigns.secrets import TokenError, decrypt_token
from campaigns.store import accounts, templates
from campaigns.store.accounts import load_accounts
from campaigns.store.database import read_clock
from campaigns.store.events import wake_template_campaigns
from campaigns.whatsapp.graph import GraphError, read_templates

if TYPE_CHECKING:
    from campaigns.config import Settings
    from campaigns.store.database import Connection, Database

# What Meta said by webhook within this time before a read may be newer than the read: its times are whole seconds of
# its own clock, and its lists lag behind.
_DOUBT = dt.timedelta(seconds=60)


class SyncError(ValueError):
    """A sync cannot begin. The message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a sync did to one template. `details`: in words, "" where `kind` (new, changed, gone) says all."""

    name: str
    language: str
    kind: str
    status: str
    details: str = ""


@dataclass(slots=True)
class WabaSync:
    """What became of one WABA. `error`: why it could not be read, then nothing was changed. `skipped`: in words.

    `misfits`: campaigns that were made for another form of a template that has changed.
    """

    waba_id: str
    count: int = 0
    changes: list[Change] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    misfits: list[int] = field(default_factory=list)
    rings: list[int] = field(default_factory=list)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    """One complete list. `named`: name and language also of what cannot be kept; `at`: when the read began."""

    listed: list[ListedTemplate]
    named: set[tuple[str, str]]
    at: dt.datetime


def sync_templates(
    database: Database, settings: Settings, *, accounts: Sequence[str] = (), waba_id: str | None = None
) -> list[WabaSync]:
    """Read the templates of the WABAs of these accounts (names or ids), of one WABA, or of all active accounts.

    One that cannot be read stops no other. The caller rings `rings`. Raises SyncError.
    """
    by_waba = database.run(_find_readers, accounts, waba_id)
    return [_sync_waba(database, settings, waba, ids) for waba, ids in by_waba.items()]


def _find_readers(connection: Connection, words: Sequence[str], waba_id: str | None) -> dict[str, list[int]]:
    """Return the accounts whose tokens may read each WABA, active ones first."""
    found = accounts.find_account_ids(connection, words)
    if missing := [word for word, account_id in found.items() if account_id is None]:
        raise SyncError(f"There is no account {', '.join(missing)}; `revoada account list` shows all.")
    ids = [account_id for account_id in found.values() if account_id is not None] or None
    listed = sorted(accounts.list_accounts(connection, ids), key=lambda account: (not account.active, account.id))
    by_waba: dict[str, list[int]] = {}
    for account in listed:
        # A person who names an account or a WABA wants it read, whether it sends or not.
        if (account.active or words or waba_id) and waba_id in (None, account.waba_id):
            by_waba.setdefault(account.waba_id, []).append(account.id)
    if not by_waba:
        which = "active account" if waba_id is None else f"account in WABA {waba_id}"
        raise SyncError(f"There is no {which} whose token could read templates; `revoada account list` shows all.")
    return dict(sorted(by_waba.items()))


def _sync_waba(database: Database, settings: Settings, waba_id: str, account_ids: Sequence[int]) -> WabaSync:
    """Read one WABA by the first token that can; no connection to Postgres is held meanwhile."""
    result = WabaSync(waba_id)
    tokens = {account.id: account.token for account in database.run(load_accounts, account_ids)}
    for account_id in account_ids:
        read_at = database.run(read_clock)
        try:
            entries = read_templates(
                settings.graph_api_url,
                waba_id,
                decrypt_token(settings.secret_key or "", tokens[account_id]),
                connect_timeout=settings.connect_timeout_seconds,
                timeout=settings.http_timeout_seconds,
            )
        except (GraphError, TokenError) as error:
            result.error = str(error)
            continue
        result.error = None
        listed: dict[tuple[str, str], ListedTemplate] = {}
        named = set()
        for entry in entries:
            named.add(identify(entry))
            try:
                template = read_listed(entry)
            except TemplateError as error:
                result.skipped.append(str(error))
            else:
                listed[template.name, template.language] = template
        result.count = len(entries)
        read = _Read(list(listed.values()), named, read_at)
        database.run(_keep, result, read, retry_seconds=settings.template_retry_seconds)
        break
    return result


def _keep(connection: Connection, result: WabaSync, read: _Read, *, retry_seconds: float) -> None:
    """Write one complete read in one transaction; may run again from the start after a deadlock."""
    times = {"read_at": read.at, "as_of": read.at - _DOUBT}
    rows = templates.sync_templates(connection, result.waba_id, read.listed, **times, retry_seconds=retry_seconds)
    gone = templates.mark_gone_templates(connection, result.waba_id, read.named, **times, retry_seconds=retry_seconds)
    result.changes = [change for row in rows if (change := _describe(row)) is not None]
    result.changes += [Change(name, language, "gone", "deleted") for _, name, language in gone]
    result.changes.sort(key=lambda change: (change.name, change.language))
    changed_forms = [row.id for row in rows if _has_another_form(row)]
    result.misfits = templates.list_filled_campaigns(connection, changed_forms) if changed_forms else []
    approved = [row.id for row in rows if row.status == "approved" and row.old_status != "approved"]
    result.rings = wake_template_campaigns(connection, approved) if approved else []


def _describe(row: templates.SyncedRow) -> Change | None:
    if row.is_new:
        return Change(row.name, row.language, "new", row.status)
    pairs = (
        ("status", row.old_status, row.status),
        ("category", row.old_category, row.category),
        ("quality", row.old_quality, row.quality),
    )
    details = [f"{word} {old or 'unknown'} → {new or 'unknown'}" for word, old, new in pairs if old != new]
    if row.old_components != row.components:
        details.append("text or buttons")
    return Change(row.name, row.language, "changed", row.status, ", ".join(details)) if details else None


def _has_another_form(row: templates.SyncedRow) -> bool:
    """Tell whether a template takes other things than before."""
    if row.is_new or row.old_components == row.components:
        return False
    try:
        before = template_from_components(row.name, row.language, row.old_components or [])
        return before != template_from_components(row.name, row.language, row.components)
    except TemplateError:
        return True
