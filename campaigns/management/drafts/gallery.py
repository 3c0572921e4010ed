"""Lists templates as a person chooses one for a campaign: each name and language once, with its latest use."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from campaigns.domain.filling import Parameter, fill, list_parameters
from campaigns.domain.statement import Sentence
from campaigns.domain.template import TemplateError, TemplateStatus
from campaigns.management.layouts import Layout, lay_out
from campaigns.management.listings.pages import Page, contains, load_page
from campaigns.management.template_choice import read_template
from campaigns.store import accounts, templates
from campaigns.store.campaigns import find_template_id
from campaigns.store.database import Connection, Database
from campaigns.store.templates import GalleryRow, NewestUser, TemplateResults

# The name and the language of a template.
GalleryKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class GalleryTemplate:
    """A template of the gallery. `row`: the copy of one WABA, an approved one if there is one.

    `copies`: those of all WABAs. `last_used_at`: when a campaign with it started last. `problem`: why no campaign can
    fill the template; None if a campaign can. `layout`: a message with the names of the variables in place of values;
    None if the template cannot be read.
    """

    row: GalleryRow
    copies: Sequence[GalleryRow]
    last_used_at: dt.datetime | None
    problem: Sentence | None
    layout: Layout | None

    @property
    def key(self) -> str:
        """The template as `CampaignChanges.template` names it."""
        return f"{self.row.name}:{self.row.language}"

    @property
    def is_possible(self) -> bool:
        """Whether a new campaign can be made with the template now."""
        return self.problem is None and self.row.status == TemplateStatus.APPROVED


@dataclass(frozen=True, slots=True)
class Gallery:
    """A page of templates. `synced_at`: when Meta's list was read last.

    `languages`, `statuses` and `categories`: those that templates have.
    """

    page: Page[GalleryTemplate, GalleryKey]
    languages: Sequence[str]
    statuses: Sequence[str]
    categories: Sequence[str]
    synced_at: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryFilter:
    """Which templates a gallery has. An empty text does not restrict it.

    `text`: a part of the name. `account`: a name or an id; the gallery has the templates of the WABA of this account.
    """

    text: str = ""
    language: str = ""
    status: str = ""
    category: str = ""
    account: str = ""


def page_gallery(
    database: Database, wanted: GalleryFilter | None = None, *, after: GalleryKey | None = None, limit: int = 50
) -> Gallery:
    """Return templates by name and language, behind `after`. Raises Refusal if there is no such account."""
    chosen = wanted or GalleryFilter()

    def load(connection: Connection) -> list[GalleryTemplate]:
        waba_ids = None
        if chosen.account:
            ids = accounts.find_account_ids(connection, [chosen.account])
            waba_ids = [each.waba_id for each in accounts.list_accounts(connection, ids)]
        rows = templates.page_gallery(
            connection,
            pattern=contains(chosen.text),
            language=chosen.language or None,
            status=chosen.status or None,
            category=chosen.category or None,
            waba_ids=waba_ids,
            after=after or ("", ""),
            limit=limit + 1,
        )
        return [_show([*copies]) for _key, copies in groupby(rows, lambda row: (row.name, row.language))]

    page = load_page(database, load, limit, lambda each: (each.row.name, each.row.language))
    synced = database.run(templates.list_synced_wabas)
    return Gallery(page, *database.run(templates.list_choices), max(synced.values(), default=None))


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """Who uses a template, and what became of the messages. `newest`: its newest campaigns.

    `results`: None if no campaign with the template was started.
    """

    newest: Sequence[NewestUser]
    results: TemplateResults | None


def find_uses(database: Database, keys: Sequence[GalleryKey], *, limit: int) -> dict[GalleryKey, TemplateUse]:
    """Return the use of templates. `limit`: the most campaigns of a template."""

    def find(connection: Connection) -> dict[GalleryKey, TemplateUse]:
        results = {(each.name, each.language): each for each in templates.count_template_results(connection, keys)}
        newest = templates.list_newest_users(connection, keys, limit=limit)
        return {
            key: TemplateUse([each for each in newest if (each.name, each.language) == key], results.get(key))
            for key in keys
        }

    return database.run(find)


def find_parameters(database: Database, campaign_id: int) -> Sequence[Parameter]:
    """Return the parameters of the template of a campaign; [] if the template cannot be read."""

    def find(connection: Connection) -> Sequence[Parameter]:
        row = templates.load_template(connection, find_template_id(connection, campaign_id))
        try:
            return list_parameters(read_template(row))
        except TemplateError:
            return []

    return database.run(find)


def _show(copies: Sequence[GalleryRow]) -> GalleryTemplate:
    row = next((each for each in copies if each.status == TemplateStatus.APPROVED), copies[0])
    layout, problem = None, None
    try:
        template = read_template(row)
        layout = lay_out(template, row.components, {})
        fill(template, {})
    except TemplateError as error:
        problem = error
    return GalleryTemplate(row, copies, row.last_used_at, problem, layout)
