"""Work with whole files: a row for each job, its progress, and the file that an export has written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from psycopg.rows import args_row, class_row
from psycopg.types.json import Jsonb

from campaigns.domain.controls import escape_unstorable
from campaigns.store.database import Connection, insert_row, query


class JobKind(StrEnum):
    LOOK = "look"  # read the header and the first rows of an upload
    ADD = "add"  # add the people of an upload to a campaign
    REPLACE = "replace"  # put the people of an upload in the place of all people of a draft
    FILL = "fill"  # put people of an earlier campaign in the place of all people of a draft
    EXPORT = "export"  # write the messages of a campaign to a file
    COPY = "copy"  # make a draft from a campaign, with its people
    SUPPRESS = "suppress"  # suppress the people of an upload
    EXPORT_OPTOUTS = "export_optouts"  # write the suppressions to a file


class JobStatus(StrEnum):
    DUE = "due"  # not finished; a process may be working on it
    DONE = "done"
    REFUSED = "refused"  # refused, for example because of the list; the result has the refusal
    FAILED = "failed"  # ended by a fault of the program, or given up after several processes died


@dataclass(frozen=True, slots=True)
class DueJob:
    """A job that this transaction has locked. `campaign_id`: None for a job about opt-outs."""

    id: int
    kind: str
    campaign_id: int | None
    upload_id: int | None
    request: dict[str, Any]
    actor: dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job. `tries`: how often a process has begun it. `part`: how much of the file is read, from 0 to 1.

    `age_seconds`: the seconds since the request, by the clock of Postgres. `campaign_id`: None for a job about
    opt-outs.
    """

    id: int
    kind: str
    campaign_id: int | None
    upload_id: int | None
    status: str
    result: dict[str, Any] | None
    request: dict[str, Any]
    actor: dict[str, Any]
    created_at: dt.datetime
    ended_at: dt.datetime | None
    tries: int
    part: float
    age_seconds: float

    @property
    def is_due(self) -> bool:
        return self.status == JobStatus.DUE

    @property
    def is_done(self) -> bool:
        return self.status == JobStatus.DONE


@dataclass(frozen=True, slots=True)
class DownloadRow:
    """A download that a user has asked for. `size`: in bytes; 0 until it is written. See `JobRow` for the others."""

    id: int
    kind: str
    campaign_id: int | None
    campaign_name: str | None
    status: str
    request: dict[str, Any]
    result: dict[str, Any] | None
    created_at: dt.datetime
    tries: int
    part: float
    age_seconds: float
    size: int

    @property
    def is_due(self) -> bool:
        return self.status == JobStatus.DUE

    @property
    def is_done(self) -> bool:
        return self.status == JobStatus.DONE


def insert_job(
    connection: Connection,
    kind: JobKind,
    campaign_id: int | None,
    *,
    upload_id: int | None,
    request: Mapping[str, Any],
    actor: Mapping[str, Any],
) -> int:
    parameters = {
        "kind": kind.value,
        "campaign_id": campaign_id,
        "upload_id": upload_id,
        "request": Jsonb(dict(request)),
        "actor": Jsonb(dict(actor)),
    }
    return insert_row(connection, "insert_file_job", parameters)


def lock_due_job(connection: Connection) -> DueJob | None:
    """Lock a due job that no process works on, until the transaction ends; None if there is no such job.

    None, too, while another transaction stops the work (`stop_file_work`).
    """
    with connection.cursor(row_factory=class_row(DueJob)) as cursor:
        return cursor.execute(query("lock_due_job")).fetchone()


def stop_file_work(connection: Connection) -> None:
    """Wait until no process works with a file, and let no process begin until the transaction ends.

    A caller that takes other locks, too, calls this function first, because a job takes them while it works.
    """
    connection.execute(query("stop_file_work"))


def lock_jobs(connection: Connection, campaign_id: int) -> None:
    """Lock the jobs of a campaign. Raises LockTimeout if a process works on one of them for long."""
    connection.execute(query("lock_jobs"), {"campaign_id": campaign_id})


def find_same_due_job(
    connection: Connection, kind: JobKind, campaign_id: int, *, upload_id: int, request: Mapping[str, Any]
) -> int | None:
    """Return the newest job of a campaign if nobody has finished it, and if it does the same work with the upload."""
    parameters = {
        "kind": kind.value,
        "campaign_id": campaign_id,
        "upload_id": upload_id,
        "request": Jsonb(dict(request)),
    }
    row = connection.execute(query("find_same_due_job"), parameters).fetchone()
    return None if row is None else int(row[0])


def count_due_jobs(connection: Connection) -> int:
    """Return the number of jobs that nobody has finished."""
    row = connection.execute(query("count_due_jobs")).fetchone()
    assert row is not None
    return int(row[0])


def has_due_list(connection: Connection, campaign_id: int) -> bool:
    """Return whether people will still be added to a campaign, or replace its people."""
    row = connection.execute(query("has_due_list"), {"campaign_id": campaign_id}).fetchone()
    assert row is not None
    return bool(row[0])


@dataclass(frozen=True, slots=True)
class NewerList:
    """A list that was uploaded into a draft, and whose people are not in the draft.

    `sheet`: the sheet that was looked at or refused; None: the file has only one, or none is chosen yet. `present`:
    the names of the files whose people are in the draft. `present_sheet`: the sheet of the last of them, if a job has
    read it.
    """

    name: str
    sheet: str | None
    present_sheet: str | None
    present: list[str]


def find_newer_list(connection: Connection, campaign_id: int) -> NewerList | None:
    with connection.cursor(row_factory=args_row(NewerList)) as cursor:
        return cursor.execute(query("find_newer_list"), {"campaign_id": campaign_id}).fetchone()


def delete_newer_lists(connection: Connection, campaign_id: int) -> list[tuple[int, str]]:
    """Delete the lists whose people are not in a draft; return their ids and names. The caller has locked the jobs."""
    return connection.execute(query("delete_newer_lists"), {"campaign_id": campaign_id}).fetchall()


def begin_job(connection: Connection, job_id: int) -> int:
    """Count a try, in another transaction than that of the work; return the number of tries with this one."""
    row = connection.execute(query("begin_job"), {"job_id": job_id}).fetchone()
    assert row is not None
    return int(row[0])


def give_back_job(connection: Connection, job_id: int) -> None:
    """Take back the last try of a job, which did not fail because of the job."""
    connection.execute(query("give_back_job"), {"job_id": job_id})


def write_part(connection: Connection, job_id: int, part: float) -> None:
    connection.execute(query("write_job_part"), {"job_id": job_id, "part": min(max(part, 0.0), 1.0)})


def end_job(connection: Connection, job_id: int, status: JobStatus, result: Mapping[str, Any]) -> None:
    """Write the result of a job. Its texts may quote cells of a file, which may have any character."""
    written = Jsonb(_make_storable(result))
    connection.execute(query("end_job"), {"job_id": job_id, "status": status.value, "result": written})


def add_to_result(connection: Connection, job_id: int, result: Mapping[str, Any]) -> None:
    """Add keys to the result of a job that is done."""
    connection.execute(query("add_to_result"), {"job_id": job_id, "result": Jsonb(_make_storable(result))})


def find_job(connection: Connection, job_id: int) -> JobRow | None:
    with connection.cursor(row_factory=class_row(JobRow)) as cursor:
        return cursor.execute(query("find_file_job"), {"job_id": job_id}).fetchone()


def list_jobs(connection: Connection, campaign_id: int, *, limit: int) -> list[JobRow]:
    """Return the jobs of a campaign, the newest first."""
    with connection.cursor(row_factory=class_row(JobRow)) as cursor:
        return cursor.execute(query("list_file_jobs"), {"campaign_id": campaign_id, "limit": limit}).fetchall()


def list_downloads(connection: Connection, user_name: str, *, limit: int) -> list[DownloadRow]:
    """Return the downloads that a user has asked for, the newest first."""
    with connection.cursor(row_factory=class_row(DownloadRow)) as cursor:
        return cursor.execute(query("list_downloads"), {"user_name": user_name, "limit": limit}).fetchall()


def _make_storable(value: Any) -> Any:
    match value:
        case str():
            return escape_unstorable(value)
        case Mapping():
            return {key: _make_storable(each) for key, each in value.items()}
        case list() | tuple():
            return [_make_storable(each) for each in value]
        case _:
            return value


def add_piece(connection: Connection, job_id: int, number: int, data: bytes) -> None:
    connection.execute(query("add_job_piece"), {"job_id": job_id, "number": number, "data": data})


def read_piece(connection: Connection, job_id: int, number: int) -> bytes | None:
    """Return a piece of the file that a job has written; None behind the last piece.

    Raises LookupError if the job was deleted.
    """
    row = connection.execute(query("read_job_piece"), {"job_id": job_id, "number": number}).fetchone()
    if row is None:
        raise LookupError(f"the job {job_id} was deleted")
    return row[0]  # type: ignore[no-any-return]
