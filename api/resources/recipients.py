"""The recipients of a campaign: a list as a file, rows as JSON, people of an earlier campaign; what became of them."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import AfterValidator, Field, StringConstraints

from api.access import demands, takes
from api.context import actor, may, parts
from api.cursors import link_next, read_cursor, write_cursor
from api.once import Answer, carry_out
from api.problems import ProblemError, describe_reason
from api.resources.campaigns import PATH, AudienceRequest
from api.schemas import NO_NUL, Id, In, Moment, Notice, Out, PageQuery, Reason, Text, warn
from campaigns.domain.audience.conditions import read_who
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.optout.consent import RefusalChoice
from campaigns.domain.phone.regions import read_region
from campaigns.domain.recipients import Choice
from campaigns.domain.statement import Finding
from campaigns.domain.users.rights import Right
from campaigns.domain.users.scopes import Scope
from campaigns.management.files.jobs import find_import_job, request_fill, request_import
from campaigns.management.files.sentences import read_refusal, read_sentence
from campaigns.management.files.uploads import cut_pieces, refuse_large, store_upload
from campaigns.management.listings.pages import page_import_errors
from campaigns.management.recipients import Reading
from campaigns.management.reports import find_campaign
from campaigns.sheets.xlsx import HiddenChoice
from campaigns.store.database import Database
from campaigns.store.files.jobs import JobKind, JobStatus

blueprint = APIBlueprint("recipients", __name__)

_PATH = "/campaigns/<id:campaign_id>/recipients"
MAX_ROWS = 1000
_MAX_ROWS_BYTES = 4_000_000
# The members of an import that come from the result of its job.
_REPORTED = [
    *("recipient_count", "duplicate_count", "rejected_count", "replaced_count", "suppressed_count", "phone_column"),
]
# What stands in the header of the list that is made from rows.
_PHONE = "phone"
_VARIABLE = "variable {}"

Region = Annotated[str, StringConstraints(pattern="^[A-Za-z]{2}$"), AfterValidator(read_region)]
Value = Annotated[str, StringConstraints(max_length=5000, pattern=NO_NUL)]


class ListQuery(In):
    """How to read a list. The columns are found by their names, as `revoada campaign import` finds them."""

    name: Text = Field("list", description="The name of the file, for people.")
    region: Region | None = Field(None, description="The country of phones without a country code, such as BR.")
    phone_column: Text | None = None
    consent_column: Text | None = None
    sheet: Text | None = Field(None, description="The sheet of a workbook.")
    hidden: HiddenChoice = HiddenChoice.REFUSE
    refusals: RefusalChoice = RefusalChoice.REFUSE
    no_answer: RefusalChoice = RefusalChoice.REFUSE


class Row(In):
    phone: Text
    values: Annotated[dict[Text, Value], Field(max_length=100)] = Field({}, description="By variable, the value.")


class Rows(In):
    rows: Annotated[list[Row], Field(min_length=1, max_length=MAX_ROWS)]
    region: Region | None = Field(None, description="The country of phones without a country code, such as BR.")


class Import(Out):
    """The import of a list, or of people of an earlier campaign. `part`: how much of a list is read, from 0 to 1.

    The numbers are `null` until it is done. `duplicate_count` and `rejected_count`: the numbers of rows that made no
    recipient; `null` if there is no list. `suppressed_count`: the number of people of the campaign who must not get
    messages. `reason`: why it was refused or failed; then the campaign has the same people as before.
    """

    id: Id
    campaign_id: Id
    status: JobStatus
    replaces: bool
    part: float
    created_at: Moment
    ended_at: Moment | None
    recipient_count: int | None
    duplicate_count: int | None
    rejected_count: int | None
    replaced_count: int | None
    suppressed_count: int | None
    phone_column: str | None
    ignored_columns: list[str]
    warnings: list[Notice]
    reason: Reason | None


class RejectedRow(Out):
    """A row of a list that made no recipient. `row_number`: in a spreadsheet, where the header is row 1."""

    file_name: str
    row_number: int
    column_name: str
    code: str
    reason: str


class RejectedRowPage(Out):
    items: list[RejectedRow]
    next: str | None


@blueprint.put(_PATH)
@demands(Scope.CAMPAIGNS_WRITE)
@blueprint.input(ListQuery, location="query")
@blueprint.output(Import, 202)
def replace_recipients(campaign_id: int, query_data: ListQuery) -> Any:
    """Put the people of a list in the place of all recipients of a draft. The body is a CSV file or an XLSX workbook.

    The answer comes before the list is read. The import tells what became of it.
    """
    database, most = parts().database, parts().settings.upload_mb * 1_000_000
    _demand_change(campaign_id)
    if (request.content_length or 0) > most:
        raise refuse_large(most)
    request.max_content_length = most
    upload = store_upload(database, query_data.name, cut_pieces(request.stream.read), max_bytes=most, actor=actor())
    reading = Reading(
        choice=Choice(phone=query_data.phone_column, consent=query_data.consent_column),
        region=query_data.region or parts().settings.region,
        sheet=query_data.sheet,
        hidden=query_data.hidden,
        refusals=query_data.refusals,
        unanswered=query_data.no_answer,
    )
    job_id = request_import(database, campaign_id, upload.id, reading, actor=actor(), replaces=True)
    parts().enqueue_file_work()
    return _show(database, job_id), 202, {"Location": _locate(job_id)}


@blueprint.put(f"{PATH}/audience")
@demands(Scope.CAMPAIGNS_WRITE)
@blueprint.input(AudienceRequest)
@blueprint.output(Import, 202)
def take_audience(campaign_id: int, json_data: AudienceRequest) -> Any:
    """Put people of an earlier campaign in the place of all recipients of a draft.

    The answer comes before the people are taken. The import tells how many they are, or why nobody was taken.
    """
    read_who(json_data.who)
    _demand_change(campaign_id)
    at_most = None if json_data.uncertain is None else json_data.uncertain.at_most
    source_id = int(json_data.campaign)
    job_id = request_fill(parts().database, campaign_id, source_id, json_data.who, at_most, actor=actor())
    parts().enqueue_file_work()
    return _show(parts().database, job_id), 202, {"Location": _locate(job_id)}


@blueprint.post(_PATH)
@demands(Scope.CAMPAIGNS_WRITE)
@takes(_MAX_ROWS_BYTES)
@blueprint.input(Rows)
@blueprint.output(Import, 202)
def add_recipients(campaign_id: int, json_data: Rows) -> Response:
    """Add up to 1,000 people to a draft or to a paused campaign.

    The rows are read as those of a file: a phone may be written as people write it, and a row that is not valid is
    rejected by itself. The answer comes before the rows are read. The import tells what became of them.
    """
    variables = sorted({name for row in json_data.rows for name in row.values})
    choice = Choice(phone=_PHONE, mapping={name: _VARIABLE.format(name) for name in variables})
    reading = Reading(choice=choice, region=json_data.region or parts().settings.region)
    data = _write_list(json_data.rows, variables)

    def change(database: Database) -> Answer:
        _demand_change(campaign_id, database)
        upload = store_upload(
            database,
            f"{len(json_data.rows)} rows.csv",
            cut_pieces(io.BytesIO(data).read),
            max_bytes=len(data),
            actor=actor(),
        )
        job_id = request_import(database, campaign_id, upload.id, reading, actor=actor())
        return Answer(_show(database, job_id), 202, {"Location": _locate(job_id)}, has_file_work=True)

    return carry_out(change)


@blueprint.get("/imports/<id:import_id>")
@demands(Scope.CAMPAIGNS_READ)
@blueprint.output(Import)
def read_import(import_id: int) -> Import:
    """Read whether a list is read, and what became of its rows. An import is kept for 7 days."""
    return _show(parts().database, import_id)


@blueprint.get("/campaigns/<id:campaign_id>/import-errors")
@demands(Scope.MESSAGES_READ)
@blueprint.input(PageQuery, location="query")
@blueprint.output(RejectedRowPage)
def list_import_errors(campaign_id: int, query_data: PageQuery) -> Any:
    """List the rows of the lists of a campaign that made no recipient, with the reason."""
    (after,) = read_cursor(query_data.cursor) or (0,)
    page = page_import_errors(parts().database, campaign_id, after=after, limit=query_data.limit)
    cursor = write_cursor(None if page.next_key is None else [page.next_key])
    items = [RejectedRow.show(each) for each in page.rows]
    return RejectedRowPage(items=items, next=cursor), 200, link_next(cursor)


def _demand_change(campaign_id: int, database: Database | None = None) -> None:
    """Refuse a change of a campaign that is no draft to a person who may only draft. Raises Refusal, ProblemError."""
    row = (database or parts().database).run(find_campaign, campaign_id)
    if row.status != CampaignStatus.DRAFT and not may(Right.CAMPAIGN_CHANGE):
        raise ProblemError("right_missing")


def _write_list(rows: list[Row], variables: list[str]) -> bytes:
    """Return the rows as a CSV file."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([_PHONE, *(_VARIABLE.format(name) for name in variables)])
    writer.writerows([row.phone, *(row.values.get(name, "") for name in variables)] for row in rows)
    return text.getvalue().encode()


def _locate(job_id: int) -> str:
    return f"{request.script_root}/v1/imports/{job_id}"


def _show(database: Database, job_id: int) -> Import:
    job = find_import_job(database, job_id)
    result = job.result or {}
    warnings = [read_sentence(each) for each in result.get("warnings", ())]
    return Import.show(
        job,
        replaces=job.kind != JobKind.ADD,
        **{name: result.get(name) for name in _REPORTED},
        ignored_columns=result.get("ignored", []),
        warnings=warn(each for each in warnings if isinstance(each, Finding)),
        reason=describe_reason(read_refusal(job)),
    )
