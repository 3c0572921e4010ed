"""Reports on one campaign as it is now: its funnel, its accounts, its prices, and the reasons why messages failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from campaigns.domain.campaign import ENDED, CampaignStatus, missing_campaign
from campaigns.domain.failures import LEFT_AUDIENCE, UNDER_REVIEW, advise_repair, explain_failure, explain_uncertain
from campaigns.domain.filling import find_misfit
from campaigns.domain.message import ACCEPTED, OPEN, Status
from campaigns.domain.pacing import Reason
from campaigns.domain.prices.costs import Cost, Estimate
from campaigns.domain.recipients import RowCode
from campaigns.domain.statement import Sentence
from campaigns.domain.template import TemplateError, TemplateStatus
from campaigns.domain.verdict import FAULTS, Retry
from campaigns.management.prices.costs import find_costs, find_estimate
from campaigns.management.template_choice import read_template
from campaigns.store import accounts, campaigns, recipients, templates
from campaigns.store.accounts import load_campaign_accounts
from campaigns.store.database import Connection, Database

_SHOWN_IMPORT_ERRORS = 20


# The statuses that prove that a message arrived at the person's phone.
_ARRIVED = frozenset({Status.DELIVERED, Status.READ})


@dataclass(frozen=True, slots=True)
class Funnel:
    """The numbers of a campaign's recipients, by the progress of their messages (docs/decisions/0051).

    In JSON output, the keys of `funnel` have the names of these attributes.

    Each recipient is counted in exactly one of `sent`, `failed`, `uncertain`, `to_send`, `suppressed`, `expired` and
    `cancelled`. `held`, `delivered`, `read` and `replied` are parts of `sent`. `delivered` includes `read`.
    `duplicates` and `rejected_rows` are rows of the list that made no recipient.
    """

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

    @property
    def skipped(self) -> int:
        """The number of recipients who get no message because their message is suppressed, expired or cancelled."""
        return self.suppressed + self.expired + self.cancelled

    @property
    def settled(self) -> int:
        """The number of recipients whose message is neither waiting nor in flight."""
        return self.recipients - self.to_send


def read_funnel(row: campaigns.CampaignListing) -> Funnel:
    counts = {status: row.counts.get(status, 0) for status in Status}
    if row.status == CampaignStatus.CANCELLED:  # its last pending messages become `cancelled` within a minute
        counts[Status.CANCELLED] += counts[Status.PENDING]
        counts[Status.PENDING] = 0
    return Funnel(
        recipients=sum(counts.values()),
        sent=sum(counts[status] for status in ACCEPTED),
        held=counts[Status.HELD],
        delivered=sum(counts[status] for status in _ARRIVED),
        read=counts[Status.READ],
        replied=sum(row.replied_counts.get(status, 0) for status in ACCEPTED),
        failed=counts[Status.FAILED],
        uncertain=counts[Status.UNCERTAIN],
        to_send=sum(counts[status] for status in OPEN),
        suppressed=counts[Status.SUPPRESSED],
        expired=counts[Status.EXPIRED],
        cancelled=counts[Status.CANCELLED],
        duplicates=row.duplicate_count,
        rejected_rows=row.rejected_count,
    )


@dataclass(frozen=True, slots=True)
class LeftOutRows:
    """The numbers of rows of a campaign's lists that made no recipient, by the reason.

    `refused`: the row says that the person wants no messages. `unanswered`: it does not say whether the person wants
    messages. `marked`: a colour marks the row. `invalid`: the phone or a value is not valid. `unexplained`: a rejected
    row whose reason is no longer stored. `duplicates`: the person is in another row. `hidden`: a program such as Excel
    hides the row.
    """

    refused: int
    unanswered: int
    marked: int
    invalid: int
    unexplained: int
    duplicates: int
    hidden: int

    @property
    def total(self) -> int:
        return sum(astuple(self))


def count_left_out(connection: Connection, row: campaigns.CampaignListing) -> LeftOutRows:
    """Return the numbers of rows of a campaign's lists that made no recipient."""
    codes = recipients.count_rejected(connection, row.id) if row.rejected_count else {}
    refused, unanswered = codes.get(RowCode.REFUSED, 0), codes.get(RowCode.UNANSWERED, 0)
    marked = codes.get(RowCode.MARKED, 0)
    explained = sum(codes.values())
    files = recipients.list_imported_files(connection, row.id)
    return LeftOutRows(
        refused,
        unanswered,
        marked,
        explained - refused - unanswered - marked,
        max(row.rejected_count - explained, 0),
        row.duplicate_count,
        sum(each.facts.hidden_row_count for each in files if each.facts is not None),
    )


@dataclass(frozen=True, slots=True)
class RowsOfFile:
    """The numbers of rejected rows of one of several lists of a campaign, by the reason: see `LeftOutRows`.

    `number`: 1 for the first list. `is_last`: no later list was imported, so no later list can have the same people.
    """

    number: int
    name: str
    is_last: bool
    refused: int
    unanswered: int
    marked: int
    invalid: int


def count_left_out_by_file(connection: Connection, campaign_id: int) -> list[RowsOfFile]:
    """Return the rejected rows of each list of a campaign; [] if it has one list, or if an older version read one."""
    files = recipients.list_imported_files(connection, campaign_id)
    starts = [None if file.facts is None else file.facts.last_error_id for file in files]
    known = [start for start in starts if start is not None]
    if len(files) < 2 or len(known) < len(files):  # noqa: PLR2004  two lists
        return []
    found = recipients.count_rejected_by_file(connection, campaign_id, known)
    return [
        _count_of_file(file, found[file.number], is_last=file is files[-1]) for file in files if file.number in found
    ]


def _count_of_file(file: recipients.ImportedFile, codes: Mapping[str, int], *, is_last: bool) -> RowsOfFile:
    refused, unanswered = codes.get(RowCode.REFUSED, 0), codes.get(RowCode.UNANSWERED, 0)
    marked = codes.get(RowCode.MARKED, 0)
    invalid = sum(codes.values()) - refused - unanswered - marked
    return RowsOfFile(file.number, file.name, is_last, refused, unanswered, marked, invalid)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignOverview:
    """A campaign with its accounts and tests.

    `categories`: by account id, the category that the template has in the account's WABA. `import_errors`: the first
    rejected rows. `left_out`: the numbers of rows that made no recipient. `misfit`: why the template no longer fits the
    campaign; None if the template fits. `audience`: the earlier campaign whose people it has; None if it has none.
    """

    campaign: campaigns.CampaignListing
    accounts: list[accounts.AccountListing]
    categories: dict[int, str]
    import_errors: list[recipients.ImportErrorRow]
    left_out: LeftOutRows
    tests: list[campaigns.CampaignListing]
    misfit: TemplateError | None
    audience: recipients.AudienceRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignDetails(CampaignOverview):
    """A campaign with its accounts, errors, prices and tests.

    `reasons`: why messages failed, are uncertain, exceed the cap per person, wait for a review, or are to people who
    have left the audience. `prices`: the numbers
    of messages by the pricing that Meta reports. `estimate`: what the campaign may cost; None after its start. `costs`:
    what it has cost; None if no price is loaded.
    """

    reasons: list[campaigns.ReasonCount]
    prices: list[campaigns.PriceCount]
    estimate: Estimate | None
    costs: list[Cost] | None


@dataclass(frozen=True, slots=True)
class ExplainedReason:
    """A reason why messages failed, with an explanation.

    `retry`: the kind of retry that may help, or None if no retry helps.
    """

    reason: campaigns.ReasonCount
    meaning: str
    fault: str
    advice: Sentence
    retry: Retry | None


@dataclass(frozen=True, slots=True)
class CampaignErrors:
    """The errors of a campaign.

    `waits_for_template`: the template cannot be sent now, so a retry does not help before a person has acted.
    `capped_count`: people who exceed the cap per person. `review_count`: people with an answer that waits for a review.
    `left_audience_count`: people whom later evidence has taken out of the audience of the campaign. `left_out`: the
    numbers of rows of the lists that made no recipient.
    """

    campaign: campaigns.CampaignListing
    errors: list[ExplainedReason]
    waits_for_template: bool
    capped_count: int
    review_count: int
    left_audience_count: int
    left_out: LeftOutRows


def show_errors(
    database: Database,
    campaign_id: int,
    *,
    load_reasons: Callable[[Connection, int], Sequence[campaigns.ReasonCount]] = campaigns.list_reasons,
) -> CampaignErrors:
    """Return, with explanations, the reasons why a campaign's messages failed, are uncertain or wait for a review.

    `load_reasons`: returns the reasons of the campaign. Raises Refusal if there is no such campaign.
    """

    def load(connection: Connection) -> CampaignErrors:
        listed = load_reasons(connection, campaign_id)
        suppressed_count = sum(each.count for each in listed if each.status == Status.SUPPRESSED)
        reasons = [each for each in listed if each.status != Status.SUPPRESSED or each.error_code == UNDER_REVIEW.code]
        review_count = sum(each.count for each in reasons if each.status == Status.SUPPRESSED)
        account_ids = sorted({account_id for reason in reasons for account_id in reason.account_ids})
        names = {each.id: each.name for each in accounts.list_accounts(connection, account_ids)}
        campaign = find_campaign(connection, campaign_id)
        errors = [_explain(each, campaign_id, names) for each in reasons]
        waits_for_template = is_template_stopped(connection, campaign)
        left_count = sum(each.count for each in listed if each.error_title == LEFT_AUDIENCE)
        capped_count = suppressed_count - review_count - left_count
        left_out = count_left_out(connection, campaign)
        return CampaignErrors(campaign, errors, waits_for_template, capped_count, review_count, left_count, left_out)

    return database.run(load)


def _explain(reason: campaigns.ReasonCount, campaign_id: int, names: Mapping[int, str]) -> ExplainedReason:
    is_uncertain = reason.status == Status.UNCERTAIN
    failure = explain_uncertain(reason.error_code) if is_uncertain else explain_failure(reason.error_code)
    advice = advise_repair(failure).aim(campaign=[campaign_id], account=[names[each] for each in reason.account_ids])
    retry = None if is_uncertain else failure.retry
    return ExplainedReason(reason, failure.meaning, FAULTS[failure.blame], advice, retry)


def is_template_stopped(connection: Connection, campaign: campaigns.CampaignListing) -> bool:
    """Tell whether the template cannot be sent now, so that a retry does not help before a person has acted."""
    # A sync may have ended the wait. The reason stays in the row until the next slice deletes it.
    is_over = campaign.due_at is None and campaign.enqueued_at is not None
    return (
        campaign.template_status != TemplateStatus.APPROVED
        or (campaign.waiting_reason == Reason.TEMPLATE and not is_over)
        or _find_misfit(connection, campaign) is not None
    )


def show_campaign(database: Database, campaign_id: int) -> CampaignDetails:
    """Return a campaign with its accounts, prices and failures. Raises Refusal if there is no such campaign.

    The function reads all messages of the campaign.
    """

    def load(connection: Connection) -> CampaignDetails:
        overview = _load(connection, campaign_id)
        return CampaignDetails(
            **overview,
            reasons=campaigns.list_reasons(connection, campaign_id),
            prices=campaigns.list_prices(connection, campaign_id),
            estimate=find_estimate(connection, overview["campaign"]),
            costs=find_costs(connection, campaign_id),
        )

    return database.run(load)


def show_overview(database: Database, campaign_id: int) -> CampaignOverview:
    """Return a campaign with its accounts, without a look at its messages: a page may show it as often as it likes.

    Raises Refusal if there is no such campaign.
    """
    return database.run(lambda connection: CampaignOverview(**_load(connection, campaign_id)))


def _load(connection: Connection, campaign_id: int) -> dict[str, Any]:
    campaign = find_campaign(connection, campaign_id)
    categories = load_campaign_accounts(connection, [campaign_id])[campaign_id]
    rejected: list[recipients.ImportErrorRow] = []
    if campaign.rejected_count:
        rejected = recipients.list_import_errors(connection, campaign_id, limit=_SHOWN_IMPORT_ERRORS, is_rejected=True)
    return {
        "campaign": campaign,
        "accounts": accounts.list_accounts(connection, list(categories)),
        "categories": categories,
        "import_errors": rejected,
        "left_out": count_left_out(connection, campaign),
        "tests": campaigns.list_tests(connection, campaign_id),
        "misfit": None if campaign.status in ENDED else _find_misfit(connection, campaign),
        "audience": recipients.list_audiences(connection, [campaign_id]).get(campaign_id),
    }


def _find_misfit(connection: Connection, campaign: campaigns.CampaignListing) -> TemplateError | None:
    row = templates.load_template(connection, campaigns.find_template_id(connection, campaign.id))
    try:
        template = read_template(row)
    except TemplateError as error:
        return error
    return find_misfit(template, campaign.parameters, campaign.columns)


def find_campaign(connection: Connection, campaign_id: int) -> campaigns.CampaignListing:
    """Return a campaign. Raises Refusal if there is no such campaign."""
    found = campaigns.list_campaigns(connection, [campaign_id])
    if not found:
        raise missing_campaign(campaign_id)
    return found[0]
