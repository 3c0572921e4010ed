"""Reads the templates of WABAs from Meta, and stores new, changed and deleted templates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from campaigns.clock import clock
from campaigns.domain.filling import describe_form
from campaigns.domain.statement import (
    Finding,
    Hint,
    HintAction,
    Kind,
    Refusal,
    Sentence,
    Severity,
    Word,
    list_sentences,
)
from campaigns.domain.template import (
    ListedTemplate,
    TemplateError,
    TemplateStatus,
    identify,
    list_shown,
    read_listed,
    template_from_components,
)
from campaigns.domain.users.actor import Act, Actor
from campaigns.secrets import TokenError, decrypt_token
from campaigns.store import accounts, campaigns, templates
from campaigns.store.accounts import load_accounts, load_campaign_accounts
from campaigns.store.database import read_clock
from campaigns.store.events import wake_template_campaigns
from campaigns.store.users.audit import write_audit
from campaigns.whatsapp.graph import GraphError, read_templates

if TYPE_CHECKING:
    from campaigns.config import Settings
    from campaigns.store.database import Connection, Database

# Meta's list of templates may lack a change that a webhook has reported up to this long before the list was read. The
# reasons: the time of a webhook is a whole second of Meta's clock, and Meta's lists lag behind changes.
_CLOCK_DOUBT = dt.timedelta(seconds=60)
# A person waits at most this long for Meta before a start.
_READ_AGAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one template by a sync. `kind`: new, changed or gone. `details`: a description of a `changed`."""

    name: str
    language: str
    kind: str
    status: str
    details: Sentence | None = None


@dataclass(slots=True)
class WabaSync:
    """The result of the sync of one WABA.

    `skipped`: for each template that was not stored, the reason. `misfits`: the campaigns whose template now has other
    parameters or another link. `users`: the unfinished campaigns whose template has another text or other buttons now.
    `error`: the reason why the templates of the WABA could not be read; then nothing was changed. `account`: the
    account whose token was used last.
    """

    waba_id: str
    count: int = 0
    changes: list[Change] = field(default_factory=list)
    skipped: list[TemplateError] = field(default_factory=list)
    misfits: list[int] = field(default_factory=list)
    users: list[templates.TemplateUser] = field(default_factory=list)
    to_enqueue: list[int] = field(default_factory=list)
    error: GraphError | TokenError | None = None
    account: str = ""

    def explain(self) -> Sentence | None:
        """Return why the templates could not be read, with Meta's own text and what to do; None if they were read."""
        return self.error.explain(self.account) if isinstance(self.error, GraphError) else self.error


@dataclass(frozen=True, slots=True)
class _Read:
    """One complete list of templates from Meta. `at`: the time at which the read began.

    `listed`: the templates to store. `named`: the name and the language of each entry, also of entries that are not
    stored. `skipped`: for each entry that is not stored, the reason.
    """

    listed: list[ListedTemplate]
    named: set[tuple[str, str]]
    skipped: list[TemplateError]
    at: dt.datetime


def sync_templates(
    database: Database,
    settings: Settings,
    *,
    actor: Actor,
    accounts: Sequence[str] = (),
    waba_id: str | None = None,
) -> list[WabaSync]:
    """Read the templates of WABAs from Meta, and store the changes; return one result for each WABA.

    `accounts`: names or ids; only the WABAs of these accounts are read. `waba_id`: only this WABA is read. Without both
    arguments, the WABAs of all active accounts are read. If one WABA cannot be read, the other WABAs are still read.
    The caller enqueues the campaigns in `to_enqueue` of each result. Raises Refusal.
    """
    by_waba = database.run(_find_readers, accounts, waba_id)
    return [_sync_waba(database, settings, waba, ids, actor=actor) for waba, ids in by_waba.items()]


def _find_readers(connection: Connection, words: Sequence[str], waba_id: str | None) -> dict[str, list[int]]:
    """Return, by WABA, the accounts whose tokens may read the templates of the WABA. Active accounts come first."""
    ids = accounts.find_account_ids(connection, words) or None
    listed = sorted(accounts.list_accounts(connection, ids), key=lambda account: (not account.active, account.id))
    by_waba: dict[str, list[int]] = {}
    for account in listed:
        # By default only the tokens of active accounts are used. If the operator names accounts or a WABA, the tokens
        # of inactive accounts are used too.
        if (account.active or words or waba_id) and waba_id in (None, account.waba_id):
            by_waba.setdefault(account.waba_id, []).append(account.id)
    if not by_waba:
        raise Refusal(
            "reading_account_missing",
            "There is no active account whose token could read templates; {list_accounts} shows all."
            if waba_id is None
            else "There is no account in WABA {waba_id} whose token could read templates; {list_accounts} shows all.",
            kind=Kind.MISSING,
            waba_id=waba_id,
            list_accounts=Hint(HintAction.LIST_ACCOUNTS),
        )
    return dict(sorted(by_waba.items()))


def _sync_waba(
    database: Database, settings: Settings, waba_id: str, account_ids: Sequence[int], *, actor: Actor
) -> WabaSync:
    """Read the templates of one WABA with the first token that works. During a read no Postgres connection is held."""
    result = WabaSync(waba_id)
    rows = {account.id: account for account in database.run(load_accounts, account_ids)}
    for account_id in account_ids:
        result.account = rows[account_id].name
        read_at = database.run(read_clock)
        try:
            entries = read_templates(
                settings.graph_api_url,
                waba_id,
                decrypt_token(settings.secret_key or "", rows[account_id].token),
                connect_timeout=settings.connect_timeout_seconds,
                timeout=settings.http_timeout_seconds,
            )
        except (GraphError, TokenError) as error:
            result.error = error
            continue
        read = _read_entries(entries, read_at)
        result.error, result.count, result.skipped = None, len(entries), read.skipped
        database.run(_keep, result, read, actor, retry_seconds=settings.template_retry_seconds)
        break
    return result


def _read_entries(entries: Sequence[Mapping[str, Any]], read_at: dt.datetime) -> _Read:
    read = _Read([], set(), [], read_at)
    listed: dict[tuple[str, str], ListedTemplate] = {}
    for entry in entries:
        read.named.add(identify(entry))
        try:
            template = read_listed(entry)
        except TemplateError as error:
            read.skipped.append(error)
        else:
            listed[template.name, template.language] = template
    read.listed.extend(listed.values())
    return read


def _keep(connection: Connection, result: WabaSync, read: _Read, actor: Actor, *, retry_seconds: float) -> None:
    """Store one complete list of templates in one transaction. After a deadlock the function is called again."""
    rows, result.changes = _write(connection, result.waba_id, read, retry_seconds=retry_seconds)
    changed_forms = [row.id for row in rows if _has_another_form(row)]
    result.misfits = templates.list_campaigns_of_templates(connection, changed_forms) if changed_forms else []
    edited = [row.id for row in rows if _has_another_text(row)]
    result.users = templates.list_users_of_templates(connection, edited) if edited else []
    # A template may have been edited although Meta sent no webhook about the edit. So each sync ends the waits for
    # approved templates, and each campaign that waited tries one message.
    approved = [row.id for row in rows if row.status == TemplateStatus.APPROVED]
    result.to_enqueue = wake_template_campaigns(connection, approved) if approved else []
    _note(connection, result.waba_id, result.changes, actor)


def _write(
    connection: Connection, waba_id: str, read: _Read, *, retry_seconds: float, only: tuple[str, str] | None = None
) -> tuple[list[templates.SyncedRow], list[Change]]:
    """Store what was read; return the rows and their changes. `only`: the only template that was read."""
    given: dict[str, Any] = {"read_at": read.at, "as_of": read.at - _CLOCK_DOUBT, "retry_seconds": retry_seconds}
    rows = templates.sync_templates(connection, waba_id, read.listed, **given, is_whole=only is None)
    gone = templates.mark_gone_templates(connection, waba_id, read.named, **given, only=only)
    changes = [change for row in rows if (change := _describe(row)) is not None]
    changes += [Change(name, language, "gone", TemplateStatus.DELETED) for _, name, language in gone]
    return rows, sorted(changes, key=lambda change: (change.name, change.language))


def _note(connection: Connection, waba_id: str, changes: Sequence[Change], actor: Actor) -> None:
    after = {"waba_id": waba_id, "changes": [asdict(change) for change in changes]}
    write_audit(connection, actor, Act.TEMPLATE_SYNC, after=after)


@dataclass(frozen=True, slots=True)
class TemplateReading:
    """What a look at Meta before a start has told.

    `notes`: by campaign, a note for each template that could not be read. `refused`: by account, why Meta refuses its
    token, and what to do.
    """

    notes: Mapping[int, Sequence[Finding]]
    refused: Mapping[int, Sentence]


def read_campaign_templates(
    database: Database, settings: Settings, campaign_ids: Sequence[int], *, actor: Actor
) -> TemplateReading:
    """Read the templates of campaigns again from Meta, and store their changes as a sync does.

    A template that cannot be read is left as it is. One request is made for each WABA and template, and a further
    request if Meta refuses the token, all together within five seconds. A template that an operator added by hand is
    not read. No campaign that waits for its template is woken.
    """
    ends_at = clock() + _READ_AGAIN_SECONDS
    notes: dict[int, list[Finding]] = {campaign_id: [] for campaign_id in campaign_ids}
    refused: dict[int, Sentence] = {}
    for copy, users in database.run(_find_copies, campaign_ids).items():
        problem = _read_copy(database, settings, copy, actor, ends_at=ends_at, refused=refused)
        if problem is not None:
            for campaign_id in users:
                notes[campaign_id].append(_report_unread(campaign_id, copy, problem))
    return TemplateReading(notes, refused)


@dataclass(frozen=True, slots=True)
class _Copy:
    """A template in a WABA, and the accounts whose tokens may read it, active accounts first."""

    waba_id: str
    name: str
    language: str
    account_ids: tuple[int, ...]


def _find_copies(connection: Connection, campaign_ids: Sequence[int]) -> dict[_Copy, list[int]]:
    """Return the copies of the campaigns' templates that a sync has stored, each with the campaigns that send it."""
    copies: dict[_Copy, list[int]] = {}
    senders = load_campaign_accounts(connection, campaign_ids)
    for row in campaigns.list_campaigns(connection, campaign_ids):
        used = templates.load_template(connection, campaigns.find_template_id(connection, row.id))
        listed = accounts.list_accounts(connection, list(senders[row.id]))
        readers: dict[str, tuple[int, ...]] = {}
        for account in sorted(listed, key=lambda each: (not each.active, each.id)):
            readers[account.waba_id] = (*readers.get(account.waba_id, ()), account.id)
        for copy in templates.find_templates(connection, used.name, used.language):
            if copy.waba_id in readers:
                key = _Copy(copy.waba_id, copy.name, copy.language, readers[copy.waba_id])
                copies.setdefault(key, []).append(row.id)
    return copies


def _read_copy(
    database: Database,
    settings: Settings,
    copy: _Copy,
    actor: Actor,
    *,
    ends_at: float,
    refused: dict[int, Sentence],
) -> Sentence | None:
    """Read one template of a WABA with the first token that works, and store it.

    Return the reason if the template could not be read or stored for another reason than the tokens. Add each account
    whose token Meta refuses to `refused`. During a request no Postgres connection is held.
    """
    rows = {account.id: account for account in database.run(load_accounts, copy.account_ids)}
    for account in (rows[account_id] for account_id in copy.account_ids if account_id not in refused):
        seconds = max(ends_at - clock(), 0.1)
        connect_timeout = min(settings.connect_timeout_seconds, seconds / 2)
        read_at = database.run(read_clock)
        try:
            entries = read_templates(
                settings.graph_api_url,
                copy.waba_id,
                decrypt_token(settings.secret_key or "", account.token),
                name=copy.name,
                connect_timeout=connect_timeout,
                timeout=min(settings.http_timeout_seconds, seconds - connect_timeout),
            )
        except GraphError as error:
            if not error.refuses_token:
                return error.explain(account.name)
            refused[account.id] = error.explain(account.name)
            database.run(accounts.record_health_failure, account.id, str(error))
            continue
        except TokenError as error:
            return error
        database.run(accounts.forget_refusals, account.id)
        only = (copy.name, copy.language)
        read = _read_entries([entry for entry in entries if identify(entry) == only], read_at)
        database.run(_keep_copy, copy.waba_id, read, actor, retry_seconds=settings.template_retry_seconds, only=only)
        return read.skipped[0] if read.skipped else None
    return None


def _keep_copy(
    connection: Connection,
    waba_id: str,
    read: _Read,
    actor: Actor,
    *,
    retry_seconds: float,
    only: tuple[str, str],
) -> None:
    _rows, changes = _write(connection, waba_id, read, retry_seconds=retry_seconds, only=only)
    if changes:
        _note(connection, waba_id, changes, actor)


def _report_unread(campaign_id: int, copy: _Copy, problem: Sentence) -> Finding:
    return Finding(
        "template_not_read",
        Severity.NOTE,
        "The template {template} of campaign {campaign_id} could not be read again at Meta, so you see the text that"
        " was read last. {problem}",
        "",
        campaign_id=campaign_id,
        template=f"{copy.name}:{copy.language}",
        problem=problem,
    )


def _describe(row: templates.SyncedRow) -> Change | None:
    if row.is_new:
        return Change(row.name, row.language, "new", row.status)
    pairs = (
        (Word("status"), row.old_status, row.status),
        (Word("category"), row.old_category, row.category),
        (Word("quality"), row.old_quality, row.quality),
    )
    details = [
        Sentence("{name} {old} → {new}", name=name, old=Word(old or "unknown"), new=Word(new or "unknown"))
        for name, old, new in pairs
        if old != new
    ]
    if row.old_components != row.components:
        details.append(Sentence("text or buttons"))
        form = [describe_form(row.name, row.language, part or []) for part in (row.old_components, row.components)]
        if form[0] != form[1]:
            details.append(Sentence("values {old} → {new}", old=form[0], new=form[1]))
    return Change(row.name, row.language, "changed", row.status, list_sentences(details)) if details else None


def _has_another_text(row: templates.SyncedRow) -> bool:
    """Tell whether people see another text or other buttons than before."""
    return not row.is_new and list_shown(row.old_components or []) != list_shown(row.components)


def _has_another_form(row: templates.SyncedRow) -> bool:
    """Tell whether the parameters of a template, or the beginnings of its links, have changed."""
    if row.is_new or row.old_components == row.components:
        return False
    try:
        before = template_from_components(row.name, row.language, row.old_components or [])
        return before != template_from_components(row.name, row.language, row.components)
    except TemplateError:
        return True
