"""Approves large campaigns: a second person looks at what a campaign will send before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.domain.campaign import ENDED, missing_campaign
from campaigns.domain.users.actor import Act, Actor
from campaigns.domain.users.approval import Approval, check_approval, check_approver
from campaigns.domain.users.rights import Right, Role, list_rights
from campaigns.management.files.jobs import demand_read_lists
from campaigns.store import campaigns
from campaigns.store.campaigns import LockedCampaign
from campaigns.store.database import Connection, Database
from campaigns.store.users.approvals import insert_approval, load_approvable
from campaigns.store.users.audit import write_audit
from campaigns.store.users.users import list_users


def approve_campaign(database: Database, campaign_id: int, *, actor: Actor, seen: bytes | None = None) -> None:
    """Approve the text, the values, the accounts and the people that a campaign has now.

    `seen`: the digest of the content at which the person looked; the approval is refused if the content has changed
    since. None: the content is not compared. A later change of the content voids the approval.

    The actor is a user who has signed in, and not the person who changed the campaign last. The caller has checked the
    right to approve. Raises Refusal.
    """
    database.run(_approve, campaign_id, actor, seen)


@dataclass(frozen=True, slots=True)
class ApprovalState:
    """Whether a campaign needs an approval, and who may give it.

    `message_count`: the number of messages that it could send, also by a retry. `approved_by`: the person whose
    approval holds; None if none holds. `voided_by`: the person who approved an earlier content, if no approval holds.
    `changed_by`: the person who changed the campaign last, and who therefore may not approve it. `approvers`: the names
    of the users who may. `digest`: of the content that it has now.
    """

    message_count: int
    is_needed: bool
    approved_by: str | None
    voided_by: str | None
    changed_by: str | None
    approvers: Sequence[str]
    digest: bytes

    @property
    def is_missing(self) -> bool:
        return self.is_needed and self.approved_by is None


def look_at_approval(database: Database, campaign_id: int, *, above: int) -> ApprovalState:
    """Return the state of the approval of a campaign. `above`: as for `demand_approval`. Raises Refusal."""
    return database.run(_look, campaign_id, above)


def demand_approval(connection: Connection, campaign: LockedCampaign, *, above: int) -> None:
    """Raise Refusal if a locked campaign could send more than `above` messages and lacks an approval.

    `above` 0: no campaign needs an approval.
    """
    if above:
        loaded = load_approvable(connection, campaign.id)
        check_approval(campaign.facts, loaded.content, loaded.approval, count=loaded.possible_count, above=above)


def needs_approval(connection: Connection, campaign_id: int, *, above: int) -> bool:
    """Tell whether a locked campaign could send more than `above` messages, also by a retry."""
    return above > 0 and load_approvable(connection, campaign_id).needs_approval(above)


def _look(connection: Connection, campaign_id: int, above: int) -> ApprovalState:
    if not campaigns.list_campaigns(connection, [campaign_id]):
        raise missing_campaign(campaign_id)
    loaded = load_approvable(connection, campaign_id)
    approval = loaded.approval
    holds = approval is not None and approval.digest == loaded.content.digest()
    changed_by = (loaded.changed_by or "").casefold()
    approvers = [
        user.name
        for user in list_users(connection)
        if user.disabled_at is None
        and Right.CAMPAIGN_APPROVE in list_rights(Role(user.role))
        and user.name.casefold() != changed_by
    ]
    return ApprovalState(
        loaded.possible_count,
        loaded.needs_approval(above),
        approval.approved_by if approval is not None and holds else None,
        approval.approved_by if approval is not None and not holds else None,
        loaded.changed_by,
        approvers,
        loaded.content.digest(),
    )


def _approve(connection: Connection, campaign_id: int, actor: Actor, seen: bytes | None) -> None:
    campaign = campaigns.lock_campaigns(connection, [campaign_id]).get(campaign_id)
    if campaign is None:
        raise missing_campaign(campaign_id)
    if campaign.facts.status in ENDED:
        raise campaign.facts.conflict("cannot_approve", "Campaign {id} ({name}) is {status}: it cannot be approved.")
    loaded = load_approvable(connection, campaign_id)
    demand_read_lists(connection, campaign)
    check_approver(campaign.facts, actor, loaded.changed_by)
    digest = loaded.content.digest()
    if seen is not None and seen != digest:
        raise campaign.facts.conflict(
            "changed_since_look",
            "Campaign {id} ({name}) has changed since you looked at it, so nothing was approved. Look at it again.",
        )
    insert_approval(connection, campaign_id, Approval(actor.name, digest))
    after = {"message_count": loaded.possible_count, "digest": digest.hex()}
    write_audit(connection, actor, Act.CAMPAIGN_APPROVE, campaign_id, after=after)
