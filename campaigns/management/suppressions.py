"""Adds, removes and imports suppressions by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from campaigns.domain.optout.recognition import Source
from campaigns.domain.phone.foreign import ForeignPhones, ForeignSearch
from campaigns.domain.phone.number import PhoneReader, make_phone_reader
from campaigns.domain.phone.person import invalid_phone, is_number, recipient_key
from campaigns.domain.phone.written import PhoneError, PhoneProblem
from campaigns.domain.recipients import (
    HEADER_WITHIN,
    Choice,
    RecipientsError,
    RowProblem,
    demand_header,
    names_phone,
    phone_text,
    read_header,
)
from campaigns.domain.statement import Refusal
from campaigns.domain.text.normal import is_blank
from campaigns.domain.text.reasons import SAID_NO
from campaigns.domain.users.actor import Act, Actor
from campaigns.privacy.forgotten_people import ForgettingError, find_forgotten, recall_people
from campaigns.sheets.package import Report
from campaigns.sheets.rows import Row, open_sheet
from campaigns.sheets.xlsx import HiddenChoice
from campaigns.store.database import Connection, Database
from campaigns.store.optouts.reviews import Decision, clear_review_reason, decide_reviews
from campaigns.store.optouts.suppressions import (
    SuppressionEvent,
    find_suppressed,
    lift_suppressions,
    write_suppressions,
)
from campaigns.store.people import find_user_ids, lock_forgotten
from campaigns.store.users.audit import write_audit

_BATCH = 5_000
_KEPT_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import. `problems`: the first rejected rows, each with its row number.

    `hidden_count`: the number of hidden rows, whose phones were read like all others. `foreign`: phones that may be
    those of another country.
    """

    added_count: int
    known_count: int
    rejected_count: int
    problems: tuple[tuple[int, RowProblem], ...]
    hidden_count: int
    foreign: ForeignPhones | None


def read_phone(text: str, region: str) -> str:
    """Return the phone that an import reads from the same text, in E.164. Raises PhoneError.

    A text of a + and digits only is a phone even if no country assigns the number, because Meta may send a number that
    our tables do not have yet.
    """
    try:
        return make_phone_reader(region, takes_tests=True)(text)
    except PhoneError as error:
        if error.problem is not PhoneProblem.INVALID or not _is_e164(text):
            raise
    return text


def suppress_phones(
    database: Database, phones: Sequence[str], *, actor: Actor, reason: str | None, secret_key: str | None = None
) -> list[bool]:
    """Suppress people by hand, all or none; return for each phone whether the suppression is new.

    `phones`: in E.164. Raises Refusal.
    """
    keys = _make_keys(phones)

    def work(connection: Connection) -> set[str]:
        new = _suppress(connection, keys, Source.MANUAL, reason, secret_key)
        after = {"person_count": len(set(keys)), "new_count": len(new)}
        write_audit(connection, actor, Act.SUPPRESSION_ADD, after=after)
        return new

    new = database.run(work)
    return [key in new for key in keys]


def count_unrecorded(database: Database, people: Collection[str], *, secret_key: str | None) -> int:
    """Return how many of these people, by their recipient keys, `record_refusals` would suppress."""
    return len(database.run(_find_unrecorded, people, secret_key))


def record_refusals(
    database: Database, campaign_id: int, people: Collection[str], *, actor: Actor, secret_key: str | None
) -> int:
    """Suppress the people who say no in a list of a campaign; return the number of those who were not suppressed.

    `people`: their recipient keys.
    """
    return database.run(record_refusals_in, campaign_id, people, actor, secret_key=secret_key)


def record_refusals_in(
    connection: Connection, campaign_id: int, people: Collection[str], actor: Actor, *, secret_key: str | None
) -> int:
    """Do the work of `record_refusals` in a transaction of the caller.

    A person who is suppressed already keeps the suppression with its source and its time.
    """
    new = sorted(_find_unrecorded(connection, people, secret_key)) if people else []
    if new:
        _suppress(connection, new, Source.IMPORT, SAID_NO.format(id=campaign_id), secret_key)
        after = {"campaign_id": campaign_id, "person_count": len(new)}
        write_audit(connection, actor, Act.SUPPRESSION_RECORD, after=after)
    return len(new)


def _find_unrecorded(connection: Connection, people: Collection[str], secret_key: str | None) -> set[str]:
    keys = sorted(people)
    return {*keys} - find_suppressed(connection, keys) - _find_forgotten(connection, keys, secret_key)


def lift_phones(database: Database, phones: Sequence[str], *, actor: Actor, secret_key: str | None) -> list[bool]:
    """End the suppressions of people, all or none; return for each phone whether the person was suppressed.

    `phones`: in E.164. Answers of these people that wait for review are dismissed. Raises Refusal if a phone is
    invalid, or if forgotten people cannot be recognised.
    """
    keys = _make_keys(phones)

    def work(connection: Connection) -> set[str]:
        decided = decide_reviews(connection, keys, Decision.DISMISSED)
        clear_review_reason(connection, {each.recipient_key for each in decided})
        user_ids = find_user_ids(connection, keys)
        lifted = lift_suppressions(connection, [*keys, *user_ids])
        lifted |= set(recall_people(connection, keys, secret_key=secret_key))
        after = {"person_count": len(set(keys)), "lifted_count": len(lifted & set(keys))}
        write_audit(connection, actor, Act.SUPPRESSION_REMOVE, after=after)
        return lifted

    lifted = database.run(work)
    return [key in lifted for key in keys]


def import_suppressions(
    database: Database,
    path: Path,
    *,
    actor: Actor,
    phone_column: str | None,
    region: str,
    secret_key: str | None,
    report: Report,
    sheet_name: str | None = None,
) -> Imported:
    """Suppress everybody in a CSV or XLSX file: one phone per row, or a table whose header names the column of phones.

    Hidden rows are read as well, because a message to a person who wants no messages does more harm than a message that
    is not sent. Each batch of rows is committed by itself. An interrupted import can be repeated. Raises Refusal;
    OSError if the file cannot be read.
    """
    counts = Counter[str]()
    problems: list[tuple[int, RowProblem]] = []
    foreign = ForeignSearch(region)
    try:
        with open_sheet(path, report=report, name=sheet_name, hidden=HiddenChoice.INCLUDE) as sheet:
            rows = _read_phones(sheet.rows, phone_column, make_phone_reader(region, takes_tests=True), foreign)
            while batch := list(islice(rows, _BATCH)):
                bad = [(number, each) for number, each in batch if isinstance(each, RowProblem)]
                good = dict.fromkeys(recipient_key(each) for _, each in batch if isinstance(each, str))
                problems += bad[: _KEPT_PROBLEMS - len(problems)]
                new = database.run(_import_batch, list(good), path.name, secret_key, actor)
                counts.update(added=len(new), known=len(good) - len(new), rejected=len(bad))
    except RecipientsError as error:
        raise error.in_file(path) from None
    if not counts.total():
        raise Refusal("phones_missing", "{path}: there is no phone in it.", path=str(path))
    return Imported(
        counts["added"],
        counts["known"],
        counts["rejected"],
        tuple(problems),
        sheet.hidden.row_count,
        foreign.find(),
    )


def _make_keys(phones: Sequence[str]) -> list[str]:
    """Return the recipient keys of phones. Raises Refusal for a phone that is not in E.164."""
    for phone in phones:
        if not _is_e164(phone):
            raise invalid_phone(phone)
    return [recipient_key(phone) for phone in phones]


def _is_e164(text: str) -> bool:
    return text.startswith("+") and is_number(text)


def _read_phones(
    rows: Iterator[tuple[int, Row]], phone_column: str | None, read_phone: PhoneReader, foreign: ForeignSearch
) -> Iterator[tuple[int, str | RowProblem]]:
    """Yield the number of each row that is not empty, with its phone or its problem.

    Only the phone is read from a row, so a row is not rejected because of cells without a header.
    """
    rows = ((number, row) for number, row in rows if isinstance(row, RowProblem) or not all(map(is_blank, row)))
    top = list(islice(rows, HEADER_WITHIN))
    if not top:
        return
    position, header = demand_header(top, phone_column)
    first, rows = top[position], chain(top[position + 1 :], rows)
    if phone_column is None and _is_list(header):
        column = next(position for position, cell in enumerate(header) if not is_blank(cell))
        name, rows = "", chain([first], rows)
    else:
        below = [row for _, row in top[position + 1 :] if not isinstance(row, RowProblem)]
        columns = read_header(header, [], Choice(phone=phone_column), below=below)
        column, name = columns.phone, columns.names[columns.phone]
    for row_number, row in rows:
        if isinstance(row, RowProblem):
            yield row_number, row
            continue
        try:
            text = phone_text(row[column]) if column < len(row) else ""
            phone = read_phone(text)
            foreign.add(row_number, text, phone)
            yield row_number, phone
        except PhoneError as error:
            yield row_number, RowProblem(name, str(error), error.problem)


def _is_list(row: Sequence[str]) -> bool:
    """Tell whether a file with this first row has no header: the row has one cell, which names no phone column."""
    filled = [cell for cell in row if not is_blank(cell)]
    return len(filled) == 1 and not names_phone(filled[0])


def _import_batch(
    connection: Connection, keys: Sequence[str], file_name: str, secret_key: str | None, actor: Actor
) -> set[str]:
    new = _suppress(connection, keys, Source.IMPORT, file_name, secret_key)
    after = {"file": file_name, "person_count": len(keys), "new_count": len(new)}
    write_audit(connection, actor, Act.SUPPRESSION_IMPORT, after=after)
    return new


def _suppress(
    connection: Connection, keys: Sequence[str], source: Source, detail: str | None, secret_key: str | None
) -> set[str]:
    """Suppress people; return the keys of those who had no suppression before.

    Forgotten people are left out, because their keys must not be stored.
    """
    lock_forgotten(connection)
    forgotten = _find_forgotten(connection, keys, secret_key)
    named = [key for key in dict.fromkeys(keys) if key not in forgotten]
    known = find_suppressed(connection, named)
    said = [SuppressionEvent(key, source, True, None, detail) for key in named]  # noqa: FBT003
    write_suppressions(connection, said)
    return set(named) - known


def _find_forgotten(connection: Connection, keys: Sequence[str], secret_key: str | None) -> set[str]:
    try:
        return find_forgotten(connection, keys, secret_key=secret_key)
    except ForgettingError:  # without the secret key nobody is recognised as forgotten, so nobody is left out
        return set()
