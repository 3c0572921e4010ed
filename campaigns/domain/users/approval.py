"""Decides whether a large campaign may start: a second person approves what it says, by which accounts, to whom."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from campaigns.domain.campaign import ENDED, CampaignFacts
from campaigns.domain.statement import Count, Hint, HintAction
from campaigns.domain.users.actor import Actor, ActorKind


@dataclass(frozen=True, slots=True)
class Content:
    """The content that a person approves.

    An id of a message is never given twice. So `recipient_count` and `last_message_id` stand for the people: one of
    them changes when people are added or replaced.
    """

    template_id: int
    components: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, str | None]
    columns: Sequence[str]
    account_ids: Sequence[int]
    recipient_count: int
    last_message_id: int | None

    def digest(self) -> bytes:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).digest()


@dataclass(frozen=True, slots=True)
class Approval:
    """`digest`: the digest of the content that was approved."""

    approved_by: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """`digest`: the digest of the content for which the person asked."""

    asked_by: str
    asked_at: dt.datetime
    digest: bytes


def check_approval(
    facts: CampaignFacts, content: Content, approval: Approval | None, *, count: int, above: int
) -> None:
    """Raise Refusal if a campaign could send `count` messages, more than `above`, and nobody has approved its content.

    `approval`: the newest approval. `above` 0: no campaign needs an approval. A standing campaign could send any number
    of messages.
    """
    if not above or (count <= above and not facts.is_standing):
        return
    if facts.is_standing:
        _check_standing(facts, content, approval)
        return
    messages, ask = Count(count, "message"), Hint(HintAction.ASK_APPROVAL, facts.id)
    if approval is None:
        raise facts.conflict(
            "approval_missing",
            "Campaign {id} ({name}) could send {messages}, more than {most:,}: a second person must approve it first."
            " If nobody has asked for it yet: {ask}.",
            messages=messages,
            most=above,
            ask=ask,
        )
    if approval.digest != content.digest():
        raise facts.conflict(
            "approval_void",
            "Campaign {id} ({name}) has changed since {person} approved it. It could send {messages}, more than"
            " {most:,}: a second person must approve it again. If nobody has asked for it yet: {ask}.",
            person=approval.approved_by,
            messages=messages,
            most=above,
            ask=ask,
        )


def _check_standing(facts: CampaignFacts, content: Content, approval: Approval | None) -> None:
    ask = Hint(HintAction.ASK_APPROVAL, facts.id)
    if approval is None:
        raise facts.conflict(
            "approval_missing",
            "Campaign {id} ({name}) is a standing campaign, which could send any number of messages: a second person"
            " must approve it first. If nobody has asked for it yet: {ask}.",
            ask=ask,
        )
    if approval.digest != content.digest():
        raise facts.conflict(
            "approval_void",
            "Campaign {id} ({name}) has changed since {person} approved it. It is a standing campaign, which could send"
            " any number of messages: a second person must approve it again. If nobody has asked for it yet:"
            " {ask}.",
            person=approval.approved_by,
            ask=ask,
        )


def check_approver(facts: CampaignFacts, actor: Actor, changed_by: str | None) -> None:
    """Raise Refusal unless the actor is a signed-in user, and not the person who changed the campaign last."""
    if actor.kind is not ActorKind.USER:
        raise facts.conflict(
            "approval_without_user", "Campaign {id} ({name}) can only be approved by a user who has signed in."
        )
    if changed_by is not None and changed_by.casefold() == actor.name.casefold():
        raise facts.conflict(
            "approval_of_own_change",
            "{person} changed campaign {id} ({name}) last, so another person has to approve it.",
            person=actor.name,
        )


def check_request(facts: CampaignFacts, *, is_needed: bool, approved_by: str | None) -> None:
    """Raise Refusal if nobody has to approve a campaign: it has ended, needs no approval, or has one.

    `approved_by`: the person whose approval of the present content exists; None if there is none.
    """
    if facts.status in ENDED:
        raise facts.conflict(
            "cannot_ask_approval", "Campaign {id} ({name}) is {status}: its approval cannot be asked for."
        )
    if not is_needed:
        raise facts.conflict("approval_not_needed", "Campaign {id} ({name}) needs no approval.")
    if approved_by is not None:
        raise facts.conflict(
            "approval_exists", "Campaign {id} ({name}) needs no request: {person} has approved it.", person=approved_by
        )
