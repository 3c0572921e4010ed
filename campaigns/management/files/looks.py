"""Looks at the top of a file: its sheets, its header, its first rows, and the columns that an import would choose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from campaigns.domain.controls import escape_controls
from campaigns.domain.filling import Filling, Parameter, ParameterKind, drop_empty, fill, list_parameters
from campaigns.domain.phone.documents import is_document
from campaigns.domain.phone.number import make_phone_reader
from campaigns.domain.phone.written import PhoneError
from campaigns.domain.recipients import (
    HEADER_WITHIN,
    Choice,
    RecipientsError,
    RowProblem,
    demand_header,
    fits_text,
    is_name_of_other_number,
    names_phone,
    read_header,
    read_names,
)
from campaigns.domain.statement import Entry, Sentence
from campaigns.domain.template import Template
from campaigns.domain.text.kinds import find_clash
from campaigns.domain.text.links import LinkError
from campaigns.domain.text.normal import fold, is_blank
from campaigns.management.files.jobs import read_reading
from campaigns.management.layouts import Layout, lay_out
from campaigns.management.recipients import Reading
from campaigns.management.reports import find_campaign
from campaigns.management.template_choice import read_template
from campaigns.sheets.rows import list_sheets, open_sheet
from campaigns.sheets.xlsx import HiddenChoice
from campaigns.store import campaigns, templates
from campaigns.store.database import Connection, Database
from campaigns.store.files.jobs import JobRow
from campaigns.store.recipients import ImportedFile, list_imported_files

_SAMPLE_ROWS = 5
_PHONE_TRIES = 2


# Words of a text in which the number of a document, or a phone, may be meant.
_DOCUMENT_WORDS = re.compile(r"cpf|cnpj|document")
_PHONE_WORDS = re.compile(
    r"fone|phone|celular|mobile|whats|zap|contat|contact|ligu|ligar|call|numero|number|codigo|code"
)


class Mismatch(NamedTuple):
    """Cells that do not seem to belong into the text. `kind`: a `Clash`, "documents" or "phones"."""

    kind: str
    cell: str


@dataclass(frozen=True, slots=True)
class FileTop:
    """The top of a file, and how the import would read it.

    `sheets`: the visible sheets with cells, [] for a CSV file. `language`: the language in which numbers and dates of a
    workbook are written; "" if an older version has looked. `names`: the names of the columns, "" for a column without
    a name. `rows`: the first rows below the header. `template`, `components`: those of the campaign. `given`: the
    campaign's values for all recipients, by parameter. `parameters`: the parameters that a column or one text fills.

    `phone`, `consent` and `filled`: the columns that the import would choose by itself. `filled`: by variable.
    `by_order`: the variables that it would fill only by the order of the columns, without a hint in the template.
    `kept`: the columns of the list that the campaign has now, as far as this file has columns of the same names.
    `row_numbers`: those of `rows`; [] if an older version has looked. `hidden_rows`: the numbers of the rows among them
    that the sheet hides or strikes through.
    `problem`: why the import would not choose all columns; None if it would.
    """

    sheets: Sequence[str]
    language: str
    header_row: int
    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    template: Template
    components: Sequence[Mapping[str, Any]]
    given: Mapping[str, str | None]
    parameters: Sequence[Parameter]
    phone: str | None
    consent: str | None
    filled: Mapping[str, str]
    by_order: Sequence[str]
    problem: Sentence | None
    hidden_row_count: int
    hidden_columns: Sequence[str]
    row_numbers: Sequence[int] = ()
    hidden_rows: Sequence[int] = ()
    kept: Choice = field(default_factory=Choice)

    def fill(self, parameters: Mapping[str, str | None]) -> Filling:
        """Return the template with these values for all recipients, in addition to `given`. Raises TemplateError."""
        return fill(self.template, drop_empty(self.template, {**self.given, **parameters}))

    @property
    def is_outdated(self) -> bool:
        """Whether the rows of a workbook are written in another language than that of the present template."""
        return bool(self.sheets) and self.language not in {"", self.template.language}

    @property
    def excerpts(self) -> Mapping[str, str]:
        """By parameter, the text of the template around it."""
        return Filling(self.template, {}, tuple(self.parameters)).excerpts

    def list_hidden(self) -> list[bool]:
        """Return for each of `rows` whether the sheet hides it or strikes it through."""
        numbers = self.row_numbers or [0] * len(self.rows)
        return [each in self.hidden_rows for each in numbers]

    def find_mismatch(self, parameter: Parameter, column: int, region: str) -> Mismatch | None:
        """Return why the cells of a column do not seem to belong into the text around a parameter; None if they may.

        `region`: the country of the phones without a country code.
        """
        cells = [row[column] for row in self.rows if column < len(row) and not is_blank(row[column])]
        excerpt = self.excerpts[parameter.name]
        if parameter.kind is not ParameterKind.BODY or not cells:
            return None
        if clash := find_clash(cells, excerpt, self.names[column]):
            return Mismatch(clash, cells[0])
        around = fold(f"{excerpt} {parameter.name}")
        if all(map(is_document, cells)) and not _DOCUMENT_WORDS.search(around):
            return Mismatch("documents", cells[0])
        if all(is_phone(each, region) for each in cells) and not _PHONE_WORDS.search(around):
            return Mismatch("phones", cells[0])
        return None

    def lay_out(self, texts: Mapping[str, str], columns: Mapping[str, int], row: Sequence[str]) -> Layout:
        """Return the message of a row as its person would read it.

        `texts`: by parameter, the text for all recipients. `columns`: by parameter, the position of its column. In the
        place of a parameter without a value stands its name.
        """
        cells = {name: row[place] for name, place in columns.items() if place < len(row)}
        by_name = {each.name: each for each in self.parameters}
        values = {name: _read(by_name[name], text) for name, text in {**texts, **cells}.items()}
        return lay_out(self.template, self.components, {name: value for name, value in values.items() if value})


def is_phone(cell: str, region: str) -> bool:
    """Tell whether a cell has a phone, and no date. `region`: the country of a phone without a country code."""
    try:
        make_phone_reader(region)(cell)
    except PhoneError:
        return False
    return True


def _read(parameter: Parameter, text: str) -> str:
    try:
        return parameter.read(text)
    except LinkError:  # the import says what is wrong with the link
        return text


def look_at(path: Path, reading: Reading, *, language: str) -> dict[str, Any]:
    """Read the top of a file; return it as JSON. Raises RecipientsError if the file has no rows that can be read.

    `language`: the language of the template, in which numbers and dates of a workbook are written. If the file has
    several sheets and none is chosen, the result has only the names of the sheets.
    """
    # The look shows hidden rows and columns unless they are left out: the person decides when the list is read.
    hidden = HiddenChoice.SKIP if reading.hidden is HiddenChoice.SKIP else HiddenChoice.INCLUDE
    top: dict[str, Any] = {"sheets": list_sheets(path), "language": language, "header_row": 1, "names": [], "rows": []}
    top |= {"hidden_row_count": 0, "hidden_columns": []}
    if reading.sheet is None and len(top["sheets"]) > 1:
        return top
    with open_sheet(path, language=language, report=reading.report, name=reading.sheet, hidden=hidden) as sheet:
        rows: list[tuple[int, Any]] = []
        hidden_rows: list[int] = []
        for number, row in islice(sheet.rows, HEADER_WITHIN):
            rows.append((number, row))
            # The numbers of hidden rows grow as the rows are read.
            if sheet.hidden.row_count + sheet.hidden.struck_count > len(hidden_rows):
                hidden_rows.append(number)
        if not rows:
            raise RecipientsError("header_empty", "the first row is empty, it must name the columns")
        position, header = demand_header(rows, reading.choice.phone)
    below = [(number, row) for number, row in rows[position + 1 :] if not isinstance(row, RowProblem)][:_SAMPLE_ROWS]
    return top | {
        "header_row": rows[position][0],
        "names": read_names(header, delimiter=sheet.delimiter),
        "rows": [[escape_controls(cell, keeps="\n\t") for cell in row] for _number, row in below],
        "row_numbers": [number for number, _row in below],
        "hidden_rows": [number for number, _row in below if number in hidden_rows],
        "hidden_row_count": sheet.hidden.row_count,
        "hidden_columns": list(sheet.hidden.columns.values()),
    }


def load_look(database: Database, job: JobRow) -> FileTop:
    """Return the top of a file that a job has read, and the columns that the import would choose for the template."""
    return database.run(_load, job)


def load_filling(connection: Connection, campaign_id: int) -> Filling:
    """Return the template of a campaign with its values. The campaign is not locked."""
    row = find_campaign(connection, campaign_id)
    template = templates.load_template(connection, campaigns.find_template_id(connection, campaign_id))
    return fill(read_template(template), row.parameters)


def _load(connection: Connection, job: JobRow) -> FileTop:
    assert job.campaign_id is not None
    given = find_campaign(connection, job.campaign_id).parameters
    row = templates.load_template(connection, campaigns.find_template_id(connection, job.campaign_id))
    template, top = read_template(row), {"language": ""} | (job.result or {})
    reading = read_reading(job.request)
    guess = _guess(top["names"], top["rows"], fill(template, given), reading.choice)
    if reading.choice.phone is None and not any(map(names_phone, top["names"])):
        guess["phone"] = _guess_phone(top["names"], top["rows"], reading.region, guess["phone"])
    parameters = [each for each in list_parameters(template) if each.is_required or each.name in given]
    kept = _keep(list_imported_files(connection, job.campaign_id), top["names"], guess)
    return FileTop(
        **top, template=template, components=row.components, given=given, parameters=parameters, kept=kept, **guess
    )


def _keep(files: Sequence[ImportedFile], names: Sequence[str], guess: Mapping[str, Any]) -> Choice:
    """Return the columns of the last file that was imported which another file, with these names, has too.

    A new column that has the name of a variable wins. `guess`: what the import would choose by itself.
    """
    columns = files[-1].columns if files else None
    if columns is None:
        return Choice()
    phone, consent = columns.names[columns.phone], None if columns.consent is None else columns.names[columns.consent]
    named = {
        variable
        for variable, column in guess["filled"].items()
        if column not in columns.names and variable not in guess["by_order"]
    }
    return Choice(
        phone=phone if phone in names else None,
        consent=consent if consent in names else None,
        mapping={
            variable: columns.find(variable)
            for variable in columns.variables
            if columns.find(variable) in names and variable not in named
        },
    )


def _guess_phone(names: Sequence[str], rows: Sequence[Sequence[str]], region: str, by_name: str | None) -> str | None:
    """Return the column that seems to have the phones, if none has a usual name of phones.

    `by_name`: the column that a word in its name proposes. The first rows must not contradict it. Without it, the
    result is the only column whose cells in the first rows are phones.
    """
    columns = {
        name: [row[place] for row in rows if place < len(row) and not is_blank(row[place])]
        for place, name in enumerate(names)
        if name
    }
    if by_name is not None and (not columns[by_name] or any(is_phone(cell, region) for cell in columns[by_name])):
        return by_name
    found = [
        name
        for name, cells in columns.items()
        if cells
        and not is_name_of_other_number(name)
        and all(is_phone(cell, region) for cell in cells)
        and not all(map(is_document, cells))
    ]
    return found[0] if len(found) == 1 else None


def _guess(names: Sequence[str], rows: Sequence[Sequence[str]], filling: Filling, choice: Choice) -> dict[str, Any]:
    """Return the columns that the import would choose.

    If the import would not choose a column for each variable, the result has the columns that it would choose for the
    phone and for each variable alone, and the problem.
    """
    if not names:
        return {"phone": None, "consent": None, "filled": {}, "by_order": [], "problem": None}
    try:
        columns = read_header(names, filling.names, choice, excerpts=filling.excerpts, below=rows)
    except RecipientsError as error:
        problem = error
    else:
        filled = {name: names[position] for name, position in zip(filling.names, columns.variables, strict=True)}
        consent = None if columns.consent is None else names[columns.consent]
        by_order = [
            name
            for name, position in zip(filling.names, columns.variables, strict=True)
            if position in columns.by_position and not fits_text(filled[name], filling.excerpts[name])
        ]
        found = {"phone": names[columns.phone], "consent": consent, "filled": filled}
        return found | {"by_order": by_order, "problem": None}
    guess: dict[str, Any] = {"phone": None, "consent": None, "filled": {}, "by_order": []}
    guess["problem"] = problem
    try:
        columns = read_header(names, [], choice, below=rows)
    except RecipientsError as error:
        if isinstance(entry := error.values.get("phone_column"), Entry):
            guess["phone"] = entry.value or None
    else:
        guess["phone"] = names[columns.phone]
        guess["consent"] = None if columns.consent is None else names[columns.consent]
    for variable in filling.names:
        if column := _guess_variable(names, variable, replace(choice, phone=guess["phone"], may_go_by_order=False)):
            guess["filled"][variable] = column
    return guess


def _guess_variable(names: Sequence[str], variable: str, choice: Choice) -> str | None:
    """Return the column that has the name of a variable.

    `read_header` needs a column for the phones. If none is chosen, two columns are tried in turn: a wrong one hides the
    column of the variable only if it is that column.
    """
    phones = [choice.phone] if choice.phone else [name for name, count in Counter(names).items() if name and count == 1]
    for phone in phones[:_PHONE_TRIES]:
        try:
            columns = read_header(names, [variable], replace(choice, phone=phone))
        except RecipientsError:
            continue
        return names[columns.variables[0]]
    return None
