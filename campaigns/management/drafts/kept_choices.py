"""Keeps what a person chose for the reading of a list when a list with the same columns follows it."""

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
    names_phone,
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
    database: Database, campaign_id: int, path: Path, reading: Reading, *, has_region: bool, keeps_columns: bool
) -> tuple[Reading, list[Entry]]:
    """Return how to read a further file of a campaign, and the choices that are kept.

    If the file has the columns of the newest list, its sheet, its columns and its country are those of that list,
    except those that `reading` has already. `has_region`: the person has chosen the country of `reading`.
    `keeps_columns` False: only the sheet and the country are kept, because the import itself keeps the columns of a
    file that adds people. Nobody's decision about hidden rows or about people who want no messages is kept, because the
    file may have other people.
    """
    return database.run(_keep, campaign_id, path, reading, has_region=has_region, keeps_columns=keeps_columns)


def _keep(
    connection: Connection, campaign_id: int, path: Path, reading: Reading, *, has_region: bool, keeps_columns: bool
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
    name = columns.names[columns.phone]
    phone = given.get(Field.PHONE_COLUMN) or (None if names_phone(name) else name)
    if keeps_columns and choice.phone is None and phone is not None:
        choice = replace(choice, phone=phone)
        kept.append(Entry(Field.PHONE_COLUMN, phone))
    if keeps_columns:
        mapping = _find_mapping(columns, facts, load_filling(connection, campaign_id), choice)
        choice = replace(choice, mapping={**mapping, **choice.mapping})
        kept += [Entry(Field.COLUMN, f"{variable}={column}") for variable, column in mapping.items()]
    # A further file may be read by a setting that has changed, unless the country was another one than the usual one.
    region = facts.region if keeps_columns else given.get(Field.REGION)
    if not has_region and region and region != reading.region:
        reading = replace(reading, region=region)
        kept.append(Entry(Field.REGION, region))
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
