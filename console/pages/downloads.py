"""The downloads of a user: a campaign's people or the opt-outs are written to a file by the role `files`.

So a download of a million people holds no process of the console.
"""

from __future__ import annotations

import datetime as dt

from flask import Flask, abort, redirect, render_template, request, url_for
from flask.wrappers import Response as FlaskResponse
from werkzeug.wrappers import Response

from campaigns.domain.campaign import missing_campaign
from campaigns.domain.message import Status
from campaigns.domain.optout.recognition import Source
from campaigns.domain.users.rights import Right
from campaigns.management.files.jobs import (
    find_own_job,
    list_downloads,
    read_download,
    read_people,
    request_export,
    request_optouts_export,
)
from campaigns.management.files.sentences import read_refusal
from campaigns.store.campaigns import list_campaigns
from campaigns.store.files.jobs import JobKind
from console.context import actor, parts, user
from console.forms.downloads import DownloadForm
from console.rights import demands
from console.texts import ENGLISH, language
from console.typed import keeps_typed

_KEPT = dt.timedelta(days=3)
_LARGEST_ID = 2**63 - 1


def register(app: Flask) -> None:
    app.add_url_rule("/downloads", "downloads", show, methods=["GET"])
    app.add_url_rule(f"/downloads/<int(max={_LARGEST_ID}):job_id>.csv", "download_file", send, methods=["GET"])
    app.add_url_rule(f"/campaigns/<int(max={_LARGEST_ID}):campaign_id>/download", "ask_download", ask, methods=["GET"])
    app.add_url_rule(
        f"/campaigns/<int(max={_LARGEST_ID}):campaign_id>/download", "prepare_download", prepare, methods=["POST"]
    )
    app.add_url_rule("/optouts/download", "prepare_optouts", prepare_optouts, methods=["POST"])


@demands(Right.PHONES_DOWNLOAD)
def show() -> str:
    rows = list_downloads(parts().database, actor=actor())
    return render_template(
        "downloads/downloads.html",
        rows=[(row, row.created_at + _KEPT, read_refusal(row), read_people(row.request)) for row in rows],
        is_waiting=any(row.is_due for row in rows),
        is_stuck=any(row.is_due and row.tries == 0 and row.age_seconds > 60 for row in rows),  # noqa: PLR2004
        user=user(),
    )


@demands(Right.PHONES_DOWNLOAD)
def send(job_id: int) -> FlaskResponse:
    job = find_own_job(parts().database, job_id, actor=actor())
    if job.kind not in {JobKind.EXPORT, JobKind.EXPORT_OPTOUTS}:
        abort(404)
    people = read_people(job.request)
    part = "" if people is None else f"-{people.group}"
    name = "opt-outs.csv" if job.campaign_id is None else f"campaign-{job.campaign_id}{part}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    pieces = read_download(parts().database, job_id)
    return FlaskResponse(pieces, content_type="text/csv; charset=utf-8", headers=headers)


@keeps_typed
@demands(Right.PHONES_DOWNLOAD)
def ask(campaign_id: int) -> str:
    rows = parts().database.run(list_campaigns, [campaign_id])
    if not rows:
        raise missing_campaign(campaign_id)
    return render_template("downloads/ask.html", row=rows[0], form=DownloadForm(), statuses=list(Status), user=user())


@demands(Right.PHONES_DOWNLOAD)
def prepare(campaign_id: int) -> Response:
    form = DownloadForm()
    if not form.validate_on_submit():
        abort(400)
    wanted = set(form.statuses.data or ())
    statuses = [status for status in Status if status in wanted]
    request_export(
        parts().database, campaign_id, actor=actor(), statuses=statuses or None, delimiter=choose_delimiter()
    )
    return wait_for_file()


@demands(Right.PHONES_DOWNLOAD)
def prepare_optouts() -> Response:
    chosen = [each for each in request.form.getlist("source") if each]
    if not set(chosen) <= set(Source):
        abort(400)
    request_optouts_export(
        parts().database,
        [Source(each) for each in chosen],
        actor=actor(),
        time_zone=user().time_zone,
        delimiter=choose_delimiter(),
    )
    return wait_for_file()


def wait_for_file() -> Response:
    """Let the role `files` do the job that was created, and lead to the page of the downloads."""
    parts().enqueue_file_work()
    return redirect(url_for("downloads"))


def choose_delimiter() -> str:
    """Return the delimiter that a spreadsheet program expects in the language of the user."""
    return "," if language() == ENGLISH else ";"
