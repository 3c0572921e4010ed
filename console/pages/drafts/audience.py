"""Gives a draft people of an earlier campaign, in the place of a list."""

from __future__ import annotations

from flask import Flask, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.drafts.audiences import Audience, count_audience, fill_draft
from campaigns.management.files.jobs import find_own_job, request_fill
from campaigns.management.files.sentences import read_refusal
from campaigns.store.files.jobs import JobKind
from campaigns.store.recipients import AudienceCount
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.drafts import AudienceForm
from console.forms.lists import ListForm
from console.forms.pace import blame
from console.pages import CAMPAIGN, read_number
from console.pages.drafts.list_file import render_list
from console.pages.drafts.steps import load_draft
from console.rights import demands
from console.texts import _, say

# More people are taken by a job of the role `files`, because it takes longer than a page may take.
TAKEN_AT_ONCE = 20_000

_Answer = str | Response | tuple[str, int]


def register(app: Flask) -> None:
    app.add_url_rule(f"{CAMPAIGN}/audience", "take_people", take, methods=["POST"])
    app.add_url_rule(f"{CAMPAIGN}/audience/<int(max={2**63 - 1}):job_id>", "taking_people", watch, methods=["GET"])


@demands(Right.CAMPAIGN_DRAFT)
def take(campaign_id: int) -> _Answer:
    """Count the people who fit, or give them to the draft."""
    load_draft(campaign_id)
    form, found = AudienceForm(), None
    source_id = read_number(form.source.data or "")
    if not form.validate_on_submit() or source_id is None:
        return _render(campaign_id, form), 422
    try:
        found = count_audience(parts().database, source_id, form.conditions)
        if request.form.get("act") == "count":
            return _render(campaign_id, form, found)
        at_most = read_number(form.uncertain.data or "") or 0
        if found.uncertain_count > at_most:
            blame(form.uncertain, _("Decide about these people: tick the box, or add the condition “not uncertain”."))
            return _render(campaign_id, form, found), 422
        if found.count > TAKEN_AT_ONCE:
            job_id = request_fill(parts().database, campaign_id, source_id, form.conditions, at_most, actor=actor())
            parts().enqueue_file_work()
            return redirect(url_for("taking_people", campaign_id=campaign_id, job_id=job_id))
        fill_draft(
            parts().database,
            campaign_id,
            Audience(source_id, form.conditions, at_most),
            actor=actor(),
            secret_key=parts().settings.secret_key,
        )
    except Refusal as refusal:
        blame(form.source if refusal.code == "audience_source_unsent" else form.who, say(refusal))
        return _render(campaign_id, form, found), find_status(refusal)
    return redirect(url_for("draft", campaign_id=campaign_id))


@demands(Right.CAMPAIGN_DRAFT)
def watch(campaign_id: int, job_id: int) -> str:
    """Show how far the work for many people is, and then a link to the draft."""
    job = find_own_job(parts().database, job_id, actor=actor())
    if job.kind != JobKind.FILL or job.campaign_id != campaign_id:
        abort(404)
    here = url_for("taking_people", campaign_id=campaign_id, job_id=job_id)
    return render_template("drafts/taking.html", job=job, refusal=read_refusal(job), here=here, user=user())


def _render(campaign_id: int, form: AudienceForm, found: AudienceCount | None = None) -> str:
    return render_list(campaign_id, ListForm(formdata=None), form, found)
