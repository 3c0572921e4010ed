"""Imports a file of recipients into a campaign. Each row of the file becomes a recipient or is rejected."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial, reduce
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from campaigns.domain.filling import Filling, ParameterKind
from campaigns.domain.optout.consent import ConsentColumns, RefusalChoice, Refusals, names_people, notes_refusal
from campaigns.domain.optout.headings import Heading, Headings
from campaigns.domain.phone.area_55 import UNCLEAR, AreaSearch
from campaigns.domain.phone.documents import find_document_columns, names_documents
from campaigns.domain.phone.foreign import ForeignSearch
from campaigns.domain.phone.made_up import MadeUpSearch
from campaigns.domain.phone.mask import mask_number, mask_numbers
from campaigns.domain.phone.nine import NineSearch
from campaigns.domain.phone.number import PhoneKind, make_phone_classifier, make_phone_reader
from campaigns.domain.phone.person import recipient_key
from campaigns.domain.phone.written import PhoneProblem
from campaigns.domain.recipients import (
    HEADER_WITHIN,
    Cell,
    Choice,
    Columns,
    ReadColumns,
    Recipient,
    RecipientsError,
    RowCode,
    RowProblem,
    demand_header,
    find_exchanged,
    fits_text,
    list_names,
    list_words,
    phone_text,
    read_header,
    read_row,
    shows_language,
)
from campaigns.domain.statement import Count, Entry, Field, Sentence, list_sentences
from campaigns.domain.text.date_numbers import is_due
from campaigns.domain.text.date_order import DateOrders, reads_month_first
from campaigns.domain.text.dates import LatestDate, is_past
from campaigns.domain.text.doubled import find_doubled
from campaigns.domain.text.dragged import DraggedCells, DraggedSearch, make_number_reader
from campaigns.domain.text.kinds import (
    Clash,
    ExchangedHeadings,
    Form,
    FormCount,
    KindCounts,
    OddCells,
    find_clash,
    find_exchanged_headings,
    has_amounts,
    has_currency,
    has_percent,
)
from campaigns.domain.text.normal import is_blank
from campaigns.management.exports import find_export_columns
from campaigns.management.layouts import Preview, preview
from campaigns.sheets.colours import ColouredRows, RowColours
from campaigns.sheets.package import Report
from campaigns.sheets.phone_search import PhoneSearch
from campaigns.sheets.rows import Row, Sheet, WindowsText, open_sheet
from campaigns.sheets.xlsx import Hidden, HiddenChoice, refuse_coloured
from campaigns.store import recipients as store
from campaigns.store.database import Connection, Database, DatabaseUnavailable, read_clock

DEFAULT_REGION = "BR"
# A column has dates, or answers, if one of this number of first rows has a date, or an answer, in it.
_FIRST_ROWS = 500
# The most other campaigns of one kind that a text or a page names. A sentence has the number of the others.
SHOWN_OVERLAPS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read a file. `region`: the country of phones without a country code. `report`: a function that is called
    with the fraction read so far.

    `sheet`: the name of the sheet of a workbook to read. `hidden`: what happens to the hidden rows and columns of this
    sheet. `refusals`: what happens to rows that say that the person wants no messages. `unanswered`: what happens to
    rows that have no answer in a column of consents. `is_mobile_only`: reject landlines. `takes_tests`: accept the test
    numbers of Meta. `takes_nulls`: accept cells such as NULL, nan, - and =A1 as texts. `records_refusals`: if the rows
    that say no are left out, record their people as opt-outs. `given_path`: the path of the file as a person gave it in
    a command, for a later command that reads the file again; "" for an upload.
    """

    choice: Choice = field(default_factory=Choice)
    region: str = DEFAULT_REGION
    sheet: str | None = None
    hidden: HiddenChoice = HiddenChoice.REFUSE
    refusals: RefusalChoice = RefusalChoice.REFUSE
    unanswered: RefusalChoice = RefusalChoice.REFUSE
    report: Report = lambda _part: None
    is_mobile_only: bool = False
    takes_tests: bool = False
    takes_nulls: bool = False
    records_refusals: bool = False
    given_path: str = ""


@dataclass(frozen=True, slots=True)
class Filled:
    """A variable and the name of the column that fills the variable.

    `is_by_position`: the column was chosen only because of the order of the columns. `is_doubtful`: moreover, the text
    of the template does not have the name of the column beside the variable.
    """

    variable: str
    column: str
    is_by_position: bool
    is_doubtful: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import.

    `ignored`: the names of the columns that were not used. `deciding`: the names of the columns that say of somebody
    that they want no messages, or do not say of somebody whether they want messages. `first`: the first message of the
    file as its recipient will see it, or None if the file has no recipient. `groups`: the rows that did not become
    messages, by the kind of their problem. `kinds`: by kind of phone (`PhoneKind`), the number of accepted rows with
    such a phone. `header_row`: the number of the row with the names of the columns. `hidden`: the hidden rows and
    columns of the sheet. `skips_hidden`: the hidden rows and columns were not read. `hidden_sheets`: the hidden sheets
    with rows that were not read. `refusals`: the rows that say that the person wants no messages. `skips_refusals`:
    these rows were rejected. `records_refusals`: their people are to be recorded as opt-outs. `unanswered` and
    `skips_unanswered`: the same for the rows that have no answer in a column of consents. `windows_text`: a word to
    look at, if the encoding of the file is not certain. `fixed`: by variable,
    its value for all recipients.
    `facts`: the facts of which a person is warned now and before the start. `names`: the names of all columns.
    `language`: the language in which numbers and dates of a workbook were written. `is_known_header`: an earlier file
    with the same header decided about columns that the names do not tell. `last_error_id`: see `ImportedRows`.
    """

    counts: store.ImportCounts
    ignored: list[str]
    deciding: list[str]
    filled: list[Filled]
    first: Preview | None
    groups: list[store.ErrorGroup]
    kinds: Mapping[PhoneKind, int]
    header_row: int
    hidden: Hidden
    skips_hidden: bool
    hidden_sheets: Sequence[str]
    refusals: Refusals
    skips_refusals: bool
    records_refusals: bool
    unanswered: Refusals
    skips_unanswered: bool
    windows_text: WindowsText | None
    fixed: Mapping[str, str]
    facts: store.ImportFacts
    names: Sequence[str]
    language: str
    is_known_header: bool
    last_error_id: int

    @property
    def recorded(self) -> set[str]:
        """The recipient keys of those of the people of `refused` whom the person has chosen to record as opt-outs."""
        return self.refused if self.records_refusals else set()

    @property
    def refused(self) -> set[str]:
        """The recipient keys of the people who say no and were left out for this reason."""
        return self.refusals.people if self.skips_refusals else set()


@dataclass(frozen=True, slots=True)
class Staged:
    """The rows of a file that was read, before they belong to a campaign.

    `due`: by position of a column of dates that are still to come, its latest date. `orders`: by position of a column
    of dates, the order of their days and months. `in_language`: the first row with numbers or dates of a workbook that
    are written in the language of the template; [] without one. `cell_kinds`: by variable, the kinds of the cells of
    its column. `documents`: the positions of the columns that have numbers of documents, by the first rows.
    `doubled`, `clashes`, `exchanged_headings`: see `ImportFacts`.
    """

    path: Path
    filling: Filling
    reading: Reading
    sheet: Sheet
    header_row: int
    columns: Columns
    kinds: Counter[PhoneKind]
    search: PhoneSearch
    foreign: ForeignSearch
    nine: NineSearch
    refusals: Refusals
    unanswered: Refusals
    odd: OddCells
    due: Mapping[int, LatestDate]
    orders: Mapping[int, DateOrders]
    headings: Headings
    in_language: Sequence[int]
    cell_kinds: Mapping[str, KindCounts]
    documents: AbstractSet[int]
    doubled: Sequence[tuple[str, str, int, str]]
    clashes: Sequence[tuple[str, str, str, str]]
    exchanged_headings: ExchangedHeadings | None
    made_up: MadeUpSearch
    dragged: _DraggedSearches


def stage_recipients(connection: Connection, path: Path, *, filling: Filling, reading: Reading) -> Staged:
    """Read a CSV or XLSX file into a temporary table of this transaction.

    Raises Refusal, which names the file, if the file as a whole cannot be read. If a single row is wrong, the row is
    rejected and becomes an import error.
    """
    store.allow_long_transaction(connection)
    kinds, refusals, unanswered = Counter[PhoneKind](), Refusals(), Refusals()
    undecided: list[RecipientsError] = []
    try:
        with open_sheet(
            path,
            language=filling.template.language,
            report=reading.report,
            name=reading.sheet,
            hidden=reading.hidden,
        ) as sheet:
            reading.choice.refuse_fixed(filling.fixed)
            sheet_rows = _keep_hidden(sheet.rows, undecided)
            top = list(islice(sheet_rows, HEADER_WITHIN))
            header_row, columns = _read_columns(top, filling, reading.choice, delimiter=sheet.delimiter)
            below = (each for each in chain(top, sheet_rows) if each[0] > header_row)
            first = list(islice(below, _FIRST_ROWS))
            first_cells = [cells for _, cells in first if not isinstance(cells, RowProblem)]
            excerpts = dict(zip(columns.variables, [filling.excerpts[name] for name in filling.names], strict=True))
            columns = columns.find_dates(first_cells, excerpts)
            read_phone = make_phone_reader(reading.region, takes_tests=reading.takes_tests)
            search = PhoneSearch(columns, read_phone, make_phone_classifier(reading.region))
            odd = _make_odd_cells(columns, filling)
            read = partial(
                read_row,
                columns,
                read_values=filling.make_reader(),
                read_phone=read_phone,
                takes_nulls=reading.takes_nulls,
            )
            text = filling.template.body_text
            due = {
                each: LatestDate()
                for each in columns.dates
                if is_due(columns.names[each], text, excerpt=excerpts.get(each, ""))
            }
            is_month_first = reads_month_first(filling.template.language)
            orders = (
                {}
                if is_month_first is None
                else {each: DateOrders(is_month_first=is_month_first) for each in columns.dates}
            )
            headings = Headings(columns.names, unrelated=columns.unrelated)
            foreign = ForeignSearch(reading.region, filling.template.language)
            nine, area = NineSearch(), AreaSearch()
            findings = _Findings(
                *(kinds, search, foreign, nine, refusals, unanswered, odd, due, orders, headings, [], [], area),
                *(sheet.hidden.colours, MadeUpSearch(), _DraggedSearches(columns, filling), []),
            )
            consents = _find_consents(columns, reading, first_cells)
            rows = _read_rows(chain(first, below), columns, reading, read=read, consents=consents, findings=findings)
            store.stage_rows(connection, rows)
            coloured = sheet.hidden.coloured = _find_coloured(sheet, header_row, columns)
            comments = _find_comments(sheet, header_row)
            undecided += _list_undecided(reading, refusals, unanswered, headings, coloured)
            undecided += _comments_refuse(comments, reading)
            if undecided:
                raise reduce(_join_undecided, undecided)
    except RecipientsError as error:
        if undecided and error.code not in {undecided[0].code, "decisions_missing"}:
            # Hidden cells may be the cause of this refusal of other cells.
            undecided[0].sheet, error = error.sheet, undecided[0]
        raise error.in_file(path) from None
    _reject_late(connection, columns, reading, findings, coloured=coloured, comments=comments)
    cell_kinds = {name: odd.count_kinds(position) for name, position in _list_shown(columns, filling).items()}
    return Staged(
        *(path, filling, reading, sheet, header_row, columns, kinds, search, foreign, nine, refusals, unanswered, odd),
        *(due, orders, headings, findings.in_language, cell_kinds),
        documents=find_document_columns(first_cells, columns.variables),
        doubled=_find_doubled(first, columns, filling),
        clashes=_find_clashes(first_cells, columns, filling),
        exchanged_headings=_find_exchanged_headings(first_cells, columns, filling),
        made_up=findings.made_up,
        dragged=findings.dragged,
    )


def _reject_late(
    connection: Connection,
    columns: Columns,
    reading: Reading,
    findings: _Findings,
    *,
    coloured: ColouredRows | None,
    comments: Mapping[int, str],
) -> None:
    """Reject the staged rows whose problem is known only when all rows have been read."""
    phone = columns.names[columns.phone]
    if reading.refusals is RefusalChoice.SKIP:
        _reject(connection, findings.late, RowCode.REFUSED)
        commented = [(row, phone, _HAS_COMMENT) for row in comments]
        findings.refusals.people.update(_reject(connection, commented, RowCode.REFUSED))
    if reading.unanswered is RefusalChoice.SKIP:
        _reject(connection, findings.late_unanswered, RowCode.UNANSWERED)
    if coloured is not None and reading.hidden is HiddenChoice.SKIP:
        _reject(connection, [(row, phone, _MARKED) for row in coloured.rows], RowCode.MARKED)
    _reject(connection, [(row, phone, UNCLEAR) for row in findings.area.find()], PhoneProblem.AREA_UNCLEAR)
    found = [] if reading.takes_nulls else findings.odd.find()
    _reject(connection, [(each.row_number, columns.names[each.position], each.reason) for each in found], RowCode.KIND)


def _reject(connection: Connection, problems: Sequence[tuple[int, str, str]], code: str) -> set[str]:
    return store.reject_rows(connection, problems, code=code) if problems else set()


_MARKED = "stands in a row that is marked by another colour than most rows"


def _find_coloured(sheet: Sheet, header_row: int, columns: Columns) -> ColouredRows | None:
    people = [position for position, name in enumerate(columns.names) if names_people(name)]
    return sheet.hidden.colours.find(header_row=header_row, phone=columns.phone, people=people)


# The kinds of values that people read as they are. Links, codes and answers of buttons may have any form.
_SHOWN_VALUES = frozenset({ParameterKind.BODY, ParameterKind.HEADER_TEXT})


def _list_shown(columns: Columns, filling: Filling) -> dict[str, int]:
    """Return the positions of the columns whose values people read as they are, by variable."""
    pairs = zip(filling.columns, columns.variables, strict=True)
    return {parameter.name: position for parameter, position in pairs if parameter.kind in _SHOWN_VALUES}


def _make_odd_cells(columns: Columns, filling: Filling) -> OddCells:
    shown, excerpts = _list_shown(columns, filling), filling.excerpts
    amounts = {
        position for name, position in shown.items() if has_amounts(columns.names[position], name, excerpts[name])
    }
    percents = {position for name, position in shown.items() if has_percent(excerpts[name])}
    currencies = {position for name, position in shown.items() if has_currency(excerpts[name])}
    return OddCells([*dict.fromkeys(shown.values())], amounts, percents, currencies)


def write_recipients(
    connection: Connection, campaign_id: int, staged: Staged, *, components: Sequence[Mapping[str, Any]]
) -> Imported:
    """Add the rows of a file that was read in this transaction to a campaign, in the order of the file.

    `components`: the components of the template, which the preview of the first message needs.
    """
    columns, filling, sheet = staged.columns, staged.filling, staged.sheet
    phone_column = columns.names[columns.phone]
    if staged.refusals.people and staged.reading.refusals is RefusalChoice.SKIP:
        store.reject_staged(connection, staged.refusals.people, phone_column=phone_column)
    read = ReadColumns(
        columns.names, columns.phone, columns.consent, dict(zip(filling.names, columns.variables, strict=True))
    )
    written = store.write_staged(
        connection, campaign_id, file_name=staged.path.name, file_sha256=sheet.sha256, columns=read
    )
    excerpts = filling.excerpts
    filled = []
    for variable, position in zip(filling.names, columns.variables, strict=True):
        name, is_by_position = columns.names[position], position in columns.by_position
        is_doubtful = is_by_position and not fits_text(name, excerpts[variable])
        filled.append(Filled(variable, name, is_by_position, is_doubtful))
    first = None
    if written.first is not None:
        values = {**filling.fixed, **dict(zip(filling.names, written.first[2], strict=True))}
        first = preview(filling.template, components, values)
    facts = _collect_facts(staged, written, filled, phone_column=phone_column, today=read_clock(connection).date())
    store.set_import_facts(connection, campaign_id, facts)
    deciding = list(dict.fromkeys([*staged.refusals.columns, *staged.unanswered.columns]))
    return Imported(
        written.counts,
        [name for name in columns.ignored if name not in deciding],
        deciding,
        filled,
        first,
        written.groups,
        staged.kinds,
        staged.header_row,
        sheet.hidden,
        hidden_sheets=sheet.hidden_sheets,
        skips_hidden=staged.reading.hidden is HiddenChoice.SKIP,
        refusals=staged.refusals,
        records_refusals=staged.reading.records_refusals,
        skips_refusals=staged.reading.refusals is RefusalChoice.SKIP,
        unanswered=staged.unanswered,
        skips_unanswered=staged.reading.unanswered is RefusalChoice.SKIP,
        windows_text=sheet.windows_text,
        fixed=filling.fixed,
        facts=facts,
        names=columns.names,
        language=filling.template.language,
        is_known_header=columns.is_known,
        last_error_id=written.last_error_id,
    )


def _collect_facts(
    staged: Staged,
    written: store.ImportedRows,
    filled: Sequence[Filled],
    *,
    phone_column: str,
    today: dt.date,
) -> store.ImportFacts:
    text, refusals, counts = staged.sheet.windows_text, staged.refusals, written.counts
    misread = [each for each in written.groups if each.code == RowCode.MISREAD]
    landlines, accepted = staged.kinds[PhoneKind.LANDLINE], counts.recipient_count + counts.duplicate_count
    are_landlines = accepted >= _LEAST_ROWS and landlines >= accepted * _NEARLY_ALL
    are_included = staged.reading.refusals is not RefusalChoice.SKIP
    unanswered = Refusals() if staged.reading.unanswered is RefusalChoice.SKIP else staged.unanswered
    names = staged.columns.names
    due = [
        (names[position], latest.row_number, latest.shown, latest.date)
        for position, latest in staged.due.items()
        # Dates in another order are read wrongly, and have a warning of their own.
        if latest.date is not None and not (position in staged.orders and staged.orders[position].find())
    ]
    foreign = staged.foreign.find()
    likely_phone_column = staged.search.find()
    country_column, countries = staged.search.find_countries()
    takes_nulls, documents = staged.reading.takes_nulls, staged.search.find_documents()
    mixed = {} if takes_nulls else {names[position]: forms for position, forms in staged.odd.find_mixed().items()}
    bare = {} if takes_nulls else {names[position]: form for position, form in staged.odd.find_bare().items()}
    likeness = max(written.likenesses, key=lambda each: (each.both_count, each.renamed_count), default=None)
    return store.ImportFacts(
        phone_column,
        likely_phone_column,
        [(each.variable, each.column, each.is_doubtful) for each in filled],
        counts.other_values_count,
        word=text.word if text is not None and text.is_doubtful else "",
        line=text.line if text is not None and text.is_doubtful else 0,
        refusing_rows=refusals.row_count if are_included else 0,
        refusing_columns=refusals.columns if are_included else [],
        refusing_row=refusals.first_row if are_included else 0,
        unanswered_rows=unanswered.row_count,
        unanswered_columns=unanswered.columns,
        unanswered_row=unanswered.first_row,
        unanswered_words=unanswered.words,
        country_column=country_column,
        countries=countries,
        only_here_count=staged.search.count_only_here(likely_phone_column),
        notes={} if are_included else _shorten_notes(refusals.others),
        first_message_id=None if written.first is None else written.first[0],
        new_count=counts.recipient_count,
        likeness=likeness,
        past=[(column, row, text) for column, row, text, date in due if is_past(date, today)],
        coming=[(column, row, text, date.isoformat()) for column, row, text, date in due if not is_past(date, today)],
        mixed=mixed,
        exchanged=find_exchanged(staged.columns, staged.filling.names, staged.reading.choice, staged.filling.excerpts),
        other_files_count=sum(each.both_count + each.old_count for each in written.likenesses if each is not likeness),
        document_count=len(documents),
        document_row=documents[0] if documents else 0,
        document_rows=documents[:_SHOWN_ROWS],
        landline_count=landlines if are_landlines else 0,
        kinds=staged.cell_kinds,
        differing_count=written.differing_count,
        differing_row=written.differing_row,
        other_form_count=written.other_form_count,
        other_form_row=written.other_form_row,
        language=staged.filling.template.language if staged.in_language else "",
        foreign=foreign,
        elsewhere_fitting=0 if foreign is None else staged.search.count_fitting(foreign.likely),
        sheet=staged.sheet.name,
        region=staged.reading.region,
        other_regions=staged.search.find_other_regions(
            staged.reading.region, staged.filling.template.language, staged.foreign.abroad
        ),
        elsewhere_count=staged.search.elsewhere_count,
        abroad=staged.search.find_phones_abroad(
            staged.reading.region, staged.filling.template.language, staged.foreign.abroad
        ),
        headings=[(each.row_number, each.words, each.below_count) for each in staged.headings.list_others()],
        bare={column: form for column, form in bare.items() if column not in mixed},
        orders={
            names[position]: order
            for position, orders in staged.orders.items()
            if (order := orders.find()) and not _tells_orders(mixed.get(names[position], ()))
        },
        doubled=list(staged.doubled),
        clashes=list(staged.clashes),
        exchanged_headings=staged.exchanged_headings,
        made_up_count=staged.made_up.count,
        made_up=staged.made_up.first,
        dragged_phones=staged.dragged.find_phones(),
        dragged=staged.dragged.find_values(),
        documents_in_text=_find_documents_in_text(staged.filling, staged.columns, staged.documents),
        hidden_row_count=staged.sheet.hidden.row_count if staged.reading.hidden is HiddenChoice.SKIP else 0,
        without_nine=staged.nine.find(),
        given=_list_given(staged.reading),
        misread_count=sum(each.row_count for each in misread),
        misread_row=min((each.rows[0][0] for each in misread), default=0),
        last_error_id=written.last_error_id,
        given_path=staged.reading.given_path,
    )


def _find_documents_in_text(filling: Filling, columns: Columns, documents: AbstractSet[int]) -> list[tuple[str, str]]:
    """Return the variables that a column of documents fills, with the column, where the text names no document."""
    return [
        (variable, columns.names[position])
        for variable, position in _list_shown(columns, filling).items()
        if (position in documents or names_documents(columns.names[position]))
        and not names_documents(f"{variable} {filling.excerpts[variable]}")
    ]


def _find_doubled(
    first_rows: Sequence[tuple[int, Row]], columns: Columns, filling: Filling
) -> list[tuple[str, str, int, str]]:
    """Return the variables whose values repeat a word of the text beside them, by the first rows of the file."""
    rows = [(number, cells) for number, cells in first_rows if not isinstance(cells, RowProblem)]
    found = []
    for variable, position in _list_shown(columns, filling).items():
        cells = ((number, cells[position]) for number, cells in rows if position < len(cells))
        if (doubled := find_doubled(filling.excerpts[variable], cells)) is not None:
            found.append((variable, columns.names[position], *doubled))
    return found


def _find_clashes(
    first_rows: Sequence[Sequence[str]], columns: Columns, filling: Filling
) -> list[tuple[str, str, str, str]]:
    """Return the columns whose cells in the first rows do not belong into the text beside their variable.

    A sign that cells repeat is told by `_find_doubled`.
    """
    found = []
    for variable, position in _list_shown(columns, filling).items():
        cells = _list_cells(first_rows, position)
        clash = find_clash(cells, filling.excerpts[variable], columns.names[position])
        if clash is not None and clash is not Clash.SIGN_TWICE:
            found.append((variable, columns.names[position], clash.value, cells[0].strip()))
    return found


def _find_exchanged_headings(
    first_rows: Sequence[Sequence[str]], columns: Columns, filling: Filling
) -> ExchangedHeadings | None:
    """Return two columns whose names seem to be exchanged, by their cells in the first rows."""
    shown = _list_shown(columns, filling)
    return find_exchanged_headings(
        [(columns.names[position], variable, _list_cells(first_rows, position)) for variable, position in shown.items()]
    )


def _list_cells(rows: Sequence[Sequence[str]], position: int) -> list[str]:
    return [row[position] for row in rows if position < len(row) and not is_blank(row[position])]


def _list_given(reading: Reading) -> list[tuple[str, str]]:
    """Return the fields that a person filled in for the reading of a file, without the columns of the variables."""
    choice, region = reading.choice, reading.region
    fields = (
        (Field.PHONE_COLUMN, choice.phone),
        (Field.SHEET, reading.sheet),
        (Field.HIDDEN, None if reading.hidden is HiddenChoice.REFUSE else reading.hidden.value),
        (Field.REFUSALS, None if reading.refusals is RefusalChoice.REFUSE else reading.refusals.value),
        (Field.NO_ANSWER, None if reading.unanswered is RefusalChoice.REFUSE else reading.unanswered.value),
        *((Field.NOT_REFUSALS, name) for name in choice.unrelated),
        (Field.REGION, None if region == DEFAULT_REGION else region),
    )
    return [(each.name, value) for each, value in fields if value]


# The most rows that a warning lists.
_SHOWN_ROWS = 10


def _tells_orders(forms: Sequence[FormCount]) -> bool:
    """Tell whether the warning about cells of several kinds names both orders of dates already."""
    return {Form.DAY_FIRST, Form.MONTH_FIRST} <= {each.form for each in forms}


class _DraggedSearches:
    """The search for dragged cells in the column of the phones and in the columns whose values people read."""

    def __init__(self, columns: Columns, filling: Filling) -> None:
        self._columns, excerpts = columns, filling.excerpts
        self._phones = DraggedSearch(columns.phone)
        shown = _list_shown(columns, filling)
        plain = {shown[name] for name in shown if has_percent(excerpts[name]) or has_currency(excerpts[name])}
        month_first = reads_month_first(filling.template.language)
        orders = (False, True) if month_first is None else (month_first,)
        self._values = [
            (
                position,
                DraggedSearch(position),
                make_number_reader(is_month_first=order, takes_plain=position in plain),
            )
            for position in dict.fromkeys(shown.values())
            for order in orders
        ]

    def add(self, row_number: int, cells: Sequence[str], phone: str) -> None:
        """Add an accepted row. `phone`: in E.164."""
        self._phones.add(row_number, int(phone[1:]), phone, cells)
        for position, search, read in self._values:
            search.add(row_number, read(cells[position]), cells[position], cells)

    def find_phones(self) -> DraggedCells | None:
        found = self._phones.find_phones(self._columns.names[self._columns.phone])
        return None if found is None else found._replace(first=mask_number(found.first), last=mask_number(found.last))

    def find_values(self) -> list[DraggedCells]:
        names = self._columns.names
        found = (search.find_values(names[position]) for position, search, _read in self._values)
        return [*{each.column: each for each in found if each is not None}.values()]


class _Findings(NamedTuple):
    """What is found in the rows of a file while they are read.

    `late`: the rows whose refusal is known only at the end of the file, as `reject_rows` takes them. `late_unanswered`:
    the same for rows without an answer.
    """

    kinds: Counter[PhoneKind]
    search: PhoneSearch
    foreign: ForeignSearch
    nine: NineSearch
    refusals: Refusals
    unanswered: Refusals
    odd: OddCells
    due: Mapping[int, LatestDate]
    orders: Mapping[int, DateOrders]
    headings: Headings
    late: list[tuple[int, str, str]]
    in_language: list[int]
    area: AreaSearch
    colours: RowColours
    made_up: MadeUpSearch
    dragged: _DraggedSearches
    late_unanswered: list[tuple[int, str, str]]

    def add_cells(self, row_number: int, cells: Sequence[str], row: Recipient | RowProblem, columns: Columns) -> None:
        """Add the cells of a row that becomes a message, or of a row that may be a heading."""
        if isinstance(row, Recipient):
            self.made_up.add(row_number, row.phone)
            self.dragged.add(row_number, cells, row.phone)
            self.odd.add(row_number, cells)
            for position, latest in self.due.items():
                latest.add(row_number, cells[position])
            for position, order in self.orders.items():
                cell = cells[position]
                order.add(row_number, cell, cell.digits if isinstance(cell, Cell) else "")
            if not self.in_language and any(map(shows_language, map(cells.__getitem__, columns.variables))):
                self.in_language.append(row_number)
        else:
            self.colours.drop(row_number)
            if row.code in _NO_PHONES:
                self.headings.add(row_number, cells)


# Fewer rows tell nothing about a whole column. `_NEARLY_ALL`: a part of the rows.
_LEAST_ROWS, _NEARLY_ALL = 5, 0.9


def describe_import(path: Path, imported: Imported) -> dict[str, object]:
    """Return the name of a file and the numbers of its import, for the audit."""
    return {"file": path.name, **asdict(imported.counts)}


def renew_statistics(database: Database) -> None:
    """Let Postgres plan by the present messages, after an import was committed.

    The import stays also if this fails: autovacuum renews the statistics later.
    """
    with suppress(*DatabaseUnavailable):
        database.run(store.analyze_messages)


def find_overlaps(
    database: Database, campaign_id: int, *, days: int, together: Collection[int] = ()
) -> list[store.Overlap]:
    """Return the other campaigns that share recipients or a file with this campaign.

    The function compares started or scheduled campaigns that have not ended, campaigns that were created or ended in
    the last `days` days, and the campaigns with the ids `together`, which start in the same command.
    """
    return database.run(store.find_overlaps, campaign_id, days=days, together=together)


def _read_columns(
    rows: Sequence[tuple[int, Row]], filling: Filling, choice: Choice, *, delimiter: str
) -> tuple[int, Columns]:
    """Find the header in the first rows of a file; return its row number and its columns. Raises RecipientsError."""
    position, header = demand_header(rows, choice.phone) if rows else (0, ())
    number = rows[position][0] if rows else 1
    below = [row for _, row in rows[position + 1 :] if not isinstance(row, RowProblem)]
    return number, read_header(
        header, filling.names, choice, excerpts=filling.excerpts, delimiter=delimiter, below=below
    )


def _find_consents(columns: Columns, reading: Reading, first_rows: Sequence[Sequence[str]]) -> ConsentColumns:
    exported = find_export_columns(columns.names)
    return ConsentColumns(
        columns.names,
        columns.consent if reading.choice.consent else None,
        variables=columns.variables,
        unrelated=columns.unrelated | {columns.phone} | exported,
        first_rows=first_rows,
        is_export=bool(exported),
    )


def _read_rows(
    rows: Iterable[tuple[int, Row]],
    columns: Columns,
    reading: Reading,
    *,
    read: Callable[[Sequence[str]], Recipient | RowProblem | None],
    consents: ConsentColumns,
    findings: _Findings,
) -> Iterator[tuple[int, Recipient | RowProblem]]:
    """Yield the recipient or the problem of each row, and add what each row tells to `findings`.

    Blank rows are skipped. Raises RecipientsError if all rows are blank.
    """
    kinds, search, foreign, nine = findings[:4]
    classify = make_phone_classifier(reading.region)
    phone_column = columns.names[columns.phone]
    has_rows = False
    for row_number, cells in rows:
        row = cells if isinstance(cells, RowProblem) else search.refuse_exchanged(cells, read(cells))
        if row is None:
            continue
        has_rows = True
        kind = classify(row.phone) if isinstance(row, Recipient) else None
        search.add(row_number, cells, row, is_landline=kind is PhoneKind.LANDLINE)
        if isinstance(row, Recipient) and not isinstance(cells, RowProblem):
            foreign.add(row_number, text := phone_text(cells[columns.phone]), row.phone)
            findings.area.add(row_number, text, row.phone)
            row = _check_consent(
                row,
                row_number,
                cells,
                phone_column=phone_column,
                consents=consents,
                reading=reading,
                findings=findings,
            )
            kind = kind if isinstance(row, Recipient) else None
        if kind is PhoneKind.LANDLINE and reading.is_mobile_only:
            reason = "is a landline, and this import takes mobile phones only"
            row = RowProblem(phone_column, reason, PhoneProblem.LANDLINE)
        elif kind is not None:
            kinds[kind] += 1
        if isinstance(row, Recipient) and not isinstance(cells, RowProblem):
            nine.add(row_number, row.phone, kind)
        if not isinstance(cells, RowProblem):
            findings.add_cells(row_number, cells, row, columns)
        yield row_number, row
    if not has_rows:
        raise RecipientsError("rows_missing", "there is no row below the header")
    _add_late(consents, findings)


def _add_late(consents: ConsentColumns, findings: _Findings) -> None:
    """Add the refusals and the missing answers that are known only when all rows have been read."""
    refusals = findings.refusals
    # A column that has a clear refusal is about messages, so its other answers are no question of their own.
    refusals.answers = {
        column: answers for column, answers in consents.list_answers().items() if column not in refusals.columns
    }
    late = consents.find_late_refusals(refusals.columns)
    for row_number, words in consents.find_late_unanswered().items():
        if row_number not in late:
            findings.unanswered.add_unanswered(row_number, words)
            findings.late_unanswered.append((row_number, next(iter(words)), _UNANSWERED))
    for column, note in late.values():
        refusals.add(note.row_number, [column], None if note.phone is None else recipient_key(note.phone))
        findings.late.append((note.row_number, column, _REFUSES))
    refusals.others = consents.list_others([each for each in refusals.columns if each not in refusals.answers])


# The problems of a row that may be a heading in the middle of the list.
_NO_PHONES = frozenset({PhoneProblem.EMPTY, PhoneProblem.WORDS})


def _keep_hidden(rows: Iterable[tuple[int, Row]], undecided: list[RecipientsError]) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a sheet. A refusal of hidden or struck rows comes at their end, and goes to `undecided`."""
    try:
        yield from rows
    except RecipientsError as error:
        if error.code not in {"cells_hidden", "rows_struck"}:
            raise
        undecided.append(error)


def _join_undecided(one: RecipientsError, other: RecipientsError) -> RecipientsError:
    """Return one refusal for two decisions that a person has to take, so that the next try is not refused again."""
    return RecipientsError("decisions_missing", "{one}; and {other}", one=one, other=other)


def _list_undecided(
    reading: Reading, refusals: Refusals, unanswered: Refusals, headings: Headings, coloured: ColouredRows | None
) -> Iterator[RecipientsError]:
    """Yield a refusal for each decision that nobody has taken: about rows that are marked by a colour, about rows below
    a heading that says no, about rows that say no, and about rows that lack an answer.
    """
    if coloured is not None and (undecided := refuse_coloured(coloured, reading.hidden)) is not None:
        yield undecided
    heading = next(headings.list_refusing(), None)
    lacks_answers = bool(unanswered.row_count) and reading.unanswered is RefusalChoice.REFUSE
    named_below: list[str] = []  # the columns for which the question about answers names the option
    if heading is not None and reading.refusals is RefusalChoice.REFUSE:
        yield _heading_refuses(heading)  # its choice is that about rows that say no
    elif refusals.row_count and reading.refusals is RefusalChoice.REFUSE and {*refusals.columns} <= {*refusals.answers}:
        yield _answers_may_refuse(refusals)
    elif refusals.row_count and reading.refusals is RefusalChoice.REFUSE:
        named_below = refusals.columns if lacks_answers else []
        yield RecipientsError(
            "people_refuse",
            "the list says in {rows} that the person wants no messages ({columns}; the first is row {first_row}): leave"
            " these people out with {skip}, or read them like the others with {include}; if a column says nothing about"
            " messages, but for example about an order, say so with {unrelated}"
            if not named_below
            else "the list says in {rows} that the person wants no messages ({columns}; the first is row {first_row}):"
            " leave these people out with {skip}, or read them like the others with {include}",
            rows=Count(refusals.row_count, "row"),
            columns=list_names(refusals.columns),
            first_row=refusals.first_row,
            skip=Entry(Field.REFUSALS, RefusalChoice.SKIP.value),
            include=Entry(Field.REFUSALS, RefusalChoice.INCLUDE.value),
            unrelated=[Entry(Field.NOT_REFUSALS, name) for name in refusals.columns],
        )
    if lacks_answers:
        words = list_words(unanswered.words)
        yield RecipientsError(
            "people_unanswered",
            "the list does not say in {rows} whether the person wants messages (no answer in {columns}; the first is"
            " row {first_row}): leave these people out with {skip}, or read them like the others with {include}; if a"
            " column says nothing about messages, say so with {unrelated}"
            if words is None
            else "the list does not say in {rows} whether the person wants messages (no answer in {columns}; the first"
            " is row {first_row}). These words count as no answer: {words}. Leave these people out with {skip}, or"
            " read them like the others with {include}; if a column says nothing about messages, say so with"
            " {unrelated}",
            rows=Count(unanswered.row_count, "row"),
            columns=list_names(unanswered.columns),
            first_row=unanswered.first_row,
            words=words,
            skip=Entry(Field.NO_ANSWER, RefusalChoice.SKIP.value),
            include=Entry(Field.NO_ANSWER, RefusalChoice.INCLUDE.value),
            unrelated=[Entry(Field.NOT_REFUSALS, name) for name in dict.fromkeys([*named_below, *unanswered.columns])],
        )


def _heading_refuses(heading: Heading) -> RecipientsError:
    return RecipientsError(
        "people_below_refuse",
        "row {row} has no phone and says {words}, and {rows} with people stand below it: leave these people out with"
        " {skip}, or read them like the others with {include}; if the words say nothing about messages, say so with"
        " {unrelated}",
        row=heading.row_number,
        words=heading.words,
        rows=Count(heading.below_count, "row"),
        skip=Entry(Field.REFUSALS, RefusalChoice.SKIP.value),
        include=Entry(Field.REFUSALS, RefusalChoice.INCLUDE.value),
        unrelated=Entry(Field.NOT_REFUSALS, heading.column),
    )


def _answers_may_refuse(refusals: Refusals) -> RecipientsError:
    """Return the question about columns of answers whose names do not tell what they are about."""
    told = [
        Sentence(
            "{rows} with {values} in {column} (the first is row {row:,})"
            if answers.values
            else "{rows} without a mark in {column} (the first is row {row:,})",
            rows=Count(answers.row_count, "row"),
            values=answers.values,
            column=column,
            row=answers.first_row,
        )
        for column, answers in refusals.answers.items()
    ]
    return RecipientsError(
        "answers_unclear",
        "the list has {told}: if that says who wants no messages, leave these people out with {skip}; if not, read them"
        " like the others with {include}, or, if a column says nothing about messages, say so with {unrelated}"
        if all(each.values for each in refusals.answers.values())
        else "the list has {told}: if these people must get no message, leave them out with {skip}; if a mark says who"
        " must get no message, delete the marked rows; if a mark says nothing about messages, read all rows with"
        " {include}, or say so with {unrelated}",
        told=list_sentences(told),
        skip=Entry(Field.REFUSALS, RefusalChoice.SKIP.value),
        include=Entry(Field.REFUSALS, RefusalChoice.INCLUDE.value),
        unrelated=[Entry(Field.NOT_REFUSALS, name) for name in refusals.answers],
    )


def _shorten_notes(others: Mapping[str, Sequence[tuple[int, str]]]) -> dict[str, tuple[int, list[tuple[int, str]]]]:
    """Return the number of notes and the first notes, by column. Phones in the notes are masked."""
    return {
        column: (len(notes), [(row, mask_numbers(text)[:_SHOWN_COMMENT]) for row, text in notes[:_SHOWN_NOTES]])
        for column, notes in others.items()
        if notes
    }


def _find_comments(sheet: Sheet, header_row: int) -> dict[int, str]:
    """Return the comments below the header that say that the person of their row wants no messages."""
    return {row: text for row, text in sheet.comments.items() if row > header_row and notes_refusal(text)}


def _comments_refuse(comments: Mapping[int, str], reading: Reading) -> Iterator[RecipientsError]:
    if not comments or reading.refusals is not RefusalChoice.REFUSE:
        return
    row = min(comments)
    yield RecipientsError(
        "comments_refuse",
        "in {rows} a comment on a cell says that the person wants no messages (row {row:,}: {text}): leave these people"
        " out with {skip}, or read them like the others with {include}",
        rows=Count(len(comments), "row"),
        row=row,
        text=" ".join(comments[row].split())[:_SHOWN_COMMENT],
        skip=Entry(Field.REFUSALS, RefusalChoice.SKIP.value),
        include=Entry(Field.REFUSALS, RefusalChoice.INCLUDE.value),
    )


_SHOWN_COMMENT = 60  # characters of a comment or a note
_SHOWN_NOTES = 20
_HAS_COMMENT = "stands in a row with a comment that says that the person wants no messages"
_REFUSES = "says that the person wants no messages"
_UNANSWERED = "does not say whether the person wants messages"


def _check_consent(
    row: Recipient,
    row_number: int,
    cells: Sequence[str],
    *,
    phone_column: str,
    consents: ConsentColumns,
    reading: Reading,
    findings: _Findings,
) -> Recipient | RowProblem:
    """Add to `findings` a row that says that the person wants no messages, or that does not say whether.

    The row is rejected if a person has chosen so.
    """
    if (heading := findings.headings.count_person()) is not None:
        findings.refusals.add(row_number, [heading.column], recipient_key(row.phone))
        if reading.refusals is RefusalChoice.SKIP:
            reason = f"stands below row {heading.row_number}, which says that people want no messages"
            return RowProblem(phone_column, reason, RowCode.REFUSED)
        return row
    if (column := consents.find_refusal(cells)) is not None:
        findings.refusals.add(row_number, [column], recipient_key(row.phone))
        if reading.refusals is RefusalChoice.SKIP:
            return RowProblem(column, _REFUSES, RowCode.REFUSED)
        return row
    unanswered = consents.find_unanswered(cells)
    consents.keep_notes(row_number, cells, row.phone, is_unanswered=bool(unanswered))
    if unanswered:
        findings.unanswered.add_unanswered(row_number, unanswered)
        if reading.unanswered is RefusalChoice.SKIP:
            return RowProblem(next(iter(unanswered)), _UNANSWERED, RowCode.UNANSWERED)
    return row
