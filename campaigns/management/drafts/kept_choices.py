"""Keeps what a person chose for the reading of a list when a list with the same columns takes its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from campaigns.domain.filling import Filling
from campaigns.domain.recipients import (
    HEADER_WITHIN,
    Choice,
    ReadColumns,
    RecipientsError,
    RowProblem,
    fits_text,
    read_header,
    read_names,
)
from campaigns.domain.statement import Entry, Field
from campaigns.domain.text.normal import fold
from campaigns.management.files.looks import load_filling
from campaigns.management.recipients import Reading
from campaigns.sheets.rows import list_sheets, open_sheet
from campaigns.sheets.xlsx import HiddenChoice
from campaigns.store.database import Connection, Database
from campaigns.store.recipients import ImportFacts, list_imported_files


def keep_choices(
    database: Database, campaign_id: int, path: Path, reading: Reading, *, has_region: bool
) -> tuple[Reading, list[Entry]]:
    """Return how to read a file that takes the place of the lists of a draft, and the choices that are kept.

    If the file has the columns of the newest list, its sheet, its columns and its country are those of that list,
    except those that `reading` has already. `has_region`: the person has chosen the country of `reading`. Nobody's
    decision about hidden rows or about people who want no messages is kept, because the file may have other people.
    """
    return database.run(_keep, campaign_id, path, reading, has_region=has_region)


def _keep(
    connection: Connection, campaign_id: int, path: Path, reading: Reading, *, has_region: bool
) -> tuple[Reading, list[Entry]]:
    files = list_imported_files(connection, campaign_id)
    if not files or files[-1].columns is None or files[-1].facts is None:
        return reading, []
    columns, facts = files[-1].columns, files[-1].facts
    given = {Field[name]: value for name, value in facts.given}
    sheet = reading.sheet or given.get(Field.SHEET)
    if not _has_columns(path, columns, sheet):
        return reading, []
    choice, kept = reading.choice, list[Entry]()
    if reading.sheet is None and sheet is not None:
        reading = replace(reading, sheet=sheet)
        kept.append(Entry(Field.SHEET, sheet))
    if choice.phone is None and (phone := given.get(Field.PHONE_COLUMN)) is not None:
        choice = replace(choice, phone=phone)
        kept.append(Entry(Field.PHONE_COLUMN, phone))
    mapping = _find_mapping(columns, facts, load_filling(connection, campaign_id), choice)
    choice = replace(choice, mapping={**mapping, **choice.mapping})
    kept += [Entry(Field.COLUMN, f"{variable}={column}") for variable, column in mapping.items()]
    if not has_region and facts.region and facts.region != reading.region:
        reading = replace(reading, region=facts.region)
        kept.append(Entry(Field.REGION, facts.region))
    return replace(reading, choice=choice), kept


def _find_mapping(columns: ReadColumns, facts: ImportFacts, filling: Filling, choice: Choice) -> dict[str, str]:
    """Return the columns of the variables, if the header alone would not tell the same columns without a doubt.

    A variable or a column that the person names now is left out.
    """
    plain = replace(choice, mapping={}, may_set_values=False)
    pairs = {variable: columns.find(variable) for variable in columns.variables}
    if columns.variables.keys() != {*filling.names} or _is_told(columns, facts, filling, plain):
        return {}
    named, taken = {fold(each) for each in choice.mapping}, {fold(each) for each in choice.mapping.values()}
    return {
        variable: column
        for variable, column in pairs.items()
        if fold(variable) not in {fold(column), *named} and fold(column) not in taken
    }


def _is_told(columns: ReadColumns, facts: ImportFacts, filling: Filling, choice: Choice) -> bool:
    """Tell whether the header is read in the same way if a person names no column, and with no more doubts."""
    try:
        read = read_header(columns.names, filling.names, choice, excerpts=filling.excerpts)
    except RecipientsError:
        return False
    told = dict(zip(filling.names, read.variables, strict=True))
    was_doubtful = any(is_doubtful for _variable, _column, is_doubtful in facts.filled)
    is_doubtful = any(
        position in read.by_position and not fits_text(columns.names[position], filling.excerpts[variable])
        for variable, position in told.items()
    )
    return told == columns.variables and (was_doubtful or not is_doubtful)


def _has_columns(path: Path, columns: ReadColumns, sheet: str | None) -> bool:
    """Tell whether a file has the same columns in its header. The import says what is wrong with another file."""
    try:
        if sheet is not None and sheet not in list_sheets(path):
            return False
        with open_sheet(path, report=lambda _part: None, name=sheet, hidden=HiddenChoice.INCLUDE) as opened:
            top = [cells for _number, cells in islice(opened.rows, HEADER_WITHIN)]
    except (RecipientsError, OSError):
        return False
    return any(_is_header(cells, columns) for cells in top if not isinstance(cells, RowProblem))


def _is_header(cells: Sequence[str], columns: ReadColumns) -> bool:
    try:
        return tuple(read_names(cells)) == columns.names
    except RecipientsError:
        return False
