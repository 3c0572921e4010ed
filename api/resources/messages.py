"""Messages: those of a campaign, and single messages that programs post."""

from __future__ import annotations

from typing import Annotated, Any, Self

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import Field, StringConstraints, model_validator

from api.access import demands, posts_messages
from api.context import actor, parts
from api.cursors import link_next, read_cursor, write_cursor
from api.once import Answer, carry_out
from api.resources.campaigns import Name, Value
from api.schemas import NO_NUL, Id, In, Moment, Out, PageQuery, Text
from campaigns.domain.message import Status
from campaigns.domain.users.scopes import Scope
from campaigns.management.listings.recipients import Group, ListedRecipient, RecipientFilter, page_recipients
from campaigns.management.standing.posts import (
    Destination,
    Post,
    ShownMessage,
    find_message,
    find_posted,
    post_message,
)
from campaigns.store.database import Database

blueprint = APIBlueprint("messages", __name__)

Key = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=NO_NUL)]


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


class SingleTemplate(In):
    name: Name
    language: Name = Field(description="Such as pt_BR.")


class SingleMessage(In):
    """A message to one person. It names a standing campaign, or an account and a template."""

    key: Key = Field(
        description="Your own name of the message, such as order-4711-paid. One key is one message for ever."
    )
    person: Text = Field(description="The phone, such as +5511999990000.")
    values: Annotated[dict[Text, Value], Field(max_length=100)] = Field({}, description="By variable, the value.")
    campaign: Id | None = Field(None, description="The id of a standing campaign.")
    account: Name | None = Field(None, description="The name or the id of the account that sends.")
    template: SingleTemplate | None = None

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if (self.campaign is None) == (self.account is None) or (self.account is None) != (self.template is None):
            raise ValueError("give either campaign, or both account and template")
        return self


class PostedMessage(Out):
    """A message that is committed: it will be sent, or its status says why not."""

    id: Id
    campaign_id: Id
    status: Status


class FoundMessage(Message):
    campaign_id: Id


class KeyQuery(In):
    key: Key
    campaign: Id | None = Field(None, description="The id of a standing campaign.")
    account: Name | None = Field(None, description="The name or the id of the account.")
    template: Name | None = Field(None, description="Such as order_paid:pt_BR.")


@blueprint.post("/messages")
@demands(Scope.CAMPAIGNS_SEND)
@posts_messages
@blueprint.input(SingleMessage)
@blueprint.output(PostedMessage, 202)
def post_message_(json_data: SingleMessage) -> Response:
    """Send one message to one person, once for each key.

    The answer comes after the message is committed. A request with a key that is in use answers with the message of
    this key, and sends nothing.
    """
    template = "" if json_data.template is None else f"{json_data.template.name}:{json_data.template.language}"
    destination = _read_destination(json_data.campaign, json_data.account, template)
    post = Post(destination, json_data.key, json_data.person, json_data.values)

    def change(database: Database) -> Answer:
        posted = post_message(database, post, actor=actor(), settings=parts().settings)
        headers = {"Location": f"{request.script_root}/v1/messages/{posted.id}"}
        if posted.is_replay:
            headers["Idempotency-Replayed"] = "true"
        return Answer(PostedMessage.show(posted), 202, headers, [posted.campaign_id] if posted.should_enqueue else [])

    return carry_out(change)


@blueprint.get("/messages/<id:message_id>")
@demands(Scope.MESSAGES_READ)
@blueprint.output(FoundMessage)
def read_message(message_id: int) -> FoundMessage:
    """Read a message by its id."""
    return _show_one(find_message(parts().database, message_id))


@blueprint.get("/messages")
@demands(Scope.MESSAGES_READ)
@blueprint.input(KeyQuery, location="query")
@blueprint.output(FoundMessage)
def find_message_(query_data: KeyQuery) -> FoundMessage:
    """Read the message that was posted with a key, to a standing campaign, or by an account with a template."""
    destination = _read_destination(query_data.campaign, query_data.account, query_data.template or "")
    return _show_one(find_posted(parts().database, destination, query_data.key))


def _read_destination(campaign: str | None, account: str | None, template: str) -> Destination:
    if campaign is not None:
        return Destination(campaign_id=int(campaign))
    return Destination(account=account or "", template=template)


def _show_one(found: ShownMessage) -> FoundMessage:
    row = found.row
    return FoundMessage.show(row, person=row.recipient_key, values=row.variables, meaning=found.meaning)
