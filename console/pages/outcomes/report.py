"""The report of a campaign: a page that prints on one sheet, and a file for programs."""

from __future__ import annotations

from flask import Flask, render_template
from flask.wrappers import Response

from campaigns.domain.users.rights import Right
from campaigns.management.listings.outcomes import OPTOUT_DAYS, REPORT_COLUMNS, Outcome, export_report, load_report
from campaigns.management.listings.samples import show_timeline
from campaigns.management.prices.charges import show_campaign_costs
from campaigns.sheets.csv_writer import stream_csv
from console.context import actor, parts, user
from console.pages import CAMPAIGN
from console.pages.audit.words import act_words
from console.pages.outcomes.compare import write_cost, write_rate
from console.pages.outcomes.speed import draw_speed
from console.rights import demands
from console.views import CampaignView, Skipped, list_left_out, list_rows

# The report prints on one sheet, so it has the most frequent reasons. The file and the page of the errors have all.
_SHOWN_REASONS = 10


def register(app: Flask) -> None:
    app.add_url_rule(f"{CAMPAIGN}/report", "report", show, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/report.csv", "download_report", download, methods=["GET"])


@demands(Right.SEE)
def show(campaign_id: int) -> str:
    report = load_report(parts().database, campaign_id)
    outcome = report.outcome
    view = CampaignView(outcome.campaign)
    costs = show_campaign_costs(parts().database, campaign_id)
    left_out = _list_left_out(view, outcome)
    return render_template(
        "outcomes/report.html",
        campaign=view,
        report=report,
        times=outcome.times,
        cost="" if costs is None else write_cost(costs),
        has_example=costs is not None and costs.has_example,
        rate=write_rate(outcome.times) if outcome.times else "",
        left_out=left_out[:_SHOWN_REASONS],
        more_count=sum(each.count for each in left_out[_SHOWN_REASONS:]),
        optout_days=OPTOUT_DAYS,
        acts=[(each.at, act_words(each.what), each.actor) for each in report.acts],
        speed=draw_speed(show_timeline(parts().database, campaign_id)),
        user=user(),
    )


@demands(Right.SEE)
def download(campaign_id: int) -> Response:
    """Return the report as a CSV file, and write an audit event about the download."""
    rows = export_report(parts().database, campaign_id, actor=actor())
    headers = {"Content-Disposition": f'attachment; filename="campaign-{campaign_id}-report.csv"'}
    return Response(stream_csv(REPORT_COLUMNS, [rows]), mimetype="text/csv", headers=headers)


def _list_left_out(view: CampaignView, outcome: Outcome) -> list[Skipped]:
    """Return the reasons why people and rows of the list got no message, the most frequent first."""
    found = [*list_left_out(view, outcome.errors), *list_rows(outcome.errors.left_out)]
    return sorted(found, key=lambda each: -each.count)
