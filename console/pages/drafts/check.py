"""The fourth step of a draft: what was read from the list, which rows stay out, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from flask import Flask, Response, redirect
from werkzeug.wrappers import Response as AnyResponse

from campaigns.domain.phone.number import PhoneKind
from campaigns.domain.recipients import list_names
from campaigns.domain.statement import Finding
from campaigns.domain.text.reasons import translate_column, translate_error, translate_reason
from campaigns.domain.users.rights import Right
from campaigns.language import load
from campaigns.management.drafts.import_warnings import write_variable
from campaigns.management.drafts.people import find_language_warnings, page_people
from campaigns.management.files.jobs import download_rejected, find_import, find_list
from campaigns.management.files.rejected import SHOWN_ROWS, RejectedRow
from campaigns.management.files.reports import ImportReport, read_report
from campaigns.management.files.sentences import read_refusal
from campaigns.management.listings.pages import page_import_errors
from campaigns.management.preview import list_capped
from campaigns.management.reports import count_left_out
from campaigns.store.campaigns import count_pending
from campaigns.store.files.jobs import JobRow
from campaigns.store.recipients import ImportedFile, list_imported_files
from console.context import actor, may, parts
from console.forms.confirms import CheckForm
from console.pages import CAMPAIGN
from console.pages.drafts.decisions import list_decisions
from console.pages.drafts.notes import list_doubts, list_others, shorten
from console.pages.drafts.steps import Draft, find_next, list_files, load_draft, render_step
from console.pages.people.keys import show_words
from console.rights import demands
from console.texts import _, language, mark_value, mask_digits, number, plural, say

_MOST_SINGLE_ROWS = 3
# So long after its request, the people of a list may still be compared with those of other campaigns.
_COMPARING_SECONDS = 600.0

_Answer = str | AnyResponse | tuple[str, int]


def register(app: Flask) -> None:
    app.add_url_rule(f"{CAMPAIGN}/check", "draft_check", show, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/check", "accept_check", accept, methods=["POST"])
    app.add_url_rule(f"{CAMPAIGN}/rejected.csv", "download_rejected", download, methods=["GET"])


@demands(Right.CAMPAIGN_DRAFT)
def show(campaign_id: int) -> str:
    return _render(_load_report(campaign_id), load_draft(campaign_id), CheckForm(formdata=None))


@demands(Right.CAMPAIGN_DRAFT)
def accept(campaign_id: int) -> _Answer:
    """Lead to the next step, if the person confirms the warnings about the list that the page has shown."""
    read = job, report = _load_report(campaign_id)
    draft, form = load_draft(campaign_id), CheckForm()
    if form.job.data != _name_job(job):
        form = CheckForm(formdata=None)
        form.job.errors = [_("The list was read again meanwhile: these are its present numbers.")]
        return _render(read, draft, form), 409
    form.validate_on_submit()
    warnings = _list_warnings(draft, report)
    doubts = [each.code for each in list_doubts(warnings)]
    if not form.check_confirms(notes=_list_notes(draft, report, warnings), doubts=doubts):
        return _render(read, draft, form), 422
    return redirect(find_next("draft_check", draft))


def _load_report(campaign_id: int) -> tuple[JobRow | None, ImportReport | None]:
    """Return the last job that was to read a list, and its report; None if it is not done.

    The caller loads the draft after this job. A draft that was loaded before may lack the people of a job that has
    ended in between.
    """
    job = find_import(parts().database, campaign_id)
    return job, None if job is None or not job.is_done else read_report(job.result or {})


def _name_job(job: JobRow | None) -> str:
    return "" if job is None else str(job.id)


def _render(read: tuple[JobRow | None, ImportReport | None], draft: Draft, form: CheckForm) -> str:
    """`read`: what `_load_report` has returned."""
    database, campaign_id = parts().database, draft.row.id
    job, report = read
    file = find_list(database, campaign_id)
    if job is not None and not job.is_done:
        decisions = list_decisions(job) if file is not None and file.imported is not None else []
        return render_step(
            "drafts/waiting.html",
            "draft_check",
            draft,
            file=file,
            job=job,
            refusal=read_refusal(job),
            decisions=decisions,
        )
    form.job.data = _name_job(job)
    if report is not None:
        rejected = [show_rejected(each) for each in report.rejected]
    else:  # the people came by a command, or the file was deleted
        rows = page_import_errors(database, campaign_id, is_rejected=True, limit=SHOWN_ROWS).rows
        rejected = [show_rejected(RejectedRow(each.row_number, each.column_name, each.reason, "")) for each in rows]
    warnings = _list_warnings(draft, report)
    pending_count, blocked_count = database.run(count_pending, campaign_id)
    capped_count = len(database.run(list_capped, draft.row))
    files = database.run(list_imported_files, campaign_id)
    return render_step(
        "drafts/check.html",
        "draft_check",
        draft,
        form=form,
        file=file,
        files=list_files(campaign_id),
        is_comparing=job is not None and job.age_seconds < _COMPARING_SECONDS,
        following=find_next("draft_check", draft),
        report=report,
        ready_count=pending_count - blocked_count - capped_count,
        blocked_count=blocked_count,  # with people who opted out after the import
        capped_count=capped_count,
        left_out=database.run(count_left_out, draft.row),
        readings=[_tell_reading(each, report if len(files) == 1 else None) for each in files],
        rejected=rejected,
        rejected_by_reason=_group(rejected),
        duplicates=[] if report is None else [show_rejected(each) for each in report.duplicates],
        shown=page_people(database, campaign_id, mark=mark_value),
        doubts=list_doubts(warnings),
        warnings=list_others(warnings),
        notes=[] if report is None else _describe(report),
        shorts=_list_notes(draft, report, warnings),
    )


@demands(Right.PHONES_DOWNLOAD)
def download(campaign_id: int) -> Response:
    """Send the rejected rows of the list with their reasons, as a CSV file."""
    pieces: Iterator[bytes] = download_rejected(parts().database, campaign_id, actor=actor(), language=language())
    headers = {"Content-Disposition": f'attachment; filename="campaign-{campaign_id}-rejected.csv"'}
    return Response(pieces, content_type="text/csv; charset=utf-8", headers=headers)


def show_rejected(row: RejectedRow) -> tuple[int, str, str, str]:
    """Return the number of a row, its column, what is wrong, and its cell, without phones that the user may not see."""
    reader = load(language())
    cell = translate_error(row.cell if may(Right.PHONES_SEE) else mask_digits(row.cell), reader)
    return (
        row.row_number,
        translate_column(row.column_name, row.reason, reader),
        show_words(translate_reason(row.reason, reader)),
        cell,
    )


_Rows = list[tuple[int, str, str]]


def _group(rows: Sequence[tuple[int, str, str, str]]) -> dict[tuple[str, str], _Rows]:
    """Return the rows by their column and by what is wrong. A row: its number, its cell, and "".

    If a column has many reasons of one row each, such as reasons that quote the cell, these rows make one group whose
    reason is "", and each row has its reason in place of "".
    """
    found: dict[tuple[str, str], _Rows] = {}
    for row_number, column, reason, cell in rows:
        found.setdefault((column, reason), []).append((row_number, cell, ""))
    single = Counter(column for (column, _reason), group in found.items() if len(group) == 1)
    grouped: dict[tuple[str, str], _Rows] = {}
    for (column, reason), group in found.items():
        if len(group) == 1 and single[column] > _MOST_SINGLE_ROWS:
            grouped.setdefault((column, ""), []).append((*group[0][:2], reason))
        else:
            grouped[column, reason] = group
    return grouped


def _tell_reading(file: ImportedFile, report: ImportReport | None) -> list[tuple[str, str]]:
    """Return the columns that were read from a file, as pairs of what they are and their names.

    `report`: that of the file, if it is the only one.
    """
    found = []
    if report is not None:
        row = number(report.header_row)
        above = _("Row %(row)s. The rows above it were not read.", row=row)
        found.append((_("Names of the columns"), above if report.header_row > 1 else _("Row %(row)s", row=row)))
    if file.facts is not None:
        found.append((_("Phones"), file.facts.phone_column))
        found += [(write_variable(variable), column) for variable, column, _is_doubtful in file.facts.filled]
    if report is not None:
        everybody = _("for everybody")
        found += [(write_variable(variable), f"{value} [{everybody}]") for variable, value in report.fixed.items()]
    if file.columns is not None:
        consent = [] if file.columns.consent is None else [file.columns.names[file.columns.consent]]
        names = list(dict.fromkeys([*consent, *(report.deciding if report is not None else [])]))
        answer = say(list_names(names)).unescape() if names else _("no column")
        found.append((_("Says who agreed to get messages"), answer))
    return found


def _list_warnings(draft: Draft, report: ImportReport | None) -> list[Finding]:
    """Return the warnings about the list, with that of the language, which the start repeats."""
    found = [] if report is None else [each for each in report.warnings if isinstance(each, Finding)]
    return found + (find_language_warnings(parts().database, draft.row.id) if draft.row.recipient_count else [])


def _list_notes(draft: Draft, report: ImportReport | None, warnings: Sequence[Finding]) -> dict[str, str]:
    """Return the facts that a person confirms, each in few words, by the value of its box: the words themselves."""
    return {words: words for words in _write_notes(draft, report, warnings)}


def _write_notes(draft: Draft, report: ImportReport | None, warnings: Sequence[Finding]) -> list[str]:
    rejected = draft.row.rejected_count if report is None else report.rejected_count
    notes = []
    if rejected:
        notes.append(plural("%(count)s row that stays out", "%(count)s rows that stay out", rejected))
    if report is None:
        return [*notes, *(shorten(each) for each in list_others(warnings))]
    is_told = any(each.code == "phones_are_landlines" for each in warnings)
    if (count := report.kinds.get(PhoneKind.LANDLINE, 0)) and not is_told:
        notes.append(plural("%(count)s landline", "%(count)s landlines", count))
    is_slip = any(each.code == "mobiles_lack_a_digit" for each in warnings)
    if (count := report.kinds.get(PhoneKind.WITHOUT_NINE, 0)) and not is_slip:
        notes.append(plural("%(count)s old number without its 9", "%(count)s old numbers without their 9", count))
    if (count := report.hidden_row_count) and not report.skips_hidden:  # that they stay out is a choice of the person
        notes.append(plural("%(count)s hidden row", "%(count)s hidden rows", count))
    if count := report.struck_row_count:
        notes.append(plural("%(count)s row struck through", "%(count)s rows struck through", count))
    if (count := report.coloured_row_count) and not report.skips_hidden:
        notes.append(plural("%(count)s row marked by a colour", "%(count)s rows marked by a colour", count))
    return [*notes, *(shorten(each) for each in list_others(warnings))]


def _describe(report: ImportReport) -> list[str]:
    """Return how the list was read."""
    notes = []
    if report.windows_text is not None and not report.windows_text.is_doubtful:
        word, line = report.windows_text.word, number(report.windows_text.line)
        text = _("The file is not in UTF-8. Look whether %(word)s in line %(line)s is right.", word=word, line=line)
        notes.append(text)
    notes += _describe_hidden(report)
    notes += [tell(count) for kind, tell in _KINDS.items() if (count := report.kinds.get(kind, 0))]
    if report.deciding:
        names = list_names(report.deciding)
        notes.append(_("Columns that say who wants no messages, or do not say it: %(names)s.", names=names))
    if count := report.recorded_count:
        text = plural(
            "%(count)s person who said no is recorded as an opt-out: no campaign writes to this person.",
            "%(count)s people who said no are recorded as opt-outs: no campaign writes to them.",
            count,
        )
        notes.append(text)
    if report.ignored:
        notes.append(_("Columns that are not used: %(names)s.", names=list_names(report.ignored)))
    if report.replaced_count:
        notes.append(_tell_replaced(report))
    return notes


def _describe_hidden(report: ImportReport) -> list[str]:
    """Return which rows, columns and sheets somebody has hidden or marked, and whether they were read."""
    notes = []
    if report.hidden_row_count:
        count = report.hidden_row_count
        left_out = plural("%(count)s hidden row was left out.", "%(count)s hidden rows were left out.", count)
        read = plural("%(count)s hidden row was read.", "%(count)s hidden rows were read.", count)
        notes.append(left_out if report.skips_hidden else read)
    if count := report.struck_row_count:
        left_out = plural(
            "%(count)s row that is struck through was left out.",
            "%(count)s rows that are struck through were left out.",
            count,
        )
        read = plural(
            "%(count)s row that is struck through was read.", "%(count)s rows that are struck through were read.", count
        )
        notes.append(left_out if report.skips_hidden else read)
    if (count := report.coloured_row_count) and not report.skips_hidden:  # rows that were left out are rejected rows
        text = plural(
            "%(count)s row that is marked by a colour was read.",
            "%(count)s rows that are marked by a colour were read.",
            count,
        )
        notes.append(text)
    if report.hidden_sheets:
        text = plural(
            "%(count)s hidden sheet with rows was not read: %(names)s.",
            "%(count)s hidden sheets with rows were not read: %(names)s.",
            len(report.hidden_sheets),
            names=list_names(report.hidden_sheets),
        )
        notes.append(text)
    if report.hidden_columns:
        names = list_names(report.hidden_columns)
        left_out_columns = _("Hidden columns were left out: %(names)s.", names=names)
        notes.append(
            left_out_columns if report.skips_hidden else _("Hidden columns were read: %(names)s.", names=names)
        )
    return notes


def _tell_replaced(report: ImportReport) -> str:
    """Return what became of the people of the list before."""
    replaced, kept = report.replaced_count, report.kept_count
    if kept == replaced == report.recipient_count:
        return plural(
            "The list has the same %(count)s person as before.",
            "The list has the same %(count)s people as before.",
            kept,
        )
    if not kept:
        return plural(
            "The %(count)s person of the list before is no longer in the campaign.",
            "The %(count)s people of the list before are no longer in the campaign.",
            replaced,
        )
    gone = replaced - kept
    if not gone:
        return plural(
            "The %(count)s person of the list before is in this list, too.",
            "All %(count)s people of the list before are in this list, too.",
            kept,
        )
    return plural(
        "%(kept)s people of the list before are in this list, too. %(count)s person is no longer in the campaign.",
        "%(kept)s people of the list before are in this list, too. %(count)s people are no longer in the campaign.",
        gone,
        kept=number(kept),
    )


_KINDS: dict[PhoneKind, Callable[[int], str]] = {
    PhoneKind.LANDLINE: lambda count: plural(
        "%(count)s row has a landline, which may have WhatsApp or not. The columns page can leave landlines out.",
        "%(count)s rows have a landline, which may have WhatsApp or not. The columns page can leave landlines out.",
        count,
    ),
    PhoneKind.WITHOUT_NINE: lambda count: plural(
        "%(count)s row has an old mobile number without its 9. WhatsApp finds it as it is.",
        "%(count)s rows have an old mobile number without its 9. WhatsApp finds them as they are.",
        count,
    ),
}
