"""Shows one person: the opt-outs, the messages of all campaigns, and whether the person was erased."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from campaigns.domain.filling import fill
from campaigns.domain.phone.person import is_number
from campaigns.domain.template import TemplateError
from campaigns.management.layouts import Layout, lay_out
from campaigns.management.listings.pages import Page
from campaigns.management.listings.recipients import explain_message
from campaigns.management.template_choice import read_template
from campaigns.privacy.forgotten_people import ForgettingError, find_forgotten
from campaigns.store import campaigns, people, templates
from campaigns.store.campaigns import CampaignListing
from campaigns.store.database import Connection, Database
from campaigns.store.optouts.reviews import has_open_review
from campaigns.store.optouts.suppressions import (
    AnsweredCampaign,
    SuppressionEvent,
    find_answered_campaigns,
    find_suppression_events,
)
from campaigns.store.people import MessageOfPerson


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """A message to a person. `meaning`: what its error code means; "" if it has no error.

    `layout`: the message by the present template; None if the template does not fit the campaign any more.
    """

    row: MessageOfPerson
    campaign: CampaignListing
    meaning: str
    layout: Layout | None


@dataclass(frozen=True, slots=True)
class PersonDetails:
    """A person. `key`: the key of the person's number, or a user id if no number is known.

    `is_forgotten`: the person was erased, and only a hash is left; None if the hashes cannot be compared, and then
    `problem` says why. `opt_outs`: the active opt-outs, one for each source, the newest first. `answered`: by source of
    an opt-out, the campaign whose message it answered, where known. `ended_at`: when the last opt-out was ended; None
    if none was. `has_review`: an answer of the person waits for a decision. `messages`: a page, the newest first.
    `erased_campaigns`: the number of campaigns whose people were erased because the campaigns ended long ago; nobody
    can tell whether this person was one of them.
    """

    key: str
    is_forgotten: bool | None
    problem: ForgettingError | None
    opt_outs: list[SuppressionEvent]
    answered: Mapping[str, AnsweredCampaign]
    ended_at: dt.datetime | None
    has_review: bool
    messages: Page[ShownMessage, int]
    erased_campaigns: int

    @property
    def is_opted_out(self) -> bool:
        return bool(self.is_forgotten or self.opt_outs)

    @property
    def is_known(self) -> bool:
        return bool(self.is_opted_out or self.ended_at or self.has_review or self.messages.rows)


def show_person(
    database: Database, key: str, *, secret_key: str | None, before: int | None = None, limit: int = 20
) -> PersonDetails:
    """Return what is known about the person with this key. `before`: only messages with a smaller id."""

    def load(connection: Connection) -> PersonDetails:
        keys = [key, *people.find_user_ids(connection, [key])] if is_number(key) else [key]
        is_forgotten, problem = _find_forgotten(connection, key, secret_key)
        events = sorted(find_suppression_events(connection, keys), key=_find_time)
        opt_outs = list({each.source: each for each in events if each.is_active}.values())[::-1]
        answered = find_answered_campaigns(connection, opt_outs)
        rows = people.list_messages_of(connection, key, before=before, limit=limit + 1)
        return PersonDetails(
            key,
            is_forgotten,
            problem,
            opt_outs,
            {source: campaign for (_key, source), campaign in answered.items()},
            max((_find_time(each) for each in events if not each.is_active), default=None),
            has_open_review(connection, keys),
            Page(_show_messages(connection, rows[:limit]), rows[limit - 1].id if len(rows) > limit else None),
            people.count_erased_campaigns(connection),
        )

    return database.run(load)


def _find_time(event: SuppressionEvent) -> dt.datetime:
    assert event.at is not None  # a stored event has a time
    return event.at


def _find_forgotten(
    connection: Connection, key: str, secret_key: str | None
) -> tuple[bool | None, ForgettingError | None]:
    try:
        return bool(find_forgotten(connection, [key], secret_key=secret_key)), None
    except ForgettingError as error:
        return None, error


def _show_messages(connection: Connection, rows: list[MessageOfPerson]) -> list[ShownMessage]:
    ids = sorted({row.campaign_id for row in rows})
    listed = {each.id: each for each in campaigns.list_campaigns(connection, ids)} if ids else {}
    stored = {each: templates.load_template(connection, campaigns.find_template_id(connection, each)) for each in ids}
    return [
        ShownMessage(
            row,
            listed[row.campaign_id],
            explain_message(row.status, row.error_code),
            _lay_out(row, listed[row.campaign_id], stored[row.campaign_id]),
        )
        for row in rows
    ]


def _lay_out(row: MessageOfPerson, campaign: CampaignListing, template: templates.TemplateRow) -> Layout | None:
    try:
        filling = fill(read_template(template), campaign.parameters)
    except TemplateError:
        return None
    values: Mapping[str, str] = {**filling.fixed, **dict(zip(campaign.columns, row.variables, strict=False))}
    return lay_out(filling.template, template.components, values)
