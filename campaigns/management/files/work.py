"""Does the work with whole files and lists: looks at an upload, imports an upload, writes an export, copies a campaign.

A job is done in one transaction, which has locked the row of the job. So no other process does the same job, its
effects and its result are committed together, and a process that dies leaves the job due. Only the number of tries and
the progress are written by other transactions.
"""

from __future__ import annotations

import datetime as dt
import io
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, BinaryIO

from campaigns.clock import clock
from campaigns.domain.message import Status
from campaigns.domain.optout.recognition import Source
from campaigns.domain.recipients import RecipientsError
from campaigns.domain.statement import Refusal, Sentence
from campaigns.language import load
from campaigns.logs import event
from campaigns.management.campaigns import ChangeResult
from campaigns.management.drafts.audiences import Audience, fill_draft_in
from campaigns.management.drafts.copies import copy_from, read_source
from campaigns.management.drafts.imports import add_recipients_in, replace_recipients_in
from campaigns.management.exports import export_campaign
from campaigns.management.files.jobs import IMPORTS, read_actor, read_parameters, read_people, read_reading
from campaigns.management.files.looks import load_filling, look_at
from campaigns.management.files.rejected import RejectedRow, write_rejected
from campaigns.management.files.reports import write_overlaps, write_report
from campaigns.management.files.sentences import write_sentence
from campaigns.management.files.uploads import spooled
from campaigns.management.listings.downloads import SUPPRESSION_COLUMNS, export_suppressions
from campaigns.management.prices.charges import count_next_charges
from campaigns.management.recipients import Reading, renew_statistics
from campaigns.management.suppressions import import_suppressions
from campaigns.sheets.csv_writer import write_csv
from campaigns.sheets.package import Report
from campaigns.store.campaigns import count_pending
from campaigns.store.database import (
    Connection,
    Database,
    DatabaseError,
    DataError,
    LockTimeout,
    StatementCancelled,
    cancelling,
)
from campaigns.store.files import jobs as store
from campaigns.store.files import uploads
from campaigns.store.files.jobs import DueJob, JobKind, JobStatus
from campaigns.store.files.uploads import MAX_PIECE_BYTES
from campaigns.store.recipients import allow_long_transaction, find_overlaps, list_duplicates

# A job at which that many processes have died is not tried again, because it may be the cause.
MAX_TRIES = 3
_PART_SECONDS = 1.0
_SHOWN_DUPLICATES = 20

_log = logging.getLogger(__name__)


class StoppedError(Exception):
    """The process has been told to stop, so it gives the job back."""


@dataclass(frozen=True, slots=True)
class _Tools:
    """The parameters of each kind of work. `report`: takes the fraction of the file that is read so far.

    `report` and `check` raise StoppedError if the process has been told to stop.
    """

    database: Database
    secret_key: str | None
    report: Report
    check: Callable[[], None]


def do_all_work(database: Database, *, secret_key: str | None, overlap_days: int, stop: threading.Event) -> None:
    """Do all jobs that nobody works on, one after the other; then count what campaigns have cost, until none is due.

    A job that comes meanwhile is done before the next count. The arguments and the errors are those of `do_next_job`.
    """
    while not stop.is_set() and (
        do_next_job(database, secret_key=secret_key, overlap_days=overlap_days, stop=stop)
        or count_next_charges(database)
    ):
        pass


def do_next_job(
    database: Database, *, secret_key: str | None, overlap_days: int, stop: threading.Event | None = None
) -> bool:
    """Do the oldest job that nobody works on; return whether there was one. Raises the errors of `store.database`.

    `secret_key`: the key by which forgotten people in a list are recognised. `overlap_days`: a list is compared with
    the campaigns that ended in this number of days. `stop`: once it is set, the job is given back: nothing of it is
    written, its try does not count, and the result is False. A try that ends because another transaction holds a lock
    for too long does not count either.
    """
    stop = stop or threading.Event()
    begun: list[int] = []
    try:
        job = database.run(_do_next, database, secret_key, stop=stop, begun=begun)
    except LockTimeout:
        # For example, a command imports a file into the campaign, and holds its lock for minutes. The job is no cause.
        for job_id in begun:
            database.run(store.give_back_job, job_id)
        raise
    except (StoppedError, StatementCancelled):
        if not stop.is_set():
            raise
        for job_id in begun:
            database.run(store.give_back_job, job_id)
            _log.info(
                "Job %s with a file is given back, because this process stops",
                job_id,
                extra=event("file_job_given_back", job_id=job_id),
            )
        return False
    if job is not None and job.kind in {*IMPORTS, JobKind.COPY, JobKind.FILL}:
        renew_statistics(database)
    if job is not None and job.kind in IMPORTS:
        database.run(_compare, job, overlap_days)
    return job is not None


def _compare(connection: Connection, job: DueJob, overlap_days: int) -> None:
    """Compare the people of an import with those of other campaigns.

    The transaction of the import does not do this, because it holds its locks until its end. If the process dies before
    this one, the report lacks the comparison, and each start compares the people again.
    """
    row = store.find_job(connection, job.id)
    if row is not None and row.is_done:
        overlaps = find_overlaps(connection, _find_campaign(job), days=overlap_days)
        store.add_to_result(connection, job.id, {"overlaps": write_overlaps(overlaps)})


def _do_next(
    connection: Connection,
    database: Database,
    secret_key: str | None,
    *,
    stop: threading.Event,
    begun: list[int],
) -> DueJob | None:
    """Do the oldest job, and return it. `begun`: gets the id of the job when its try is counted."""
    job = store.lock_due_job(connection)
    if job is None:
        return None
    allow_long_transaction(connection)
    tries = database.run(store.begin_job, job.id)
    begun.append(job.id)
    if tries > MAX_TRIES:
        text = "The work was given up, because it ended {count} times without a result. {effect}"
        _end(connection, job, JobStatus.FAILED, Sentence(text, count=MAX_TRIES, effect=_tell_effect(job)))
        return job
    progress = _Progress(database, job.id, stop)
    tools = _Tools(database, secret_key, progress.report, progress.check)
    try:
        # The inner transaction is a savepoint: after a refusal the outer transaction still has the lock on the job. The
        # savepoint is rolled back when nobody cancels statements any more.
        with connection.transaction(), cancelling(connection, stop):
            store.end_job(connection, job.id, JobStatus.DONE, _WORK[JobKind(job.kind)](connection, job, tools))
    except Refusal as refusal:
        _end(connection, job, JobStatus.REFUSED, refusal)
    except DataError:  # another try would end in the same error
        _fail(connection, job)
    except (DatabaseError, StoppedError):
        raise
    except Exception:  # noqa: BLE001  the log holds the error in full, and the job tells that it failed
        _fail(connection, job)
    return job


def _fail(connection: Connection, job: DueJob) -> None:
    """End a job with the error that is handled now."""
    _log.exception("Work with a file ended with an error", extra=event("file_job_error", job_id=job.id))
    sentence = Sentence("An error of ours ended the work. {effect}", effect=_tell_effect(job))
    _end(connection, job, JobStatus.FAILED, sentence)


class _Progress:
    """Writes how much of a file is read, at most once a second, and notices that the process shall stop."""

    def __init__(self, database: Database, job_id: int, stop: threading.Event) -> None:
        self._database, self._job_id, self._stop = database, job_id, stop
        self._written_at = clock()

    def check(self) -> None:
        if self._stop.is_set():
            raise StoppedError

    def report(self, part: float) -> None:
        self.check()
        if clock() - self._written_at >= _PART_SECONDS:
            self._written_at = clock()
            # The work goes on without its progress.
            with suppress(DatabaseError):
                self._database.run(store.write_part, self._job_id, part)


_Result = Mapping[str, Any]


def _look(connection: Connection, job: DueJob, tools: _Tools) -> _Result:
    language = load_filling(connection, _find_campaign(job)).template.language
    with _open(connection, job) as path:
        try:
            return look_at(path, replace(read_reading(job.request), report=tools.report), language=language)
        except RecipientsError as error:
            raise error.in_file(path) from None


def _add(connection: Connection, job: DueJob, tools: _Tools) -> _Result:
    return _import(add_recipients_in, connection, job, tools)


def _replace(connection: Connection, job: DueJob, tools: _Tools) -> _Result:
    return _import(partial(replace_recipients_in, parameters=read_parameters(job.request)), connection, job, tools)


def _import(work: Callable[..., ChangeResult], connection: Connection, job: DueJob, tools: _Tools) -> _Result:
    campaign_id = _find_campaign(job)
    reading: Reading = replace(read_reading(job.request), report=tools.report)
    with _open(connection, job) as path:
        changed = work(connection, campaign_id, path, reading, read_actor(job.actor), secret_key=tools.secret_key)
        assert changed.imported is not None
        rejected: list[RejectedRow] = []
        if changed.imported.counts.rejected_count:
            with _write_pieces(connection, job) as file:
                rejected = write_rejected(
                    connection,
                    campaign_id,
                    path,
                    changed.imported,
                    replace(reading, report=lambda _part: tools.check()),
                    after=changed.imported.last_error_id,
                    file=file,
                    language=load(job.request["language"]),
                )
    _pending_count, suppressed_count = count_pending(connection, campaign_id)
    return write_report(
        changed,
        rejected,
        suppressed_count=suppressed_count,
        duplicates=list_duplicates(
            connection, campaign_id, after=changed.imported.last_error_id, limit=_SHOWN_DUPLICATES
        ),
    )


def _export(connection: Connection, job: DueJob, tools: _Tools) -> _Result:
    people = read_people(job.request)
    statuses = job.request["statuses"] if people is None else None
    export = export_campaign(
        tools.database,
        _find_campaign(job),
        actor=read_actor(job.actor),
        statuses=None if statuses is None else [Status(each) for each in statuses],
        people=people,
        audited_by=connection,
    )
    written = 0

    def note(count: int) -> None:
        nonlocal written
        written += count
        tools.report(written / max(export.row_count, written))

    with _write_pieces(connection, job) as file:
        row_count = write_csv(file, export.columns, export.pages, delimiter=job.request["delimiter"], report=note)
    return {"row_count": row_count}


def _export_optouts(connection: Connection, job: DueJob, tools: _Tools) -> _Result:
    sources = [Source(each) for each in job.request["sources"]]
    pages = export_suppressions(
        tools.database, sources, actor=read_actor(job.actor), time_zone=job.request["time_zone"]
    )
    with _write_pieces(connection, job) as file:
        row_count = write_csv(
            file,
            SUPPRESSION_COLUMNS,
            pages,
            delimiter=job.request["delimiter"],
            report=lambda _count: tools.check(),
        )
    return {"row_count": row_count}


def _copy(connection: Connection, job: DueJob, tools: _Tools) -> _Result:
    statuses = [Status(each) for each in job.request["statuses"]]
    source = read_source(tools.database, _find_campaign(job), statuses)
    draft_key = job.request.get("draft_key")
    hours = job.request["quiet_hours"]
    made = copy_from(
        connection,
        source,
        job.request["name"],
        statuses,
        read_actor(job.actor),
        quiet_hours=None if hours is None else (dt.time.fromisoformat(hours[0]), dt.time.fromisoformat(hours[1])),
        secret_key=tools.secret_key,
        draft_key=None if draft_key is None else bytes.fromhex(draft_key),
    )
    return {"campaign_id": made.id}


def _fill(connection: Connection, job: DueJob, tools: _Tools) -> _Result:
    filled = fill_draft_in(
        connection,
        _find_campaign(job),
        Audience(job.request["source_id"], job.request["who"], job.request["uncertain_at_most"]),
        read_actor(job.actor),
        secret_key=tools.secret_key,
    )
    return {
        "recipient_count": filled.copied_count,
        "replaced_count": filled.replaced_count,
        "suppressed_count": filled.blocked_count,
        "warnings": [write_sentence(each) for each in filled.warnings],
    }


def _suppress(connection: Connection, job: DueJob, tools: _Tools) -> _Result:
    """Suppress the people of an upload. Each batch of rows is committed by itself, so that it takes effect at once."""
    with _open(connection, job) as path:
        done = import_suppressions(
            tools.database,
            path,
            actor=read_actor(job.actor),
            phone_column=job.request["phone_column"],
            sheet_name=job.request["sheet"],
            region=job.request["region"],
            secret_key=tools.secret_key,
            report=tools.report,
        )
    problems = [(row_number, problem.column, problem.reason) for row_number, problem in done.problems]
    return {
        "added_count": done.added_count,
        "known_count": done.known_count,
        "rejected_count": done.rejected_count,
        "hidden_count": done.hidden_count,
        "foreign": None if done.foreign is None else asdict(done.foreign),
        "problems": problems,
    }


@contextmanager
def _write_pieces(connection: Connection, job: DueJob) -> Iterator[BinaryIO]:
    """Yield a file whose bytes become the download of a job."""
    pieces = _PieceWriter(connection, job.id)
    file = io.BufferedWriter(pieces, MAX_PIECE_BYTES)
    yield file
    file.flush()
    pieces.end()


class _PieceWriter(io.RawIOBase):
    """A file whose bytes become pieces of the job's download."""

    def __init__(self, connection: Connection, job_id: int) -> None:
        super().__init__()
        self._connection, self._job_id = connection, job_id
        self._buffer, self._number = bytearray(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._buffer += data
        while len(self._buffer) >= MAX_PIECE_BYTES:
            self._add(bytes(self._buffer[:MAX_PIECE_BYTES]))
            del self._buffer[:MAX_PIECE_BYTES]
        return len(data)

    def end(self) -> None:
        if self._buffer:
            self._add(bytes(self._buffer))

    def _add(self, piece: bytes) -> None:
        self._number += 1
        store.add_piece(self._connection, self._job_id, self._number, piece)


_WORK = {
    JobKind.LOOK: _look,
    JobKind.ADD: _add,
    JobKind.REPLACE: _replace,
    JobKind.EXPORT: _export,
    JobKind.COPY: _copy,
    JobKind.FILL: _fill,
    JobKind.SUPPRESS: _suppress,
    JobKind.EXPORT_OPTOUTS: _export_optouts,
}


def _find_campaign(job: DueJob) -> int:
    assert job.campaign_id is not None  # a constraint of the table
    return job.campaign_id


@contextmanager
def _open(connection: Connection, job: DueJob) -> Iterator[Any]:
    assert job.upload_id is not None
    upload = uploads.find_upload(connection, job.upload_id)
    assert upload is not None  # its row is deleted together with the job, and the job is locked
    with spooled(connection, upload) as path:
        try:
            yield path
        except Refusal as refusal:
            if refusal.values.get("path") == str(path):
                # The person knows the name of the file, and not the folder of the temporary file.
                refusal.values["path"] = upload.name
            raise


def _tell_effect(job: DueJob) -> Sentence:
    """Return what a job that failed has changed."""
    if job.kind == JobKind.SUPPRESS:
        return Sentence("Some people of the file may get no messages any more. Add the file again to be sure of all.")
    return Sentence("Nothing was changed.")


def _end(connection: Connection, job: DueJob, status: JobStatus, sentence: Sentence) -> None:
    store.end_job(connection, job.id, status, {"sentence": write_sentence(sentence)})
