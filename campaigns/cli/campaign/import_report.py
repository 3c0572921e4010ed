"""Prints the report of an import: the columns, the first message, and the rows that did not become messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from campaigns.cli.hints import _, advise, plural
from campaigns.cli.output import count, local_time, past_day, say
from campaigns.cli.reasons import translate_column, translate_reason
from campaigns.cli.session import Session
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.phone.number import PhoneKind
from campaigns.domain.phone.written import PhoneProblem
from campaigns.domain.recipients import DUPLICATES, RowCode, list_names, list_words
from campaigns.domain.statement import Count, Finding, deferred
from campaigns.management.campaigns import ChangeResult
from campaigns.management.drafts.import_warnings import write_variable
from campaigns.management.layouts import Preview
from campaigns.management.recipients import SHOWN_OVERLAPS, Imported, find_overlaps
from campaigns.management.reports import LeftOutRows
from campaigns.store.recipients import ErrorGroup, ImportFacts, Overlap

_SHOWN_DRAFTS = 10

# The line for each kind of rows that did not become messages. {places}: the first rows.
GROUPS: Mapping[str, str] = MappingProxyType({
    RowCode.INVALID: deferred("{rows} with a value that cannot be sent: {places}"),
    RowCode.VALUE_EMPTY: deferred("{rows} with an empty value: {places}"),
    RowCode.VALUE_MISSING: deferred(
        "{rows} with an error or a formula of the spreadsheet, or a text for a missing value (NULL, nan, TRUE, - …), in"
        " place of a value: {places}"
    ),
    RowCode.DATE_NUMBER: deferred("{rows} with the number of a date in place of the date: {places}"),
    RowCode.DATE_WRONG: deferred("{rows} with a date that no person writes: {places}"),
    RowCode.KIND: deferred("{rows} with a value that does not fit its column: {places}"),
    RowCode.ENCODING: deferred("{rows} with letters in a wrong encoding: {places}"),
    RowCode.MISREAD: deferred("{rows} with letters in the encoding of another system: {places}"),
    RowCode.REFUSED: deferred("{rows} of people who want no messages, left out by --refusals skip: {places}"),
    RowCode.UNANSWERED: deferred(
        "{rows} of people who have not said whether they want messages, left out by --no-answer skip: {places}"
    ),
    RowCode.MARKED: deferred("{rows} marked by a colour, left out by --hidden skip: {places}"),
    RowCode.DUPLICATE: deferred("{rows} of a person who is in an earlier row, which is taken: {places}"),
    RowCode.IN_CAMPAIGN: deferred("{rows} of a person who is in the campaign already: {places}"),
    PhoneProblem.AREA_UNCLEAR: deferred(
        "{rows} with a phone that begins with 55, which may be the country code or the area code: {places}"
    ),
    PhoneProblem.NO_AREA_CODE: deferred("{rows} with a phone without its area code: {places}"),
    PhoneProblem.CHARACTERS: deferred("{rows} with characters in the phone that no phone has: {places}"),
    PhoneProblem.COMPANY: deferred("{rows} with a company's number for callers (0800, 0300, 4004 …): {places}"),
    PhoneProblem.EMPTY: deferred("{rows} without a phone: {places}"),
    PhoneProblem.DOCUMENT: deferred(
        "{rows} with a CPF or a CNPJ in place of the phone, which stands in the column of the document: {places}"
    ),
    PhoneProblem.DIGIT_LOST: deferred("{rows} with a phone that has lost a digit: {places}"),
    PhoneProblem.EXTENSION: deferred("{rows} with an extension (ramal) behind the phone: {places}"),
    PhoneProblem.EXTRA_DIGITS: deferred("{rows} with digits apart from the phone, such as a note: {places}"),
    PhoneProblem.GROUP: deferred("{rows} with a link or an id of WhatsApp that has no phone: {places}"),
    PhoneProblem.INVALID: deferred("{rows} with an invalid phone: {places}"),
    PhoneProblem.LANDLINE: deferred("{rows} with a landline, left out by --mobile-only: {places}"),
    PhoneProblem.MISSING: deferred(
        "{rows} with an error of the spreadsheet, or a text for a missing value (NULL, nan, N/A …), in place of the"
        " phone: {places}"
    ),
    PhoneProblem.SEVERAL: deferred("{rows} with more than one phone in a cell: {places}"),
    PhoneProblem.SHORTENED: deferred(
        "{rows} with a phone that Excel has shortened to a number with an E, so digits are lost: {places}"
    ),
    PhoneProblem.TEST_NUMBER: deferred(
        "{rows} with a test number of Meta's, which --allow-test-numbers takes: {places}"
    ),
    PhoneProblem.TOO_LONG: deferred("{rows} with a phone of too many digits: {places}"),
    PhoneProblem.WORDS: deferred("{rows} with words beside the phone: {places}"),
})  # fmt: skip
# Kinds of rows whose reason differs from row to row, so that the line names it.
_WITH_REASON = DUPLICATES | {
    *(
        RowCode.INVALID,
        RowCode.VALUE_EMPTY,
        RowCode.VALUE_MISSING,
        RowCode.DATE_NUMBER,
        RowCode.DATE_WRONG,
        RowCode.KIND,
        RowCode.ENCODING,
    ),
    PhoneProblem.AREA_UNCLEAR,
    PhoneProblem.INVALID,
}
# Warnings whose advice is to import the file again.
_WITH_EFFECT = frozenset({"phones_elsewhere", "encoding_doubtful"})
KINDS: Mapping[PhoneKind, str] = MappingProxyType({
    PhoneKind.LANDLINE: deferred(
        "{rows} with a landline, which may have WhatsApp or not; --mobile-only leaves landlines out."
    ),
    PhoneKind.WITHOUT_NINE: deferred(
        "{rows} with a mobile number of Brazil in the old form, without its first 9. WhatsApp finds such"
        " numbers."
    ),
})  # fmt: skip


def report_import(session: Session, result: ChangeResult) -> None:
    """Print what an import read, and warn of other campaigns to the same people."""
    if result.imported is None:
        return
    _report_numbers(result, result.imported)
    _report_columns(result.imported)
    if result.imported.header_row > 1:
        row = result.imported.header_row
        say(_("  row {row:,} names the columns; the rows above it were not read", row=row))
    _report_encoding(result.imported)
    _report_hidden(result.imported)
    if result.imported.skips_unanswered and (words := list_words(result.imported.unanswered.words)) is not None:
        say(_("  these words count as no answer: {words}", words=words))
    for group in result.imported.groups:
        say(f"  {_describe(group)}")
    for warning in result.import_warnings:
        more = _tell_effect(result, result.imported) if warning.code in _WITH_EFFECT else []
        say_warning(warning, more)
    for kind, row_count in result.imported.kinds.items():
        _report_kind(kind, row_count, result.imported.facts)
    if result.imported.groups:
        say(_("  `revoada campaign import-errors {id}` lists these rows with their reasons.", id=result.id))
    _warn_of_overlaps(session, result.id)


def _report_kind(kind: PhoneKind, row_count: int, facts: ImportFacts) -> None:
    nine = facts.without_nine if kind is PhoneKind.WITHOUT_NINE else None
    if nine is not None and nine.is_slip:  # a warning names these rows
        return
    text = f"  {_(KINDS[kind], rows=Count(row_count, 'row'))}"
    if nine is not None:
        row, phone = nine.first[0]
        text += " " + _("The first is row {row:,} ({phone}).", row=row, phone=phone)
    say(text)


def _report_numbers(result: ChangeResult, imported: Imported) -> None:
    counts = imported.counts
    added = counts.recipient_count
    numbers = [
        plural(
            "{count:,} recipient added (now {total:,})",
            "{count:,} recipients added (now {total:,})",
            added,
            total=total,
        )
        if (total := result.people_before + added) > added
        else count(added, "recipient")
    ]
    if counts.duplicate_count:
        numbers.append(plural("{count:,} duplicate dropped", "{count:,} duplicates dropped", counts.duplicate_count))
    by_code = Counter({group.code: group.row_count for group in imported.groups})
    chosen = [by_code[code] for code in (RowCode.REFUSED, RowCode.UNANSWERED, RowCode.MARKED)]
    if rejected := counts.rejected_count - sum(chosen):
        numbers.append(plural("{count:,} row rejected", "{count:,} rows rejected", rejected))
    if reasons := describe_left_out(*chosen):
        numbers.append(_("left out: {reasons}", reasons=reasons))
    say(_("Campaign {id} ({name}): {numbers}.", id=result.id, name=result.name, numbers=numbers))
    if result.replaced_count:
        text = plural(
            "  {count:,} person who was in the draft before is removed",
            "  {count:,} people who were in the draft before are removed",
            result.replaced_count,
        )
        say(text)
    for line in describe_blocked(result.blocked_count):
        say(line)


def say_warning(warning: Finding, more: Sequence[str] = ()) -> None:
    """Print a warning with its advice, and further sentences behind it."""
    text = _("Warning: {warning} {advice}", warning=warning, advice=advise(warning)).rstrip()
    say(" ".join([text, *more]), is_warning=True)


def describe_left_out(refused: int, unanswered: int, marked: int) -> list[str]:
    """Return how many people of a list a person has left out on purpose, by the reason."""
    texts = (
        (refused, plural("{count:,} said no", "{count:,} said no", refused)),
        (unanswered, plural("{count:,} gave no answer", "{count:,} gave no answer", unanswered)),
        (marked, plural("{count:,} marked by a colour", "{count:,} marked by a colour", marked)),
    )
    return [text for number, text in texts if number]


def describe_left_out_rows(rows: LeftOutRows) -> list[str]:
    return describe_left_out(rows.refused, rows.unanswered, rows.marked)


def count_rejected(rows: LeftOutRows) -> int:
    """Return the number of rows that were rejected, without those that a person has left out on purpose."""
    return rows.invalid + rows.unexplained


def describe_blocked(count: int) -> list[str]:
    """Return a line about the people of a campaign who are skipped; [] if there are none."""
    if not count:
        return []
    text = plural(
        "  {count:,} person has opted out or is blocked, and will get no message",
        "  {count:,} people have opted out or are blocked, and will get no message",
        count,
    )
    return [text]


def _report_columns(imported: Imported) -> None:
    if imported.facts.sheet:
        say(_("  sheet {sheet} was read", sheet=imported.facts.sheet))
    for each in imported.filled:
        variable = write_variable(each.variable)
        if each.is_by_position:
            say(_("  {variable} ← {column} (by its position)", variable=variable, column=each.column))
        else:
            say(f"  {variable} ← {each.column}")
    if imported.is_known_header:
        say(_("  the header is that of an earlier file of the campaign, so the columns are read in the same way"))
    for name, value in imported.fixed.items():
        say(_("  {variable} = {value} (the same for all recipients)", variable=write_variable(name), value=value))
    if imported.ignored:
        text = plural(
            "  {count:,} column ignored: {columns}",
            "  {count:,} columns ignored: {columns}",
            len(imported.ignored),
            columns=list_names(imported.ignored),
        )
        say(text)
    if imported.first is not None:
        say(_("  First message: {message}", message=write_message(imported.first)))


def _tell_effect(result: ChangeResult, imported: Imported) -> list[str]:
    """Return a sentence about other people whom another import of the file would remove or leave in the campaign."""
    if result.status is not CampaignStatus.DRAFT:
        added = imported.counts.recipient_count
        text = plural(
            "The campaign has started, so {count:,} person of this import stays in it.",
            "The campaign has started, so {count:,} people of this import stay in it.",
            added,
        )
        return [text] if added else []
    text = plural(
        "That also removes {count:,} person of an earlier import, whose file is to be imported again, too.",
        "That also removes {count:,} people of earlier imports, whose files are to be imported again, too.",
        result.people_before,
    )
    return [text] if result.people_before else []


def _report_hidden(imported: Imported) -> None:
    hidden, skips = imported.hidden, imported.skips_hidden
    if hidden.row_count:
        rows = Count(hidden.row_count, "hidden row")
        say(_("  {rows} left out", rows=rows) if skips else _("  {rows} read like the others", rows=rows))
    if hidden.struck_count:
        rows = Count(hidden.struck_count, "struck-through row")
        say(_("  {rows} left out", rows=rows) if skips else _("  {rows} read like the others", rows=rows))
    if hidden.coloured is not None and not skips:
        rows = Count(len(hidden.coloured.rows), "coloured row")
        say(_("  {rows} read like the others", rows=rows))
    if columns := [f"{letters} ({name})" for letters, name in hidden.columns.items()]:
        names = list_names(columns)
        left_out = _("  hidden columns left out: {names}", names=names)
        say(left_out if skips else _("  hidden columns read like the others: {names}", names=names))
    if imported.hidden_sheets:
        text = plural(
            "  {count:,} hidden sheet with rows was not read: {names}; --sheet reads a sheet, also a hidden one",
            "  {count:,} hidden sheets with rows were not read: {names}; --sheet reads a sheet, also a hidden one",
            len(imported.hidden_sheets),
            names=list_names(imported.hidden_sheets),
        )
        say(text)


def _report_encoding(imported: Imported) -> None:
    read = imported.windows_text
    if read is None or read.is_doubtful:  # a warning names a doubtful word
        return
    text = _(
        "  the file is not in UTF-8, and was read in the encoding of Windows: look at {word} in line {line:,}",
        word=read.word,
        line=read.line,
    )
    say(text)


def write_message(message: Preview) -> str:
    parts = (message.header, message.body, message.footer, *message.buttons)
    return " | ".join(" ".join(part.split()) for part in parts if part)


def _describe(group: ErrorGroup) -> str:
    reasons = {(column, reason) for _row, column, reason in group.rows}
    if group.code in _WITH_REASON and len(group.rows) > 1 and len(reasons) == 1:
        ((column, reason),) = reasons
        places = [_("row {number}", number=number) for number, _column, _reason in group.rows]
        text = _(
            "{places}: {column} {reason}",
            places=[*places, "…"] if group.row_count > len(places) else places,
            column=translate_column(column, reason),
            reason=translate_reason(reason),
        )
        return _(GROUPS[group.code], rows=Count(group.row_count, "row"), places=text)
    places = [
        _(
            "row {number} ({column} {reason})",
            number=number,
            column=translate_column(column, reason),
            reason=translate_reason(reason),
        )
        if group.code in _WITH_REASON
        else _("row {number}", number=number)
        for number, column, reason in group.rows
    ]
    if group.row_count > len(places):
        places.append("…")
    return _(GROUPS[group.code], rows=Count(group.row_count, "row"), places=places)


def _warn_of_overlaps(session: Session, campaign_id: int) -> None:
    overlaps = find_overlaps(session.database, campaign_id, days=session.settings.overlap_days)
    for line in describe_overlaps(overlaps, session.settings.time_zone):
        say(line, is_warning=True)


def describe_overlaps(overlaps: Sequence[Overlap], time_zone: str) -> list[str]:
    """Return a warning for each of the first other campaigns to the same people, and the number of the others.

    Several drafts have one short warning: `revoada campaign show` says how many people each of the first has.
    """
    drafts = [each for each in overlaps if each.status == CampaignStatus.DRAFT and each.shared_count]
    apart = [each for each in overlaps if each not in drafts] if len(drafts) > 1 else overlaps
    lines = [_("Warning: {overlap}", overlap=line) for line in list_overlaps(apart, time_zone)]
    if len(drafts) > 1:
        ids = _list_ids(each.campaign_id for each in drafts)
        text = plural(
            "Warning: {count:,} other draft holds some of these people: {ids}.",
            "Warning: {count:,} other drafts hold some of these people: {ids}.",
            len(drafts),
            ids=ids,
        )
        lines.append(text)
    return lines


def _list_ids(ids: Iterable[int]) -> list[str]:
    """Return the newest ids, in their order."""
    listed = sorted(ids)
    return [*(["…"] if len(listed) > _SHOWN_DRAFTS else []), *map(str, listed[-_SHOWN_DRAFTS:])]


def list_overlaps(overlaps: Sequence[Overlap], time_zone: str) -> list[str]:
    """Return how many people each of the first campaigns and of the first drafts has, and the number of the others."""
    drafts = [each for each in overlaps if each.status == CampaignStatus.DRAFT]
    others = [each for each in overlaps if each.status != CampaignStatus.DRAFT]
    shown = [*others[:SHOWN_OVERLAPS], *drafts[:SHOWN_OVERLAPS]]
    lines = [_describe_overlap(each, time_zone) for each in shown]
    if more := len(overlaps) - len(shown):
        text = plural(
            "{count:,} more campaign has some of these people or the very same file.",
            "{count:,} more campaigns have some of these people or the very same file.",
            more,
        )
        lines.append(text)
    return lines


def _describe_overlap(overlap: Overlap, time_zone: str) -> str:
    """Return how many people of a campaign another one has."""
    values = {
        "recipients": Count(overlap.people_count, "recipient"),
        "id": overlap.campaign_id,
        "name": overlap.name,
        "when": _tell_when(overlap, time_zone),
    }
    if not overlap.shared_count:
        return _("Campaign {id} ({name}), {when}, has the very same file.", **values)
    if overlap.has_same_file:
        return plural(
            "{count:,} of {recipients} is also in campaign {id} ({name}), {when}, which has the very same file.",
            "{count:,} of {recipients} are also in campaign {id} ({name}), {when}, which has the very same file.",
            overlap.shared_count,
            **values,
        )
    return plural(
        "{count:,} of {recipients} is also in campaign {id} ({name}), {when}.",
        "{count:,} of {recipients} are also in campaign {id} ({name}), {when}.",
        overlap.shared_count,
        **values,
    )


def _tell_when(overlap: Overlap, time_zone: str) -> str:
    """Describe the status of the other campaign; with the time, if it is scheduled, a draft or ended.

    Days begin at midnight in the time zone.
    """
    match overlap.status:
        case CampaignStatus.RUNNING:
            return _("running now")
        case CampaignStatus.PAUSED:
            return _("paused now")
        case CampaignStatus.PENDING:
            return _("about to run")
        case CampaignStatus.SCHEDULED:
            return _("scheduled for {time}", time=local_time(overlap.at, time_zone))
        case CampaignStatus.DRAFT:
            return _("a draft made {day}", day=past_day(overlap.at, overlap.server_now, time_zone))
        case status:
            day = past_day(overlap.at, overlap.server_now, time_zone)
            return _("{status} {day}", status=CampaignStatus(status), day=day)
