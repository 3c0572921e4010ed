"""Shows the messages of a campaign as its people will read them, some people at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.domain.filling import fill, find_misfit
from campaigns.domain.statement import Refusal
from campaigns.domain.template import TemplateError
from campaigns.management.layouts import Layout, lay_out
from campaigns.management.preview import list_capped
from campaigns.management.reports import find_campaign
from campaigns.management.template_choice import read_template
from campaigns.store import campaigns, templates
from campaigns.store.database import Connection, Database


@dataclass(frozen=True, slots=True)
class PersonMessage:
    """A message that will be sent to one person."""

    id: int
    phone: str
    layout: Layout


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """Some people in the order of the list. `refusal`: why their messages cannot be shown; then there are none.

    `has_earlier`, `has_later`: other such messages stand before or behind these.
    """

    messages: Sequence[PersonMessage]
    has_earlier: bool = False
    has_later: bool = False
    refusal: Refusal | None = None


def page_people(
    database: Database, campaign_id: int, *, after: int = 0, before: int | None = None, limit: int = 3
) -> PeoplePage:
    """Return the first people behind the message `after`, or the last people before the message `before`.

    People who will get no message as things stand are omitted: those who have opted out, and those whom the limit per
    person holds back.

    Raises Refusal if there is no such campaign.
    """
    return database.run(_load, campaign_id, after, before, limit=limit)


def _load(connection: Connection, campaign_id: int, after: int, before: int | None, *, limit: int) -> PeoplePage:
    row = find_campaign(connection, campaign_id)
    template = templates.load_template(connection, campaigns.find_template_id(connection, campaign_id))
    try:
        form = read_template(template)
        if misfit := find_misfit(form, row.parameters, row.columns):
            return PeoplePage([], refusal=misfit)
        filling = fill(form, row.parameters)
    except TemplateError as error:
        return PeoplePage([], refusal=error)
    capped = list_capped(connection, row)
    if before is None:
        found = campaigns.list_pending_after(connection, campaign_id, after, limit=limit + 1, capped=capped)
        shown, has_later = found[:limit], len(found) > limit
        first_id = shown[0][0] if shown else 0
        has_earlier = bool(campaigns.list_pending_before(connection, campaign_id, first_id, limit=1, capped=capped))
    else:
        found = campaigns.list_pending_before(connection, campaign_id, before, limit=limit + 1, capped=capped)
        shown, has_earlier = found[-limit:], len(found) > limit
        last_id = shown[-1][0] if shown else 0
        has_later = bool(campaigns.list_pending_after(connection, campaign_id, last_id, limit=1, capped=capped))

    def show(variables: Sequence[str]) -> Layout:
        values = {**filling.fixed, **dict(zip(row.columns, variables, strict=False))}
        return lay_out(filling.template, template.components, values)

    messages = [PersonMessage(id_, phone, show(variables)) for id_, phone, variables in shown]
    return PeoplePage(messages, has_earlier=has_earlier, has_later=has_later)
