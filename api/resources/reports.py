"""Reports on a campaign: its progress, its first messages, and the reasons why messages failed."""

from __future__ import annotations

from apiflask import APIBlueprint
from pydantic import Field

from api.access import demands
from api.context import parts
from api.problems import describe_hint
from api.schemas import Hint, In, Moment, Out
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.message import Status
from campaigns.domain.users.scopes import Scope
from campaigns.management.listings.samples import show_timeline
from campaigns.management.preview import preview_campaign
from campaigns.management.reports import ExplainedReason, find_campaign, read_funnel, show_errors

blueprint = APIBlueprint("reports", __name__)


class Progress(Out):
    """The recipients of a campaign, by the progress of their messages.

    Each recipient is counted in exactly one of `sent`, `failed`, `uncertain`, `to_send`, `suppressed`, `expired` and
    `cancelled`. `held`, `delivered`, `read` and `replied` are parts of `sent`.
    """

    at: Moment
    status: CampaignStatus
    waiting_reason: str | None
    waits_until: Moment | None
    recipients: int
    sent: int
    held: int
    delivered: int
    read: int
    replied: int
    failed: int
    uncertain: int
    to_send: int
    suppressed: int
    expired: int
    cancelled: int
    duplicates: int
    rejected_rows: int


class Sample(Out):
    """The counters of a campaign by status, at the end of an interval that begins at `at`.

    `rate`: messages per second in this interval; `null` if it is not known.
    """

    at: Moment
    counts: dict[str, int]
    rate: float | None


class Samples(Out):
    """`seconds`: the length of an interval. A campaign that ran for less than a minute may have no samples."""

    seconds: int
    items: list[Sample]


class ShownMessage(Out):
    """A message as its person will read it. A part that it lacks is empty."""

    phone: str
    header: str
    body: str
    footer: str
    buttons: list[str]


class Preview(Out):
    """What a campaign would send now. `suppressed_count` and `capped_count`: messages that will not be sent.

    `rate`: the messages per second of all accounts that may send it. `first_message_at`: `null` if no message leaves.
    `ends_at`: about when the last message leaves; `null` if this is not known.
    """

    category: str
    send_count: int
    suppressed_count: int
    capped_count: int
    rate: int
    first_message_at: Moment | None
    ends_at: Moment | None
    messages: list[ShownMessage]


class PreviewQuery(In):
    rows: int = Field(3, ge=0, le=100, description="The number of messages to show.")


class FailureReason(Out):
    """A reason why messages failed, are uncertain, or wait for the review of an answer.

    `error_code`: Meta's code, or a negative one of our own. `retry`: the class of a retry that may help.
    """

    status: Status
    error_code: int | None
    error_title: str | None
    count: int
    meaning: str
    fault: str
    advice: str
    hint: Hint | None
    retry: str | None
    oldest_at: Moment | None
    newest_at: Moment | None


class Errors(Out):
    """Why people got no message. `capped_count`: those who had as many messages as the campaign allows.

    `left_audience_count`: those whom later evidence has taken out of the audience of the campaign.

    `waits_for_template`: the template cannot be sent now, so a retry does not help before a person has acted.
    """

    reasons: list[FailureReason]
    waits_for_template: bool
    capped_count: int
    review_count: int
    left_audience_count: int


@blueprint.get("/campaigns/<id:campaign_id>/progress")
@demands(Scope.CAMPAIGNS_READ)
@blueprint.output(Progress)
def read_progress(campaign_id: int) -> Progress:
    """Read how far a campaign is, and what it waits for."""
    row = parts().database.run(find_campaign, campaign_id)
    funnel = read_funnel(row)
    waits = {"waiting_reason": row.waiting_reason, "waits_until": row.due_at}
    return Progress.show(funnel, at=row.server_now, status=row.status, **waits)


@blueprint.get("/campaigns/<id:campaign_id>/samples")
@demands(Scope.CAMPAIGNS_READ)
@blueprint.output(Samples)
def read_samples(campaign_id: int) -> Samples:
    """Read the numbers of a campaign over time, in at most 60 intervals, the oldest first."""
    parts().database.run(find_campaign, campaign_id)
    found = show_timeline(parts().database, campaign_id)
    return Samples(seconds=found.seconds, items=[Sample.show(each) for each in found.samples])


@blueprint.get("/campaigns/<id:campaign_id>/preview")
@demands(Scope.MESSAGES_READ)
@blueprint.input(PreviewQuery, location="query")
@blueprint.output(Preview)
def preview_campaign_(campaign_id: int, query_data: PreviewQuery) -> Preview:
    """Read the first messages of a campaign, and how long it takes."""
    found = preview_campaign(parts().database, campaign_id, rows=query_data.rows)
    messages = [ShownMessage.show(message, phone=phone) for phone, message in found.messages]
    return Preview.show(found, first_message_at=found.departure.at, messages=messages)


@blueprint.get("/campaigns/<id:campaign_id>/errors")
@demands(Scope.CAMPAIGNS_READ)
@blueprint.output(Errors)
def read_errors(campaign_id: int) -> Errors:
    """Read why messages failed, grouped by the reason.

    The reasons of a campaign with at least 100,000 messages are kept for at most ten minutes, while its numbers of
    failed, uncertain and suppressed messages stay the same.
    """
    found = show_errors(parts().database, campaign_id, load_reasons=parts().reasons.load)
    return Errors.show(found, reasons=[_describe(each) for each in found.errors])


def _describe(reason: ExplainedReason) -> FailureReason:
    explained = {"meaning": reason.meaning, "fault": reason.fault, "retry": reason.retry}
    hint = describe_hint(reason.advice.hint)
    return FailureReason.show(reason.reason, **explained, advice=str(reason.advice), hint=hint)
