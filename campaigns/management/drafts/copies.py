"""Makes a draft from an earlier campaign, with the same plan, and with its people if they are wanted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, replace

from campaigns.domain.campaign import CampaignStatus, check_plan
from campaigns.domain.message import Status
from campaigns.domain.users.actor import Act, Actor
from campaigns.management.campaigns import CampaignChanges, ChangeResult, find_made, give_quiet_hours, lock_campaign
from campaigns.management.hours.quiet_hours import QuietHours
from campaigns.management.recipients import renew_statistics
from campaigns.management.template_choice import fit_template
from campaigns.privacy.forgotten_people import suppress_forgotten
from campaigns.store import campaigns as store
from campaigns.store.accounts import load_campaign_accounts
from campaigns.store.database import Connection, Database
from campaigns.store.recipients import copy_recipients
from campaigns.store.users.audit import write_audit


def copy_campaign(
    database: Database,
    campaign_id: int,
    *,
    actor: Actor,
    name: str,
    statuses: Collection[Status] = (),
    quiet_hours: QuietHours | None = None,
    secret_key: str | None = None,
    draft_key: bytes | None = None,
) -> ChangeResult:
    """Make a draft with the plan and the accounts of a campaign in any status; return the draft.

    The draft has no schedule and no expiry, because these times belong to the other campaign. `statuses`: the draft
    gets the people whose message in the other campaign has one of these statuses, with the same values and in the same
    order; people whose data are erased are left out. The default is a draft without people.

    `quiet_hours`: if the other campaign has no window, and its template is marketing now, the draft gets the window
    outside these hours, on the clock of each person. `secret_key`: the key by which forgotten people are recognised.
    `draft_key`: as for `draft_campaign`. Raises Refusal if there is no such campaign, if the template can no longer be
    sent, if it no longer fits the values of the people, or if the campaign is changed while its people are copied.
    """
    source = read_source(database, campaign_id, statuses)
    draft = database.run(
        copy_from, source, name, statuses, actor, quiet_hours=quiet_hours, secret_key=secret_key, draft_key=draft_key
    )
    if statuses:
        renew_statistics(database)
    return draft


def read_source(database: Database, campaign_id: int, statuses: Collection[Status]) -> store.LockedCampaign:
    """Return a campaign whose people with these statuses will be copied, in a transaction of its own. Raises Refusal.

    Reading the plan locks the campaign. The lock ends before the people are copied, because settlements of a running
    campaign need the lock within seconds, and a million people take longer.
    """
    source = database.run(lock_campaign, campaign_id)
    if statuses and source.facts.status is CampaignStatus.CANCELLED:
        # Its messages are cancelled in many short transactions, which may not have come to the end.
        store.cancel_messages(database, campaign_id)
    return source


def copy_from(
    connection: Connection,
    source: store.LockedCampaign,
    name: str,
    statuses: Collection[Status],
    actor: Actor,
    *,
    quiet_hours: QuietHours | None,
    secret_key: str | None,
    draft_key: bytes | None = None,
) -> ChangeResult:
    """Do the work of `copy_campaign` in this transaction. `source`: the result of `read_source`."""
    if (made := find_made(connection, draft_key)) is not None:
        return made
    account_ids = list(load_campaign_accounts(connection, [source.id])[source.id])
    people_count = source.recipient_count if statuses else 0
    fit = fit_template(connection, replace(source, recipient_count=people_count), account_ids=account_ids)
    plan = replace(
        source.plan,
        name=name,
        template_id=fit.row.id,
        parameters=fit.parameters,
        columns=fit.filling.names,
        scheduled_at=None,
        start_within_seconds=None,
        expire_at=None,
        is_standing=source.is_standing and not statuses,  # with people, the copy has a list
    )
    copy_id = store.insert_campaign(connection, check_plan(plan), account_ids, draft_key=draft_key)
    plan, quiet_hours = give_quiet_hours(connection, copy_id, plan, CampaignChanges(), quiet_hours)
    copied_count = _copy_people(connection, source, copy_id, statuses, secret_key) if statuses else 0
    after = {**asdict(plan), "account_ids": account_ids, "copied_from": source.id, "statuses": sorted(statuses)}
    write_audit(connection, actor, Act.CAMPAIGN_COPY, copy_id, after=after)
    return ChangeResult(
        copy_id,
        name,
        CampaignStatus.DRAFT,
        warnings=fit.warnings,
        quiet_hours=quiet_hours,
        uses_recipient_zones=plan.uses_recipient_zones,
        copied_count=copied_count,
    )


def _copy_people(
    connection: Connection,
    source: store.LockedCampaign,
    copy_id: int,
    statuses: Collection[Status],
    secret_key: str | None,
) -> int:
    count = copy_recipients(
        connection,
        source.id,
        copy_id,
        statuses=statuses,
        template_id=source.template_id,
        columns=source.columns,
    )
    if count is None:
        raise source.facts.conflict(
            "copied_while_changed",
            "Campaign {id} ({name}) got another template while its people were copied, so nothing was copied: copy it"
            " again.",
        )
    suppress_forgotten(connection, copy_id, secret_key=secret_key)
    return count
