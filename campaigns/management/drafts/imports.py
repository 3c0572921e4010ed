"""Adds the people of a file to a draft or a paused campaign, or puts them in the place of all the people of a draft."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from campaigns.domain.campaign import ENDED, CampaignFacts, CampaignStatus
from campaigns.domain.recipients import Choice
from campaigns.domain.statement import Entry, Field, Hint, HintAction, Refusal, Sentence
from campaigns.domain.users.actor import Act, Actor
from campaigns.management.campaigns import CLEAR, CampaignChanges, ChangeResult, change_campaign_in, lock_campaign
from campaigns.management.drafts.import_warnings import find_contradictions, find_import_warnings
from campaigns.management.hours.window import warn_of_other_zone, warn_of_zones
from campaigns.management.recipients import (
    Reading,
    Staged,
    describe_import,
    renew_statistics,
    stage_recipients,
    write_recipients,
)
from campaigns.management.suppressions import record_refusals_in
from campaigns.management.template_choice import Fit, fit_template
from campaigns.privacy.forgotten_people import suppress_forgotten
from campaigns.store import campaigns as store
from campaigns.store.database import Connection, Database
from campaigns.store.recipients import list_imported_files, list_read_columns
from campaigns.store.templates import TemplateRow
from campaigns.store.users.audit import write_audit

# Recipients can be added only in these statuses, because a running campaign may complete while the file is read.
_TAKES_RECIPIENTS = frozenset({CampaignStatus.DRAFT, CampaignStatus.PAUSED})


def add_recipients(
    database: Database,
    campaign_id: int,
    path: Path,
    reading: Reading,
    *,
    actor: Actor,
    secret_key: str | None = None,
) -> ChangeResult:
    """Add the people of a file to a draft or a paused campaign. Raises Refusal; OSError if the file cannot be read."""
    result = database.run(add_recipients_in, campaign_id, path, reading, actor, secret_key=secret_key)
    renew_statistics(database)
    return result


class _TriedError(Exception):
    """Rolls an import back that was only a trial. `added_count`: the number of people whom it added."""

    def __init__(self, added_count: int) -> None:
        super().__init__()
        self.added_count = added_count


def count_new_people(
    database: Database,
    campaign_id: int,
    path: Path,
    reading: Reading,
    *,
    actor: Actor,
    secret_key: str | None = None,
) -> int:
    """Return how many people `add_recipients` would add. Reads the file, and changes nothing. Raises as that does."""

    def work(connection: Connection) -> int:
        result = add_recipients_in(connection, campaign_id, path, reading, actor, secret_key=secret_key)
        assert result.imported is not None
        raise _TriedError(result.imported.counts.recipient_count)

    try:
        return database.run(work)
    except _TriedError as tried:
        return tried.added_count


def replace_recipients(
    database: Database,
    campaign_id: int,
    path: Path,
    reading: Reading,
    *,
    actor: Actor,
    parameters: Mapping[str, str | None] = MappingProxyType({}),
    secret_key: str | None = None,
) -> ChangeResult:
    """Put the people of a file in the place of all the people of a draft.

    `parameters`: by name of a template parameter, a changed value for all recipients; None: the value comes from each
    row; "": an optional parameter has no value. They change with the people, because other rows may need them.

    If an error is raised, the draft keeps its people and its values. Raises Refusal; OSError if the file cannot be
    read.
    """
    result = database.run(
        replace_recipients_in, campaign_id, path, reading, actor, parameters=parameters, secret_key=secret_key
    )
    renew_statistics(database)
    return result


def add_recipients_in(
    connection: Connection, campaign_id: int, path: Path, reading: Reading, actor: Actor, *, secret_key: str | None
) -> ChangeResult:
    """Do the work of `add_recipients` in a transaction of the caller, who renews the statistics after it."""
    # The file is read before the campaign is locked. The lock holds up a resume, the end of a slice, and webhooks that
    # release a message of the campaign, and with them those of other campaigns. The rollback of the savepoint ends the
    # lock of the first look.
    with connection.transaction(force_rollback=True):
        campaign = lock_campaign(connection, campaign_id)
    fit, choice = _prepare_import(connection, campaign, reading)
    staged = stage_recipients(connection, path, filling=fit.filling, reading=replace(reading, choice=choice))
    campaign = lock_campaign(connection, campaign_id)
    fit, present_choice = _prepare_import(connection, campaign, reading)
    if (fit.filling, present_choice) != (staged.filling, choice):
        raise campaign.facts.conflict(
            "changed_while_read",
            "Campaign {id} ({name}) was changed while the file was read: its template, its values or its files are"
            " different now. Nothing was imported: import the file again.",
        )
    result, after = _write_import(connection, campaign, staged, fit.row, path, actor=actor, secret_key=secret_key)
    write_audit(connection, actor, Act.CAMPAIGN_IMPORT, campaign_id, after=after)
    return result


def _prepare_import(connection: Connection, campaign: store.LockedCampaign, reading: Reading) -> tuple[Fit, Choice]:
    """Return the template by which people are added to a campaign, and the choice of the columns.

    Raises Refusal if the campaign takes no people now.
    """
    facts = campaign.facts
    if facts.status in ENDED:
        raise facts.conflict(
            "cannot_import",
            "Campaign {id} ({name}) is {status}: it takes no more recipients. {create} makes a new campaign.",
            create=Hint(HintAction.CREATE_CAMPAIGN),
        )
    demand_list(facts)
    if facts.status not in _TAKES_RECIPIENTS:
        raise facts.conflict(
            "import_while_active",
            "Campaign {id} ({name}) is {status}: pause it to add recipients. {pause} pauses it, and {resume} resumes"
            " it after the import.",
            pause=Hint(HintAction.PAUSE_CAMPAIGN, campaign.id),
            resume=Hint(HintAction.RESUME_CAMPAIGN, campaign.id),
        )
    choice = replace(reading.choice, may_set_values=False)  # the values for all recipients stay as they are
    if campaign.recipient_count:
        earlier = list_read_columns(connection, campaign.id)
        choice = replace(choice, may_go_by_order=False, earlier=earlier)
    return fit_template(connection, campaign), choice


def replace_recipients_in(
    connection: Connection,
    campaign_id: int,
    path: Path,
    reading: Reading,
    actor: Actor,
    *,
    parameters: Mapping[str, str | None] = MappingProxyType({}),
    secret_key: str | None,
) -> ChangeResult:
    """Do the work of `replace_recipients` in a transaction of the caller, who renews the statistics after it."""
    before = lock_campaign(connection, campaign_id)
    if before.facts.status is not CampaignStatus.DRAFT:
        raise _refuse_replacement(before.facts)
    demand_list(before.facts)
    store.replace_recipients(connection, campaign_id)
    if parameters:
        changes = CampaignChanges(parameters={key: CLEAR if text == "" else text for key, text in parameters.items()})
        change_campaign_in(connection, campaign_id, changes, actor, quiet_hours=None, approve_above=0)
    campaign = lock_campaign(connection, campaign_id)
    fit = fit_template(connection, campaign)
    reading = replace(reading, choice=replace(reading.choice, may_set_values=False))
    staged = stage_recipients(connection, path, filling=fit.filling, reading=reading)
    result, after = _write_import(connection, campaign, staged, fit.row, path, actor=actor, secret_key=secret_key)
    counted = {"recipient_count": before.recipient_count}
    write_audit(connection, actor, Act.CAMPAIGN_REPLACE, campaign_id, before=counted, after=after)
    kept_count = store.count_kept_people(connection, campaign_id) if before.recipient_count else 0
    return replace(result, people_before=0, replaced_count=before.recipient_count, kept_count=kept_count)


def demand_list(facts: CampaignFacts) -> None:
    """Raise Refusal if a campaign takes no list."""
    if facts.is_standing:
        raise facts.conflict(
            "import_into_standing",
            "Campaign {id} ({name}) is a standing campaign: programs post its messages, and it takes no list. {create}"
            " makes a campaign with a list.",
            create=Hint(HintAction.CREATE_CAMPAIGN),
        )


def _refuse_replacement(facts: CampaignFacts) -> Refusal:
    """Return a refusal to replace the people of a campaign that is no draft, with the way to the right people."""
    text = "Campaign {id} ({name}) is {status}: only the recipients of a draft can be replaced. {instead}"
    create = Hint(
        HintAction.CREATE_CAMPAIGN, entry=Entry(Field.MAX_PER_PERSON, "1"), also=(Entry(Field.WITHIN_DAYS, "7"),)
    )
    cancel = Hint(HintAction.CANCEL_CAMPAIGN, facts.id)
    if facts.status in ENDED:
        instead = Sentence(
            "Make a new campaign from the right file, which skips the people who have got a message: {create}.",
            create=create,
        )
    elif facts.status is CampaignStatus.PAUSED:
        instead = Sentence(
            "If the people are wrong, {cancel} ends it for ever. Then make a new campaign from the right file,"
            " which skips the people who have got a message: {create}.",
            cancel=cancel,
            create=create,
        )
    else:
        instead = Sentence(
            "If the people are wrong, {pause} stops it at once, and {cancel} ends it for ever. Then make a new campaign"
            " from the right file, which skips the people who have got a message: {create}.",
            pause=Hint(HintAction.PAUSE_CAMPAIGN, facts.id),
            cancel=cancel,
            create=create,
        )
    return facts.conflict("replace_after_start", text, instead=instead)


def _write_import(
    connection: Connection,
    campaign: store.LockedCampaign,
    staged: Staged,
    template: TemplateRow,
    path: Path,
    *,
    actor: Actor,
    secret_key: str | None,
) -> tuple[ChangeResult, dict[str, object]]:
    imported = write_recipients(connection, campaign.id, staged, components=template.components)
    suppress_forgotten(connection, campaign.id, secret_key=secret_key)
    recorded_count = record_refusals_in(connection, campaign.id, imported.recorded, actor, secret_key=secret_key)
    status = campaign.facts.status
    warnings = [
        *warn_of_zones(connection, campaign.id, campaign.plan),
        *warn_of_other_zone(connection, campaign.id, campaign.plan),
    ]
    files = list_imported_files(connection, campaign.id)
    result = ChangeResult(
        campaign.id,
        campaign.name,
        status,
        imported=imported,
        import_warnings=[
            *find_import_warnings(campaign.id, status, imported.facts, file=str(path)),
            *find_contradictions(campaign.id, status, [files[0], files[-1]]),
        ],
        blocked_count=store.count_pending(connection, campaign.id)[1],
        warnings=warnings,
        people_before=campaign.recipient_count,
        recorded_count=recorded_count,
    )
    return result, describe_import(path, imported)
