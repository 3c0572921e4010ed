"""One campaign: its progress, its rate over time, the people who get no message, and its settings."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, render_template, request

from campaigns.domain.campaign import ENDED, STARTED, CampaignStatus
from campaigns.domain.users.rights import Right
from campaigns.management.files.jobs import find_import
from campaigns.management.files.rejected import RejectedRow
from campaigns.management.files.reports import read_report
from campaigns.management.listings.samples import show_timeline
from campaigns.management.prices.charges import show_campaign_costs
from campaigns.management.reports import CampaignOverview, show_overview
from console.context import parts, user
from console.pages import CAMPAIGN
from console.pages.drafts.check import show_rejected
from console.pages.outcomes.speed import draw_speed
from console.rights import demands
from console.texts import _
from console.views import CampaignView, read_left_out, view_campaigns


def register(app: Flask) -> None:
    # The largest id is that of a `bigint`.
    app.add_url_rule(CAMPAIGN, "campaign", show)


@demands(Right.SEE)
def show(campaign_id: int) -> str:
    details = show_overview(parts().database, campaign_id)
    (view,) = view_campaigns([details.campaign])
    return render_template(
        "campaign.html",
        campaign=view,
        details=details,
        left_out=read_left_out(view),
        rejected=_list_rejected(details) if details.import_errors else [],
        speed=draw_speed(show_timeline(parts().database, campaign_id)),
        costs=show_campaign_costs(parts().database, campaign_id),
        done=read_done(view),
        approve_above=parts().settings.approve_above,
        user=user(),
    )


def _list_rejected(details: CampaignOverview) -> list[tuple[int, str, str, str]]:
    """Return the first rejected rows as `show_rejected` does, with their cells as long as the report has them."""
    job = find_import(parts().database, details.campaign.id)
    report = None if job is None or not job.is_done else read_report(job.result or {})
    cells = {} if report is None else {(each.row_number, each.reason): each.cell for each in report.rejected}
    return [
        show_rejected(
            RejectedRow(each.row_number, each.column_name, each.reason, cells.get((each.row_number, each.reason), ""))
        )
        for each in details.import_errors
    ]


def read_done(view: CampaignView) -> str:
    """Return a sentence about the change that led to the page, as long as the campaign is still as it was changed.

    The address of the page, and that of its stream, name the change.
    """
    status, done = CampaignStatus(view.row.status), request.args.get("done", "")
    statuses, say_done = _DONE.get(done, (frozenset(), str))
    return say_done() if status in statuses else ""


_NO_DRAFT = frozenset(CampaignStatus) - {CampaignStatus.DRAFT}
# By the value of `done` in the address: the statuses in which the sentence is true, and the sentence.
_DONE: dict[str, tuple[frozenset[CampaignStatus], Callable[[], str]]] = {
    "paused": (
        frozenset({CampaignStatus.PAUSED}),
        lambda: _("The campaign is paused. Messages that were being sent may still arrive."),
    ),
    "resumed": (
        frozenset(CampaignStatus) - {CampaignStatus.PAUSED, CampaignStatus.CANCELLED},
        lambda: _("The campaign goes on."),
    ),
    "retried": (
        frozenset({CampaignStatus.RUNNING, CampaignStatus.PAUSED, CampaignStatus.COMPLETED}),
        lambda: _("The messages are in our queue again."),
    ),
    "cancelled": (
        frozenset({CampaignStatus.CANCELLED}),
        lambda: _("The campaign is cancelled. Its waiting messages will never be sent."),
    ),
    "started": (STARTED, lambda: _("The campaign is started.")),
    "scheduled": (
        STARTED,
        lambda: _("The campaign is scheduled. It begins by itself at the scheduled time."),
    ),
    "approved": (
        frozenset(CampaignStatus) - ENDED,
        lambda: _("You have approved the campaign. Now it can be started."),
    ),
    "asked": (
        frozenset(CampaignStatus) - ENDED,
        lambda: _("You have asked for the approval. The people who can approve it see that on the page Now."),
    ),
    "no-start": (
        _NO_DRAFT,
        lambda: _("This campaign was started or ended before, perhaps by a first click. This click changed nothing."),
    ),
    "no-draft": (
        _NO_DRAFT,
        lambda: _("This campaign is no draft any more, so it has no more steps before its start. Nothing was changed."),
    ),
}
