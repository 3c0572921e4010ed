"""The audit: who changed what."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint

from api.access import demands
from api.context import may, parts
from api.cursors import link_next, read_cursor, write_cursor
from api.schemas import Id, Moment, Out, PageQuery, Text, Time
from campaigns.domain.users.actor import Act, ActorKind, Surface
from campaigns.domain.users.rights import Right
from campaigns.domain.users.scopes import Scope
from campaigns.management.listings.pages import page_audit
from campaigns.store.users.audit import AuditFilter, mask_event

blueprint = APIBlueprint("audit", __name__)


class AuditEvent(Out):
    """A change. `target_id`: the id of the thing that `what` names before its dot.

    `token_id` and `request_id`: those of a request of the API.
    """

    id: Id
    at: Moment
    actor: str
    actor_kind: ActorKind
    surface: Surface | None
    what: str
    target_id: Id | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None
    network: str | None
    token_id: Id | None
    request_id: str | None


class AuditPage(Out):
    items: list[AuditEvent]
    next: str | None


class AuditQuery(PageQuery):
    actor: Text | None = None
    campaign_id: Id | None = None
    since: Time | None = None
    until: Time | None = None
    what: Act | None = None


@blueprint.get("/audit")
@demands(Scope.AUDIT_READ)
@blueprint.input(AuditQuery, location="query")
@blueprint.output(AuditPage)
def list_audit(query_data: AuditQuery) -> Any:
    """List the changes, the newest first."""
    wanted = AuditFilter(
        actor=query_data.actor,
        campaign_id=None if query_data.campaign_id is None else int(query_data.campaign_id),
        since=query_data.since,
        until=query_data.until,
        what=query_data.what,
    )
    page = page_audit(
        parts().database, wanted, after=read_cursor(query_data.cursor, has_time=True), limit=query_data.limit
    )
    rows = page.rows if may(Right.PHONES_SEE) else [mask_event(each) for each in page.rows]
    cursor = write_cursor(page.next_key)
    return AuditPage(items=[AuditEvent.show(each) for each in rows], next=cursor), 200, link_next(cursor)
