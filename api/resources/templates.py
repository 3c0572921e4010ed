"""Templates: the texts that campaigns send."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from pydantic import Field

from api.access import demands
from api.context import parts
from api.cursors import link_next, read_cursor, write_cursor
from api.schemas import Id, Moment, Out, PageQuery, Text
from campaigns.domain.template import TemplateStatus
from campaigns.domain.users.scopes import Scope
from campaigns.management.listings.pages import TemplateFilter, page_templates

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
