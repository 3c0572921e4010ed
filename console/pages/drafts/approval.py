"""Approves a large campaign: a second person looks at what it will send."""

from __future__ import annotations

from flask import Flask, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.reports import show_overview
from campaigns.management.users.approvals import approve_campaign
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.moves import ConfirmForm
from console.forms.start import read_told, write_told
from console.pages import CAMPAIGN
from console.pages.drafts.looks import look_at
from console.rights import demands
from console.texts import _, say

_Answer = str | Response | tuple[str, int]


def register(app: Flask) -> None:
    app.add_url_rule(f"{CAMPAIGN}/approve", "confirm_approve", ask, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/approve", "approve", approve, methods=["POST"])


@demands(Right.CAMPAIGN_APPROVE)
def ask(campaign_id: int) -> str:
    return _render(campaign_id)


@demands(Right.CAMPAIGN_APPROVE)
def approve(campaign_id: int) -> _Answer:
    told = read_told(request.form.get("told", ""), campaign_id, parts().settings)
    if told is None:
        return _render(campaign_id, _("This page was too old. Look at the campaign again.")), 422
    try:
        approve_campaign(parts().database, campaign_id, actor=actor(), seen=told.digest)
    except Refusal as refusal:
        return _render(campaign_id, say(refusal)), find_status(refusal)
    return redirect(url_for("campaign", campaign_id=campaign_id, done="approved"))


def _render(campaign_id: int, refusal: Markup | str = "") -> str:
    look = look_at(campaign_id)
    details = show_overview(parts().database, campaign_id)
    return render_template(
        "drafts/approve.html",
        look=look,
        row=details.campaign,
        is_draft=details.campaign.status == CampaignStatus.DRAFT,
        accounts=[each.name for each in details.accounts],
        told=write_told(look.start.told),
        quiet=parts().settings.quiet_hours,
        form=ConfirmForm(),
        refusal=refusal,
        user=user(),
    )
