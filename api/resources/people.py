"""One person: opt-outs, and the messages of all campaigns.

The phone stands in the body of the request, because logs of proxies keep addresses.
"""

from __future__ import annotations

from apiflask import APIBlueprint
from pydantic import Field

from api.access import demands
from api.context import parts
from api.cursors import read_cursor, write_cursor
from api.schemas import MAX_LIMIT, Id, In, Moment, Out, Text
from campaigns.domain.message import Status
from campaigns.domain.optout.recognition import Source
from campaigns.domain.phone.person import invalid_phone, is_number, recipient_key
from campaigns.domain.users.scopes import Scope
from campaigns.management.listings.people import ShownMessage, show_person

blueprint = APIBlueprint("people", __name__)


class Wanted(In):
    phone: Text = Field(description="A phone such as +5511999990000.")
    limit: int = Field(20, ge=1, le=MAX_LIMIT, description="The largest number of messages on the page.")
    cursor: str | None = Field(None, max_length=1000, description="`next` of the page before.")


class OptOut(Out):
    """`detail`: the words of the person, or the given reason. `campaign_id`: the answered campaign, if it is known."""

    source: Source
    at: Moment
    detail: str | None
    campaign_id: Id | None


class MessageToPerson(Out):
    """`meaning`: what the error code means; empty without an error."""

    id: Id
    campaign_id: Id
    campaign_name: str
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


class Person(Out):
    """`is_forgotten`: the person was erased, and only a hash is left; `null` if this cannot be told.

    `has_review`: an answer of the person waits for a decision, and until then the person gets no marketing. `ended_at`:
    when the last opt-out was ended. `items`: the messages, the newest first.
    """

    person: str
    is_known: bool
    is_forgotten: bool | None
    is_opted_out: bool
    has_review: bool
    opt_outs: list[OptOut]
    ended_at: Moment | None
    items: list[MessageToPerson]
    next: str | None


@blueprint.post("/people:find")
@demands(Scope.MESSAGES_READ)
@blueprint.input(Wanted)
@blueprint.output(Person)
def find_person(json_data: Wanted) -> Person:
    """Read where a person stands: opt-outs, and the messages of all campaigns that keep their lists.

    This changes nothing. Its answer is not kept, also with an Idempotency-Key, because it has data of a person.
    """
    if not (json_data.phone.startswith("+") and is_number(json_data.phone)):
        raise invalid_phone(json_data.phone)
    (before,) = read_cursor(json_data.cursor) or (None,)
    found = show_person(
        parts().database,
        recipient_key(json_data.phone),
        secret_key=parts().settings.secret_key,
        before=before,
        limit=json_data.limit,
    )
    answered = {source: each.id for source, each in found.answered.items()}
    return Person.show(
        found,
        person=found.key,
        opt_outs=[OptOut.show(each, campaign_id=answered.get(each.source)) for each in found.opt_outs],
        items=[_describe(each) for each in found.messages.rows],
        next=write_cursor(None if found.messages.next_key is None else [found.messages.next_key]),
    )


def _describe(shown: ShownMessage) -> MessageToPerson:
    return MessageToPerson.show(shown.row, campaign_name=shown.campaign.name, meaning=shown.meaning)
