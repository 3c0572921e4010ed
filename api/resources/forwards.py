"""Forwards: other programs that get Meta's webhooks too. Commands add and change them."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint

from api.access import demands
from api.context import parts
from api.cursors import link_next, read_cursor, write_cursor
from api.schemas import Id, Moment, Out, PageQuery
from campaigns.domain.users.scopes import Scope
from campaigns.store.forwards import forwards

blueprint = APIBlueprint("forwards", __name__)


class Forward(Out):
    """A forward of Meta's webhooks to another program, the target.

    `host`: that of the target's URL; the rest of the URL may hold a secret. `fields`, `phone_number_ids`: the changes
    that the target gets; an empty list means all. `failing_since`: the first failed try since the last success.
    `last_error`: the reason of the last failed try; null if the last try succeeded. `waiting_count`: the webhooks that
    wait for the target. `waits_since`: when the oldest of them arrived. `given_up_count`: those that the target has not
    accepted in ten tries or four days.
    """

    id: Id
    host: str
    fields: list[str]
    phone_number_ids: list[str]
    created_at: Moment
    disabled_at: Moment | None
    failing_since: Moment | None
    last_error: str | None
    delivered_at: Moment | None
    delivered_count: int
    waiting_count: int
    waits_since: Moment | None
    given_up_count: int


class ForwardPage(Out):
    items: list[Forward]
    next: str | None


@blueprint.get("/forwards")
@demands(Scope.HOOKS)
@blueprint.input(PageQuery, location="query")
@blueprint.output(ForwardPage)
def list_forwards(query_data: PageQuery) -> Any:
    """List the forwards, the oldest first."""
    (after,) = read_cursor(query_data.cursor) or (0,)
    rows = [each for each in parts().database.run(forwards.list_forwards) if each.id > after]
    shown = rows[: query_data.limit]
    cursor = write_cursor([shown[-1].id] if len(rows) > len(shown) else None)
    return ForwardPage(items=[Forward.show(each) for each in shown], next=cursor), 200, link_next(cursor)
