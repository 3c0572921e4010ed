"""Creates jobs for work with whole files, and reads their progress. A process of the role `files` does the work."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from campaigns.domain.campaign import missing_campaign
from campaigns.domain.message import Status
from campaigns.domain.optout.consent import RefusalChoice
from campaigns.domain.optout.recognition import Source
from campaigns.domain.recipients import Choice
from campaigns.domain.statement import Entry, Field, Hint, HintAction, Kind, Refusal, Sentence, Word
from campaigns.domain.users.actor import Act, Actor, ActorKind, Surface
from campaigns.language import ENGLISH, load
from campaigns.management.files.rejected import stream_rejected
from campaigns.management.hours.quiet_hours import QuietHours
from campaigns.management.listings.recipients import Group, RecipientFilter
from campaigns.management.recipients import Reading
from campaigns.sheets.xlsx import HiddenChoice
from campaigns.store.campaigns import CampaignListing, LockedCampaign, list_campaigns
from campaigns.store.database import Connection, Database, LockTimeout
from campaigns.store.files import jobs as store
from campaigns.store.files import uploads
from campaigns.store.files.jobs import DownloadRow, JobKind, JobRow, JobStatus
from campaigns.store.files.uploads import Upload
from campaigns.store.recipients import list_audiences
from campaigns.store.users.audit import write_audit

MAX_JOBS = 50
IMPORTS = frozenset({JobKind.ADD, JobKind.REPLACE})


def request_look(
    database: Database, campaign_id: int, upload_id: int, reading: Reading | None = None, *, actor: Actor
) -> int:
    """Create a job that reads the header and the first rows of an upload for a campaign; return its id.

    If the newest job of the campaign is the same and not finished, its id is returned.
    """
    request = write_reading(reading or Reading())
    return database.run(_request, JobKind.LOOK, campaign_id, actor, request=request, upload_id=upload_id)


def request_import(
    database: Database,
    campaign_id: int,
    upload_id: int,
    reading: Reading,
    *,
    actor: Actor,
    replaces: bool = False,
    parameters: Mapping[str, str | None] = MappingProxyType({}),
    language: str = ENGLISH,
) -> int:
    """Create a job that adds the people of an upload to a campaign; return its id.

    `replaces`: all people of the draft are deleted first. `parameters`: as for `replace_recipients`; only with
    `replaces`. `language`: the language of the reasons in the download of the rejected rows. Raises Refusal if the
    campaign does not exist, or if the upload does not exist or is not whole. The result of the job tells whether the
    import was refused. If the newest job of the campaign is the same and not finished, its id is returned.
    """
    kind = JobKind.REPLACE if replaces else JobKind.ADD
    request = write_reading(reading) | {"language": language, "parameters": dict(parameters)}
    return database.run(_request, kind, campaign_id, actor, request=request, upload_id=upload_id)


def request_export(
    database: Database,
    campaign_id: int,
    *,
    actor: Actor,
    statuses: Collection[Status] | None = None,
    people: RecipientFilter | None = None,
    delimiter: str = ",",
) -> int:
    """Create a job that writes the messages of a campaign to a CSV file; return its id.

    `statuses` None: messages in all statuses. `people`: only the messages to these people; then `statuses` is None.
    """
    request: dict[str, Any] = {"delimiter": delimiter}
    if people is None:
        request["statuses"] = None if statuses is None else sorted(status.value for status in statuses)
    else:
        # Without `statuses`, the job fails in a process of an older version, which would write all people.
        request["people"] = asdict(people)
    return database.run(_request, JobKind.EXPORT, campaign_id, actor, request=request)


def request_copy(
    database: Database,
    campaign_id: int,
    *,
    actor: Actor,
    name: str,
    statuses: Collection[Status],
    quiet_hours: QuietHours | None,
    draft_key: bytes | None = None,
) -> int:
    """Create a job that copies a campaign with its people (see `copy_campaign`); return its id.

    The result of the job has the id of the draft.
    """
    hours = None if quiet_hours is None else [each.isoformat() for each in quiet_hours]
    request = {"name": name, "statuses": sorted(status.value for status in statuses), "quiet_hours": hours}
    request |= {"draft_key": None if draft_key is None else draft_key.hex()}
    return database.run(_request, JobKind.COPY, campaign_id, actor, request=request)


def request_fill(
    database: Database, campaign_id: int, source_id: int, who: str, uncertain_at_most: int | None, *, actor: Actor
) -> int:
    """Create a job that gives a draft people of an earlier campaign (see `fill_draft`); return its id.

    Until the job is done, the draft does not start.
    """
    request = {"source_id": source_id, "who": who, "uncertain_at_most": uncertain_at_most}
    return database.run(_request, JobKind.FILL, campaign_id, actor, request=request)


def request_suppressions(
    database: Database, upload_id: int, *, actor: Actor, phone_column: str | None, sheet: str | None = None, region: str
) -> int:
    """Let the people of an upload be suppressed (see `import_suppressions`); return the id of the job."""
    request = {"phone_column": phone_column, "sheet": sheet, "region": region}
    return database.run(_request, JobKind.SUPPRESS, None, actor, request=request, upload_id=upload_id)


def request_optouts_export(
    database: Database, sources: Sequence[Source], *, actor: Actor, time_zone: str, delimiter: str = ","
) -> int:
    """Let the active suppressions be written to a CSV file; return the id of the job. `sources`: none for all."""
    request = {"sources": [str(each) for each in sources], "time_zone": time_zone, "delimiter": delimiter}
    return database.run(_request, JobKind.EXPORT_OPTOUTS, None, actor, request=request)


def list_downloads(database: Database, *, actor: Actor) -> list[DownloadRow]:
    """Return the downloads that a user has asked for in the last 3 days, the newest first."""
    return database.run(store.list_downloads, actor.name, limit=MAX_JOBS)


def find_own_job(database: Database, job_id: int, *, actor: Actor) -> JobRow:
    """Return a job that this user has asked for. Raises Refusal if there is none, also for the job of somebody else."""
    job = database.run(store.find_job, job_id)
    if job is None or (job.actor["kind"], job.actor["name"]) != (actor.kind, actor.name):
        raise _missing_job()
    return job


def find_own_export(database: Database, job_id: int, *, actor: Actor) -> JobRow:
    """Return a job of this user that writes messages to a file. Raises Refusal as `find_own_job` does."""
    job = find_own_job(database, job_id, actor=actor)
    if job.kind != JobKind.EXPORT:
        raise _missing_job()
    return job


def find_job(database: Database, job_id: int) -> JobRow:
    """Return a job. Raises Refusal if there is no such job, for example because its file was deleted."""
    job = database.run(store.find_job, job_id)
    if job is None:
        raise _missing_job()
    return job


def _missing_job() -> Refusal:
    return Refusal(
        "job_missing",
        "There is no such work with a file any more: uploads are deleted after 7 days, and downloads after 3 days.",
        kind=Kind.MISSING,
    )


@dataclass(frozen=True, slots=True)
class ListFile:
    """The last list that was uploaded for a campaign. `look`, `imported`: the last jobs with it; None: no such job."""

    upload: Upload
    look: JobRow | None
    imported: JobRow | None


def find_list(database: Database, campaign_id: int) -> ListFile | None:
    """Return the last list that was uploaded for a campaign, None if there is none or if it was deleted."""

    def load(connection: Connection) -> ListFile | None:
        jobs = [job for job in store.list_jobs(connection, campaign_id, limit=MAX_JOBS) if job.upload_id is not None]
        upload = uploads.find_upload(connection, jobs[0].upload_id) if jobs else None  # type: ignore[arg-type]
        if upload is None:
            return None
        of_upload = [job for job in jobs if job.upload_id == upload.id]
        look = next((job for job in of_upload if job.kind == JobKind.LOOK), None)
        imported = next((job for job in of_upload if job.kind in IMPORTS), None)
        return ListFile(upload, look, imported)

    return database.run(load)


def find_import(database: Database, campaign_id: int) -> JobRow | None:
    """Return the last job that was to import a list into a campaign.

    None if there is no such job, if it was deleted, or if people of an earlier campaign were taken after it had ended.
    """

    def load(connection: Connection) -> JobRow | None:
        jobs = store.list_jobs(connection, campaign_id, limit=MAX_JOBS)
        job = next((each for each in jobs if each.kind in IMPORTS), None)
        audience = list_audiences(connection, [campaign_id]).get(campaign_id)
        if job is None or job.ended_at is None or audience is None or audience.made_at < job.ended_at:
            return job
        return None

    return database.run(load)


def find_import_job(database: Database, job_id: int) -> JobRow:
    """Return a job that gives a campaign people of a list or of an earlier campaign. Raises Refusal if it is none."""
    job = find_job(database, job_id)
    if job.kind not in {*IMPORTS, JobKind.FILL}:
        raise _missing_job()
    return job


def demand_read_lists(connection: Connection, campaign: CampaignListing | LockedCampaign) -> None:
    """Raise Refusal if the people of a campaign will still change, or are not those of the list that came last."""
    if store.has_due_list(connection, campaign.id):
        raise Refusal(
            "list_still_read",
            "A list of campaign {id} ({name}) is still being read, so its people will change. Nothing was"
            " started: wait until the list is read. The role files reads it.",
            kind=Kind.CONFLICT,
            id=campaign.id,
            name=campaign.name,
        )
    newer = store.find_newer_list(connection, campaign.id)
    if newer is not None:
        raise Refusal(
            "newer_list_unread",
            "The list {new} was uploaded into campaign {id} ({name}), but its people are not in the campaign, which"
            " still has the people of {old}. To send to the people of {new}: {replace}. To send to the others:"
            " {discard}.",
            kind=Kind.CONFLICT,
            id=campaign.id,
            name=campaign.name,
            new=_name_list(newer.name, newer.sheet),
            old=[*newer.present[:-1], _name_list(newer.present[-1], newer.present_sheet)]
            if newer.present
            else Word("an earlier list"),
            replace=Hint(HintAction.REPLACE_RECIPIENTS, campaign.id, also=_name_sheet(newer.sheet), file=newer.name),
            discard=Hint(HintAction.DISCARD_LIST, campaign.id),
        )


def _name_list(name: str, sheet: str | None) -> str | Sentence:
    return Sentence("{file}, sheet {sheet}", file=name, sheet=sheet) if sheet else name


def _name_sheet(sheet: str | None) -> tuple[Entry, ...]:
    return (Entry(Field.SHEET, sheet),) if sheet else ()


def discard_newer_list(database: Database, campaign_id: int, *, actor: Actor) -> list[str]:
    """Delete the lists that were uploaded into a draft after its people; return their names. Its people stay.

    Raises Refusal if there is no such campaign, or if a list of the draft is being read.
    """

    def work(connection: Connection) -> list[str]:
        if not list_campaigns(connection, [campaign_id]):
            raise missing_campaign(campaign_id)
        lock_idle_jobs(connection, campaign_id)
        if store.find_newer_list(connection, campaign_id) is None:
            return []
        deleted = store.delete_newer_lists(connection, campaign_id)
        for upload_id, name in deleted:
            write_audit(connection, actor, Act.UPLOAD_DISCARD, upload_id, before={"name": name})
        return [name for _, name in deleted]

    return database.run(work)


def lock_idle_jobs(connection: Connection, campaign_id: int) -> None:
    """Lock the jobs of a campaign. Raises Refusal if a process works on one of them."""
    try:
        store.lock_jobs(connection, campaign_id)
    except LockTimeout:
        text = "A list of campaign {id} is being read. Nothing was deleted: try again when the list is read."
        raise Refusal("list_in_work", text, kind=Kind.AWAY, id=campaign_id) from None


def download_rejected(
    database: Database, campaign_id: int, *, actor: Actor, language: str = ENGLISH
) -> Iterator[bytes]:
    """Yield the pieces of a CSV file with the rejected rows of a campaign, after an audit event.

    The rows have their cells if they are those of the last import, and its file is not deleted yet. Otherwise
    `language` is the language of the reasons. Raises Refusal if no row was rejected, or if an import has not ended.
    """
    job, rejected_count = find_import(database, campaign_id), database.run(_count_rejected, campaign_id)
    is_whole = job is not None and job.is_done and (job.result or {})["rejected_count"] >= rejected_count
    if (job is not None and not job.is_done) or not (rejected_count or is_whole):
        raise Refusal("download_not_ready", "The file is not written yet.", kind=Kind.AWAY)
    database.run(write_audit, actor, Act.CAMPAIGN_EXPORT, campaign_id, after={"rejected_rows": rejected_count})
    if job is not None and is_whole:
        return _read_pieces(database, job.id)
    return stream_rejected(database, campaign_id, load(language))


def _count_rejected(connection: Connection, campaign_id: int) -> int:
    rows = list_campaigns(connection, [campaign_id])
    return rows[0].rejected_count if rows else 0


def read_download(database: Database, job_id: int) -> Iterator[bytes]:
    """Yield the pieces of the file that a job has written. Raises Refusal if the job is not done."""
    if find_job(database, job_id).status != JobStatus.DONE:
        raise Refusal("download_not_ready", "The file is not written yet.", kind=Kind.AWAY)
    return _read_pieces(database, job_id)


def _read_pieces(database: Database, job_id: int) -> Iterator[bytes]:
    """Yield the pieces of a file.

    Raises LookupError if the file is deleted meanwhile, so that the server breaks the download off. Otherwise a part of
    the file would look like the whole file.
    """
    number = 1
    while (piece := database.run(store.read_piece, job_id, number)) is not None:
        yield piece
        number += 1


def _request(
    connection: Connection,
    kind: JobKind,
    campaign_id: int | None,
    actor: Actor,
    *,
    request: Mapping[str, Any],
    upload_id: int | None = None,
) -> int:
    if campaign_id is not None and not list_campaigns(connection, [campaign_id]):
        raise missing_campaign(campaign_id)
    if upload_id is not None:
        # With the lock, the file is not deleted as an old one before its new job is seen.
        upload = uploads.lock_upload(connection, upload_id)
        if upload is None or upload.sha256 is None:
            text = "The uploaded file is not whole, or was deleted. Upload it again."
            raise Refusal("upload_missing", text, kind=Kind.MISSING)
        # A form that was sent twice asks for the same work twice.
        if campaign_id is not None:
            same_id = store.find_same_due_job(connection, kind, campaign_id, upload_id=upload_id, request=request)
            if same_id is not None:
                return same_id
    return store.insert_job(connection, kind, campaign_id, upload_id=upload_id, request=request, actor=asdict(actor))


def write_reading(reading: Reading) -> dict[str, Any]:
    """Return the choices of a reading as JSON."""
    return {
        "phone": reading.choice.phone,
        "consent": reading.choice.consent,
        "mapping": dict(reading.choice.mapping),
        "unrelated": list(reading.choice.unrelated),
        "region": reading.region,
        "sheet": reading.sheet,
        "hidden": reading.hidden.value,
        "refusals": reading.refusals.value,
        "unanswered": reading.unanswered.value,
        "is_mobile_only": reading.is_mobile_only,
        "takes_tests": reading.takes_tests,
        "takes_nulls": reading.takes_nulls,
        "records_refusals": reading.records_refusals,
    }


def read_reading(request: Mapping[str, Any]) -> Reading:
    """Return the choices that `write_reading` has written."""
    return Reading(
        choice=Choice(
            phone=request["phone"],
            consent=request["consent"],
            mapping=request["mapping"],
            unrelated=request["unrelated"],
        ),
        region=request["region"],
        sheet=request["sheet"],
        hidden=HiddenChoice(request["hidden"]),
        refusals=RefusalChoice(request["refusals"]),
        # An older version has written requests without this choice.
        unanswered=RefusalChoice(request.get("unanswered", RefusalChoice.REFUSE)),
        is_mobile_only=request["is_mobile_only"],
        takes_tests=request["takes_tests"],
        takes_nulls=request["takes_nulls"],
        records_refusals=request.get("records_refusals", False),
    )


def read_people(request: Mapping[str, Any]) -> RecipientFilter | None:
    """Return the people of an export; None if the statuses of their messages choose them."""
    people = request.get("people")
    return None if people is None else RecipientFilter(**people | {"group": Group(people["group"])})


def read_parameters(request: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the changed values for all recipients that a job writes together with its people."""
    return dict(request.get("parameters", {}))  # an older console asks for no such values


def read_actor(stored: Mapping[str, Any]) -> Actor:
    """Return the person who has asked for a job."""
    surface = stored["surface"]
    return Actor(
        stored["name"],
        ActorKind(stored["kind"]),
        None if surface is None else Surface(surface),
        stored["reason"],
        stored["network"],
        stored.get("token_id"),  # an older console writes neither of these two
        stored.get("request_id"),
    )
