"""The facts about a campaign that a person reads before a start or an approval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import abort, request

from campaigns.management.drafts.people import PeoplePage, page_people
from campaigns.management.drafts.starts import StartFacts, look_before_start, read_and_look
from campaigns.management.users.approvals import ApprovalState, look_at_approval
from campaigns.store.recipients import Overlap
from console.context import actor, parts
from console.pages.people.keys import show_phone

_LARGEST_ID = 2**63


@dataclass(frozen=True, slots=True)
class CampaignFacts:
    """`overlaps`: other campaigns with the same people, besides those of which `start` warns."""

    start: StartFacts
    people: PeoplePage
    overlaps: Sequence[Overlap]
    approval: ApprovalState

    @property
    def phones(self) -> dict[int, str]:
        """By message id, the phone as the user may see it."""
        return {each.id: show_phone(each.phone) for each in self.people.messages}


def look_at(campaign_id: int, *, is_start: bool = False) -> CampaignFacts:
    """Return the facts about a campaign. The address of the page says which people are shown. Raises Refusal.

    The template is read again from Meta for the first look at a page, and for a start (`is_start`), but not for other
    people of the list, nor for a page that shows an error.
    """
    database, settings = parts().database, parts().settings
    # The start checks what `start` says. So `start` is read first, and what changes later can only cause a refusal.
    if is_start or (request.method == "GET" and not {"after", "before"} & request.args.keys()):
        (start,) = read_and_look(database, settings, [campaign_id], actor=actor())
    else:
        days = settings.overlap_days
        (start,) = look_before_start(database, [campaign_id], quiet=settings.quiet_hours, overlap_days=days)
    people = page_people(database, campaign_id, after=_read_id("after") or 0, before=_read_id("before"))
    told = {each.campaign_id for each in (*start.got, *start.coming)}
    return CampaignFacts(
        start,
        people,
        [each for each in start.overlaps if each.campaign_id not in told and each.shared_count],
        look_at_approval(database, campaign_id, above=settings.approve_above),
    )


def _read_id(name: str) -> int | None:
    text = request.args.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or int(text) >= _LARGEST_ID:
        abort(400)
    return int(text)
