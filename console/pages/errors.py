"""The errors of a campaign: why messages failed or are uncertain, and what helps."""

from __future__ import annotations

from collections import Counter

from flask import Flask, render_template

from campaigns.domain.users.rights import Right
from campaigns.management.reports import ExplainedReason, show_errors
from campaigns.management.retries import ALL_NAME
from console.context import parts, user
from console.pages import CAMPAIGN
from console.rights import demands
from console.views import CampaignView, list_rows, list_skipped


def register(app: Flask) -> None:
    app.add_url_rule(f"{CAMPAIGN}/errors", "errors", show)


@demands(Right.SEE)
def show(campaign_id: int) -> str:
    found = show_errors(parts().database, campaign_id, load_reasons=parts().reasons.load)
    groups: dict[str, list[ExplainedReason]] = {}
    for each in found.errors:
        groups.setdefault(each.fault, []).append(each)
    view = CampaignView(found.campaign)
    skipped = list_skipped(view.funnel, found)
    again = Counter[str]()
    for each in found.errors:
        if each.retry is not None:
            again[each.retry] += each.reason.count
    return render_template(
        "errors.html",
        campaign=view,
        groups=groups,
        skipped=[*skipped, *list_rows(found.left_out)],
        again=again,
        waits_for_template=found.waits_for_template,
        all_name=ALL_NAME,
        user=user(),
    )
