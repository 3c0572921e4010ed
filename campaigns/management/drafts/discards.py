"""Deletes a draft with its people."""

from __future__ import annotations

from campaigns.domain.campaign import ENDED, CampaignStatus
from campaigns.domain.statement import Hint, HintAction
from campaigns.domain.users.actor import Act, Actor
from campaigns.management.campaigns import lock_campaign
from campaigns.management.files.jobs import lock_idle_jobs
from campaigns.store import campaigns as store
from campaigns.store.database import Connection, Database
from campaigns.store.users.audit import write_audit


def discard_draft(database: Database, campaign_id: int, *, actor: Actor) -> None:
    """Delete a draft and its people.

    A draft that was tested is not deleted: its tests are real messages, whose receipts still arrive. Such a draft can
    be cancelled. Raises Refusal.
    """
    database.run(_discard, campaign_id, actor)


def check_discard(database: Database, campaign_id: int) -> store.LockedCampaign:
    """Return the draft that `discard_draft` would delete now, or raise its Refusal. Change nothing."""
    return database.run(_lock_discardable, campaign_id)


def _discard(connection: Connection, campaign_id: int, actor: Actor) -> None:
    # A process that works with a list has locked the job, and then locks the campaign. So the jobs, which are deleted
    # with the campaign, are locked first.
    lock_idle_jobs(connection, campaign_id)
    campaign = _lock_discardable(connection, campaign_id)
    store.delete_recipients(connection, campaign_id)
    store.delete_draft(connection, campaign_id)
    before = {"name": campaign.name, "recipient_count": campaign.recipient_count}
    write_audit(connection, actor, Act.CAMPAIGN_DISCARD, campaign_id, before=before)


def _lock_discardable(connection: Connection, campaign_id: int) -> store.LockedCampaign:
    """Lock a draft that has no tests. Raises Refusal."""
    campaign = lock_campaign(connection, campaign_id)
    if campaign.facts.status is not CampaignStatus.DRAFT:
        is_ended = campaign.facts.status in ENDED
        raise campaign.facts.conflict(
            "discard_after_start",
            "Campaign {id} ({name}) is {status}: only a draft can be discarded. Its record stays; {show} shows it."
            if is_ended
            else "Campaign {id} ({name}) is {status}: only a draft can be discarded. {cancel} ends it for ever.",
            show=Hint(HintAction.SHOW_CAMPAIGN, campaign_id),
            cancel=Hint(HintAction.CANCEL_CAMPAIGN, campaign_id),
        )
    # The lock of `lock_campaign` does not exclude a transaction that adds a test, but the lock of this call does.
    store.lock_for_deletion(connection, campaign_id)
    if store.list_tests(connection, campaign_id):
        raise campaign.facts.conflict(
            "discard_with_tests",
            "Campaign {id} ({name}) has sent test messages, so its record is kept. {cancel} ends it.",
            cancel=Hint(HintAction.CANCEL_CAMPAIGN, campaign_id),
        )
    return campaign
