"""Templates: the texts that campaigns send."""

from __future__ import annotations

from typing import Annotated, Any

from apiflask import APIBlueprint
from flask import Response
from pydantic import Field

from api.access import demands
from api.context import actor, parts
from api.cursors import link_next, read_cursor, write_cursor
from api.once import Answer, carry_out
from api.schemas import Id, In, Moment, Out, PageQuery, Text
from campaigns.domain.template import TemplateStatus
from campaigns.domain.users.scopes import Scope
from campaigns.management.listings.pages import TemplateFilter, page_templates
from campaigns.management.templates import WabaSync, sync_templates
from campaigns.store.database import Database

blueprint = APIBlueprint("templates", __name__)


class Template(Out):
    """A copy of a template in one WhatsApp Business account. `components`: as Meta lists them."""

    id: Id
    name: str
    language: str
    waba_id: str
    status: str
    category: str
    quality: str
    components: list[dict[str, Any]]
    blocked_until: Moment | None
    synced_at: Moment | None


class TemplatePage(Out):
    items: list[Template]
    next: str | None


class TemplateQuery(PageQuery):
    status: TemplateStatus | None = None
    text: Text = Field("", description="A part of the name.")
    account: Text | None = Field(None, description="Only the templates of this account: its name or id.")


class Wanted(In):
    """Without members, the templates of all active accounts are read."""

    accounts: Annotated[list[Text], Field(max_length=200)] = Field(
        [], description="Only the templates of these accounts: their names or ids."
    )
    waba_id: Text | None = Field(None, description="Only those of this WhatsApp Business account.")


class TemplateChange(Out):
    """A template that is new, changed or gone. `details`: what has changed, in words."""

    name: str
    language: str
    kind: str
    status: str
    details: str


class ReadTemplates(Out):
    """What was read of one WhatsApp Business account. `count`: the templates that Meta lists.

    `skipped`: why some were not stored. `misfits`: the campaigns whose values do not fit their template any more.
    `error`: why nothing could be read; then nothing was changed.
    """

    waba_id: str
    count: int
    changes: list[TemplateChange]
    skipped: list[str]
    misfits: list[Id]
    error: str | None


class TemplateSync(Out):
    items: list[ReadTemplates]


@blueprint.get("/templates")
@demands(Scope.TEMPLATES_READ)
@blueprint.input(TemplateQuery, location="query")
@blueprint.output(TemplatePage)
def list_templates(query_data: TemplateQuery) -> Any:
    """List the templates by name and language, as they were read from Meta last."""
    wanted = TemplateFilter(
        statuses=[query_data.status] if query_data.status else (),
        text=query_data.text,
        accounts=[query_data.account] if query_data.account is not None else (),
    )
    after = read_cursor(query_data.cursor)
    page = page_templates(parts().database, wanted, after=after, limit=query_data.limit)
    cursor = write_cursor(page.next_key)
    items = [Template.show(row) for row in page.rows]
    return TemplatePage(items=items, next=cursor), 200, link_next(cursor)


@blueprint.post("/templates:sync")
@demands(Scope.TEMPLATES_SYNC)
@blueprint.input(Wanted)
@blueprint.output(TemplateSync)
def sync_templates_(json_data: Wanted) -> Response:
    """Read the templates from Meta again. Campaigns that wait for a template which is approved now go on."""
    results: list[WabaSync] = []

    def prepare() -> None:
        read = sync_templates(
            parts().database,
            parts().settings,
            actor=actor(),
            accounts=json_data.accounts,
            waba_id=json_data.waba_id,
        )
        results.extend(read)

    def change(_database: Database) -> Answer:
        to_enqueue = sorted({campaign_id for result in results for campaign_id in result.to_enqueue})
        return Answer(TemplateSync(items=[_describe(each) for each in results]), to_enqueue=to_enqueue)

    return carry_out(change, prepare=prepare)


def _describe(result: WabaSync) -> ReadTemplates:
    error = result.explain()
    changes = [TemplateChange.show(each, details=str(each.details or "")) for each in result.changes]
    skipped = [str(each) for each in result.skipped]
    return ReadTemplates.show(result, changes=changes, skipped=skipped, error=None if error is None else str(error))
