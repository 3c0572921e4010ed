"""Gives a draft people of an earlier campaign, chosen by what became of their messages: docs/decisions/0114."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from campaigns.domain.audience.conditions import Who, read_who
from campaigns.domain.campaign import CampaignFacts, CampaignStatus
from campaigns.domain.filling import Filling, Parameter, fill
from campaigns.domain.message import Status
from campaigns.domain.statement import Count, Entry, Field, Finding, Hint, HintAction, Kind, Refusal, Severity
from campaigns.domain.template import TemplateError
from campaigns.domain.users.actor import Act, Actor
from campaigns.management.campaigns import CampaignChanges, ChangeResult, lock_campaign, make_draft_in
from campaigns.management.drafts.imports import demand_list
from campaigns.management.hours.nights import look_for_nights
from campaigns.management.hours.quiet_hours import QuietHours
from campaigns.management.hours.window import warn_of_other_zone, warn_of_zones
from campaigns.management.recipients import renew_statistics
from campaigns.management.template_choice import fit_template, read_template, warn_of_language
from campaigns.privacy.forgotten_people import suppress_forgotten
from campaigns.store import campaigns as store
from campaigns.store import recipients, templates
from campaigns.store.database import Connection, Database, read_clock
from campaigns.store.recipients import AudienceCount
from campaigns.store.users.audit import write_audit


@dataclass(frozen=True, slots=True)
class Audience:
    """People of the campaign `source_id`. `who`: the conditions that each of them fits, as `read_who` reads them.

    `uncertain_at_most`: the number of people to whom a person has agreed although their message of the campaign is
    uncertain, so that they may have got it; None: nobody was asked.
    """

    source_id: int
    who: str
    uncertain_at_most: int | None = None


def count_audience(database: Database, source_id: int, who: str) -> AudienceCount:
    """Count the people who are in an audience now. Reads all messages of the campaign. Raises Refusal."""

    def count(connection: Connection) -> AudienceCount:
        conditions = read_who(who)
        _look_at_source(connection, source_id)
        return recipients.count_audience(connection, source_id, conditions, now=read_clock(connection))

    return database.run(count)


def create_from_audience(
    database: Database,
    changes: CampaignChanges,
    audience: Audience,
    *,
    actor: Actor,
    time_zone: str,
    quiet_hours: QuietHours | None = None,
    secret_key: str | None = None,
) -> ChangeResult:
    """Make a draft with people of an earlier campaign. The other arguments are those of `create_campaign`.

    The people and their values stay as they are now; `fill_draft_in` says more. If an error is raised, no draft is
    made. Raises Refusal.
    """

    def create(connection: Connection) -> ChangeResult:
        draft = make_draft_in(connection, changes, actor, time_zone=time_zone, quiet_hours=quiet_hours)
        filled = fill_draft_in(connection, draft.id, audience, actor, secret_key=secret_key)
        nights = look_for_nights(connection, [draft.id], quiet=quiet_hours) if changes.schedule is not None else []
        warnings = [*draft.warnings, *filled.warnings]
        return replace(
            draft,
            warnings=warnings,
            nights=nights,
            copied_count=filled.copied_count,
            blocked_count=filled.blocked_count,
        )

    result = database.run(create)
    renew_statistics(database)
    return result


def fill_draft(
    database: Database, campaign_id: int, audience: Audience, *, actor: Actor, secret_key: str | None = None
) -> ChangeResult:
    """Put people of an earlier campaign in the place of all the people of a draft. Raises Refusal."""
    result = database.run(fill_draft_in, campaign_id, audience, actor, secret_key=secret_key)
    renew_statistics(database)
    return result


def fill_draft_in(
    connection: Connection, campaign_id: int, audience: Audience, actor: Actor, *, secret_key: str | None
) -> ChangeResult:
    """Do the work of `fill_draft` in a transaction of the caller, who renews the statistics after it.

    Each message takes the values of the earlier message that have the names that the template of the draft needs.
    Erased people are left out.
    """
    who = read_who(audience.who)
    if audience.source_id == campaign_id:
        raise Refusal("audience_of_itself", "A campaign cannot take its own people: choose another campaign.")
    source = _look_at_source(connection, audience.source_id)
    draft = lock_campaign(connection, campaign_id)
    if draft.facts.status is not CampaignStatus.DRAFT:
        raise draft.facts.conflict(
            "audience_after_start",
            "Campaign {id} ({name}) is {status}: only a draft can take people of an earlier campaign.",
        )
    demand_list(draft.facts)
    if draft.recipient_count:
        store.delete_recipients(connection, campaign_id)
    filling = fit_template(connection, replace(draft, recipient_count=0)).filling
    values = _carry_over(connection, source, filling)
    now = read_clock(connection)
    who = _take_uncertain(source.facts, who, recipients.count_audience(connection, source.id, who, now=now), audience)
    copied = recipients.copy_audience(
        connection,
        campaign_id,
        source.id,
        who,
        now=now,
        template_id=source.template_id,
        columns=source.columns,
        values=values,
    )
    if copied is None:
        raise source.facts.conflict(
            "audience_while_changed",
            "Campaign {id} ({name}) got another template while its people were taken, so nobody was taken: try again.",
        )
    count, uncertain_count = copied
    if uncertain_count > (audience.uncertain_at_most or 0):  # more than a moment ago
        raise _refuse_uncertain(source.facts, who, uncertain_count)
    suppress_forgotten(connection, campaign_id, secret_key=secret_key)
    before = {"recipient_count": draft.recipient_count} if draft.recipient_count else None
    after = {"source_id": source.id, "who": who.text, "recipient_count": count, "uncertain_count": uncertain_count}
    act = Act.CAMPAIGN_REPLACE if draft.recipient_count else Act.CAMPAIGN_IMPORT
    write_audit(connection, actor, act, campaign_id, before=before, after=after)
    return ChangeResult(
        campaign_id,
        draft.name,
        CampaignStatus.DRAFT,
        warnings=[
            *warn_of_numbers(connection, campaign_id, template_name=filling.template.name, columns=filling.names),
            *warn_of_zones(connection, campaign_id, draft.plan),
            *warn_of_other_zone(connection, campaign_id, draft.plan),
            *warn_of_language(connection, campaign_id, templates.load_template(connection, draft.template_id)),
        ],
        copied_count=count,
        replaced_count=draft.recipient_count,
        blocked_count=store.count_pending(connection, campaign_id)[1],
    )


def _look_at_source(connection: Connection, source_id: int) -> store.LockedCampaign:
    """Return the earlier campaign, without a lock on it: settlements need the lock. Raises Refusal."""
    with connection.transaction(force_rollback=True):
        source = lock_campaign(connection, source_id)
    if source.started_at is None:
        raise source.facts.conflict(
            "audience_source_unsent",
            "Campaign {id} ({name}) is {status} and has sent nothing, so nothing is known about its people: choose a"
            " campaign that has started.",
        )
    return source


def _take_uncertain(facts: CampaignFacts, who: Who, found: AudienceCount, audience: Audience) -> Who:
    """Return the conditions with the people whose message is uncertain, or without them if there are none now.

    Raises Refusal if nobody fits the conditions, or if more are uncertain than a person has agreed to.
    """
    if not found.count:
        raise Refusal(
            "audience_empty",
            "Nobody in campaign {id} ({name}) fits now: {who}. People whose message still waits, or was cancelled,"
            " expired or suppressed, fit no condition.",
            kind=Kind.CONFLICT,
            id=facts.id,
            name=facts.name,
            who=who.text,
        )
    if found.uncertain_count > (audience.uncertain_at_most or 0):
        raise _refuse_uncertain(facts, who, found.uncertain_count)
    return who if found.uncertain_count else replace(who, statuses=who.statuses - {Status.UNCERTAIN})


def _refuse_uncertain(facts: CampaignFacts, who: Who, count: int) -> Refusal:
    is_wanted = who.statuses == {Status.UNCERTAIN}
    return Refusal(
        "audience_uncertain",
        "{people} of campaign {id} ({name}) may have got its message or not: it is uncertain. {agree} takes them."
        if is_wanted
        else "{people} of campaign {id} ({name}) may have got its message or not: it is uncertain. {without} leaves"
        " them out, and {agree} takes them.",
        kind=Kind.CONFLICT,
        people=Count(count, "recipient"),
        count=count,
        id=facts.id,
        name=facts.name,
        without=Entry(Field.WHO, f"{who.text}, not uncertain"),
        agree=Entry(Field.UNCERTAIN, str(count)),
    )


def _carry_over(connection: Connection, source: store.LockedCampaign, filling: Filling) -> Sequence[int | str] | None:
    """Return where each value of the draft's messages comes from, as `copy_audience` takes it.

    Raises Refusal if the earlier messages lack a value, or if the ends of links that they have do not fit.
    """
    if not filling.columns:
        return []
    old = _list_parameters(connection, source)
    values: list[int | str] = []
    missing: list[str] = []
    for parameter in filling.columns:
        name, fixed = parameter.name, source.parameters.get(parameter.name)
        earlier = old.get(name)
        if earlier is not None and earlier.kind is not parameter.kind:
            missing.append(name)
        elif earlier is not None and earlier.prefix != parameter.prefix:
            raise source.facts.conflict(
                "audience_links_differ",
                "The people of campaign {id} ({name}) have the ends of links that begin with {old}, but {button} of the"
                " template {template} begins with {new}: choose another template.",
                old=earlier.prefix,
                new=parameter.prefix,
                button=name,
                template=str(filling.template),
            )
        elif name in source.columns:
            values.append(source.columns.index(name) + 1)
        elif fixed is not None:
            values.append(fixed)
        else:
            missing.append(name)
    if missing:
        raise Refusal(
            "audience_values_missing",
            "The people of campaign {id} ({name}) have no value for {missing} of the template {template}: give a value"
            " for all recipients ({values}), or choose another template.",
            kind=Kind.CONFLICT,
            id=source.id,
            name=source.name,
            missing=missing,
            template=str(filling.template),
            values=[Entry(Field.VALUE, name) for name in missing],
        )
    return None if values == list(range(1, len(source.columns) + 1)) else values


def warn_of_numbers(
    connection: Connection, campaign_id: int, *, template_name: str, columns: Sequence[str]
) -> list[Finding]:
    """Return a warning if variables that are named by numbers kept their values from another template.

    The variable 1 of one template may mean something else than the variable 1 of another template. `template_name` and
    `columns`: those of the campaign whose people came from an earlier campaign.
    """
    numbers = [name for name in columns if name.isdecimal()]
    audience = recipients.list_audiences(connection, [campaign_id]).get(campaign_id)
    if not numbers or audience is None:
        return []
    (source,) = store.list_campaigns(connection, [audience.source_id])
    if source.template_name == template_name:
        return []
    finding = Finding(
        "audience_values_by_number",
        Severity.WARNING,
        "The template of campaign {campaign_id} is another one than that of campaign {source_id} ({name}), and both"
        " call their values by numbers, which may mean something else in each: {numbers}.",
        "Look at the first messages: {preview}.",
        campaign_id=campaign_id,
        source_id=source.id,
        name=source.name,
        numbers=numbers,
        preview=Hint(HintAction.PREVIEW_CAMPAIGN, campaign_id),
    )
    return [finding]


def _list_parameters(connection: Connection, source: store.LockedCampaign) -> dict[str, Parameter]:
    """Return the parameters of the earlier campaign by name; {} if its template cannot be read any more."""
    try:
        template = read_template(templates.load_template(connection, source.template_id))
        filled = fill(template, dict.fromkeys(source.columns))
    except TemplateError:
        return {}
    return {each.name: each for each in filled.columns}
