"""All that a person may want to know of one campaign, as of one moment."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.domain.campaign import CampaignError, missing_campaign
from campaigns.store import campaigns, directory, recipients
from campaigns.store.accounts import campaign_account_ids
from campaigns.store.database import Connection, Database

_SHOWN_IMPORT_ERRORS = 20


@dataclass(frozen=True, slots=True)
class CampaignDetails:
    """`reasons`: why messages failed or are uncertain. `import_errors`: the first rejected rows."""

    campaign: campaigns.CampaignListing
    accounts: list[directory.AccountListing]
    reasons: list[campaigns.ReasonCount]
    import_errors: list[recipients.ImportErrorRow]
    tests: list[campaigns.CampaignListing]


def show_campaign(database: Database, campaign_id: int) -> CampaignDetails:
    """Return a campaign with its accounts and its troubles. Raises CampaignError when there is none."""
    return database.run(_load, campaign_id)


def _load(connection: Connection, campaign_id: int) -> CampaignDetails:
    found = campaigns.list_campaigns(connection, [campaign_id])
    if not found:
        raise CampaignError(missing_campaign(campaign_id))
    return CampaignDetails(
        found[0],
        directory.list_accounts(connection, campaign_account_ids(connection, campaign_id)),
        campaigns.list_reasons(connection, campaign_id),
        recipients.list_import_errors(connection, campaign_id, limit=_SHOWN_IMPORT_ERRORS),
        campaigns.list_tests(connection, campaign_id),
    )
