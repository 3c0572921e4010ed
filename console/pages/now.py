"""The first page: the unfinished campaigns, those that need a person first, and the accounts with a problem."""

from __future__ import annotations

from flask import Flask, render_template

from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.users.rights import Right
from campaigns.management.listings.pages import CampaignFilter, page_campaigns
from campaigns.management.users.approvals import WantedApproval, list_wanted_approvals
from campaigns.store.accounts import AccountListing, list_accounts
from console.context import may, parts, user
from console.rights import demands
from console.views import CampaignView, view_campaigns

_ALIVE = (CampaignStatus.PENDING, CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.PAUSED)
# The newest drafts; a link leads to the others.
_SHOWN_DRAFTS = 5


def register(app: Flask) -> None:
    app.add_url_rule("/", "now", show_now)


@demands(Right.SEE)
def show_now() -> str:
    database = parts().database
    page = page_campaigns(database, CampaignFilter(statuses=_ALIVE))
    drafts = page_campaigns(database, CampaignFilter(statuses=[CampaignStatus.DRAFT]), limit=_SHOWN_DRAFTS)
    campaigns = view_campaigns(page.rows)
    return render_template(
        "now.html",
        campaigns=sorted(campaigns, key=_find_rank),
        approvals=_list_approvals(),
        has_more=page.next_key is not None,
        drafts=[CampaignView(row) for row in drafts.rows],
        has_more_drafts=drafts.next_key is not None,
        has_campaigns=bool(campaigns) or bool(page_campaigns(database, CampaignFilter(), limit=1).rows),
        accounts=[each for each in database.run(list_accounts) if _is_unwell(each)],
        user=user(),
    )


def _list_approvals() -> list[WantedApproval]:
    """Return the campaigns that wait for an approval which this user may give."""
    if not may(Right.CAMPAIGN_APPROVE):
        return []
    name = user().name.casefold()
    wanted = list_wanted_approvals(parts().database, above=parts().settings.approve_above)
    return [each for each in wanted if (each.changed_by or "").casefold() != name]


def _find_rank(campaign: CampaignView) -> int:
    """Return the sort key of a campaign: campaigns that need a person come first, then running campaigns."""
    return 0 if campaign.needs_person else 1 if campaign.is_running else 2


def _is_unwell(account: AccountListing) -> bool:
    return not account.active or account.blocked_until is not None or bool(account.inactive_categories)
