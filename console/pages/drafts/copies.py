"""Makes a draft from an earlier campaign, and deletes a draft. A page shows the numbers before a person confirms."""

from __future__ import annotations

from flask import Flask, abort, redirect, render_template, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.campaign import missing_campaign
from campaigns.domain.message import Status
from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.drafts.copies import copy_campaign
from campaigns.management.drafts.discards import check_discard, discard_draft
from campaigns.management.files.jobs import find_own_job, request_copy
from campaigns.management.files.sentences import read_refusal
from campaigns.store.campaigns import CampaignListing, list_campaigns
from campaigns.store.files.jobs import JobKind
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.copies import CopyForm
from console.forms.moves import ConfirmForm
from console.forms.pace import blame
from console.pages import CAMPAIGN
from console.rights import demands
from console.texts import _, say
from console.typed import keeps_typed

# A copy of more people is a job of the role `files`, because it takes longer than a page may take: about 20 s for
# 500,000 people beside other work.
COPIED_AT_ONCE = 20_000
# The people who certainly got no message, and may get one.
GOT_NOTHING = (Status.PENDING, Status.CANCELLED, Status.EXPIRED, Status.FAILED)

_Answer = str | Response | tuple[str, int]


def register(app: Flask) -> None:
    app.add_url_rule(f"{CAMPAIGN}/copy", "confirm_copy", ask_copy, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/copy", "copy", make_copy, methods=["POST"])
    app.add_url_rule(f"{CAMPAIGN}/copy/<int(max={2**63 - 1}):job_id>", "copying", watch_copy, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/discard", "confirm_discard", ask_discard, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/discard", "discard", discard, methods=["POST"])


@keeps_typed
@demands(Right.CAMPAIGN_DRAFT)
def ask_copy(campaign_id: int) -> str:
    row = _load(campaign_id)
    # The copy of a draft usually gets a list of its own, and that of a started campaign the people without a message.
    chosen = [each for each in GOT_NOTHING if row.counts.get(each)] if row.started_at is not None else []
    return _render_copy(row, CopyForm(data={"name": _("Copy of %(name)s", name=row.name), "statuses": chosen}))


@demands(Right.CAMPAIGN_DRAFT)
def make_copy(campaign_id: int) -> _Answer:
    row, form, settings = _load(campaign_id), CopyForm(), parts().settings
    if not form.validate_on_submit():
        return _render_copy(row, form), 422
    wanted, name = set(form.statuses.data or ()), form.name.data.strip()
    statuses = [status for status in Status if status in wanted]
    if sum(row.counts.get(status, 0) for status in statuses) > COPIED_AT_ONCE:
        job_id = request_copy(
            parts().database,
            campaign_id,
            actor=actor(),
            name=name,
            statuses=statuses,
            quiet_hours=settings.quiet_hours,
            draft_key=form.draft_key(user().name, str(campaign_id), name, *statuses),
        )
        parts().enqueue_file_work()
        return redirect(url_for("copying", campaign_id=campaign_id, job_id=job_id))
    try:
        made = copy_campaign(
            parts().database,
            campaign_id,
            actor=actor(),
            name=name,
            statuses=statuses,
            quiet_hours=settings.quiet_hours,
            secret_key=settings.secret_key,
            draft_key=form.draft_key(user().name, str(campaign_id), name, *statuses),
        )
    except Refusal as refusal:
        blame(form.name, say(refusal))
        return _render_copy(row, form), find_status(refusal)
    return redirect(url_for("draft", campaign_id=made.id))


@demands(Right.CAMPAIGN_DRAFT)
def watch_copy(campaign_id: int, job_id: int) -> str:
    """Show how far the copy of a large campaign is, and then a link to the draft."""
    job = find_own_job(parts().database, job_id, actor=actor())
    if job.kind != JobKind.COPY or job.campaign_id != campaign_id:
        abort(404)
    here = url_for("copying", campaign_id=campaign_id, job_id=job_id)
    return render_template("drafts/copying.html", job=job, refusal=read_refusal(job), here=here, user=user())


@demands(Right.CAMPAIGN_DRAFT)
def ask_discard(campaign_id: int) -> str:
    row, obstacle = _load(campaign_id), Markup()
    try:
        check_discard(parts().database, campaign_id)
    except Refusal as refusal:
        obstacle = say(refusal)
    return render_template("drafts/discard.html", row=row, obstacle=obstacle, form=ConfirmForm(), user=user())


@demands(Right.CAMPAIGN_DRAFT)
def discard(campaign_id: int) -> Response:
    discard_draft(parts().database, campaign_id, actor=actor())
    return redirect(url_for("campaigns", done="discarded"))


def _load(campaign_id: int) -> CampaignListing:
    rows = parts().database.run(list_campaigns, [campaign_id])
    if not rows:
        raise missing_campaign(campaign_id)
    return rows[0]


def _render_copy(row: CampaignListing, form: CopyForm) -> str:
    got_nothing = sum(row.counts.get(each, 0) for each in GOT_NOTHING)
    return render_template(
        "drafts/copy.html", row=row, form=form, statuses=list(Status), got_nothing=got_nothing, user=user()
    )
