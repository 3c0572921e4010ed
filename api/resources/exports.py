"""Exports: the messages of a campaign as a CSV file, which the role `files` writes."""

from __future__ import annotations

from typing import Annotated

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import Field

from api.access import demands
from api.context import actor, parts
from api.once import Answer, carry_out
from api.problems import describe_reason
from api.schemas import Id, In, Moment, Out, Reason
from campaigns.domain.message import Status
from campaigns.domain.users.scopes import Scope
from campaigns.management.files.jobs import find_own_export, read_download, request_export
from campaigns.management.files.sentences import read_refusal
from campaigns.store.database import Database
from campaigns.store.files.jobs import JobStatus

blueprint = APIBlueprint("exports", __name__)


class Wanted(In):
    campaign_id: Id
    statuses: Annotated[list[Status], Field(min_length=1, max_length=20)] | None = Field(
        None, description="Only messages in these statuses."
    )


class Export(Out):
    """A file with one row for each message. `part`: how much of it is written, from 0 to 1."""

    id: Id
    campaign_id: Id
    status: JobStatus
    part: float
    created_at: Moment
    ended_at: Moment | None
    reason: Reason | None


@blueprint.post("/exports")
@demands(Scope.EXPORTS)
@blueprint.input(Wanted)
@blueprint.output(Export, 202)
def request_export_(json_data: Wanted) -> Response:
    """Let the messages of a campaign be written to a CSV file, with phones and values. The audit keeps the request."""

    def change(database: Database) -> Answer:
        job_id = request_export(database, int(json_data.campaign_id), actor=actor(), statuses=json_data.statuses)
        location = f"{request.script_root}/v1/exports/{job_id}"
        return Answer(_show(database, job_id), 202, {"Location": location}, has_file_work=True)

    return carry_out(change)


@blueprint.get("/exports/<id:export_id>")
@demands(Scope.EXPORTS)
@blueprint.output(Export)
def read_export(export_id: int) -> Export:
    """Read whether a file is written. It is kept for 3 days. A user sees the exports of this user only."""
    return _show(parts().database, export_id)


@blueprint.get("/exports/<id:export_id>/file")
@demands(Scope.EXPORTS)
@blueprint.output({}, content_type="text/csv")
def download_export(export_id: int) -> Response:
    """Download the file of an export that is done."""
    job = find_own_export(parts().database, export_id, actor=actor())
    pieces = read_download(parts().database, job.id)
    headers = {"Content-Disposition": f'attachment; filename="campaign-{job.campaign_id}.csv"'}
    return Response(pieces, content_type="text/csv; charset=utf-8", headers=headers)


def _show(database: Database, job_id: int) -> Export:
    job = find_own_export(database, job_id, actor=actor())
    return Export.show(job, reason=describe_reason(read_refusal(job)))
