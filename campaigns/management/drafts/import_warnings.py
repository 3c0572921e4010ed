"""Warns of an imported file: after the import, and again before the campaign starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from campaigns.domain.campaign import ENDED, CampaignStatus
from campaigns.domain.message import Status
from campaigns.domain.optout.consent import RefusalChoice
from campaigns.domain.recipients import ReadColumns, is_another_column, is_name_of_other_number, list_names, names_phone
from campaigns.domain.statement import (
    Count,
    Entry,
    Field,
    Finding,
    Hint,
    HintAction,
    Sentence,
    Severity,
    Word,
    list_sentences,
)
from campaigns.domain.text.kinds import Form, FormCount, find_contradiction
from campaigns.domain.text.normal import fold
from campaigns.store.recipients import ImportedFile, ImportFacts, Likeness

# The codes of the warnings that the phones are probably no phones of the people. If they are right, each message goes
# to a stranger, so a page asks about each of them by itself.
WRONG_PHONES = frozenset({
    "phone_column_doubtful",
    "phones_are_documents",
    "phones_are_landlines",
    "phones_elsewhere",
    "phones_may_be_foreign",
})  # fmt: skip


def find_import_warnings(campaign_id: int, status: CampaignStatus, facts: ImportFacts, *, file: str) -> list[Finding]:
    """Return warnings about a file that was imported into a campaign.

    `status`: the present status of the campaign. `file`: the name or the path of the file, for a command that imports
    it again.
    """
    is_draft = status is CampaignStatus.DRAFT
    exchanged = [_warn_of_exchange(campaign_id, facts, is_draft=is_draft)] if facts.exchanged else []
    return [*_find(campaign_id, status, facts, file), *exchanged]


def find_contradictions(campaign_id: int, status: CampaignStatus, files: Sequence[ImportedFile]) -> list[Finding]:
    """Return a warning for each file that fills variables from other columns than the first file of the campaign, and
    for each file whose values are of another kind than those of the first file.
    """
    read = [(file, file.columns) for file in files if file.columns is not None]
    if not read:
        return []
    first, earlier = read[0]
    found = []
    for file, columns in read[1:]:
        moved = {
            variable: (earlier.find(variable), columns.find(variable))
            for variable in earlier.variables
            if variable in columns.variables
            and is_another_column(earlier.find(variable), columns.find(variable), columns.names)
        }
        pair = ((first, earlier), (file, columns))
        if moved:
            found.append(_warn_of_other_columns(campaign_id, *pair, moved, is_draft=status is CampaignStatus.DRAFT))
        rows = {
            variable: row
            for variable, row in _find_other_kinds(first.facts, file.facts).items()
            if variable in columns.variables and variable not in moved
        }
        if rows:
            found.append(_warn_of_other_kinds(campaign_id, *pair, rows, is_draft=status is CampaignStatus.DRAFT))
    return found


def find_other_language(
    campaign_id: int, status: CampaignStatus, files: Sequence[ImportedFile], language: str
) -> Iterator[Finding]:
    """Yield a warning for each workbook whose numbers and dates were written for templates in another language.

    `language`: that of the present template.
    """
    is_draft = status is CampaignStatus.DRAFT
    for file in files:
        facts = file.facts
        if facts is not None and facts.filled and facts.language not in {"", language}:
            yield Finding(
                "values_in_other_language",
                Severity.WARNING,
                "The numbers and dates of {file} are written as in {written}, but the template is in {language} now. So"
                " 1,500 may be read as 1.5, and a day as a month.",
                "Read the list again: {again}." if is_draft else "",
                campaign_id=campaign_id,
                file=file.name,
                written=facts.language,
                language=language,
                again=_read_again(campaign_id, facts=facts, is_draft=is_draft, file=file.name),
            )


def warn_of_copied_values(campaign_id: int, written: str, language: str) -> Finding:
    """Return a warning about people who were copied from a campaign whose template has another language."""
    return Finding(
        "values_in_other_language",
        Severity.WARNING,
        "The people were copied from a campaign with a template in {written}, but the template is in {language} now. If"
        " the values have numbers or dates, 1,500 may be read as 1.5, and a day as a month.",
        "Read the list again: {again}.",
        campaign_id=campaign_id,
        written=written,
        language=language,
        again=_read_again(campaign_id, is_draft=True),
    )


def _find_other_kinds(first: ImportFacts | None, other: ImportFacts | None) -> dict[str, int]:
    """Return the variables whose values are of another kind in another file, with the first row of such a value."""
    if first is None or other is None:
        return {}
    rows = {
        variable: find_contradiction(first.kinds[variable], kinds)
        for variable, kinds in other.kinds.items()
        if variable in first.kinds
    }
    return {variable: row for variable, row in rows.items() if row is not None}


def _warn_of_other_kinds(
    campaign_id: int,
    first: tuple[ImportedFile, ReadColumns],
    other: tuple[ImportedFile, ReadColumns],
    rows: Mapping[str, int],
    *,
    is_draft: bool,
) -> Finding:
    return Finding(
        "kinds_contradict",
        Severity.WARNING,
        "File {other} ({other_name}) has values of another kind than file {first} ({first_name}): {changes}.",
        "Read the first message of each file. If cells of file {other} are in the wrong column, correct it. Then begin"
        " again with {again}, and import the corrected file."
        if is_draft
        else "Read the first message of each file.",
        campaign_id=campaign_id,
        first=first[0].number,
        first_name=first[0].name,
        other=other[0].number,
        other_name=other[0].name,
        changes=list_sentences(
            [
                Sentence("{column} (the first in row {row:,})", column=other[1].find(variable), row=row)
                for variable, row in rows.items()
            ]
        ),
        again=_begin_again(campaign_id, *first),
    )


def _begin_again(campaign_id: int, file: ImportedFile, columns: ReadColumns) -> Hint:
    """Return the hint to put the people of a file in the place of all people of a draft."""
    return Hint(
        HintAction.REPLACE_RECIPIENTS,
        campaign_id,
        also=tuple(
            Entry(Field.COLUMN, f"{variable}={columns.find(variable)}")
            for variable in columns.variables
            if fold(variable) != fold(columns.find(variable))
        ),
        file=file.name,
    )


def _warn_of_other_columns(
    campaign_id: int,
    first: tuple[ImportedFile, ReadColumns],
    other: tuple[ImportedFile, ReadColumns],
    moved: Mapping[str, tuple[str, str]],
    *,
    is_draft: bool,
) -> Finding:
    columns = other[1]
    return Finding(
        "columns_contradict",
        Severity.WARNING,
        "File {other} ({other_name}) fills variables from other columns than file {first} ({first_name}): {changes}.",
        "Read the first message of each file. If the columns of file {other} are wrong, begin again with {again}, and"
        " import the other file with {choices}."
        if is_draft
        else "Read the first message of each file.",
        campaign_id=campaign_id,
        first=first[0].number,
        first_name=first[0].name,
        other=other[0].number,
        other_name=other[0].name,
        changes=list_sentences(
            [
                Sentence(
                    "{variable} from {column}, and not from {earlier}",
                    variable=write_variable(variable),
                    column=now,
                    earlier=before,
                )
                for variable, (before, now) in moved.items()
            ]
        ),
        again=_begin_again(campaign_id, *first),
        choices=[
            Entry(Field.COLUMN, f"{variable}={before}" if before in columns.names else variable)
            for variable, (before, _now) in moved.items()
        ],
    )


def write_variable(name: str) -> str:
    """Return a variable in the braces of the template. Our own names for values of the header and buttons have none."""
    return name if " " in name or name == "header" else f"{{{{{name}}}}}"


def _find(campaign_id: int, status: CampaignStatus, facts: ImportFacts, file: str) -> Iterator[Finding]:
    is_draft = status is CampaignStatus.DRAFT
    if status not in ENDED and facts.likeness is not None and _is_correction(facts, facts.likeness):
        yield _warn_of_correction(campaign_id, facts, facts.likeness, file, is_draft=is_draft)
    if (phones := _judge_phones(campaign_id, facts, is_draft=is_draft)) is not None:
        yield phones
    if doubtful := [(variable, column) for variable, column, is_doubtful in facts.filled if is_doubtful]:
        yield Finding(
            "columns_by_order",
            Severity.WARNING,
            "The file does not say which column belongs to which variable, so the order of the columns decided:"
            " {pairs}.",
            "Read the first message. If a value is in the wrong place, name the column of each variable, such as"
            " {choices}, and import it again: {again}."
            if is_draft
            else "Read the first message. If a value is in the wrong place, read the file into a new campaign with"
            " {choices}, because this one has started.",
            campaign_id=campaign_id,
            again=_read_again(campaign_id, is_draft=is_draft),
            pairs=[f"{write_variable(variable)} ← {column}" for variable, column in doubtful],
            choices=[Entry(Field.COLUMN, f"{variable}={column}") for variable, column, _ in facts.filled],
        )
    if facts.word:
        yield Finding(
            "encoding_doubtful",
            Severity.WARNING,
            "The file is not in UTF-8, so it was read in the encoding of Windows, and {word} in line {line:,} looks"
            " wrong.",
            "If it is wrong, save the list as CSV UTF-8 or XLSX, and import it again: {again}."
            if is_draft
            else "If it is wrong, save the list as CSV UTF-8 or XLSX, and read it into a new campaign, because this"
            " one has started.",
            campaign_id=campaign_id,
            again=_read_again(campaign_id, facts=facts, is_draft=is_draft),
            word=facts.word,
            line=facts.line,
        )
    yield from _find_in_cells(campaign_id, facts, is_draft=is_draft)
    if facts.differing_count:
        yield Finding(
            "rows_differ",
            Severity.WARNING,
            "The file has {rows} with the phone of an earlier row, but with other values. A person gets one message,"
            " with the values of the earlier row. The first of these rows is row {first_row:,}.",
            "Read these rows. If a phone is wrong, correct the file, and import it again: {again}."
            if is_draft
            else "Read these rows. If a phone is wrong, read the corrected file into a new campaign, because this one"
            " has started.",
            campaign_id=campaign_id,
            rows=Count(facts.differing_count, "row"),
            first_row=facts.differing_row,
            again=_read_again(campaign_id, facts=facts, is_draft=is_draft),
        )
    if facts.refusing_rows:
        yield Finding(
            "people_unwilling",
            Severity.WARNING,
            "The list says in {rows} that the person wants no messages ({columns}). These people are in the campaign"
            " like the others. The first of them is in row {first_row:,}.",
            "To leave these people out, import the file again: {again}." if is_draft else "",
            campaign_id=campaign_id,
            again=_read_again(
                campaign_id, Entry(Field.REFUSALS, RefusalChoice.SKIP.value), facts=facts, is_draft=is_draft
            ),
            rows=Count(facts.refusing_rows, "row"),
            columns=list_names(facts.refusing_columns),
            first_row=facts.refusing_row,
        )
    if facts.unanswered_rows:
        yield Finding(
            "people_unanswered",
            Severity.WARNING,
            "The list does not say in {rows} whether the person wants messages (no answer in {columns}). These people"
            " are in the campaign like the others. The first of them is in row {first_row:,}.",
            "To leave these people out, import the file again: {again}." if is_draft else "",
            campaign_id=campaign_id,
            again=_read_again(
                campaign_id, Entry(Field.NO_ANSWER, RefusalChoice.SKIP.value), facts=facts, is_draft=is_draft
            ),
            rows=Count(facts.unanswered_rows, "row"),
            columns=list_names(facts.unanswered_columns),
            first_row=facts.unanswered_row,
        )
    if facts.other_values_count:
        yield _warn_of_other_values(campaign_id, facts, is_draft=is_draft)


def _find_in_cells(campaign_id: int, facts: ImportFacts, *, is_draft: bool) -> Iterator[Finding]:
    for column, forms in facts.mixed.items():
        yield _warn_of_mixed_cells(campaign_id, facts, column, forms, is_draft=is_draft)
    for dates in facts.past:
        yield _warn_of_past_dates(campaign_id, facts, *dates, is_draft=is_draft)


def _warn_of_past_dates(
    campaign_id: int, facts: ImportFacts, column: str, row: int, latest: str, *, is_draft: bool
) -> Finding:
    return Finding(
        "dates_past",
        Severity.WARNING,
        "All dates of the column {column} are in the past. The latest is {latest} in row {row:,}.",
        "If the dates are old, correct the file, and import it again: {again}."
        if is_draft
        else "If the dates are old, read the corrected file into a new campaign, because this one has started.",
        campaign_id=campaign_id,
        column=column,
        latest=latest,
        row=row,
        again=_read_again(campaign_id, facts=facts, is_draft=is_draft),
    )


def _warn_of_mixed_cells(
    campaign_id: int, facts: ImportFacts, column: str, forms: Sequence[FormCount], *, is_draft: bool
) -> Finding:
    return Finding(
        "cells_odd",
        Severity.WARNING,
        "The cells of the column {column} are of several kinds: {kinds}.",
        "Read these rows. If a cell is wrong, correct the file, and import it again: {again}."
        if is_draft
        else "Read these rows. If a cell is wrong, read the corrected file into a new campaign, because this one has"
        " started.",
        campaign_id=campaign_id,
        column=column,
        kinds=list_sentences(
            [
                Sentence(
                    "{count:,} {form} (row {row:,}: {cell})",
                    count=each.cell_count,
                    form=_FORMS[each.form],
                    row=each.row_number,
                    cell=each.shown,
                )
                for each in forms
                if each.form in _FORMS
            ]
        ),
        again=_read_again(campaign_id, facts=facts, is_draft=is_draft),
    )


# What the cells of each form have.
_FORMS: Mapping[str, Word] = MappingProxyType({
    Form.PERCENT: Word("with a percent sign"),
    Form.MONEY: Word("with a currency"),
    Form.NUMBER: Word("with a number only"),
    Form.DATE_NUMBER: Word("with a number that may be a date"),
    Form.NEGATIVE: Word("with a negative number"),
    Form.ZERO: Word("with zero"),
    Form.DATE: Word("with a date"),
    Form.DAY_FIRST: Word("with a date that begins with the day"),
    Form.MONTH_FIRST: Word("with a date that begins with the month"),
    Form.FAR_DATE: Word("with a date many years from the others"),
    Form.MONTH: Word("with a month"),
    Form.TIME: Word("with a time of day"),
    Form.TEXT: Word("with a text"),
})  # fmt: skip


def _warn_of_exchange(campaign_id: int, facts: ImportFacts, *, is_draft: bool) -> Finding:
    better = [(variable, facts.exchanged.get(variable, column)) for variable, column, _ in facts.filled]
    entries = [Entry(Field.COLUMN, f"{variable}={column}") for variable, column in better]
    return Finding(
        "columns_exchanged",
        Severity.WARNING,
        "The columns of the variables seem to be exchanged: {pairs}. By their names and the text of the template, it"
        " would be {better}.",
        "Read the first message. If a value is in the wrong place, import the file again: {again}."
        if is_draft
        else "Read the first message. If a value is in the wrong place, read the file into a new campaign with"
        " {choices}, because this one has started.",
        campaign_id=campaign_id,
        pairs=[
            f"{write_variable(variable)} ← {column}"
            for variable, column, _ in facts.filled
            if variable in facts.exchanged
        ],
        better=[f"{write_variable(variable)} ← {column}" for variable, column in facts.exchanged.items()],
        choices=entries,
        again=Hint(HintAction.REPLACE_RECIPIENTS, campaign_id, also=tuple(entries)),
    )


def _is_correction(facts: ImportFacts, likeness: Likeness) -> bool:
    """Tell whether a file seems to be the corrected version of an earlier file.

    In both cases the earlier file has people whom this file lacks: these may be wrong phones. Either most people of
    this file are in the earlier file, too. Or at least half of the new people have the values of one of the people who
    are missing. A list that has only grown lacks nobody of the earlier file.
    """
    is_same_list = likeness.both_count > facts.new_count and likeness.old_count > 0
    return facts.new_count > 0 and (is_same_list or likeness.renamed_count * 2 >= facts.new_count)


def _warn_of_correction(
    campaign_id: int, facts: ImportFacts, likeness: Likeness, file: str, *, is_draft: bool
) -> Finding:
    values: dict[str, Any] = {
        "campaign_id": campaign_id,
        "file": Path(file).name,
        "number": likeness.number,
        "both": Count(likeness.both_count, "recipient"),
        "new": facts.new_count,
        "old": likeness.old_count,
        "renamed": Count(likeness.renamed_count, "recipient"),
    }
    if not is_draft:
        return Finding(
            "file_corrected",
            Severity.WARNING,
            "The file {file} seems to be a corrected version of file {number} of the campaign: it has {both} of that"
            " file, and {new:,} more, but it lacks {old:,}. If phones were corrected, the old phones get a message,"
            " too."
            if likeness.both_count
            else "The file {file} seems to have corrected phones of file {number} of the campaign: it has the values of"
            " {renamed} of that file with other phones. If phones were corrected, the old phones get a message, too.",
            "Before the campaign goes on, block each old phone that is wrong: {block}. A blocked phone gets no message"
            " of any campaign.",
            **values,
            block=Hint(HintAction.BLOCK_PERSON),
        )
    return Finding(
        "file_corrected",
        Severity.WARNING,
        "The file {file} seems to be a corrected version of file {number} of the draft: it has {both} of that file, and"
        " {new:,} more, but it lacks {old:,}. If phones were corrected, the old phones get a message, too."
        if likeness.both_count
        else "The file {file} seems to have corrected phones of file {number} of the draft: it has the values of"
        " {renamed} of that file with other phones. If phones were corrected, the old phones get a message, too.",
        "To have only the people of {file} in the draft: {again}. That also removes {others} of other files, which are"
        " to be imported again."
        if facts.other_files_count
        else "To have only the people of {file} in the draft: {again}.",
        **values,
        others=Count(facts.other_files_count, "recipient"),
        again=_read_again(campaign_id, facts=facts, is_draft=True, file=file),
    )


def _judge_phones(campaign_id: int, facts: ImportFacts, *, is_draft: bool) -> Finding | None:
    """Return a warning if the phones are probably no phones of the people."""
    if facts.likely_phone_column is not None:
        return _warn_of_phones_elsewhere(campaign_id, facts, facts.likely_phone_column, is_draft=is_draft)
    advice = "If the phones are in another column, import the file again with that column: {again}."
    values: dict[str, Any] = {
        "campaign_id": campaign_id,
        "column": facts.phone_column,
        "again": _read_again(campaign_id, Entry(Field.PHONE_COLUMN), facts=facts, is_draft=is_draft),
    }
    if facts.document_count:
        return Finding(
            "phones_are_documents",
            Severity.WARNING,
            "In {rows}, the column {column}, from which the phones come, has the number of a CPF or a CNPJ (the first"
            " is row {first_row}). A message would go to a stranger whose phone has the same digits.",
            "Correct these rows, and import the file again. If the phones are in another column: {again}.",
            **values,
            rows=Count(facts.document_count, "row"),
            first_row=facts.document_row,
        )
    if facts.foreign is not None:
        foreign = facts.foreign
        entry = Entry(Field.REGION, foreign.likely)
        return Finding(
            "phones_may_be_foreign",
            Severity.WARNING,
            "{phones} without a country code may be those of another country, and were read as phones of {region} (row"
            " {row:,} became {shown}).",
            "If they are, the messages go to strangers. Write these phones with + and the country code, or import the"
            " file again with the country of all phones without a country code: {again}."
            if is_draft
            else "If they are, the messages go to strangers. Cancel the campaign with {cancel}, and read the list into"
            " a new one with {choice}.",
            **values
            | {
                "again": _read_again(campaign_id, entry, facts=facts, is_draft=is_draft),
                "cancel": Hint(HintAction.CANCEL_CAMPAIGN, campaign_id),
                "choice": entry,
            },
            phones=Count(foreign.count, "phone"),
            region=foreign.region,
            row=foreign.row_number,
            shown=foreign.shown,
        )
    if is_name_of_other_number(facts.phone_column):
        return Finding(
            "phone_column_doubtful",
            Severity.WARNING,
            "The phones come from the column {column}, whose name says that it has other numbers.",
            advice,
            **values,
        )
    if facts.landline_count:
        return Finding(
            "phones_are_landlines",
            Severity.WARNING,
            "Nearly all phones of the column {column} are landlines ({landlines:,}), which seldom have WhatsApp.",
            advice,
            **values,
            landlines=facts.landline_count,
        )
    return None


def _warn_of_phones_elsewhere(campaign_id: int, facts: ImportFacts, likely: str, *, is_draft: bool) -> Finding:
    text = "Most rows have no mobile phone in the column {chosen}, but in the column {likely}."
    values: dict[str, Any] = {"campaign_id": campaign_id, "chosen": facts.phone_column, "likely": likely}
    if likely in {column for _, column, _ in facts.filled}:
        return Finding(
            "phones_elsewhere",
            Severity.WARNING,
            text,
            "If the first row names the two columns the wrong way round, correct it and import the file again:"
            " {again}.",
            **values,
            again=_read_again(campaign_id, is_draft=is_draft),
        )
    return Finding(
        "phones_elsewhere",
        Severity.WARNING,
        text,
        "Import the file again with that column: {again}.",
        **values,
        again=_read_again(campaign_id, Entry(Field.PHONE_COLUMN, likely), facts=facts, is_draft=is_draft),
    )


def _read_again(
    campaign_id: int,
    entry: Entry | None = None,
    *,
    facts: ImportFacts | None = None,
    is_draft: bool,
    file: str = "",
) -> Hint:
    """Return the hint to import a corrected file; in a draft, its people take the place of all people.

    `facts`: the hint names the column of each variable whose column has another name. `file`: the file to import; "" if
    the person corrects the file before.
    """
    action = HintAction.REPLACE_RECIPIENTS if is_draft else HintAction.IMPORT_RECIPIENTS
    filled = () if facts is None else facts.filled
    also = [
        Entry(Field.COLUMN, f"{variable}={column}") for variable, column, _ in filled if fold(variable) != fold(column)
    ]
    if file and facts is not None:
        if not names_phone(facts.phone_column):
            also.insert(0, Entry(Field.PHONE_COLUMN, facts.phone_column))
        included = ((Field.REFUSALS, facts.refusing_rows), (Field.NO_ANSWER, facts.unanswered_rows))
        also += [Entry(each, RefusalChoice.INCLUDE.value) for each, rows in included if rows]
    return Hint(action, campaign_id, entry, tuple(also), file)


def _warn_of_other_values(campaign_id: int, facts: ImportFacts, *, is_draft: bool) -> Finding:
    values: dict[str, Any] = {"campaign_id": campaign_id, "people": Count(facts.other_values_count, "recipient")}
    if is_draft:
        return Finding(
            "other_values",
            Severity.WARNING,
            "The file has other values for {people} of the campaign. The old values stay.",
            "If the file has all people of the campaign with the right values, put them in the place of the present"
            " people: {again}.",
            **values,
            again=_read_again(campaign_id, facts=facts, is_draft=True),
        )
    return Finding(
        "other_values",
        Severity.WARNING,
        "The file has other values for {people} of the campaign. The old values stay, because the campaign has"
        " started.",
        "To send the right values, cancel it with {cancel}, and make a new campaign for the people who have got no"
        " message: {export} lists them.",
        **values,
        cancel=Hint(HintAction.CANCEL_CAMPAIGN, campaign_id),
        export=Hint(HintAction.EXPORT_CAMPAIGN, campaign_id, Entry(Field.STATUS, Status.CANCELLED.value)),
    )
