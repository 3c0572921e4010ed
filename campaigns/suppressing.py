"""What people decide about opt-outs by hand: added, removed, imported."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from campaigns.domain.optout import Source
from campaigns.domain.person import is_number, recipient_key
from campaigns.remembering import recall_people
from campaigns.store.database import Connection, Database
from campaigns.store.suppressions import (
    SuppressionEvent,
    find_suppressed,
    lift_suppressions,
    write_suppressions,
)

_BATCH = 5_000
_SHOWN_LINES = 5
_PHONE = "phone"
# What people write between the digits.
_SEPARATORS = re.compile(r"[\s().\-\u2010-\u2015]")


class SuppressionError(ValueError):
    """A phone or a file cannot be used. The message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the lines of a file. `rejected_lines`: the first of those that hold no phone."""

    added_count: int
    known_count: int
    rejected_count: int
    rejected_lines: tuple[int, ...]


def read_phone(text: str) -> str:
    """Return a phone as E.164. Raises SuppressionError for what is none."""
    phone = _SEPARATORS.sub("", text)
    if not phone.startswith("+") or not is_number(phone):
        raise SuppressionError(f"{text!r} is not a phone number such as +5511999990000.")
    return phone


def suppress_phones(database: Database, phones: Sequence[str], *, reason: str | None) -> list[bool]:
    """Suppress people by hand, all or none; return for each whether that is new. Raises SuppressionError."""
    keys = [recipient_key(read_phone(phone)) for phone in phones]
    new = database.run(_suppress, keys, Source.MANUAL, reason)
    return [key in new for key in keys]


def lift_phones(database: Database, phones: Sequence[str], *, secret_key: str | None) -> list[bool]:
    """Let people be messaged again, all or none; return for each whether they were suppressed.

    Raises SuppressionError, and ForgettingError where forgotten people cannot be recognised.
    """
    keys = [recipient_key(read_phone(phone)) for phone in phones]

    def work(connection: Connection) -> set[str]:
        return lift_suppressions(connection, keys) | set(recall_people(connection, keys, secret_key=secret_key))

    lifted = database.run(work)
    return [key in lifted for key in keys]


def import_suppressions(database: Database, path: Path) -> Imported:
    """Suppress everybody in a file: one phone per line, or a CSV file with a column `phone`.

    Raises SuppressionError. Batches are written as they come: an import that was cut off may be run again.
    """
    counts = Counter[str]()
    bad_lines: list[int] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = _read_phones(path, file)
        while batch := list(islice(lines, _BATCH)):
            good = dict.fromkeys(recipient_key(phone) for _, phone in batch if phone is not None)
            bad_lines += [line_number for line_number, phone in batch if phone is None]
            new = database.run(_suppress, list(good), Source.IMPORT, path.name)
            counts.update(added=len(new), known=len(good) - len(new))
    if not counts.total() and not bad_lines:
        raise SuppressionError(f"{path}: there is no phone in it.")
    return Imported(counts["added"], counts["known"], len(bad_lines), tuple(bad_lines[:_SHOWN_LINES]))


def _read_phones(path: Path, file: Iterable[str]) -> Iterator[tuple[int, str | None]]:
    """Yield the phone of each line that is not blank, None where it is none, with the number of the line."""
    column: int | None = None
    rows = csv.reader(_check_text(path, file), strict=True)
    try:
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            if column is None:
                names = [cell.strip().lower() for cell in cells]
                column = names.index(_PHONE) if _PHONE in names else 0
                if _PHONE in names:
                    continue
                if len(cells) > 1:
                    raise SuppressionError(f"{path}: the first line names no column phone.")
            try:
                phone = read_phone(cells[column] if column < len(cells) else "")
            except SuppressionError:
                yield rows.line_num, None
            else:
                yield rows.line_num, phone
    except csv.Error as error:
        raise SuppressionError(f"{path}: line {rows.line_num} is not CSV: {error}.") from None


def _check_text(path: Path, file: Iterable[str]) -> Iterator[str]:
    try:
        yield from file
    except UnicodeDecodeError:
        raise SuppressionError(f"{path}: the file is not UTF-8, save it as CSV UTF-8.") from None


def _suppress(connection: Connection, keys: Sequence[str], source: Source, detail: str | None) -> set[str]:
    """Write a person's word; return who was not suppressed before, by any source."""
    known = find_suppressed(connection, keys)
    said = [SuppressionEvent(key, source, True, None, detail) for key in dict.fromkeys(keys)]  # noqa: FBT003
    write_suppressions(connection, said)
    return set(keys) - known
