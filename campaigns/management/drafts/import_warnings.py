"""Warns of an imported file: after the import, and again before the campaign starts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from campaigns.domain.campaign import ENDED, CampaignStatus
from campaigns.domain.message import Status
from campaigns.domain.optout.consent import RefusalChoice
from campaigns.domain.recipients import (
    ReadColumns,
    is_another_column,
    is_name_of_other_number,
    list_names,
    list_rows,
    list_words,
    names_phone,
)
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
from campaigns.domain.text.dates import is_past
from campaigns.domain.text.dragged import DraggedCells
from campaigns.domain.text.kinds import Clash, ExchangedHeadings, Form, FormCount, find_contradiction
from campaigns.domain.text.normal import fold
from campaigns.store.campaigns import CampaignListing, LockedCampaign, load_made_with
from campaigns.store.database import Connection
from campaigns.store.recipients import ImportedFile, ImportFacts, Likeness

# The codes of the warnings that the phones are probably no phones of the people. If they are right, each message goes
# to a stranger, so a page asks about each of them by itself.
WRONG_PHONES = frozenset({
    "mobiles_lack_a_digit",
    "phone_column_doubtful",
    "phones_are_documents",
    "phones_are_landlines",
    "phones_dragged",
    "phones_elsewhere",
    "phones_made_up",
    "phones_may_be_foreign",
    "phones_of_several_countries",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Campaign:
    """The campaign of an imported file. Only a draft can have all its people replaced."""

    id: int
    is_draft: bool

    def warn(self, code: str, text: str, advice: str, after_start: str | None = None, /, **values: Any) -> Finding:
        """Return a warning. `after_start`: the advice if the campaign is no draft; None: the same as for a draft."""
        chosen = advice if self.is_draft or after_start is None else after_start
        return Finding(code, Severity.WARNING, text, chosen, campaign_id=self.id, **values)

    def import_again(self, entry: Entry | None = None, *, facts: ImportFacts | None = None, file: str = "") -> Hint:
        """Return the hint to import a corrected file; in a draft, its people take the place of all people.

        `facts`: the hint names the column of each variable whose column has another name, and what else the person
        chose for the reading of the file. `file`: the file to import; "" if the person corrects the file before.
        """
        action = HintAction.REPLACE_RECIPIENTS if self.is_draft else HintAction.IMPORT_RECIPIENTS
        filled = () if facts is None else facts.filled
        also = [
            Entry(Field.COLUMN, f"{variable}={column}")
            for variable, column, _ in filled
            if fold(variable) != fold(column)
        ]
        given = [(Field[name], value) for name, value in (() if facts is None else facts.given)]
        phone = []
        if facts is not None and (Field.PHONE_COLUMN in dict(given) or not names_phone(facts.phone_column)):
            phone.append(Entry(Field.PHONE_COLUMN, facts.phone_column))
        others = [Entry(field, value) for field, value in given if field is not Field.PHONE_COLUMN]
        also = [each for each in (*phone, *also, *others) if entry is None or each.field is not entry.field]
        return Hint(action, self.id, entry, tuple(also), file)


def find_import_warnings(campaign_id: int, status: CampaignStatus, facts: ImportFacts, *, file: str) -> list[Finding]:
    """Return warnings about a file that was imported into a campaign.

    `status`: the present status of the campaign. `file`: the name or the path of the file, for a command that imports
    it again.
    """
    campaign = _Campaign(campaign_id, status is CampaignStatus.DRAFT)
    found: list[Finding] = []
    if status not in ENDED and facts.likeness is not None and _is_correction(facts, facts.likeness):
        found.append(_warn_of_correction(campaign, facts, facts.likeness, file))
    found += _find_wrong_phones(campaign, facts)
    found += _find_phones_abroad(campaign, facts)
    found += _find_lost_digits(campaign, facts)
    if facts.made_up_count:
        found.append(_warn_of_made_up(campaign, facts))
    found += _find_dragged(campaign, facts)
    found += _find_doubtful_reading(campaign, facts)
    found += _find_odd_cells(campaign, facts)
    found += _find_odd_people(campaign, facts, file)
    if facts.exchanged:
        found.append(_warn_of_exchange(campaign, facts))
    else:
        found += [_warn_of_clash(campaign, *each) for each in facts.clashes]
    if facts.exchanged_headings is not None:
        found.append(_warn_of_headings(campaign, facts, facts.exchanged_headings))
    found += [_warn_of_doubled(campaign, facts, each) for each in facts.doubled]
    found += [_warn_of_document(campaign, variable, column) for variable, column in facts.documents_in_text]
    return found


def find_passed_dates(
    campaign_id: int, status: CampaignStatus, facts: ImportFacts, *, today: dt.date
) -> Iterator[Finding]:
    """Yield a warning for each column whose dates were still to come at the import, and have all passed since."""
    campaign = _Campaign(campaign_id, status is CampaignStatus.DRAFT)
    for column, row, latest, date in facts.coming:
        if is_past(dt.date.fromisoformat(date), today):
            yield _warn_of_past_dates(campaign, facts, column, row, latest)


def _is_correction(facts: ImportFacts, likeness: Likeness) -> bool:
    """Tell whether a file seems to be the corrected version of an earlier file.

    In both cases the earlier file has people whom this file lacks: these may be wrong phones. Either most people of
    this file are in the earlier file, too. Or at least half of the new people have the values of one of the people who
    are missing. A list that has only grown lacks nobody of the earlier file.
    """
    is_same_list = likeness.both_count > facts.new_count and likeness.old_count > 0
    return facts.new_count > 0 and (is_same_list or likeness.renamed_count * 2 >= facts.new_count)


def _warn_of_correction(campaign: _Campaign, facts: ImportFacts, likeness: Likeness, file: str) -> Finding:
    values: dict[str, Any] = {
        "file": Path(file).name,
        "number": likeness.number,
        "both": likeness.both_count,
        "new": facts.new_count,
        "old": likeness.old_count,
        "renamed": Count(likeness.renamed_count, "recipient"),
    }
    if not campaign.is_draft:
        return campaign.warn(
            "file_corrected",
            "The file {file} seems to be a corrected version of file {number} of the campaign. Recipients in both"
            " files: {both:,}; only in {file}: {new:,}; only in file {number}: {old:,}. If phones were corrected, the"
            " old phones get a message, too."
            if likeness.both_count
            else "The file {file} seems to have corrected phones of file {number} of the campaign: it has the values of"
            " {renamed} of that file with other phones. If phones were corrected, the old phones get a message, too.",
            "Before the campaign goes on, block each old phone that is wrong: {block}. A blocked phone gets no message"
            " of any campaign.",
            **values,
            block=Hint(HintAction.BLOCK_PERSON),
        )
    return campaign.warn(
        "file_corrected",
        "The file {file} seems to be a corrected version of file {number} of the draft. Recipients in both files:"
        " {both:,}; only in {file}: {new:,}; only in file {number}: {old:,}. If phones were corrected, the old phones"
        " get a message, too."
        if likeness.both_count
        else "The file {file} seems to have corrected phones of file {number} of the draft: it has the values of"
        " {renamed} of that file with other phones. If phones were corrected, the old phones get a message, too.",
        "To have only the people of {file} in the draft: {again}. That also removes {others} of other files, which are"
        " to be imported again."
        if facts.other_files_count
        else "To have only the people of {file} in the draft: {again}.",
        **values,
        others=Count(facts.other_files_count, "recipient"),
        again=campaign.import_again(facts=facts, file=file),
    )


def _find_wrong_phones(campaign: _Campaign, facts: ImportFacts) -> Iterator[Finding]:
    """Yield at most one warning, the strongest, that the phones are probably no phones of the people."""
    again = campaign.import_again(Entry(Field.PHONE_COLUMN), facts=facts)
    if facts.likely_phone_column is not None:
        yield _warn_of_phones_elsewhere(campaign, facts, facts.likely_phone_column)
    elif facts.document_count:
        yield campaign.warn(
            "phones_are_documents",
            "In {rows}, the column {column}, from which the phones come, has the number of a CPF or a CNPJ ({places})."
            " A message would go to a stranger whose phone has the same digits.",
            "Correct these rows, and import the file again. If the phones are in another column: {again}.",
            column=facts.phone_column,
            again=again,
            rows=Count(facts.document_count, "row"),
            places=list_rows(facts.document_rows or [facts.document_row], facts.document_count),
        )
    elif facts.countries:
        yield _warn_of_countries(campaign, facts)
    elif facts.foreign is not None:
        region = Entry(Field.REGION, facts.foreign.likely)
        yield campaign.warn(
            "phones_may_be_foreign",
            "{phones} without a country code may be those of another country, and were read as phones of {region} (row"
            " {row:,} became {shown})."
            if not facts.elsewhere_fitting
            else "{phones} without a country code may be those of another country. Read as phones of {region}:"
            " {accepted:,} (row {row:,} became {shown}). Rejected, because they are not valid there: {rejected:,}.",
            "If they are phones of another country, the messages go to strangers. Write these phones with + and the"
            " country code, or import the file again with the country of all phones without a country code: {again}.",
            "If they are phones of another country, the messages go to strangers. Cancel the campaign with {cancel},"
            " and read the list into a new one with {choice}.",
            column=facts.phone_column,
            again=campaign.import_again(region, facts=facts),
            cancel=Hint(HintAction.CANCEL_CAMPAIGN, campaign.id),
            choice=region,
            phones=Count(facts.foreign.count + facts.elsewhere_fitting, "phone"),
            accepted=facts.foreign.count,
            rejected=facts.elsewhere_fitting,
            region=facts.foreign.region,
            row=facts.foreign.row_number,
            shown=facts.foreign.shown,
        )
    elif is_name_of_other_number(facts.phone_column):
        yield campaign.warn(
            "phone_column_doubtful",
            "The phones come from the column {column}, whose name says that it has other numbers.",
            "If the phones are in another column, import the file again with that column: {again}.",
            column=facts.phone_column,
            again=again,
        )
    elif facts.landline_count:
        yield campaign.warn(
            "phones_are_landlines",
            "Nearly all phones of the column {column} are landlines ({landlines:,}), which seldom have WhatsApp.",
            "If the phones are in another column, import the file again with that column: {again}.",
            column=facts.phone_column,
            again=again,
            landlines=facts.landline_count,
        )
    elif facts.other_regions:
        likely = facts.other_regions[0] if len(facts.other_regions) == 1 else ""
        yield campaign.warn(
            "phones_of_other_country",
            "{phones} without a country code are not valid in {region}, so their rows were rejected. Nearly all of"
            " these phones would be valid in {regions}.",
            "If they are phones of this country, import the file again with it: {again}."
            if likely
            else "If they are phones of one of these countries, import the file again with it: {again}.",
            phones=Count(facts.elsewhere_count, "phone"),
            region=facts.region,
            regions=facts.other_regions,
            again=campaign.import_again(Entry(Field.REGION, likely), facts=facts),
        )


def _warn_of_countries(campaign: _Campaign, facts: ImportFacts) -> Finding:
    counts = [Sentence("{country} ({rows})", country=text, rows=Count(count, "row")) for text, count in facts.countries]
    return campaign.warn(
        "phones_of_several_countries",
        "{phones} have no country code, and the column {country_column} names several countries: {counts}. All these"
        " phones were read as phones of {region}, so messages may go to strangers.",
        "Write these phones with + and the country code, and import the file again: {again}. Or make one list for each"
        " country, and import each list with its own country: {add}.",
        "Cancel the campaign with {cancel}, and make a new one: write the phones with + and the country code, or make"
        " one list for each country, and import each list with its own country.",
        phones=Count(sum(count for _, count in facts.countries), "phone"),
        column=facts.phone_column,
        country_column=facts.country_column,
        counts=list_sentences(counts[:_SHOWN_COUNTRIES]),
        region=facts.region,
        again=campaign.import_again(facts=facts),
        add=Hint(HintAction.IMPORT_RECIPIENTS, campaign.id, Entry(Field.REGION)),
        cancel=Hint(HintAction.CANCEL_CAMPAIGN, campaign.id),
    )


_SHOWN_COUNTRIES = 10


def _find_phones_abroad(campaign: _Campaign, facts: ImportFacts) -> Iterator[Finding]:
    """Yield warnings of rejected phones that lack the code of their country."""
    for country, code, count, rows in () if facts.countries else facts.abroad:
        if facts.foreign is not None and facts.foreign.likely == country:
            continue  # the warning of foreign phones counts these
        yield campaign.warn(
            "phones_lack_country_code",
            "In {rows}, the phone has no country code and is not valid in {region}, so the row was rejected. It may be"
            " a phone of {country}: {places}.",
            "Write these phones with the country code, {code}, and import the file again: {again}. Or write their rows"
            " into a file of its own, and add it with its country: {add}.",
            "Write the rows of these phones into a file of its own, and add it with its country: {add}.",
            rows=Count(count, "row"),
            region=facts.region,
            country=country,
            places=list_rows(rows, count),
            code=f"+{code}",
            again=campaign.import_again(facts=facts),
            add=Hint(HintAction.IMPORT_RECIPIENTS, campaign.id, Entry(Field.REGION, country)),
        )


def _find_lost_digits(campaign: _Campaign, facts: ImportFacts) -> Iterator[Finding]:
    """Yield a warning of mobile phones without their 9 in a list whose other mobile phones have their 9."""
    nine = facts.without_nine
    if nine is None or not nine.is_slip:
        return
    yield campaign.warn(
        "mobiles_lack_a_digit",
        "In {rows}, the mobile phone has no 9 at its beginning, but the others of the list have it, so a digit may be"
        " missing: {places}.",
        "If so, the message goes to a stranger. Correct the phone, and import the file again: {again}.",
        "If so, the message goes to a stranger. Before the campaign goes on, block each wrong phone: {block}.",
        rows=Count(nine.count, "row"),
        places=[
            *(Sentence("row {row:,} ({phone})", row=row, phone=phone) for row, phone in nine.first),
            *(["…"] if nine.count > len(nine.first) else []),
        ],
        again=campaign.import_again(facts=facts),
        block=Hint(HintAction.BLOCK_PERSON),
    )


def _warn_of_phones_elsewhere(campaign: _Campaign, facts: ImportFacts, likely: str) -> Finding:
    text = "Most rows have no mobile phone in the column {chosen}, but in the column {likely}."
    if likely in {column for _, column, _ in facts.filled}:
        return campaign.warn(
            "phones_elsewhere",
            text,
            "If the first row names the two columns the wrong way round, correct it and import the file again:"
            " {again}.",
            chosen=facts.phone_column,
            likely=likely,
            again=campaign.import_again(),
        )
    if facts.only_here_count:
        return campaign.warn(
            "phones_elsewhere",
            text,
            "Rows with a phone in {chosen}, and nothing in {likely}: {only_here:,}. An import with {likely} alone would"
            " lose these people. Write all phones into one column, and import the file again: {again}.",
            chosen=facts.phone_column,
            likely=likely,
            only_here=facts.only_here_count,
            again=campaign.import_again(facts=facts),
        )
    return campaign.warn(
        "phones_elsewhere",
        text,
        "Import the file again with that column: {again}.",
        chosen=facts.phone_column,
        likely=likely,
        again=campaign.import_again(Entry(Field.PHONE_COLUMN, likely), facts=facts),
    )


def _find_doubtful_reading(campaign: _Campaign, facts: ImportFacts) -> Iterator[Finding]:
    """Yield warnings that the columns or the letters of a file may have been read wrongly."""
    if doubtful := [(variable, column) for variable, column, is_doubtful in facts.filled if is_doubtful]:
        yield campaign.warn(
            "columns_by_order",
            "The file does not say which column belongs to which variable, so the order of the columns decided:"
            " {pairs}.",
            "Read the first message. If a value is in the wrong place, name the column of each variable, such as"
            " {choices}, and import it again: {again}.",
            "Read the first message. If a value is in the wrong place, read the file into a new campaign with"
            " {choices}, because this one has started.",
            pairs=[f"{write_variable(variable)} ← {column}" for variable, column in doubtful],
            choices=[
                # The order of a doubtful column is no reason to propose it.
                Entry(Field.COLUMN, variable if is_doubtful else f"{variable}={column}")
                for variable, column, is_doubtful in facts.filled
            ],
            again=campaign.import_again(),
        )
    if facts.word:
        yield campaign.warn(
            "encoding_doubtful",
            "The file is not in UTF-8, so it was read in the encoding of Windows, and {word} in line {line:,} looks"
            " wrong.",
            "If it is wrong, other words may be wrong, too. Export the whole list again as CSV UTF-8 or XLSX from the"
            " program that wrote it, and import it again: {again}.",
            "If it is wrong, other words may be wrong, too. Export the whole list again as CSV UTF-8 or XLSX from the"
            " program that wrote it, and read it into a new campaign, because this one has started.",
            word=facts.word,
            line=facts.line,
            again=campaign.import_again(facts=facts),
        )
    elif facts.misread_count:
        yield campaign.warn(
            "letters_misread",
            "A program read the list in the encoding of another system. For wrong letters, {rows} stayed out (the first"
            " is row {row:,}), but other wrong letters look right, such as Öris in place of Íris.",
            "Do not correct single cells. Export the whole list again as CSV UTF-8 or XLSX from the program that wrote"
            " it, and import it again: {again}.",
            "Export the whole list again as CSV UTF-8 or XLSX from the program that wrote it, and read it into a new"
            " campaign, because this one has started.",
            rows=Count(facts.misread_count, "row"),
            row=facts.misread_row,
            again=campaign.import_again(facts=facts),
        )


def write_variable(name: str) -> str:
    """Return a variable in the braces of the template. Our own names for values of the header and buttons have none."""
    return name if " " in name or name == "header" else f"{{{{{name}}}}}"


def _find_odd_cells(campaign: _Campaign, facts: ImportFacts) -> Iterator[Finding]:
    for column, forms in facts.mixed.items():
        yield campaign.warn(
            "cells_odd",
            "The cells of the column {column} are of several kinds: {kinds}.",
            "Read these rows. If a cell is wrong, correct the file, and import it again: {again}.",
            "Read these rows. If a cell is wrong, read the corrected file into a new campaign, because this one has"
            " started.",
            column=column,
            kinds=_list_forms(forms),
            again=campaign.import_again(facts=facts),
        )
    for column, bare in facts.bare.items():
        yield campaign.warn(
            "numbers_bare",
            "The column {column} has fractions in {rows}, such as {cell} in row {row:,}. People will read {cell}, and"
            " no percentage such as 20%."
            if bare.form == Form.FRACTION
            else "The column {column} has amounts with one decimal in {rows}, such as {cell} in row {row:,}. People"
            " will read {cell}, and no amount with two decimals.",
            "If that is wrong, format the column as a percentage or as an amount of money, save the file, and import it"
            " again: {again}.",
            "If that is wrong, read the corrected file into a new campaign, because this one has started.",
            column=column,
            rows=Count(bare.cell_count, "row"),
            cell=bare.shown,
            row=bare.row_number,
            again=campaign.import_again(facts=facts),
        )
    for column, order in facts.orders.items():
        yield campaign.warn(
            "dates_in_other_order",
            "In {rows} of the column {column}, the date begins with the month, such as {date} in row {row:,}. In the"
            " language of the template, dates begin with the day."
            if order.is_month_first
            else "In {rows} of the column {column}, the date begins with the day, such as {date} in row {row:,}. In the"
            " language of the template, dates begin with the month.",
            "People may read the month as the day. Write the dates in the order of the language, and import the file"
            " again: {again}.",
            "People may read the month as the day. Read the corrected file into a new campaign, because this one has"
            " started.",
            column=column,
            rows=Count(order.cell_count, "row"),
            date=order.shown,
            row=order.row_number,
            again=campaign.import_again(facts=facts),
        )
    for column, row, latest in facts.past:
        yield _warn_of_past_dates(campaign, facts, column, row, latest)


def _warn_of_past_dates(campaign: _Campaign, facts: ImportFacts, column: str, row: int, latest: str) -> Finding:
    return campaign.warn(
        "dates_past",
        "All dates of the column {column} are in the past. The latest is {latest} in row {row:,}.",
        "If the dates are old, correct the file, and import it again: {again}.",
        "If the dates are old, read the corrected file into a new campaign, because this one has started.",
        column=column,
        latest=latest,
        row=row,
        again=campaign.import_again(facts=facts),
    )


def _list_forms(forms: Sequence[FormCount]) -> Sentence:
    return list_sentences(
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


def _find_odd_people(campaign: _Campaign, facts: ImportFacts, file: str) -> Iterator[Finding]:
    """Yield warnings about people who have two rows, who want no messages, or who have other values already."""
    if facts.differing_count:
        yield campaign.warn(
            "rows_differ",
            "The file has {rows} with the phone of an earlier row, but with other values. A person gets one message,"
            " with the values of the earlier row. The first of these rows is row {first_row:,}."
            if not facts.other_form_count
            else "The file has {rows} with the phone of an earlier row, but with other values. A person gets one"
            " message, with the values of the earlier row. The first of these rows is row {first_row:,}. In"
            " {other_forms} (the first is row {other_row:,}), the phone is the earlier one with or without its first 9,"
            " so it may also be another person with a wrong digit.",
            "Read these rows. If a phone is wrong, correct the file, and import it again: {again}.",
            "Read these rows. If a phone is wrong, read the corrected file into a new campaign, because this one"
            " has started.",
            rows=Count(facts.differing_count, "row"),
            first_row=facts.differing_row,
            other_forms=Count(facts.other_form_count, "row"),
            other_row=facts.other_form_row,
            again=campaign.import_again(facts=facts),
        )
    if facts.headings:
        yield campaign.warn(
            "headings_in_list",
            "The list has rows without a phone that seem to be headings: {headings}. The people below a heading are in"
            " the campaign like the others.",
            "If the people below a heading must get no message, delete their rows, and import the file again: {again}.",
            "If the people below a heading must get no message, block their phones: {block}.",
            headings=list_sentences(
                [
                    Sentence(
                        "row {row:,} ({words}) with {people} below it",
                        row=row,
                        words=words,
                        people=Count(below_count, "recipient"),
                    )
                    for row, words, below_count in facts.headings
                ]
            ),
            again=campaign.import_again(facts=facts),
            block=Hint(HintAction.BLOCK_PERSON),
        )
    if facts.refusing_rows:
        yield campaign.warn(
            "people_unwilling",
            "The list says in {rows} that the person wants no messages ({columns}). These people are in the campaign"
            " like the others. The first of them is in row {first_row:,}.",
            "To leave these people out, import the file again: {again}.",
            "",
            rows=Count(facts.refusing_rows, "row"),
            columns=list_names(facts.refusing_columns),
            first_row=facts.refusing_row,
            again=campaign.import_again(Entry(Field.REFUSALS, RefusalChoice.SKIP.value), facts=facts),
        )
    for column, (count, notes) in facts.notes.items():
        yield _warn_of_notes(campaign, facts, column, count, notes)
    if facts.unanswered_rows:
        words = list_words(facts.unanswered_words)
        yield campaign.warn(
            "people_unanswered",
            "The list does not say in {rows} whether the person wants messages (no answer in {columns}). These people"
            " are in the campaign like the others. The first of them is in row {first_row:,}."
            if words is None
            else "The list does not say in {rows} whether the person wants messages (no answer in {columns}). These"
            " people are in the campaign like the others. The first of them is in row {first_row:,}. These words count"
            " as no answer: {words}.",
            "To leave these people out, import the file again: {again}.",
            "",
            rows=Count(facts.unanswered_rows, "row"),
            columns=list_names(facts.unanswered_columns),
            first_row=facts.unanswered_row,
            words=words,
            again=campaign.import_again(Entry(Field.NO_ANSWER, RefusalChoice.SKIP.value), facts=facts),
        )
    if facts.other_values_count:
        yield _warn_of_other_values(campaign, facts, file)


def _warn_of_notes(
    campaign: _Campaign, facts: ImportFacts, column: str, count: int, notes: Sequence[tuple[int, str]]
) -> Finding:
    told = list_sentences([Sentence("row {row:,} ({text})", row=row, text=text) for row, text in notes])
    return campaign.warn(
        "notes_unclear",
        "Some cells of the column {column} say that the person wants no messages. These cells were read as no refusal,"
        " so their people are in the campaign: {notes}."
        if count <= len(notes)
        else "Some cells of the column {column} say that the person wants no messages. {count:,} other texts were read"
        " as no refusal, so their people are in the campaign. The first of them are: {notes}.",
        "Read them. If one of them is a refusal, delete its row, and import the file again: {again}.",
        "Read them. If one of them is a refusal, block the phone of its row: {block}.",
        column=column,
        count=count,
        notes=told,
        again=campaign.import_again(Entry(Field.REFUSALS, RefusalChoice.SKIP.value), facts=facts),
        block=Hint(HintAction.BLOCK_PERSON),
    )


def _warn_of_other_values(campaign: _Campaign, facts: ImportFacts, file: str) -> Finding:
    people = Count(facts.other_values_count, "recipient")
    if campaign.is_draft:
        return campaign.warn(
            "other_values",
            "The file has other values for {people} of the campaign. The old values stay.",
            "If the file has all people of the campaign with the right values, put them in the place of the present"
            " people: {again}.",
            people=people,
            again=campaign.import_again(facts=facts, file=file),
        )
    return campaign.warn(
        "other_values",
        "The file has other values for {people} of the campaign. The old values stay, because the campaign has"
        " started.",
        "To send the right values, cancel it with {cancel}, and make a new campaign for the people who have got no"
        " message. {export} lists them with their old values: correct these in the file before {create} reads it, or"
        " give one right value for all people with {value}. Give the new campaign its interval and its hours, too.",
        people=people,
        cancel=Hint(HintAction.CANCEL_CAMPAIGN, campaign.id),
        export=Hint(HintAction.EXPORT_CAMPAIGN, campaign.id, Entry(Field.STATUS, Status.CANCELLED.value)),
        create=Hint(HintAction.CREATE_CAMPAIGN),
        value=Entry(Field.VALUE),
    )


def _warn_of_exchange(campaign: _Campaign, facts: ImportFacts) -> Finding:
    better = [(variable, facts.exchanged.get(variable, column)) for variable, column, _ in facts.filled]
    entries = [Entry(Field.COLUMN, f"{variable}={column}") for variable, column in better]
    return campaign.warn(
        "columns_exchanged",
        "The columns of the variables seem to be exchanged: {pairs}. By their names and the text of the template, it"
        " would be {better}.",
        "Read the first message. If a value is in the wrong place, import the file again: {again}.",
        "Read the first message. If a value is in the wrong place, read the file into a new campaign with"
        " {choices}, because this one has started.",
        pairs=[
            f"{write_variable(variable)} ← {column}"
            for variable, column, _ in facts.filled
            if variable in facts.exchanged
        ],
        better=[f"{write_variable(variable)} ← {column}" for variable, column in facts.exchanged.items()],
        choices=entries,
        again=Hint(HintAction.REPLACE_RECIPIENTS, campaign.id, also=tuple(entries)),
    )


def _warn_of_made_up(campaign: _Campaign, facts: ImportFacts) -> Finding:
    return campaign.warn(
        "phones_made_up",
        "In {rows}, the phone looks like one that somebody typed to fill the cell: {places}. It may be that of a"
        " stranger.",
        "If so, correct it, and import the file again: {again}.",
        "If so, block each wrong phone before the campaign goes on: {block}.",
        column=facts.phone_column,
        rows=Count(facts.made_up_count, "row"),
        places=[
            *(Sentence("row {row:,} ({phone})", row=row, phone=phone) for row, phone in facts.made_up),
            *(["…"] if facts.made_up_count > len(facts.made_up) else []),
        ],
        again=campaign.import_again(facts=facts),
        block=Hint(HintAction.BLOCK_PERSON),
    )


def _warn_of_headings(campaign: _Campaign, facts: ImportFacts, headings: ExchangedHeadings) -> Finding:
    return campaign.warn(
        "headings_exchanged",
        "The names of the columns {column} and {other_column} seem to be exchanged: {column} has {cell}, and"
        " {other_column} has {other_cell}.",
        "Read the first message. If a value is in the wrong place, exchange the two names in the first row of the list,"
        " and import the file again: {again}.",
        "Read the first message. If a value is in the wrong place, exchange the two names in the first row of the list,"
        " and read it into a new campaign, because this one has started.",
        **headings._asdict(),
        again=campaign.import_again(facts=facts),
    )


def _find_dragged(campaign: _Campaign, facts: ImportFacts) -> Iterator[Finding]:
    """Yield warnings about cells that change by the same step from row to row."""
    if (phones := facts.dragged_phones) is not None:
        yield campaign.warn(
            "phones_dragged",
            "In {rows} one below the other, the phones of the column {column} change by the same number from row to"
            " row: from {first} in row {first_row:,} to {last} in row {last_row:,}. A spreadsheet does this if somebody"
            " drags the corner of a cell down, so these may be phones of strangers.",
            "Compare these phones with their source. If they are wrong, correct them, and import the file again:"
            " {again}.",
            "Compare these phones with their source. Before the campaign goes on, block each wrong phone: {block}.",
            **_describe_dragged(phones),
            again=campaign.import_again(facts=facts),
            block=Hint(HintAction.BLOCK_PERSON),
        )
    for values in facts.dragged:
        yield campaign.warn(
            "values_dragged",
            "In {rows} one below the other, the values of the column {column} change by the same step from row to row:"
            " from {first} in row {first_row:,} to {last} in row {last_row:,}. A spreadsheet does this if somebody"
            " drags the corner of a cell down.",
            "If all these people should read the same value, copy the right cell, paste it into the others, and import"
            " the file again: {again}.",
            "If all these people should read the same value, read the corrected file into a new campaign, because this"
            " one has started.",
            **_describe_dragged(values),
            again=campaign.import_again(facts=facts),
        )


def _describe_dragged(cells: DraggedCells) -> dict[str, Any]:
    values = cells._asdict()
    return {"rows": Count(values.pop("cell_count"), "row"), **values}


def _warn_of_doubled(campaign: _Campaign, facts: ImportFacts, doubled: tuple[str, str, int, str]) -> Finding:
    variable, column, row, shown = doubled
    return campaign.warn(
        "values_doubled",
        "The text of the template has a word or a sign beside {variable} that cells of the column {column} have, too,"
        " such as {cell} in row {row:,}. People will read it twice.",
        "Remove it from the cells, and import the file again: {again}.",
        "Read the corrected file into a new campaign, because this one has started.",
        variable=write_variable(variable),
        column=column,
        row=row,
        cell=shown,
        again=campaign.import_again(facts=facts),
    )


# By kind of values that do not belong into the text, what the warning says.
_CLASHES: Mapping[Clash, Callable[[str, str], Sentence]] = {
    Clash.DATES: lambda variable, column: Sentence(
        "The text of the template has an amount at {variable}, but the column {column} has dates",
        variable=variable,
        column=column,
    ),
    Clash.TEXTS: lambda variable, column: Sentence(
        "The text of the template has an amount at {variable}, but the column {column} has words",
        variable=variable,
        column=column,
    ),
    Clash.AMOUNTS: lambda variable, column: Sentence(
        "The text of the template has a date at {variable}, but the column {column} has amounts",
        variable=variable,
        column=column,
    ),
    Clash.NO_SIGN: lambda variable, column: Sentence(
        "Neither the text of the template at {variable} nor the column {column} has a currency or a percent sign, so"
        " people read bare numbers",
        variable=variable,
        column=column,
    ),
    Clash.NO_NAMES: lambda variable, column: Sentence(
        "The text of the template greets a person with {variable}, but the column {column} has no names",
        variable=variable,
        column=column,
    ),
}


def _warn_of_clash(campaign: _Campaign, variable: str, column: str, kind: str, shown: str) -> Finding:
    return campaign.warn(
        "values_of_other_kind",
        "{problem}, such as {cell}.",
        "If that is wrong, correct the cells or choose another column, and import the file again: {again}.",
        "If that is wrong, read the corrected file into a new campaign, because this one has started.",
        problem=_CLASHES[Clash(kind)](write_variable(variable), column),
        column=column,
        cell=shown,
        again=campaign.import_again(Entry(Field.COLUMN, variable)),
    )


def _warn_of_document(campaign: _Campaign, variable: str, column: str) -> Finding:
    return campaign.warn(
        "documents_in_text",
        "The column {column} fills {variable}, so people read the numbers of their documents, although the text of the"
        " template names no document.",
        "If that is wrong, import the file again with another column: {again}.",
        "If that is wrong, read the file into a new campaign with another column, because this one has started.",
        column=column,
        variable=write_variable(variable),
        again=campaign.import_again(Entry(Field.COLUMN, variable)),
    )


def find_contradictions(campaign_id: int, status: CampaignStatus, files: Sequence[ImportedFile]) -> list[Finding]:
    """Return a warning for each file that fills variables from other columns than the first file of the campaign, and
    for each file whose values are of another kind than those of the first file.
    """
    campaign = _Campaign(campaign_id, status is CampaignStatus.DRAFT)
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
        kinds = {
            variable: row
            for variable, row in _find_other_kinds(first.facts, file.facts).items()
            if variable in columns.variables and variable not in moved
        }
        values: dict[str, Any] = {
            "first": first.number,
            "first_name": first.name,
            "other": file.number,
            "other_name": file.name,
            "again": _begin_again(campaign_id, first, earlier),
        }
        if moved:
            found.append(_warn_of_other_columns(campaign, columns, moved, values))
        if kinds:
            found.append(_warn_of_other_kinds(campaign, columns, kinds, values))
    return found


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
        file=file.path,
    )


def _warn_of_other_columns(
    campaign: _Campaign, columns: ReadColumns, moved: Mapping[str, tuple[str, str]], values: Mapping[str, Any]
) -> Finding:
    changes = [
        Sentence(
            "{variable} from {column}, and not from {earlier}",
            variable=write_variable(variable),
            column=now,
            earlier=before,
        )
        for variable, (before, now) in moved.items()
    ]
    return campaign.warn(
        "columns_contradict",
        "File {other} ({other_name}) fills variables from other columns than file {first} ({first_name}): {changes}.",
        "Read the first message of each file. If the columns of file {other} are wrong, begin again with {again}, and"
        " import the other file with {choices}.",
        "Read the first message of each file.",
        **values,
        changes=list_sentences(changes),
        choices=[
            Entry(Field.COLUMN, f"{variable}={before}" if before in columns.names else variable)
            for variable, (before, _now) in moved.items()
        ],
    )


def _warn_of_other_kinds(
    campaign: _Campaign, columns: ReadColumns, kinds: Mapping[str, int], values: Mapping[str, Any]
) -> Finding:
    changes = [
        Sentence("{column} (the first in row {row:,})", column=columns.find(variable), row=row)
        for variable, row in kinds.items()
    ]
    return campaign.warn(
        "kinds_contradict",
        "File {other} ({other_name}) has values of another kind than file {first} ({first_name}): {changes}.",
        "Read the first message of each file. If cells of file {other} are in the wrong column, correct it. Then begin"
        " again with {again}, and import the corrected file.",
        "Read the first message of each file.",
        **values,
        changes=list_sentences(changes),
    )


def warn_of_values(
    connection: Connection, row: CampaignListing | LockedCampaign, files: Sequence[ImportedFile], language: str
) -> Iterator[Finding]:
    """Yield a warning if the values of the people may be written as in another language than that of the template.

    `files`: those of the campaign. `language`: that of the present template.
    """
    yield from _find_other_language(row.id, CampaignStatus(row.status), files, language)
    made = load_made_with(connection, row.id)
    if made is not None and row.status == CampaignStatus.DRAFT and row.recipient_count and row.columns and not files:
        written = made.template.rpartition(":")[2]
        if written != language:
            yield _warn_of_copied_values(row.id, written, language)


def _find_other_language(
    campaign_id: int, status: CampaignStatus, files: Sequence[ImportedFile], language: str
) -> Iterator[Finding]:
    """Yield a warning for each workbook whose numbers and dates were written for templates in another language.

    `language`: that of the present template.
    """
    campaign = _Campaign(campaign_id, status is CampaignStatus.DRAFT)
    for file in files:
        facts = file.facts
        if facts is not None and facts.filled and facts.language not in {"", language}:
            yield campaign.warn(
                "values_in_other_language",
                "The numbers and dates of {file} are written as in {written}, but the template is in {language} now. So"
                " people may take a number such as 1,500 for another amount, and a date such as 05/06 for another day.",
                "Read the list again: {again}.",
                "",
                file=file.name,
                written=facts.language,
                language=language,
                again=campaign.import_again(facts=facts, file=file.path),
            )


def _warn_of_copied_values(campaign_id: int, written: str, language: str) -> Finding:
    """Return a warning about people who were copied from a campaign whose template has another language."""
    draft = _Campaign(campaign_id, is_draft=True)
    return draft.warn(
        "values_in_other_language",
        "The people were copied from a campaign with a template in {written}, but the template is in {language} now. If"
        " the values have numbers or dates, people may take a number such as 1,500 for another amount, and a date such"
        " as 05/06 for another day.",
        "Read the list again: {again}.",
        written=written,
        language=language,
        again=draft.import_again(),
    )
