"""Suppressions: people who must not be messaged, by any campaign."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from apiflask import APIBlueprint
from flask import Response
from pydantic import Field

from api.access import demands
from api.context import actor, parts
from api.cursors import link_next, read_cursor, write_cursor
from api.once import Answer, carry_out
from api.schemas import In, Moment, Out, PageQuery, Text
from campaigns.domain.optout.recognition import Source
from campaigns.domain.users.scopes import Scope
from campaigns.management.listings.pages import SuppressionFilter, page_suppressions
from campaigns.management.suppressions import lift_phones, suppress_phones
from campaigns.store.database import Database

blueprint = APIBlueprint("suppressions", __name__)

Phones = Annotated[list[Text], Field(min_length=1, max_length=1000)]


class Suppression(Out):
    """`person`: the phone, or the user id of WhatsApp. `detail`: the words of the person, or the given reason."""

    person: str
    source: Source
    at: Moment
    detail: str | None


class SuppressionPage(Out):
    items: list[Suppression]
    next: str | None


class SuppressionQuery(PageQuery):
    source: Source | None = None


class People(In):
    phones: Phones = Field(description="Phones such as +5511999990000.")
    reason: Text | None = Field(None, description="The reason; the audit and the list show it.")


class PeopleResult(Out):
    """`were_suppressed`: for each phone of the request, in its order, whether the person was suppressed before."""

    were_suppressed: list[bool]


@blueprint.get("/suppressions")
@demands(Scope.SUPPRESSIONS_READ)
@blueprint.input(SuppressionQuery, location="query")
@blueprint.output(SuppressionPage)
def list_suppressions(query_data: SuppressionQuery) -> Any:
    """List the people who must not be messaged, the newest first."""
    wanted = SuppressionFilter(sources=[query_data.source] if query_data.source else ())
    after = read_cursor(query_data.cursor, has_time=True)
    page = page_suppressions(parts().database, wanted, after=after, limit=query_data.limit)
    cursor = write_cursor(page.next_key)
    items = [Suppression.show(each, person=each.recipient_key) for each in page.rows]
    return SuppressionPage(items=items, next=cursor), 200, link_next(cursor)


@blueprint.post("/suppressions")
@demands(Scope.SUPPRESSIONS_WRITE)
@blueprint.input(People)
@blueprint.output(PeopleResult)
def add_suppressions(json_data: People) -> Response:
    """Let no campaign send to these people, all or none of them."""
    reason = json_data.reason or None

    def change(database: Database) -> Answer:
        who = replace(actor(), reason=reason)
        key = parts().settings.secret_key
        new = suppress_phones(database, json_data.phones, actor=who, reason=reason, secret_key=key)
        return Answer(PeopleResult(were_suppressed=[not each for each in new]))

    return carry_out(change)


@blueprint.post("/suppressions:lift")
@demands(Scope.SUPPRESSIONS_WRITE)
@blueprint.input(People)
@blueprint.output(PeopleResult)
def lift_suppressions(json_data: People) -> Response:
    """Let these people get messages again, all or none of them."""

    def change(database: Database) -> Answer:
        who = replace(actor(), reason=json_data.reason or None)
        lifted = lift_phones(database, json_data.phones, actor=who, secret_key=parts().settings.secret_key)
        return Answer(PeopleResult(were_suppressed=lifted))

    return carry_out(change)
