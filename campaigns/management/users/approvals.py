"""Approves large campaigns: a second person looks at what a campaign will send before it starts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.domain.campaign import ENDED, missing_campaign
from campaigns.domain.hooks.events import EventType
from campaigns.domain.users.actor import Act, Actor
from campaigns.domain.users.approval import Approval, check_approval, check_approver, check_request
from campaigns.domain.users.rights import Right, Role, list_rights
from campaigns.management.files.jobs import demand_read_lists
from campaigns.store import campaigns
from campaigns.store.campaigns import LockedCampaign
from campaigns.store.database import Connection, Database
from campaigns.store.hooks.outbox import write_event
from campaigns.store.users.approvals import (
    delete_approval_request,
    insert_approval,
    list_approval_requests,
    load_approvable,
    load_approvables,
    write_approval_request,
)
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


def ask_for_approval(database: Database, campaign_id: int, *, actor: Actor, above: int) -> None:
    """Ask for the approval of the content that a campaign has now; a second request for it changes nothing.

    `above`: as for `demand_approval`. A later change of the content, or an approval, ends the request. Raises Refusal,
    also if the campaign has ended, needs no approval or has one.
    """
    database.run(_ask, campaign_id, actor, above)


@dataclass(frozen=True, slots=True)
class ApprovalState:
    """Whether a campaign needs an approval, and who may give it.

    `message_count`: the number of messages that it could send, also by a retry. `approved_by`: the person whose
    approval holds; None if none holds. `voided_by`: the person who approved an earlier content, if no approval holds.
    `changed_by`: the person who changed the campaign last, and who therefore may not approve it. `approvers`: the names
    of the users who may. `digest`: of the content that it has now. `asked_by` and `asked_at`: the open request for an
    approval of this content; None if there is none.
    """

    message_count: int
    is_needed: bool
    approved_by: str | None
    voided_by: str | None
    changed_by: str | None
    approvers: Sequence[str]
    digest: bytes
    asked_by: str | None
    asked_at: dt.datetime | None

    @property
    def is_missing(self) -> bool:
        return self.is_needed and self.approved_by is None


def look_at_approval(database: Database, campaign_id: int, *, above: int) -> ApprovalState:
    """Return the state of the approval of a campaign. `above`: as for `demand_approval`. Raises Refusal."""
    return database.run(_look, campaign_id, above)


@dataclass(frozen=True, slots=True)
class WantedApproval:
    """A campaign for whose approval a person has asked.

    `message_count`: as in `ApprovalState`; a standing campaign could send more.
    """

    campaign_id: int
    name: str
    is_standing: bool
    message_count: int
    asked_by: str
    asked_at: dt.datetime
    changed_by: str | None


def list_wanted_approvals(database: Database, *, above: int) -> list[WantedApproval]:
    """Return the campaigns that wait for an approval that a person has asked for, the oldest request first.

    `above`: as for `demand_approval`.
    """
    return database.run(_list_wanted, above)


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
    approval, holds, request = loaded.approval, loaded.is_approved, loaded.open_request
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
        None if request is None else request.asked_by,
        None if request is None else request.asked_at,
    )


def _list_wanted(connection: Connection, above: int) -> list[WantedApproval]:
    wanted = [
        WantedApproval(
            loaded.campaign_id,
            loaded.name,
            loaded.is_standing,
            loaded.possible_count,
            loaded.open_request.asked_by,
            loaded.open_request.asked_at,
            loaded.changed_by,
        )
        for loaded in load_approvables(connection, list_approval_requests(connection))
        if loaded.open_request is not None and loaded.needs_approval(above)
    ]
    return sorted(wanted, key=lambda each: (each.asked_at, each.campaign_id))


def _ask(connection: Connection, campaign_id: int, actor: Actor, above: int) -> None:
    campaign = campaigns.lock_campaigns(connection, [campaign_id]).get(campaign_id)
    if campaign is None:
        raise missing_campaign(campaign_id)
    loaded = load_approvable(connection, campaign_id)
    approved_by = loaded.approval.approved_by if loaded.approval is not None and loaded.is_approved else None
    check_request(campaign.facts, is_needed=loaded.needs_approval(above), approved_by=approved_by)
    demand_read_lists(connection, campaign)
    if loaded.open_request is not None:
        return
    digest, counts = loaded.content.digest(), {"message_count": loaded.possible_count}
    write_approval_request(connection, campaign_id, actor.name, digest)
    write_audit(connection, actor, Act.CAMPAIGN_ASK_APPROVAL, campaign_id, after=counts | {"digest": digest.hex()})
    write_event(connection, EventType.CAMPAIGN_APPROVAL_WANTED, {"campaign_id": str(campaign_id)} | counts)


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
    delete_approval_request(connection, campaign_id)
    after = {"message_count": loaded.possible_count, "digest": digest.hex()}
    write_audit(connection, actor, Act.CAMPAIGN_APPROVE, campaign_id, after=after)
