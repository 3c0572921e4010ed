"""The commands that start, stop, test and retry a campaign."""

from __future__ import annotations

from typing import Annotated, Any, Self

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import Field, StringConstraints, model_validator

from api.access import demands
from api.context import actor, may, parts
from api.once import Answer, carry_out, make_etag, refuse_body
from api.problems import ProblemError
from api.resources.campaigns import PATH, Campaign, ChangedCampaign, add_warnings, show_campaign
from api.schemas import In, Moment, Out, Text
from campaigns.domain.campaign import Command, Move
from campaigns.domain.users.rights import Right
from campaigns.domain.users.scopes import Scope
from campaigns.domain.verdict import Retry
from campaigns.management.drafts.starts import StartFacts, read_and_look
from campaigns.management.lifecycle import (
    cancel_campaigns,
    ids_to_enqueue,
    pause_campaigns,
    resume_campaigns,
    start_campaigns,
)
from campaigns.management.retries import (
    Retried,
    UncertainRetry,
    await_webhooks,
    preview_retry,
    preview_uncertain,
    retry_failed,
    retry_uncertain_messages,
)
from campaigns.management.test_sends import MAX_PHONES, start_test
from campaigns.management.users.approvals import approve_campaign, ask_for_approval, look_at_approval
from campaigns.store.database import Database

blueprint = APIBlueprint("moves", __name__, tag="Campaigns")


class TestPhones(In):
    phones: Annotated[list[Text], Field(min_length=1, max_length=MAX_PHONES)] = Field(
        description="Phones such as +5511999990000, of people who know that it is a test."
    )


class RetryRequest(In):
    """Either `classes`, for failed messages, or `uncertain` with `at_most`."""

    classes: Annotated[list[Retry], Field(min_length=1, max_length=10)] | None = Field(
        None, description="The classes that `errors` names in `retry`."
    )
    uncertain: Annotated[
        bool, Field(strict=True, description="Send uncertain messages again. Some people may get their message twice.")
    ] = False
    at_most: Annotated[int, Field(ge=1, le=20_000, strict=True)] | None = Field(
        None, description="The largest number of people who may get an uncertain message twice."
    )
    dry_run: Annotated[bool, Field(strict=True, description="Only count the messages.")] = False

    @model_validator(mode="after")
    def check(self) -> Self:
        """Demand one kind of messages, and of a retry that may send twice its largest number."""
        if self.uncertain == (self.classes is not None):
            raise ValueError("Send either `classes` or `uncertain`.")
        if self.uncertain != (self.at_most is not None) and not (self.uncertain and self.dry_run):
            raise ValueError("`uncertain` and `at_most` belong together.")
        return self


class RetryCount(Out):
    """The failed messages with one error code. `waiting_count`: those that wait until a time before they are sent."""

    error_code: int | None
    title: str | None
    count: int
    waiting_count: int
    waits_until: Moment | None


class RetryResult(Out):
    """`again`: the failed messages that are sent again. `left`: those of the other classes, which stay failed.

    `suppressed_count` and `erased_count`: uncertain messages that stay uncertain, because their people want no messages
    or were erased.
    """

    dry_run: bool
    count: int
    waiting_count: int
    waits_until: Moment | None
    has_more: bool
    again: list[RetryCount]
    left: list[RetryCount]
    suppressed_count: int
    erased_count: int


class Seen(In):
    content: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] = Field(
        description="`content` of the approval as it was read, so that nothing is approved that nobody has seen."
    )


class ApprovalOut(Out):
    """Whether a campaign needs the approval of a second person before its start, and who has given it.

    `message_count`: the messages that it could send. `content`: changes whenever the text, the values, the
    accounts or the people change. `voided_by`: who has approved an earlier content. `changed_by`: who changed the
    campaign last, and therefore may not approve it. `asked_by` and `asked_at`: who has asked for the approval of
    this content, and when; null if nobody has, or if it is approved.
    """

    message_count: int
    is_needed: bool
    content: str
    approved_by: str | None
    voided_by: str | None
    changed_by: str | None
    approvers: list[str]
    asked_by: str | None
    asked_at: Moment | None


@blueprint.post(f"{PATH}:start")
@demands(Scope.CAMPAIGNS_SEND)
@blueprint.output(ChangedCampaign)
def start_campaign(campaign_id: int) -> Response:
    """Start a draft, or schedule it if its schedule is in the future. Before, its template is read again at Meta.

    The warnings are those that a person is asked about before a start. They stop no start by a program.
    """
    return _depart(Command.START, campaign_id)


@blueprint.post(f"{PATH}:resume")
@demands(Scope.CAMPAIGNS_SEND)
@blueprint.output(ChangedCampaign)
def resume_campaign(campaign_id: int) -> Response:
    """Resume a paused campaign. Before, its template is read again at Meta."""
    return _depart(Command.RESUME, campaign_id)


@blueprint.post(f"{PATH}:pause")
@demands(Scope.CAMPAIGNS_SEND)
@blueprint.output(ChangedCampaign)
def pause_campaign(campaign_id: int) -> Response:
    """Pause a campaign. After the requests that are in flight, it sends nothing."""
    refuse_body()
    return carry_out(lambda database: _answer(database, pause_campaigns(database, [campaign_id], actor=actor())))


@blueprint.post(f"{PATH}:cancel")
@demands(Scope.CAMPAIGNS_SEND)
@blueprint.output(ChangedCampaign)
def cancel_campaign(campaign_id: int) -> Response:
    """End a campaign for ever. Messages that are not sent yet are never sent."""
    refuse_body()

    def change(database: Database) -> Answer:
        # The first messages are cancelled now, and a task cancels the rest: a transaction with millions of them would
        # hold up the workers.
        return _answer(database, cancel_campaigns(database, [campaign_id], actor=actor(), seconds=0.0))

    return carry_out(change)


@blueprint.get(f"{PATH}/approval")
@demands(Scope.CAMPAIGNS_READ)
@blueprint.output(ApprovalOut)
def read_approval(campaign_id: int) -> ApprovalOut:
    """Read whether a campaign needs an approval, and who has given it."""
    return _show_approval(parts().database, campaign_id)


@blueprint.post(f"{PATH}/approval-request")
@demands(Scope.CAMPAIGNS_WRITE)
@blueprint.output(ApprovalOut)
def request_approval(campaign_id: int) -> Response:
    """Ask for the approval of what a campaign sends now. A second request for the same content changes nothing."""
    refuse_body()

    def change(database: Database) -> Answer:
        ask_for_approval(database, campaign_id, actor=actor(), above=parts().settings.approve_above)
        return Answer(_show_approval(database, campaign_id))

    return carry_out(change)


@blueprint.post(f"{PATH}:approve")
@demands(Scope.CAMPAIGNS_SEND)
@blueprint.input(Seen)
@blueprint.output(ApprovalOut)
def approve_campaign_(campaign_id: int, json_data: Seen) -> Response:
    """Approve what a campaign sends now, as another user than the one who changed it last."""

    def change(database: Database) -> Answer:
        approve_campaign(database, campaign_id, actor=actor(), seen=bytes.fromhex(json_data.content))
        return Answer(_show_approval(database, campaign_id))

    return carry_out(change)


@blueprint.post(f"{PATH}:test")
@demands(Scope.CAMPAIGNS_SEND)
@blueprint.input(TestPhones)
@blueprint.output(Campaign, 202)
def test_campaign(campaign_id: int, json_data: TestPhones) -> Response:
    """Send real messages to a few phones, with the values of the first recipients of a campaign.

    The answer is the test: a campaign of its own, whose progress and messages tell the outcome.
    """

    def change(database: Database) -> Answer:
        key = parts().settings.secret_key
        test_id = start_test(database, campaign_id, json_data.phones, actor=actor(), secret_key=key)
        location = f"{request.script_root}/v1/campaigns/{test_id}"
        return Answer(database.run(show_campaign, test_id), 202, {"Location": location}, [test_id])

    return carry_out(change)


@blueprint.post(f"{PATH}/retries")
@demands(Scope.CAMPAIGNS_SEND)
@blueprint.input(RetryRequest)
@blueprint.output(RetryResult)
def retry_messages(campaign_id: int, json_data: RetryRequest) -> Response:
    """Send failed or uncertain messages again. A completed campaign runs again.

    One request takes up to 20,000 messages. While `has_more` is true, send it again with another key. Uncertain
    messages may arrive twice, so only a token of an admin sends them again.
    """
    if json_data.classes is None:
        return _retry_uncertain(campaign_id, json_data.at_most, is_dry=json_data.dry_run)
    classes = frozenset(json_data.classes)

    def change(database: Database) -> Answer:
        if json_data.dry_run:
            return Answer(_show_retry(preview_retry(database, campaign_id, classes), is_dry=True))
        done = retry_failed(database, campaign_id, classes, actor=actor(), is_one_batch=True)
        return Answer(_show_retry(done), to_enqueue=ids_to_enqueue([done.move] if done.move else []))

    return carry_out(change)


def _retry_uncertain(campaign_id: int, at_most: int | None, *, is_dry: bool) -> Response:
    if not may(Right.CAMPAIGN_RETRY_UNCERTAIN):
        raise ProblemError("right_missing")

    def prepare() -> None:
        # Not in the transaction of the change, which locks the campaign that the webhooks settle.
        if not is_dry and preview_uncertain(parts().database, campaign_id).count:
            await_webhooks(parts().database)

    def change(database: Database) -> Answer:
        planned = preview_uncertain(database, campaign_id)
        if is_dry:
            return Answer(_show_uncertain(planned, has_more=False, is_dry=True))
        done = retry_uncertain_messages(database, campaign_id, actor=actor(), at_most=at_most, wait_seconds=None)
        to_enqueue = ids_to_enqueue([done.move] if done.move else [])
        return Answer(_show_uncertain(done, has_more=done.count < planned.count), to_enqueue=to_enqueue)

    return carry_out(change, prepare=prepare)


def _show_retry(done: Retried, *, is_dry: bool = False) -> RetryResult:
    counts = {name: [RetryCount.show(each) for each in getattr(done, name)] for name in ("again", "left")}
    return RetryResult.show(done, dry_run=is_dry, **counts, suppressed_count=0, erased_count=0)


def _show_uncertain(done: UncertainRetry, *, has_more: bool, is_dry: bool = False) -> RetryResult:
    none: dict[str, Any] = {"waiting_count": 0, "waits_until": None, "again": [], "left": []}
    return RetryResult.show(done, dry_run=is_dry, has_more=has_more, **none)


def _show_approval(database: Database, campaign_id: int) -> ApprovalOut:
    state = look_at_approval(database, campaign_id, above=parts().settings.approve_above)
    return ApprovalOut.show(state, content=state.digest.hex())


def _depart(command: Command, campaign_id: int) -> Response:
    refuse_body()
    move = start_campaigns if command is Command.START else resume_campaigns
    settings, looks = parts().settings, list[StartFacts]()

    def prepare() -> None:
        looks.extend(read_and_look(parts().database, settings, [campaign_id], actor=actor()))

    def change(database: Database) -> Answer:
        moves = move(database, [campaign_id], actor=actor(), approve_above=settings.approve_above)
        return _answer(database, moves, looks)

    return carry_out(change, prepare=prepare)


def _answer(database: Database, moves: list[Move], looks: list[StartFacts] | None = None) -> Answer:
    (move,) = moves
    after = database.run(show_campaign, move.id)
    findings = [finding for look in looks or [] for finding in (*look.warnings, *look.departure.obstacles)]
    first_at = None if move.departure is None else move.departure.at
    return Answer(add_warnings(after, findings, first_at), 200, {"ETag": make_etag(after)}, ids_to_enqueue(moves))
