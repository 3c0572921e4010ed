"""What people decide about opt-outs by hand: added, removed, imported."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from campaigns.domain.optout.recognition import Source
from campaigns.domain.phone.number import PhoneError, PhoneReader, make_phone_reader
from campaigns.domain.phone.person import is_number, recipient_key
from campaigns.domain.recipients import PHONE_NAMES, Choice, RecipientsError, RowProblem, phone_text, read_header
from campaigns.privacy.forgotten_people import ForgettingError, find_forgotten, recall_people
from campaigns.sheets.rows import Report, Row, open_sheet
from campaigns.store.database import Connection, Database
from campaigns.store.people import find_user_ids, lock_forgotten
from campaigns.store.suppressions import (
    Decision,
    SuppressionEvent,
    decide_reviews,
    explain_held,
    find_suppressed,
    lift_suppressions,
    write_suppressions,
)

_BATCH = 5_000
_KEPT_PROBLEMS = 100
# What people write between the digits.
_SEPARATORS = re.compile(r"[\s().\-\u2010-\u2015]")


class SuppressionError(ValueError):
    """A phone or a file cannot be used. The message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the rows of a file. `problems`: the first of those that hold no phone, by their numbers."""

    added_count: int
    known_count: int
    rejected_count: int
    problems: tuple[tuple[int, RowProblem], ...]


def read_phone(text: str) -> str:
    """Return a phone as E.164. Raises SuppressionError for what is none."""
    phone = _SEPARATORS.sub("", text)
    if not phone.startswith("+") or not is_number(phone):
        raise SuppressionError(f"{text!r} is not a phone number such as +5511999990000.")
    return phone


def suppress_phones(
    database: Database, phones: Sequence[str], *, reason: str | None, secret_key: str | None = None
) -> list[bool]:
    """Suppress people by hand, all or none; return for each whether that is new. Raises SuppressionError."""
    keys = [recipient_key(read_phone(phone)) for phone in phones]
    new = database.run(_suppress, keys, Source.MANUAL, reason, secret_key)
    return [key in new for key in keys]


def lift_phones(database: Database, phones: Sequence[str], *, secret_key: str | None) -> list[bool]:
    """Let people be messaged again, all or none; return for each whether they were suppressed. Their answers that wait
    for review are dismissed.

    Raises SuppressionError, and ForgettingError where forgotten people cannot be recognised.
    """
    keys = [recipient_key(read_phone(phone)) for phone in phones]

    def work(connection: Connection) -> set[str]:
        decided = decide_reviews(connection, keys, Decision.DISMISSED)
        explain_held(connection, {each.recipient_key for each in decided})
        user_ids = find_user_ids(connection, keys)
        lifted = lift_suppressions(connection, [*keys, *user_ids])
        return lifted | set(recall_people(connection, keys, secret_key=secret_key))

    lifted = database.run(work)
    return [key in lifted for key in keys]


def import_suppressions(
    database: Database, path: Path, *, phone_column: str | None, region: str, secret_key: str | None, report: Report
) -> Imported:
    """Suppress everybody in a CSV or XLSX file: one phone per row, or a table whose header names the phones.

    Raises SuppressionError, RecipientsError, OSError. Batches are written as they come: an import that was cut off may
    be run again.
    """
    counts = Counter[str]()
    problems: list[tuple[int, RowProblem]] = []
    try:
        with open_sheet(path, report=report) as sheet:
            rows = _read_phones(sheet.rows, phone_column, make_phone_reader(region))
            while batch := list(islice(rows, _BATCH)):
                bad = [(number, each) for number, each in batch if isinstance(each, RowProblem)]
                good = dict.fromkeys(recipient_key(each) for _, each in batch if isinstance(each, str))
                problems += bad[: _KEPT_PROBLEMS - len(problems)]
                new = database.run(_suppress, list(good), Source.IMPORT, path.name, secret_key)
                counts.update(added=len(new), known=len(good) - len(new), rejected=len(bad))
    except RecipientsError as error:
        raise RecipientsError(f"{path}: {error}.") from None
    if not counts.total():
        raise SuppressionError(f"{path}: there is no phone in it.")
    return Imported(counts["added"], counts["known"], counts["rejected"], tuple(problems))


def _read_phones(
    rows: Iterator[tuple[int, Row]], phone_column: str | None, read_phone: PhoneReader
) -> Iterator[tuple[int, str | RowProblem]]:
    """Yield the phone of each row that has something in it, or what is wrong with it, with the number of the row.

    Cells that no header names cost nobody the opt-out: the phone is all that is taken from a row.
    """
    rows = ((number, row) for number, row in rows if isinstance(row, RowProblem) or any(map(str.strip, row)))
    first = next(rows, None)
    if first is None:
        return
    header = first[1]
    if isinstance(header, RowProblem):
        raise RecipientsError(f"row {first[0]}: {header.column} {header.reason}")
    if phone_column is None and _is_list(header):
        column, name, rows = 0, "", chain([first], rows)
    else:
        columns = read_header(header, [], Choice(phone=phone_column))
        column, name = columns.phone, columns.names[columns.phone]
    for row_number, row in rows:
        if isinstance(row, RowProblem):
            yield row_number, row
            continue
        try:
            yield row_number, read_phone(phone_text(row[column]) if column < len(row) else "")
        except PhoneError as error:
            yield row_number, RowProblem(name, str(error))


def _is_list(row: Sequence[str]) -> bool:
    """Tell whether the first row is a phone already: nothing but one cell, which is no name of a column."""
    return not any(map(str.strip, row[1:])) and row[0].strip().casefold() not in PHONE_NAMES


def _suppress(
    connection: Connection, keys: Sequence[str], source: Source, detail: str | None, secret_key: str | None
) -> set[str]:
    """Write a person's word; return who was not suppressed before, by any source. Who was forgotten stays a hash."""
    lock_forgotten(connection)
    try:
        forgotten = find_forgotten(connection, keys, secret_key=secret_key)
    except ForgettingError:  # nobody can tell who it was: suppressed in clear is suppressed
        forgotten = set()
    named = [key for key in dict.fromkeys(keys) if key not in forgotten]
    known = find_suppressed(connection, named)
    said = [SuppressionEvent(key, source, True, None, detail) for key in named]  # noqa: FBT003
    write_suppressions(connection, said)
    return set(named) - known
