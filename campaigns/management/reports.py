"""All that a person may want to know of one campaign, as of one moment."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.domain.campaign import ENDED, CampaignError, missing_campaign
from campaigns.domain.failures import UNDER_REVIEW, explain_doubt, explain_failure
from campaigns.domain.filling import find_misfit
from campaigns.domain.message import Status
from campaigns.domain.template import TemplateError, template_from_components
from campaigns.domain.verdict import FAULTS, Retry
from campaigns.store import accounts, campaigns, recipients, templates
from campaigns.store.accounts import load_campaign_accounts
from campaigns.store.database import Connection, Database

_SHOWN_IMPORT_ERRORS = 20


@dataclass(frozen=True, slots=True)
class CampaignDetails:
    """`categories`: the category of the template in the account's WABA, by account id.

    `reasons`: why messages failed, are uncertain or were skipped by the cap. `prices`: as Meta reports them.
    `import_errors`: the first rejected rows. `misfit`: why it cannot be sent as its template is now, or None.
    """

    campaign: campaigns.CampaignListing
    accounts: list[accounts.AccountListing]
    categories: dict[int, str]
    reasons: list[campaigns.ReasonCount]
    prices: list[campaigns.PriceCount]
    import_errors: list[recipients.ImportErrorRow]
    tests: list[campaigns.CampaignListing]
    misfit: str | None


@dataclass(frozen=True, slots=True)
class ExplainedReason:
    """A reason with what Meta means by it, whose fault it is, and what to do. `retry`: in which class, if in any."""

    reason: campaigns.ReasonCount
    meaning: str
    fault: str
    advice: str
    retry: Retry | None


@dataclass(frozen=True, slots=True)
class CampaignErrors:
    campaign: campaigns.CampaignListing
    errors: list[ExplainedReason]


def show_errors(database: Database, campaign_id: int) -> CampaignErrors:
    """Return the reasons why messages of a campaign failed, are uncertain or wait for a review, explained.

    Raises CampaignError when there is no such campaign.
    """

    def load(connection: Connection) -> CampaignErrors:
        listed = campaigns.list_reasons(connection, campaign_id)
        reasons = [each for each in listed if each.status != Status.SUPPRESSED or each.error_code == UNDER_REVIEW.code]
        return CampaignErrors(_find(connection, campaign_id), [_explain(reason) for reason in reasons])

    return database.run(load)


def _explain(reason: campaigns.ReasonCount) -> ExplainedReason:
    if reason.status == Status.UNCERTAIN:
        doubt = explain_doubt(reason.error_code)
        return ExplainedReason(reason, doubt.meaning, FAULTS[doubt.blame], doubt.advice, None)
    failure = explain_failure(reason.error_code)
    return ExplainedReason(reason, failure.meaning, FAULTS[failure.blame], failure.advice, failure.retry)


def show_campaign(database: Database, campaign_id: int) -> CampaignDetails:
    """Return a campaign with its accounts and its troubles. Raises CampaignError when there is none."""
    return database.run(_load, campaign_id)


def _load(connection: Connection, campaign_id: int) -> CampaignDetails:
    campaign = _find(connection, campaign_id)
    categories = load_campaign_accounts(connection, [campaign_id])[campaign_id]
    return CampaignDetails(
        campaign,
        accounts.list_accounts(connection, list(categories)),
        categories,
        campaigns.list_reasons(connection, campaign_id),
        campaigns.list_prices(connection, campaign_id),
        recipients.list_import_errors(connection, campaign_id, limit=_SHOWN_IMPORT_ERRORS),
        campaigns.list_tests(connection, campaign_id),
        None if campaign.status in ENDED else _find_misfit(connection, campaign),
    )


def _find_misfit(connection: Connection, campaign: campaigns.CampaignListing) -> str | None:
    row = templates.load_template(connection, campaigns.find_template_id(connection, campaign.id))
    try:
        template = template_from_components(row.name, row.language, row.components)
    except TemplateError as error:
        return f"The template {row.name}:{row.language} cannot be sent: {error}"
    return find_misfit(template, campaign.parameters, campaign.columns)


def _find(connection: Connection, campaign_id: int) -> campaigns.CampaignListing:
    found = campaigns.list_campaigns(connection, [campaign_id])
    if not found:
        raise CampaignError(missing_campaign(campaign_id))
    return found[0]
