"""Shows the messages of a campaign as its people will read them, some people at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from campaigns.domain.filling import fill, find_misfit
from campaigns.domain.statement import Finding, Refusal
from campaigns.domain.template import TemplateError
from campaigns.management.layouts import Layout, lay_out
from campaigns.management.preview import list_capped
from campaigns.management.reports import find_campaign
from campaigns.management.template_choice import read_template, warn_of_language
from campaigns.store import campaigns, templates
from campaigns.store.database import Connection, Database
from campaigns.store.recipients import list_imported_files

# Writes a value of a message. The arguments: the value, and the column of the list that gave it. The column is "" for a
# value that is the same for all people, and None if it is not known.
Mark = Callable[[str, str | None], str]


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
    database: Database,
    campaign_id: int,
    *,
    after: int = 0,
    before: int | None = None,
    limit: int = 3,
    mark: Mark = lambda value, _column: value,
) -> PeoplePage:
    """Return the first people behind the message `after`, or the last people before the message `before`.

    People who will get no message as things stand are omitted: those who have opted out, and those whom the limit per
    person holds back. `mark`: writes each value in the messages.

    Raises Refusal if there is no such campaign.
    """
    return database.run(_load, campaign_id, after, before, limit=limit, mark=mark)


def find_language_warnings(database: Database, campaign_id: int) -> list[Finding]:
    """Return a warning if the template is in another language than that of the countries of the people."""

    def load(connection: Connection) -> list[Finding]:
        template = templates.load_template(connection, campaigns.find_template_id(connection, campaign_id))
        return warn_of_language(connection, campaign_id, template)

    return database.run(load)


def _load(
    connection: Connection, campaign_id: int, after: int, before: int | None, *, limit: int, mark: Mark
) -> PeoplePage:
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

    sources = _load_sources(connection, campaign_id)

    def show(message_id: int, variables: Sequence[str]) -> Layout:
        # The file of a message is the last one that begins before it.
        columns = next((columns for first_id, columns in reversed(sources) if first_id <= message_id), {})
        own = zip(row.columns, variables, strict=False)
        values = {name: mark(value, "") for name, value in filling.fixed.items()}
        values |= {name: mark(value, columns.get(name)) for name, value in own}
        return lay_out(filling.template, template.components, values)

    messages = [PersonMessage(id_, phone, show(id_, variables)) for id_, phone, variables in shown]
    return PeoplePage(messages, has_earlier=has_earlier, has_later=has_later)


def _load_sources(connection: Connection, campaign_id: int) -> list[tuple[int, Mapping[str, str]]]:
    """Return, for each file of a campaign with messages, the id of its first message, and its column by variable."""
    return [
        (file.facts.first_message_id, {variable: column for variable, column, _ in file.facts.filled})
        for file in list_imported_files(connection, campaign_id)
        if file.facts is not None and file.facts.first_message_id is not None
    ]
