"""Campaigns: lists, drafts, changes, and the commands that start and stop them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import Field, StringConstraints

from api.access import demands
from api.context import actor, may, parts
from api.cursors import link_next, read_cursor, write_cursor
from api.once import Answer, carry_out, demand_match, make_etag, read_if_match
from api.problems import ProblemError
from api.schemas import NO_NUL, Id, In, Moment, Notice, Out, PageQuery, Text, Time, warn
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.schedule import read_holidays, read_window, read_zone
from campaigns.domain.statement import Finding
from campaigns.domain.users.rights import Right
from campaigns.domain.users.scopes import Scope
from campaigns.management.campaigns import (
    CLEAR,
    CampaignChanges,
    ChangeResult,
    change_campaign,
    draft_campaign,
    lock_campaign,
)
from campaigns.management.drafts import audiences
from campaigns.management.drafts.copies import copy_campaign
from campaigns.management.drafts.discards import discard_draft
from campaigns.management.files.jobs import lock_idle_jobs
from campaigns.management.listings.pages import CampaignFilter, page_campaigns
from campaigns.management.reports import find_campaign
from campaigns.store.accounts import list_accounts, load_campaign_accounts
from campaigns.store.campaigns import CampaignListing
from campaigns.store.database import Connection, Database
from campaigns.store.recipients import AudienceRow, list_audiences

blueprint = APIBlueprint("campaigns", __name__)

PATH = "/campaigns/<id:campaign_id>"
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]
Weekday = Annotated[int, Field(ge=1, le=7, strict=True)]
Value = Annotated[str, StringConstraints(max_length=5000, pattern=NO_NUL)]
Values = Annotated[dict[Text, Value | None], Field(max_length=100)]
Name = Annotated[Text, Field(min_length=1)]
Conditions = Annotated[Text, Field(min_length=1)]
Names = Annotated[list[Text], Field(min_length=1, max_length=200)]


class Plan(In):
    """The settings of a campaign. `null` removes a setting."""

    accounts: Names = Field([], description="Names or ids of the accounts that send.")
    parameters: Values = Field(
        {},
        description="By parameter of the template, the value for all recipients. `null`: each row of the list has its"
        " own value. An empty text removes an optional value.",
    )
    scheduled_at: Time | None = None
    start_within_seconds: Seconds | None = None
    expire_at: Time | None = None
    interval_seconds: Seconds | None = None
    pause_after: Count | None = Field(None, description="A pause after this number of messages.")
    pause_seconds: Seconds | None = None
    window: Text | None = Field(None, description="The hours in which it sends, such as 09:00-18:00.")
    weekdays: Annotated[list[Weekday], Field(min_length=1, max_length=7)] | None = Field(
        None, description="The days on which it sends; 1 is Monday."
    )
    uses_recipient_zones: Annotated[bool, Field(strict=True)] | None = None
    holidays: Text | None = Field(None, description="The public holidays on which it sends nothing, such as BR-SP.")
    max_per_person: Count | None = None
    within_days: Annotated[int, Field(ge=1, le=366, strict=True)] | None = None

    def read_changes(self) -> CampaignChanges:
        """Return the members that the program has sent as changes. Raises Refusal."""
        given: dict[str, Any] = {}
        for name in self.model_fields_set - {"audience"}:
            value = getattr(self, name)
            field, read = _FIELDS.get(name, (name, lambda each: each))
            given[field] = CLEAR if value is None else read(value)
        return CampaignChanges(**given)


class Uncertain(In):
    at_most: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] = Field(
        description="The largest number of people who are taken although their message is uncertain. With more, the"
        " request is refused."
    )


class AudienceRequest(In):
    """People of an earlier campaign of whom the evidence says what the conditions ask for."""

    campaign: Id = Field(description="The earlier campaign, which has started.")
    who: Conditions = Field(description="Such as `delivered before 2 days, no reply`.")
    uncertain: Uncertain | None = Field(
        None, description="Without it, the request is refused if the message of one of these people is uncertain."
    )


class Draft(Plan):
    name: Name
    template: Name = Field(description="Such as promo:pt_BR.")
    time_zone: Name = Field(
        default_factory=str, description="Such as America/Sao_Paulo; without it, the zone of the installation."
    )
    audience: AudienceRequest | None = Field(None, description="Without it, the draft has no recipients yet.")
    standing: Annotated[
        bool,
        Field(
            strict=True,
            description="Make a standing campaign: it has no list, and takes single messages until it is cancelled.",
        ),
    ] = False


class Change(Plan):
    """Members that are not sent stay as they are."""

    name: Name = Field(default_factory=str)
    template: Name = Field(default_factory=str, description="Such as promo:pt_BR.")
    time_zone: Name = Field(default_factory=str, description="Such as America/Sao_Paulo.")


# Members that `CampaignChanges` has under another name, or in another form.
_FIELDS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "parameters": ("parameters", lambda values: {name: CLEAR if each == "" else each for name, each in values.items()}),
    "scheduled_at": ("schedule", dt.datetime.isoformat),
    "expire_at": ("expire", dt.datetime.isoformat),
    "window": ("window", read_window),
    "weekdays": ("weekdays", lambda days: sorted(set(days))),
    "holidays": ("holidays", read_holidays),
    "time_zone": ("time_zone", read_zone),
    "standing": ("is_standing", bool),
}


class Audience(Out):
    """The earlier campaign whose people a campaign has. The numbers are those of the time at which they were taken."""

    campaign: Id
    who: str
    recipient_count: int
    uncertain_count: int
    made_at: Moment


class AudienceCount(Out):
    """How many people of a campaign fit conditions now. `uncertain_count` and `suppressed_count`: parts of `count`."""

    count: int
    uncertain_count: int
    suppressed_count: int


class AudienceQuery(In):
    who: Conditions = Field(description="Such as `delivered before 2 days, no reply`.")


class Campaign(Out):
    """A campaign with its settings. Its numbers are in its progress."""

    id: Id
    name: str
    status: CampaignStatus
    standing: bool
    template: str
    accounts: list[str]
    parameters: dict[str, str | None]
    columns: list[str]
    scheduled_at: Moment | None
    start_within_seconds: float | None
    expire_at: Moment | None
    interval_seconds: float
    pause_after: int | None
    pause_seconds: float | None
    window: str | None
    weekdays: list[int]
    time_zone: str
    uses_recipient_zones: bool
    holidays: str | None
    max_per_person: int | None
    within_days: int | None
    recipient_count: int
    audience: Audience | None
    created_at: Moment
    started_at: Moment | None
    completed_at: Moment | None
    cancelled_at: Moment | None


class ChangedCampaign(Campaign):
    """`first_message_at`: when the first or next message may leave; `null` if this is not known, or nothing leaves."""

    warnings: list[Notice]
    first_message_at: Moment | None


class Copy(In):
    name: Name = Field(description="The name of the new draft.")


class CampaignPage(Out):
    items: list[Campaign]
    next: str | None


class CampaignQuery(PageQuery):
    status: CampaignStatus | None = None
    text: Text = Field("", description="A part of the name.")
    account: Text | None = Field(None, description="The name or the id of an account.")
    made_by: Text | None = Field(None, description="The name of the user who made the campaign.")


@blueprint.get("/campaigns")
@demands(Scope.CAMPAIGNS_READ)
@blueprint.input(CampaignQuery, location="query")
@blueprint.output(CampaignPage)
def list_campaigns(query_data: CampaignQuery) -> Any:
    """List the campaigns, the newest first."""
    wanted = CampaignFilter(
        statuses=[query_data.status] if query_data.status else (),
        text=query_data.text,
        account=query_data.account,
        made_by=query_data.made_by,
    )
    after = read_cursor(query_data.cursor, has_time=True)
    page = page_campaigns(parts().database, wanted, after=after, limit=query_data.limit)
    cursor = write_cursor(page.next_key)
    items = parts().database.run(show_campaigns, page.rows)
    return CampaignPage(items=items, next=cursor), 200, link_next(cursor)


@blueprint.post("/campaigns")
@demands(Scope.CAMPAIGNS_WRITE)
@blueprint.input(Draft)
@blueprint.output(ChangedCampaign, 201)
def create_campaign(json_data: Draft) -> Response:
    """Make a draft without recipients, or with people of an earlier campaign. Before its start it sends nothing."""
    changes, settings, wanted = json_data.read_changes(), parts().settings, json_data.audience

    def change(database: Database) -> Answer:
        if wanted is None:
            made = draft_campaign(
                database, changes, actor=actor(), time_zone=settings.time_zone, quiet_hours=settings.quiet_hours
            )
            return _answer_made(database, made)
        at_most = None if wanted.uncertain is None else wanted.uncertain.at_most
        audience = audiences.Audience(int(wanted.campaign), wanted.who, at_most)
        made = audiences.create_from_audience(
            database,
            changes,
            audience,
            actor=actor(),
            time_zone=settings.time_zone,
            quiet_hours=settings.quiet_hours,
            secret_key=settings.secret_key,
        )
        return _answer_made(database, made)

    return carry_out(change)


@blueprint.get(PATH)
@demands(Scope.CAMPAIGNS_READ)
@blueprint.output(Campaign)
def read_campaign(campaign_id: int) -> Any:
    """Read a campaign. The header ETag is its version, which a change sends as If-Match."""
    found = parts().database.run(show_campaign, campaign_id)
    return found, 200, {"ETag": make_etag(found)}


@blueprint.get(f"{PATH}/audience")
@demands(Scope.CAMPAIGNS_READ)
@blueprint.input(AudienceQuery, location="query")
@blueprint.output(AudienceCount)
def count_audience(campaign_id: int, query_data: AudienceQuery) -> Any:
    """Count the people of a campaign who fit conditions now. This reads all messages of the campaign."""
    return AudienceCount.show(audiences.count_audience(parts().database, campaign_id, query_data.who))


@blueprint.post(f"{PATH}:copy")
@demands(Scope.CAMPAIGNS_WRITE)
@blueprint.input(Copy)
@blueprint.output(ChangedCampaign, 201)
def copy_campaign_(campaign_id: int, json_data: Copy) -> Response:
    """Make a draft with the settings of a campaign in any status, without its recipients, schedule and expiry."""
    quiet_hours = parts().settings.quiet_hours

    def change(database: Database) -> Answer:
        result = copy_campaign(database, campaign_id, actor=actor(), name=json_data.name, quiet_hours=quiet_hours)
        return _answer_made(database, result)

    return carry_out(change)


@blueprint.patch(PATH)
@demands(Scope.CAMPAIGNS_WRITE)
@blueprint.input(Change)
@blueprint.output(ChangedCampaign)
def change_campaign_(campaign_id: int, json_data: Change) -> Any:
    """Change a campaign that has not ended. A running campaign uses the change within seconds."""
    changes, if_match, settings = json_data.read_changes(), read_if_match(), parts().settings

    def change(database: Database) -> Answer:
        before = database.run(_lock_and_show, campaign_id)
        demand_match(before, if_match)
        if before.status is not CampaignStatus.DRAFT and not may(Right.CAMPAIGN_CHANGE):
            raise ProblemError("right_missing")
        result = change_campaign(
            database,
            campaign_id,
            changes,
            actor=actor(),
            quiet_hours=settings.quiet_hours,
            approve_above=settings.approve_above,
        )
        after = database.run(show_campaign, campaign_id)
        to_enqueue = [campaign_id] if result.should_enqueue else []
        first_at = None if result.departure is None else result.departure.at
        return Answer(add_warnings(after, result.warnings, first_at), 200, {"ETag": make_etag(after)}, to_enqueue)

    return carry_out(change)


@blueprint.delete(PATH)
@demands(Scope.CAMPAIGNS_WRITE)
@blueprint.output({}, 204)
def discard_campaign(campaign_id: int) -> Response:
    """Delete a draft and its recipients. A draft that was tested, and a campaign that was started, stay."""
    if_match = read_if_match()

    def change(database: Database) -> Answer:
        database.run(lock_idle_jobs, campaign_id)  # the order of the locks is that of `discard_draft`
        demand_match(database.run(_lock_and_show, campaign_id), if_match)
        discard_draft(database, campaign_id, actor=actor())
        return Answer(None, 204)

    return carry_out(change)


def _answer_made(database: Database, result: ChangeResult) -> Answer:
    made = database.run(show_campaign, result.id)
    headers = {"Location": f"{request.script_root}/v1/campaigns/{result.id}", "ETag": make_etag(made)}
    return Answer(add_warnings(made, result.warnings), 201, headers)


def add_warnings(
    campaign: Campaign, findings: Iterable[Finding], first_at: dt.datetime | None = None
) -> ChangedCampaign:
    """Return a campaign with the findings of its change. `first_at`: when the first message may leave."""
    return ChangedCampaign.show(campaign, warnings=warn(findings), first_message_at=first_at)


def _lock_and_show(connection: Connection, campaign_id: int) -> Campaign:
    lock_campaign(connection, campaign_id)
    return show_campaign(connection, campaign_id)


def show_campaign(connection: Connection, campaign_id: int) -> Campaign:
    """Return a campaign as the API shows it. Raises Refusal if there is no such campaign."""
    (campaign,) = show_campaigns(connection, [find_campaign(connection, campaign_id)])
    return campaign


def show_campaigns(connection: Connection, rows: Sequence[CampaignListing]) -> list[Campaign]:
    accounts = load_campaign_accounts(connection, [row.id for row in rows])
    ids = sorted({each for of_campaign in accounts.values() for each in of_campaign})
    names = {each.id: each.name for each in list_accounts(connection, ids)}
    taken = list_audiences(connection, [row.id for row in rows])
    return [_describe(row, sorted(names[each] for each in accounts[row.id]), taken.get(row.id)) for row in rows]


def _describe(row: CampaignListing, accounts: list[str], taken: AudienceRow | None) -> Campaign:
    is_open = row.window_from is None or row.window_to is None
    window = None if is_open else f"{row.window_from:%H:%M}-{row.window_to:%H:%M}"
    template = f"{row.template_name}:{row.language}"
    audience = None if taken is None else Audience.show(taken, campaign=taken.source_id, who=taken.conditions)
    settings = {"accounts": accounts, "template": template, "window": window, "standing": row.is_standing}
    return Campaign.show(row, audience=audience, **settings)
