"""Lists the people of a campaign, by the lines of its funnel and by the reasons of its errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from campaigns.clock import clock
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.failures import UNDER_REVIEW, explain_failure, explain_uncertain
from campaigns.domain.message import ACCEPTED, Status
from campaigns.domain.verdict import FAULTS, Failure
from campaigns.management.listings.pages import Page
from campaigns.management.reports import find_campaign
from campaigns.store import messages
from campaigns.store.campaigns import CampaignListing
from campaigns.store.database import Connection, Database
from campaigns.store.messages import MessageFilter, RecipientRow, Skip

# A page searches this number of messages with one statement, and looks at the clock before the next one.
_SEARCHED_AT_ONCE = 50_000
_SEARCH_SECONDS = 0.3


class Group(StrEnum):
    """Some people of a campaign. Their number is a line of the funnel, or a reason why people get no message."""

    LIST = "list"  # all
    SKIPPED = "skipped"
    SUPPRESSED = "suppressed"
    OPTED_OUT = "opted_out"
    CAPPED = "capped"
    IN_REVIEW = "in_review"
    LEFT_AUDIENCE = "left_audience"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    QUEUE = "queue"
    SENDING = "sending"
    ACCEPTED = "accepted"  # Meta has their messages
    SENT = "sent"  # Meta has their messages, and reports no more about them
    HELD = "held"
    DELIVERED = "delivered"  # also those who have read it
    UNREAD = "unread"  # delivered, and not read
    READ = "read"
    REPLIED = "replied"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


_SKIPPED = (Status.SUPPRESSED, Status.EXPIRED, Status.CANCELLED)
_STATUSES: Mapping[Group, tuple[Status, ...]] = MappingProxyType({
    Group.LIST: tuple(Status),
    Group.SKIPPED: _SKIPPED,
    Group.SUPPRESSED: (Status.SUPPRESSED,),
    Group.OPTED_OUT: (Status.SUPPRESSED,),
    Group.CAPPED: (Status.SUPPRESSED,),
    Group.IN_REVIEW: (Status.SUPPRESSED,),
    Group.LEFT_AUDIENCE: (Status.SUPPRESSED,),
    Group.EXPIRED: (Status.EXPIRED,),
    Group.CANCELLED: (Status.CANCELLED,),
    Group.QUEUE: (Status.PENDING,),
    Group.SENDING: (Status.SENDING,),
    Group.ACCEPTED: tuple(sorted(ACCEPTED)),
    Group.SENT: (Status.SENT,),
    Group.HELD: (Status.HELD,),
    Group.DELIVERED: (Status.DELIVERED, Status.READ),
    Group.UNREAD: (Status.DELIVERED,),
    Group.READ: (Status.READ,),
    Group.REPLIED: tuple(sorted(ACCEPTED)),
    Group.FAILED: (Status.FAILED,),
    Group.UNCERTAIN: (Status.UNCERTAIN,),
})  # fmt: skip
_SKIPS = {
    Group.OPTED_OUT: Skip.OPTED_OUT,
    Group.CAPPED: Skip.CAPPED,
    Group.IN_REVIEW: Skip.IN_REVIEW,
    Group.LEFT_AUDIENCE: Skip.LEFT_AUDIENCE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientFilter:
    """Which people of a campaign a list has. None and "" do not restrict the list.

    `fault`: whose fault the error is, a value of `FAULTS`. `code`: the error code; `has_no_code`: only errors without a
    code. `title`: the error in the words of the report.
    """

    group: Group = Group.LIST
    fault: str = ""
    code: int | None = None
    has_no_code: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True)
class ListedRecipient:
    """A person of a campaign. `meaning`: what the error code means; "" if the message has no error."""

    row: RecipientRow
    meaning: str


@dataclass(frozen=True, slots=True)
class CampaignRecipients:
    """`people`: a page in the order of the list. The key is the id of the last message that was looked at.

    `is_cut`: the search for people of this page took too long, so more may follow behind a page that is not full.
    """

    campaign: CampaignListing
    people: Page[ListedRecipient, int]
    is_cut: bool


def page_recipients(
    database: Database, campaign_id: int, wanted: RecipientFilter, *, after: int = 0, limit: int = 50
) -> CampaignRecipients:
    """Return people of a campaign behind the message `after`. Raises Refusal if there is no such campaign.

    No index has the status of messages, so a search for few people among millions reads all messages. The search ends
    after a moment, and the next page goes on.
    """

    def load(connection: Connection) -> CampaignRecipients:
        campaign = find_campaign(connection, campaign_id)
        ends_at = clock() + _SEARCH_SECONDS
        rows: list[RecipientRow] = []
        at: int | None = after
        while at is not None:
            part = {"after": at, "searched": _SEARCHED_AT_ONCE}
            chosen = choose_messages(connection, campaign, wanted, **part)
            rows += messages.page_recipients(connection, campaign_id, chosen, **part, limit=limit + 1 - len(rows))
            if len(rows) > limit:
                break
            at = messages.find_last_searched(connection, campaign_id, **part)
            if clock() >= ends_at:
                break
        shown = [ListedRecipient(row, explain_message(row.status, row.error_code)) for row in rows[:limit]]
        is_cut = len(rows) <= limit and at is not None
        return CampaignRecipients(campaign, Page(shown, at if len(rows) <= limit else rows[limit - 1].id), is_cut)

    return database.run(load)


def choose_messages(
    connection: Connection,
    campaign: CampaignListing,
    wanted: RecipientFilter,
    *,
    after: int = 0,
    searched: int | None = None,
) -> MessageFilter:
    """Return the filter of the messages to these people: of all behind `after`, or of the next `searched` messages.

    The pending messages of a cancelled campaign count as cancelled, as they do in the funnel.
    """
    statuses = set(_STATUSES[wanted.group])
    if campaign.status == CampaignStatus.CANCELLED:
        statuses -= {Status.PENDING} if wanted.group is Group.QUEUE else set()
        statuses |= {Status.PENDING} if Status.CANCELLED in statuses else set()
    return MessageFilter(
        statuses=sorted(statuses),
        has_replied=wanted.group is Group.REPLIED,
        skip=_SKIPS.get(wanted.group),
        reasons=_find_reasons(connection, campaign.id, wanted.fault, after, searched) if wanted.fault else None,
        code=wanted.code,
        has_no_code=wanted.has_no_code,
        title=wanted.title or None,
    )


def _find_reasons(
    connection: Connection, campaign_id: int, fault: str, after: int, searched: int | None
) -> list[tuple[str, int | None]]:
    """Return the statuses and codes of the errors of these messages that are this one's fault."""
    kinds = messages.find_error_kinds(connection, campaign_id, after=after, searched=searched)
    return [(status, code) for status, code in kinds if FAULTS[_explain(status, code).blame] == fault]


def _explain(status: str, code: int | None) -> Failure:
    return explain_uncertain(code) if status == Status.UNCERTAIN else explain_failure(code)


def explain_message(status: str, code: int | None) -> str:
    """Return what the error of a message means; "" if it has none."""
    has_error = status in {Status.UNCERTAIN, Status.FAILED} or code == UNDER_REVIEW.code
    return _explain(status, code).meaning if has_error else ""
