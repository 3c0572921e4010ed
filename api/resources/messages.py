"""The messages of a campaign, one for each of its recipients."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from pydantic import Field

from api.access import demands
from api.context import parts
from api.cursors import link_next, read_cursor, write_cursor
from api.schemas import Id, Moment, Out, PageQuery
from campaigns.domain.message import Status
from campaigns.domain.users.scopes import Scope
from campaigns.management.listings.recipients import Group, ListedRecipient, RecipientFilter, page_recipients

blueprint = APIBlueprint("messages", __name__)


class Message(Out):
    """A message. `person`: the phone, or the user id of WhatsApp; `null` if the person was erased.

    `values`: the values of this person. `meaning`: what the error code means; empty without an error.
    """

    id: Id
    person: str | None
    values: list[str]
    status: Status
    error_code: int | None
    error_title: str | None
    meaning: str
    attempts: int
    account: str | None
    sent_at: Moment | None
    delivered_at: Moment | None
    read_at: Moment | None
    failed_at: Moment | None
    replied_at: Moment | None


class MessagePage(Out):
    items: list[Message]
    next: str | None


class MessageQuery(PageQuery):
    group: Group = Field(Group.LIST, description="Only messages in this line of the progress.")
    code: int | None = Field(None, ge=-(2**31), le=2**31 - 1, description="Only messages with this error code.")


@blueprint.get("/campaigns/<id:campaign_id>/messages")
@demands(Scope.MESSAGES_READ)
@blueprint.input(MessageQuery, location="query")
@blueprint.output(MessagePage)
def list_messages(campaign_id: int, query_data: MessageQuery) -> Any:
    """List the messages of a campaign, in the order of its lists.

    A page may have fewer items than `limit`, or none, although more follow: a search among millions is cut into pages.
    """
    wanted = RecipientFilter(group=query_data.group, code=query_data.code)
    (after,) = read_cursor(query_data.cursor) or (0,)
    page = page_recipients(parts().database, campaign_id, wanted, after=after, limit=query_data.limit).people
    cursor = write_cursor(None if page.next_key is None else [page.next_key])
    return MessagePage(items=[_describe(each) for each in page.rows], next=cursor), 200, link_next(cursor)


def _describe(listed: ListedRecipient) -> Message:
    row = listed.row
    return Message.show(row, person=row.recipient_key, values=row.variables, meaning=listed.meaning)
