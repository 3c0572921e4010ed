"""Collects the facts that a person sees before campaigns start, and checks inside the start that they still hold."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from campaigns.domain.campaign import STARTED, CampaignStatus, Command, Departure
from campaigns.domain.prices.costs import Estimate
from campaigns.domain.recipients import list_names
from campaigns.domain.statement import Count, Finding, Hint, HintAction, Sentence, Severity, Word
from campaigns.domain.template import TemplateError, list_shown
from campaigns.domain.users.actor import Actor
from campaigns.management.drafts.audiences import warn_of_numbers
from campaigns.management.drafts.import_warnings import (
    find_contradictions,
    find_import_warnings,
    find_passed_dates,
    warn_of_values,
    write_variable,
)
from campaigns.management.drafts.senders import load_senders
from campaigns.management.hours.departure import find_departure
from campaigns.management.hours.nights import Night, look_for_nights
from campaigns.management.hours.quiet_hours import QuietHours, sends_marketing
from campaigns.management.hours.window import warn_of_other_zone, warn_of_zones
from campaigns.management.layouts import Preview
from campaigns.management.preview import list_capped, preview_first_between, preview_messages
from campaigns.management.prices.costs import find_estimate
from campaigns.management.reports import LeftOutRows, RowsOfFile, count_left_out, count_left_out_by_file
from campaigns.management.template_choice import warn_of_language
from campaigns.management.templates import read_campaign_templates
from campaigns.store import campaigns as store
from campaigns.store import recipients
from campaigns.store.accounts import AccountListing
from campaigns.store.campaigns import CampaignListing, LockedCampaign
from campaigns.store.database import Connection, Database, read_one_snapshot
from campaigns.store.recipients import ImportedFile, Overlap
from campaigns.store.templates import TemplateRow, load_template
from campaigns.store.users.approvals import load_approvable

if TYPE_CHECKING:
    from campaigns.config import Settings

# A campaign of these statuses will send its pending messages; a paused one when a person resumes it.
_WILL_SEND = STARTED | {CampaignStatus.PAUSED}
_AGAIN = {Command.START: HintAction.START_CAMPAIGN, Command.RESUME: HintAction.RESUME_CAMPAIGN}
MOST_DAYS_OF_LIMIT = 366
_SHOWN_CHARACTERS = 300
_SHOWN_FILES = 3
# The settings that decide when, how fast and until when the messages leave.
_PACE = (
    *("scheduled_at", "start_within_seconds", "expire_at", "max_per_person", "within_days"),
    *("interval_seconds", "pause_after", "pause_seconds"),
    *("window_from", "window_to", "weekdays", "time_zone", "uses_recipient_zones", "holidays"),
)


@dataclass(frozen=True, slots=True)
class Told:
    """The facts that a person was told about one campaign before the answer to a question.

    `digest`: the digest of the content, the accounts and the people. `pace_digest`: the digest of the schedule, the
    pace and the hours. `message_count`: the number of pending messages. `night_count`: the number of people whom the
    messages reach at night, which is during `quiet`. `reached`: by id of another campaign, the number of people of this
    campaign to whom the other one has sent or will send. `days` and `together`: as for `find_overlaps`.
    """

    digest: bytes
    pace_digest: bytes
    message_count: int
    night_count: int
    reached: Mapping[int, int]
    quiet: QuietHours | None
    days: int
    together: Collection[int]


@dataclass(frozen=True, slots=True)
class Present:
    """The facts of the same kind at the time of the start, except those that need the lock of the campaign."""

    overlaps: Sequence[Overlap]
    night_count: int


@dataclass(frozen=True, slots=True)
class FileMessage:
    """The first message of a file, as its recipient will read it. `number`: 1 for the first file of the campaign.

    `sheet`: the sheet of a workbook that was read, else "".
    """

    number: int
    file_name: str
    sheet: str
    message: Preview


@dataclass(frozen=True, slots=True)
class StartFacts:
    """The facts about one campaign that a person sees before it starts or resumes.

    `template`: `name:language`. `message`: the first message as its recipient will read it; None if no message is
    pending, or if the template does not fit the values. `by_file`: the first message of each of the first files, if
    several files have messages. `more_files`: the number of the other files with messages. `send_count`: the number of
    messages that will be sent. `blocked_count`: the number of people who are skipped, because they must not be
    messaged. `capped_count`: the number of those whom the limit per person holds back when the first message leaves.
    `left_out`: the numbers of rows of the lists that made no recipient. `left_out_by_file`: the same for each of
    several lists. `warnings`: findings about the content, the
    list and the hours, and notes about templates that could not be read again. `got`: other campaigns with the same
    file or template whose messages people of this campaign got. `coming`: such campaigns whose messages these people
    will get. `others`: further started campaigns to people of this one; each has another file and another template.
    `departure`: when the first message may leave, if the campaign starts now. `night`: the people whom the messages
    reach at night. `lacks_window`: the campaign is marketing and has no window, although there are quiet hours.
    `overlaps`: all other campaigns with people or a file of this one. `estimate`: the most that the campaign costs;
    None if it has started before.
    """

    campaign: CampaignListing
    template: str
    message: Preview | None
    by_file: Sequence[FileMessage]
    more_files: int
    send_count: int
    blocked_count: int
    senders: Sequence[AccountListing]
    warnings: Sequence[Finding]
    got: Sequence[Overlap]
    coming: Sequence[Overlap]
    others: Sequence[Overlap]
    departure: Departure
    night: Night | None
    lacks_window: bool
    told: Told
    overlaps: Sequence[Overlap]
    capped_count: int
    estimate: Estimate | None
    left_out: LeftOutRows
    left_out_by_file: Sequence[RowsOfFile]

    @property
    def has_risk(self) -> bool:
        """Whether a person must confirm the start, however few messages the campaign has."""
        is_warned = any(each.severity is not Severity.NOTE for each in self.warnings)
        return bool(is_warned or self.got or self.coming or self.night)

    def count_days_of_limit(self, until: dt.datetime) -> int | None:
        """Return the days of a limit of one message per person that leaves out the people of `got` until a time.

        None if the campaign has a limit already, if nobody of the list has got such a campaign, or if the limit would
        need more days than it may have.
        """
        since = [each.got_since for each in self.got if each.got_since is not None]
        if self.campaign.max_per_person is not None or not since:
            return None
        days = (until - min(since)).days + 1
        return days if days <= MOST_DAYS_OF_LIMIT else None


def read_and_look(
    database: Database, settings: Settings, campaign_ids: Sequence[int], *, actor: Actor
) -> list[StartFacts]:
    """Read the templates of these campaigns again from Meta; then return the facts as `look_before_start` does.

    If a template cannot be read, the stored one counts, and a note says so: an API that is away stops no start. But if
    Meta refuses the token of each account, no message can leave, and this is an obstacle like any other.
    """
    reading = read_campaign_templates(database, settings, campaign_ids, actor=actor)
    looks = look_before_start(database, campaign_ids, quiet=settings.quiet_hours, overlap_days=settings.overlap_days)
    looks = [replace(look, warnings=[*look.warnings, *reading.notes[look.campaign.id]]) for look in looks]
    return [_add_refused(look, reading.refused) for look in looks]


def _add_refused(look: StartFacts, refused: Mapping[int, Sentence]) -> StartFacts:
    """Add the accounts whose tokens Meta refuses. `refused`: by account, the reason and what to do."""
    dead = [account for account in look.senders if account.id in refused]
    if not dead:
        return look
    if len(dead) < len(look.senders):
        warnings = [
            Finding(
                "token_refused",
                Severity.WARNING,
                "Meta refuses the token of account {account}, so only the other accounts of campaign {campaign_id} can"
                " send its messages.",
                "{problem}",
                campaign_id=look.campaign.id,
                account=account.name,
                problem=refused[account.id],
            )
            for account in dead
        ]
        return replace(look, warnings=[*look.warnings, *warnings])
    finding = Finding(
        "tokens_refused",
        Severity.ERROR,
        "No message of campaign {campaign_id} can leave now, because Meta refuses the token of each of its accounts"
        " ({accounts}).",
        "{problems}",
        campaign_id=look.campaign.id,
        accounts=", ".join(account.name for account in dead),
        problems=[refused[account.id] for account in dead],
    )
    return replace(look, departure=replace(look.departure, obstacles=[*look.departure.obstacles, finding]))


def look_before_start(
    database: Database, campaign_ids: Sequence[int], *, quiet: QuietHours | None, overlap_days: int
) -> list[StartFacts]:
    """Return the facts that a person sees before these campaigns start or resume together, the oldest first.

    `quiet`: the quiet hours of the settings. `overlap_days`: campaigns that ended before this number of days are not
    compared. An id that does not exist is left out.
    """
    return database.run(_look_at_all, campaign_ids, quiet=quiet, days=overlap_days)


def check_told(
    connection: Connection, command: Command, campaign: LockedCampaign, told: Told, present: Present
) -> None:
    """Raise Refusal if a campaign would send other messages, more messages, or at other times, than a person was told.

    The caller has locked the campaign. `present`: the facts that `find_present` returned after `lock_starts`.
    """
    facts, again = campaign.facts, Hint(_AGAIN[command], campaign.id)
    loaded = load_approvable(connection, campaign.id)
    if loaded.content.digest() != told.digest or loaded.pending_count > told.message_count:
        raise facts.conflict(
            "changed_since_question",
            "Campaign {id} ({name}) has changed since you were asked: its message, its accounts or its people are"
            " different now. Nothing was started: {again} shows what it sends now, and asks again.",
            again=again,
        )
    if _digest_pace(campaign) != told.pace_digest:
        raise facts.conflict(
            "hours_since_question",
            "The schedule, the hours or the speed of campaign {id} ({name}) have changed since you were asked. Nothing"
            " was started: {again} shows when its messages leave now, and asks again.",
            again=again,
        )
    if present.night_count > told.night_count:
        raise facts.conflict(
            "night_since_question",
            "Campaign {id} ({name}) would now reach {people} at night; when you were asked, the number was {before:,}."
            " Nothing was started: {again} asks again.",
            people=Count(present.night_count, "recipient"),
            before=told.night_count,
            again=again,
        )
    for overlap in present.overlaps:
        now = _count_reached(overlap, told.together)
        before = told.reached.get(overlap.campaign_id, 0)
        if now > before:
            raise facts.conflict(
                "repeats_since_question",
                "Campaign {other} ({other_name}) now reaches {people} of campaign {id} ({name}), too; when you were"
                " asked, the number was {before:,}. Nothing was started: {again} asks again.",
                other=overlap.campaign_id,
                other_name=overlap.name,
                people=Count(now, "recipient"),
                before=before,
                again=again,
            )


def find_present(connection: Connection, campaign_id: int, told: Told) -> Present:
    """Return the present facts about a campaign, by the rules by which a person was told about them."""
    (row,) = store.list_campaigns(connection, [campaign_id])
    capped = list_capped(connection, row)
    overlaps = recipients.find_overlaps(connection, campaign_id, days=told.days, together=told.together, capped=capped)
    nights = look_for_nights(connection, [campaign_id], quiet=told.quiet)
    return Present(overlaps, sum(night.night_count for night in nights))


def _look_at_all(
    connection: Connection, campaign_ids: Sequence[int], *, quiet: QuietHours | None, days: int
) -> list[StartFacts]:
    # The digests must be those of what is shown, although nothing is locked.
    read_one_snapshot(connection)
    rows = store.list_campaigns(connection, campaign_ids)
    nights = {night.campaign_id: night for night in look_for_nights(connection, campaign_ids, quiet=quiet)}
    looks = []
    for position, row in enumerate(rows):
        # If two campaigns of this start overlap, the overlap is shown at the first of them only.
        told_before = {earlier.id for earlier in rows[:position]}
        look = _look(connection, row, nights.get(row.id), quiet, days=days, together=campaign_ids, told=told_before)
        looks.append(look)
    return looks


def _look(
    connection: Connection,
    row: CampaignListing,
    night: Night | None,
    quiet: QuietHours | None,
    *,
    days: int,
    together: Sequence[int],
    told: Collection[int],
) -> StartFacts:
    template = load_template(connection, store.find_template_id(connection, row.id))
    loaded = load_approvable(connection, row.id)
    pending = store.list_pending_counts(connection, row.id)
    pending_count = sum(each.count for each in pending)
    blocked_count = sum(each.suppressed_count for each in pending)
    departure = find_departure(connection, row.id, row, now=row.server_now, has_started=row.started_at is not None)
    capped = list_capped(connection, row, departure)
    overlaps = recipients.find_overlaps(connection, row.id, days=days, together=together, capped=capped)
    alike = [each for each in overlaps if _is_alike(each)]
    files = recipients.list_imported_files(connection, row.id)
    try:
        first = preview_messages(connection, row, template, limit=1, capped=capped)
        by_file, more_files = _preview_files(connection, row, template, files, capped)
    except TemplateError:  # `departure` has the reason why no message leaves
        first, by_file, more_files = [], [], 0
    return StartFacts(
        row,
        _name(template),
        first[0][1] if first else None,
        by_file,
        more_files,
        pending_count - blocked_count - len(capped),
        blocked_count,
        load_senders(connection, row.id),
        warnings=[
            *_find_newer_draft(row, overlaps, together),
            *_find_older_draft(row, overlaps, together),
            *_find_changes(connection, row, template),
            *_tell_added(row, files),
            *_warn_of_imports(row, files),
            *warn_of_values(connection, row, files, template.language),
            *warn_of_numbers(connection, row.id, template_name=template.name, columns=row.columns),
            *warn_of_language(connection, row.id, template),
            *warn_of_zones(connection, row.id, row),
            *warn_of_other_zone(connection, row.id, row),
        ],
        got=[each for each in alike if each.got_count],
        coming=[
            each
            for each in alike
            if each.waiting_count
            and each.campaign_id not in told
            and (each.status in _WILL_SEND or each.campaign_id in together)
        ],
        others=[each for each in overlaps if not _is_alike(each) and _count_reached(each, together)],
        departure=departure,
        night=night,
        lacks_window=quiet is not None and row.window_from is None and sends_marketing(connection, row.id),
        told=Told(
            loaded.content.digest(),
            _digest_pace(row),
            loaded.pending_count,
            night.night_count if night is not None else 0,
            {each.campaign_id: _count_reached(each, together) for each in overlaps},
            quiet,
            days,
            together,
        ),
        overlaps=overlaps,
        capped_count=len(capped),
        estimate=find_estimate(connection, row, pending, capped),
        left_out=count_left_out(connection, row),
        left_out_by_file=count_left_out_by_file(connection, row.id),
    )


def _is_alike(overlap: Overlap) -> bool:
    return overlap.has_same_file or overlap.has_same_template


def _digest_pace(campaign: CampaignListing | LockedCampaign) -> bytes:
    return hashlib.sha256(repr([getattr(campaign, name) for name in _PACE]).encode()).digest()


def _preview_files(
    connection: Connection,
    row: CampaignListing,
    template: TemplateRow,
    files: Sequence[ImportedFile],
    capped: Sequence[int],
) -> tuple[list[FileMessage], int]:
    """Return the first message of each of the first files, and the number of the other files.

    The result is empty if only one file has messages.
    """
    begun = [(file, file.facts.first_message_id) for file in files if file.facts and file.facts.first_message_id]
    if len(begun) < 2:  # noqa: PLR2004  several files
        return [], 0
    ends = [*(first_id for _, first_id in begun[1:]), None]
    shown = []
    for (file, first_id), before_id in list(zip(begun, ends, strict=True))[:_SHOWN_FILES]:
        message = preview_first_between(connection, row, template, first_id, before_id, capped=capped)
        if message is not None:
            shown.append(FileMessage(file.number, file.name, _name_sheet(file), message))
    return shown, len(begun[_SHOWN_FILES:])


def _name_sheet(file: ImportedFile) -> str:
    return "" if file.facts is None else file.facts.sheet


def _count_reached(overlap: Overlap, together: Collection[int]) -> int:
    """Return the number of people to whom the other campaign has sent, or will send."""
    sends = overlap.status in _WILL_SEND or overlap.campaign_id in together
    return overlap.got_count + (overlap.waiting_count if sends else 0)


def _name(template: TemplateRow) -> str:
    return f"{template.name}:{template.language}"


def _find_newer_draft(
    row: CampaignListing, overlaps: Sequence[Overlap], together: Collection[int]
) -> Iterator[Finding]:
    """Yield a warning if a draft was made after this draft for most of its people, and does not start together with it.

    The newer draft may be the corrected one. If there are several, the newest of them is named.
    """
    newer = [
        each
        for each in overlaps
        if each.status == CampaignStatus.DRAFT
        and each.campaign_id > row.id
        and each.campaign_id not in together
        and each.shared_count * 2 > each.people_count
    ]
    if row.status != CampaignStatus.DRAFT or not newer:
        return
    newest = max(newer, key=lambda each: each.campaign_id)
    yield Finding(
        "newer_draft",
        Severity.WARNING,
        "Campaign {newer} ({newer_name}) is a newer draft. It has {shared:,} of {people} of campaign {campaign_id}.",
        "If campaign {newer} replaces campaign {campaign_id}, start campaign {newer} and not this one: {start}. To"
        " delete the older draft: {discard}.",
        campaign_id=row.id,
        newer=newest.campaign_id,
        newer_name=newest.name,
        shared=newest.shared_count,
        people=Count(newest.people_count, "recipient"),
        start=Hint(HintAction.START_CAMPAIGN, newest.campaign_id),
        discard=Hint(HintAction.DISCARD_CAMPAIGN, row.id),
    )


def _find_older_draft(
    row: CampaignListing, overlaps: Sequence[Overlap], together: Collection[int]
) -> Iterator[Finding]:
    """Yield a note if an older draft has the same template and most of the people of this draft.

    Somebody may start the older draft later, although this draft has replaced it. If there are several older drafts,
    the newest of them is named.
    """
    older = [
        each
        for each in overlaps
        if each.status == CampaignStatus.DRAFT
        and each.has_same_template
        and each.campaign_id < row.id
        and each.campaign_id not in together
        and each.shared_count * 2 > each.people_count
    ]
    if row.status != CampaignStatus.DRAFT or not older:
        return
    newest = max(older, key=lambda each: each.campaign_id)
    yield Finding(
        "older_draft",
        Severity.NOTE,
        "Campaign {older} ({older_name}) is an older draft with the same template. It has {shared:,} of {people} of"
        " campaign {campaign_id}.",
        "If campaign {campaign_id} replaces campaign {older}, delete the older draft, so that nobody starts it:"
        " {discard}.",
        campaign_id=row.id,
        older=newest.campaign_id,
        older_name=newest.name,
        shared=newest.shared_count,
        people=Count(newest.people_count, "recipient"),
        discard=Hint(HintAction.DISCARD_CAMPAIGN, newest.campaign_id),
    )


def _find_changes(connection: Connection, row: CampaignListing, template: TemplateRow) -> Iterator[Finding]:
    """Yield what was changed in the message of a campaign since its draft was made."""
    made = store.load_made_with(connection, row.id)
    if made is None:
        return
    if made.template != _name(template):
        yield Finding(
            "template_replaced",
            Severity.WARNING,
            "The draft of campaign {campaign_id} was made with the template {old}. It sends {new} now.",
            "",
            campaign_id=row.id,
            old=made.template,
            new=_name(template),
        )
    elif list_shown(made.components) != list_shown(template.components):
        yield Finding(
            "template_edited",
            Severity.WARNING,
            "The template {template} was edited at Meta after the draft of campaign {campaign_id} was made. Before, its"
            " text was: {old}",
            "",
            campaign_id=row.id,
            template=_name(template),
            old=_shorten(_read_body(made.components)),
        )
    changed = [
        Sentence(
            "{variable}: {old} → {new}",
            variable=write_variable(name),
            old=_show_value(made.parameters.get(name)),
            new=_show_value(row.parameters.get(name)),
        )
        for name in sorted({*made.parameters, *row.parameters})
        if made.parameters.get(name) != row.parameters.get(name)
    ]
    if changed:
        yield Finding(
            "values_changed",
            Severity.WARNING,
            "Values for all recipients of campaign {campaign_id} were changed after its draft was made: {changes}.",
            "",
            campaign_id=row.id,
            changes=changed,
        )


def _read_body(components: Sequence[Mapping[str, Any]]) -> str:
    return next((str(part.get("text", "")) for part in components if part.get("type") == "BODY"), "")


def _show_value(value: str | None) -> str:
    return _shorten(value) if value else Word("none")


def _shorten(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _SHOWN_CHARACTERS else f"{words[:_SHOWN_CHARACTERS]}…"


def _tell_added(row: CampaignListing, files: Sequence[ImportedFile]) -> Iterator[Finding]:
    """Yield a warning about the files that were imported after a campaign started: nobody was asked about them."""
    added = [file for file in files if row.started_at is not None and file.imported_at > row.started_at]
    if added and row.status == CampaignStatus.PAUSED:
        yield Finding(
            "people_added",
            Severity.WARNING,
            "Campaign {campaign_id} got {people} from {files} after its start.",
            "",
            campaign_id=row.id,
            people=Count(sum(file.facts.new_count for file in added if file.facts is not None), "recipient"),
            files=list_names([file.name for file in added]),
        )


def _warn_of_imports(row: CampaignListing, files: Sequence[ImportedFile]) -> Iterator[Finding]:
    """Yield the warnings about the files of a campaign. A warning that several files share is yielded once."""
    status, shown = CampaignStatus(row.status), set[str]()
    for file in files:
        if file.facts is not None:
            for finding in find_import_warnings(row.id, status, file.facts, file=file.path):
                if str(finding) not in shown:
                    yield finding
                shown.add(str(finding))
            yield from find_passed_dates(row.id, status, file.facts, today=row.server_now.date())
    yield from find_contradictions(row.id, status, files)
