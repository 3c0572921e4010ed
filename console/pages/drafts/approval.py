"""Approves a large campaign: a person asks for it, and a second person looks at what the campaign will send."""

from __future__ import annotations

from flask import Flask, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.reports import find_campaign, show_overview
from campaigns.management.users.approvals import approve_campaign, ask_for_approval, look_at_approval
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.moves import ConfirmForm
from console.forms.start import read_told, write_told
from console.pages import CAMPAIGN
from console.pages.drafts.looks import look_at
from console.pages.drafts.steps import LAST_STEP
from console.rights import demands
from console.texts import _, say
from console.views import CampaignView

_Answer = str | Response | tuple[str, int]


def register(app: Flask) -> None:
    app.add_url_rule(f"{CAMPAIGN}/approve", "confirm_approve", ask, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/approve", "approve", approve, methods=["POST"])
    app.add_url_rule(f"{CAMPAIGN}/ask-approval", "confirm_ask_approval", confirm_request, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/ask-approval", "ask_approval", request_approval, methods=["POST"])


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


@demands(Right.CAMPAIGN_ASK_APPROVAL)
def confirm_request(campaign_id: int) -> str:
    return _render_request(campaign_id)


@demands(Right.CAMPAIGN_ASK_APPROVAL)
def request_approval(campaign_id: int) -> _Answer:
    above = parts().settings.approve_above
    try:
        ask_for_approval(parts().database, campaign_id, actor=actor(), above=above)
    except Refusal as refusal:
        if refusal.code == "campaign_missing":
            raise
        return _render_request(campaign_id, say(refusal)), find_status(refusal)
    row = parts().database.run(find_campaign, campaign_id)
    if row.status == CampaignStatus.DRAFT:
        return redirect(url_for(LAST_STEP, campaign_id=campaign_id, _anchor="approval"))
    return redirect(url_for("campaign", campaign_id=campaign_id, done="asked"))


def _render_request(campaign_id: int, obstacle: Markup | str = "") -> str:
    state = look_at_approval(parts().database, campaign_id, above=parts().settings.approve_above)
    row = parts().database.run(find_campaign, campaign_id)
    return render_template(
        "drafts/ask_approval.html",
        command="ask_approval",
        campaign=CampaignView(row),
        state=state,
        form=ConfirmForm(),
        obstacle=obstacle,
        refusal="",
        user=user(),
    )


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
