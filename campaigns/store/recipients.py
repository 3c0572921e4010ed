"""The import of recipients: COPY to a staging table, then one statement that inserts the messages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from campaigns.domain.audience.conditions import Who
from campaigns.domain.message import Status
from campaigns.domain.pacing import Window
from campaigns.domain.phone.foreign import ForeignPhones, PhonesAbroad
from campaigns.domain.phone.nine import MobilesWithoutNine
from campaigns.domain.phone.person import recipient_key
from campaigns.domain.phone.zones import ZoneHours, find_zones
from campaigns.domain.recipients import ReadColumns, Recipient, RowProblem
from campaigns.domain.text.date_order import OtherOrder
from campaigns.domain.text.dragged import DraggedCells
from campaigns.domain.text.kinds import ExchangedHeadings, FormCount, KindCounts
from campaigns.store.database import Connection, allow_long_statements, query, read_clock

# Separates the variables of a staged row. No variable contains this character, because control characters are refused.
# A COPY of arrays is not used, because writing an array takes the client longer than writing all other columns of the
# row.
_SEPARATOR = "\x1f"
_COPY_ROWS = 1000  # the number of rows in one write to COPY
_FETCH_ROWS = 10_000
# The report of an import names at most this many rows of each code.
_GROUP_ROWS = 3
# Separates the possible time zones of a phone.
ZONE_SEPARATOR = ","


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """The result of an import. `recipient_count`: the number of rows that became messages.

    `other_values_count`: the number of people who were in the campaign with other values, which they keep.
    """

    recipient_count: int
    duplicate_count: int
    rejected_count: int
    other_values_count: int = 0


@dataclass(frozen=True, slots=True)
class ImportErrorRow:
    """A row that did not become a message. `row_number`: the number of the row in a spreadsheet, where the header is
    row 1.

    `code`: the kind of the reason, a `RowCode` or a `PhoneProblem`.
    """

    file_name: str
    row_number: int
    column_name: str
    reason: str
    code: str


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """The rows of one import with the same code. `row_count`: the number of these rows.

    `rows`: the first of these rows, as (row number, column, reason).
    """

    code: str
    row_count: int
    rows: list[tuple[int, str, str]]


@dataclass(frozen=True, slots=True)
class Likeness:
    """The comparison of an imported file with an earlier file of the campaign.

    `number`: 1 for the first file of the campaign. `both_count`: the number of people in both files. `old_count`: the
    number of people in the earlier file only. `renamed_count`: of these, the number whose values one new person has,
    and nobody else.
    """

    number: int
    both_count: int
    old_count: int
    renamed_count: int


@dataclass(frozen=True, slots=True)
class ImportedRows:
    """The rows of one import. `first`: the id, the phone and the variables of the import's first message; None if the
    import has no message. `last_error_id`: the id of the campaign's last import error before this import, or 0.
    `differing_count` and `differing_row`: the number of rows with other values than an earlier row of the same person
    in the file, and the first such row. `other_form_count` and `other_form_row`: the same for those of these rows in
    which the phone has another form, such as one without its 9.
    """

    counts: ImportCounts
    first: tuple[int, str, list[str]] | None
    groups: list[ErrorGroup]
    last_error_id: int
    likenesses: Sequence[Likeness] = ()
    differing_count: int = 0
    differing_row: int = 0
    other_form_count: int = 0
    other_form_row: int = 0


@dataclass(frozen=True, slots=True)
class ImportFacts:
    """The facts about an imported file of which people are warned after the import and before a start.

    `phone_column`: the column from which phones were read. `likely_phone_column`: another column that has phones, if
    most rows have no phone in `phone_column`. `filled`: the variables with their columns, and whether only the order of
    the columns decided. `other_values_count`: see `ImportCounts`. `word` and `line`: a word that looks wrong, and the
    line that has it, if the encoding of the file is not certain. `refusing_rows`, `refusing_columns` and
    `refusing_row`: the number of rows that say that the person wants no messages, their columns and the first such row,
    if these people are in the campaign. `unanswered_rows`, `unanswered_columns` and `unanswered_row`: the same for rows
    that have no answer in a column of consents. `unanswered_words`: see `Refusals.words`. `first_message_id`: the
    first message of the file; None if it has no message. `new_count`: the number of messages. `likeness`: the
    comparison with the earlier file that is the most alike. `other_files_count`: the number of people of the other
    earlier files. `document_count` and `document_row`: the number of cells of `phone_column` with the number of a CPF
    or a CNPJ, and the first such row; 0 if there are no more than by chance. `notes`: by column in which other notes
    are refusals, the number of different notes that are none, and the first of them with their rows. `country_column`
    and `countries`: a column with several countries, and its texts beside phones without a country code, each with
    its number of rows. `only_here_count`: the rows that have their phone in `phone_column`, and nothing in
    `likely_phone_column`. `landline_count`: the number of landlines, if nearly all phones are landlines, else 0.
    `mixed`: by column whose cells are of several forms, these forms: the name of the form, the number of its cells, and
    the row and the text of the first. `past`: the columns whose dates should be to come, but were all past: column, row
    and text of the latest date. `coming`: the same for dates that were not all past, and the latest date itself in the
    form 2026-12-31. `kinds`: by variable, the kinds of the cells of its column. `exchanged`: by
    variable, the column that fits the template better, if a person seems to have exchanged columns. `language`: the
    language in which the numbers and dates of a workbook were written; "" for a CSV file, which has texts only.
    `differing_count`, `differing_row`, `other_form_count` and `other_form_row`: see `ImportedRows`. `foreign`: phones
    that may be those of another country.
    `document_rows`: the first rows of `document_count`. `other_regions`: the countries in which nearly all phones that
    are not valid in `region` would be valid; `elsewhere_count`: their number. `headings`: the rows that seem to be
    headings in the list: row, words and number of people below. `bare`: by column whose numbers seem to lack their
    number format, these numbers. `orders`: by column, dates whose day and month stand in another order than in the
    language of the template.
    `documents_in_text`: the variables that a column of CPFs or CNPJs fills, and this column.
    `hidden_row_count`: the number of hidden rows that were left out.
    `without_nine`: old mobile phones of Brazil, or mobile phones that have lost a digit.
    `misread_count` and `misread_row`: the number of rows with letters in the encoding of another system, and the first.
    `elsewhere_fitting`: the number of phones that are not valid in `region` and may be those of `foreign.likely`.
    `sheet`: the name of the sheet of a workbook that was read; "" for a CSV file. `doubled`: the variables whose values
    repeat a word of the text beside them: variable, column, and the row and the text of the first such cell.
    `clashes`: the columns whose values do not belong into the text beside them: variable, column, the value of a
    `Clash`, and the text of the first cell. `made_up_count` and `made_up`: the number of phones that look made up, and
    the first rows, each with its phone.
    `given`: the fields that the person filled in for the reading of the file, each with its value. `last_error_id`: see
    `ImportedRows`; None: an older version imported the file. `given_path`: see `Reading`.
    `abroad`: rejected phones that lack the code of their country, by country. `exchanged_headings`: two columns whose
    names seem to be exchanged.
    `dragged_phones` and `dragged`: phones, and the values of columns, that change by the same step from row to row.
    """

    phone_column: str
    likely_phone_column: str | None = None
    filled: list[tuple[str, str, bool]] = field(default_factory=list)
    other_values_count: int = 0
    word: str = ""
    line: int = 0
    refusing_rows: int = 0
    refusing_columns: list[str] = field(default_factory=list)
    refusing_row: int = 0
    unanswered_rows: int = 0
    unanswered_columns: list[str] = field(default_factory=list)
    unanswered_row: int = 0
    unanswered_words: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    notes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    country_column: str = ""
    countries: Sequence[Sequence[Any]] = ()
    only_here_count: int = 0
    first_message_id: int | None = None
    new_count: int = 0
    likeness: Likeness | None = None
    other_files_count: int = 0
    document_count: int = 0
    document_row: int = 0
    landline_count: int = 0
    mixed: Mapping[str, list[FormCount]] = field(default_factory=dict)
    past: list[tuple[str, int, str]] = field(default_factory=list)
    coming: list[tuple[str, int, str, str]] = field(default_factory=list)
    kinds: Mapping[str, KindCounts] = field(default_factory=dict)
    exchanged: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    differing_count: int = 0
    differing_row: int = 0
    other_form_count: int = 0
    other_form_row: int = 0
    foreign: ForeignPhones | None = None
    document_rows: list[int] = field(default_factory=list)
    region: str = ""
    other_regions: list[str] = field(default_factory=list)
    elsewhere_count: int = 0
    headings: list[tuple[int, str, int]] = field(default_factory=list)
    bare: Mapping[str, FormCount] = field(default_factory=dict)
    orders: Mapping[str, OtherOrder] = field(default_factory=dict)
    documents_in_text: list[tuple[str, str]] = field(default_factory=list)
    hidden_row_count: int = 0
    without_nine: MobilesWithoutNine | None = None
    misread_count: int = 0
    misread_row: int = 0
    given: list[tuple[str, str]] = field(default_factory=list)
    elsewhere_fitting: int = 0
    sheet: str = ""
    doubled: list[tuple[str, str, int, str]] = field(default_factory=list)
    made_up_count: int = 0
    made_up: list[tuple[int, str]] = field(default_factory=list)
    clashes: list[tuple[str, str, str, str]] = field(default_factory=list)
    dragged_phones: DraggedCells | None = None
    dragged: list[DraggedCells] = field(default_factory=list)
    exchanged_headings: ExchangedHeadings | None = None
    abroad: list[PhonesAbroad] = field(default_factory=list)
    last_error_id: int | None = None
    given_path: str = ""

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> ImportFacts:
        """Return the facts that `asdict` has written. Another version of Revoada may have written further facts."""
        known = {each.name for each in fields(cls)}
        likeness, mixed = written.get("likeness"), written.get("mixed", {})
        foreign, nine = written.get("foreign"), written.get("without_nine")
        phones, headings = written.get("dragged_phones"), written.get("exchanged_headings")
        return cls(
            **{
                **{name: value for name, value in written.items() if name in known},
                "likeness": None if likeness is None else Likeness(**likeness),
                "foreign": None if foreign is None else ForeignPhones(**foreign),
                "without_nine": None if nine is None else MobilesWithoutNine(**nine),
                "mixed": {column: [FormCount(*form) for form in forms] for column, forms in mixed.items()},
                "bare": {column: FormCount(*form) for column, form in written.get("bare", {}).items()},
                "orders": {column: OtherOrder(*order) for column, order in written.get("orders", {}).items()},
                "dragged_phones": None if phones is None else DraggedCells(*phones),
                "exchanged_headings": None if headings is None else ExchangedHeadings(*headings),
                "abroad": [PhonesAbroad(*each) for each in written.get("abroad", [])],
                "dragged": [DraggedCells(*each) for each in written.get("dragged", [])],
            }
        )


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """A file that was imported into a campaign. `number`: 1 for the first file of the campaign.

    `columns` and `facts`: None if an older version imported the file.
    """

    number: int
    name: str
    imported_at: dt.datetime
    columns: ReadColumns | None
    facts: ImportFacts | None

    @property
    def path(self) -> str:
        """The path of the file as a person gave it in a command, else its name."""
        return (self.facts.given_path if self.facts is not None else "") or self.name


@dataclass(frozen=True, slots=True)
class Overlap:
    """Another campaign that shares recipients or a file with this campaign.

    `people_count`: the number of recipients of this campaign. `shared_count`: the number of recipients that both
    campaigns have. `at`: the creation of the other campaign if it is a draft, its planned start if it is scheduled, its
    end if it has ended, and its start in all other cases; None: the other campaign has not started yet.
    `got_count`: the number of people who will get this campaign and to whom the other campaign has sent a message, or
    may have. `got_since` and `got_at`: when it sent the first and the last message to one of them. `waiting_count`: the
    number of people who will get this campaign and have a pending message of the other one.
    """

    campaign_id: int
    name: str
    status: str
    at: dt.datetime | None
    server_now: dt.datetime
    shared_count: int
    people_count: int
    has_same_file: bool
    has_same_template: bool
    got_count: int
    got_at: dt.datetime | None
    got_since: dt.datetime | None
    waiting_count: int


def allow_long_transaction(connection: Connection) -> None:
    """Remove the idle and statement timeouts of this transaction, for work with a whole file."""
    allow_long_statements(connection)
    connection.execute(query("allow_idle_transaction"))


def stage_rows(connection: Connection, rows: Iterable[tuple[int, Recipient | RowProblem]]) -> None:
    """Copy numbered rows to a staging table in constant memory. If `rows` raises, the transaction is rolled back."""
    connection.execute(query("stage_recipients"))
    lines: list[str] = []
    with connection.cursor() as cursor, cursor.copy(query("copy_recipients")) as copy:
        for row_number, row in rows:
            lines.append(_to_line(row_number, row))
            if len(lines) >= _COPY_ROWS:
                copy.write("".join(lines))
                lines.clear()
        copy.write("".join(lines))


def reject_staged(connection: Connection, keys: Collection[str], *, phone_column: str) -> None:
    """Reject the staged rows of these people. `phone_column`: the name of the column of the phones."""
    connection.execute(query("reject_staged"), {"keys": list(keys), "column_name": phone_column})


def reject_rows(connection: Connection, problems: Sequence[tuple[int, str, str]], *, code: str) -> set[str]:
    """Reject staged rows; return the recipient keys of their people.

    `problems`: the number of a row, the name of the column that is wrong, and the reason.
    """
    numbers, columns, reasons = zip(*problems, strict=True)
    parameters = {"numbers": list(numbers), "columns": list(columns), "reasons": list(reasons), "code": code}
    return {key for (key,) in connection.execute(query("reject_rows"), parameters)}


def list_read_columns(connection: Connection, campaign_id: int) -> list[ReadColumns]:
    """Return the columns of the files that were imported into a campaign, of the newest file first."""
    rows = connection.execute(query("list_read_columns"), {"campaign_id": campaign_id})
    return [_read_columns(columns) for (columns,) in rows]


def _read_columns(columns: dict[str, Any]) -> ReadColumns:
    return ReadColumns(**{**columns, "names": tuple(columns["names"])})


def write_staged(
    connection: Connection,
    campaign_id: int,
    *,
    file_name: str,
    file_sha256: bytes,
    columns: ReadColumns,
) -> ImportedRows:
    """Insert messages and import errors from the staged rows. `columns`: the columns of the file.

    The caller has created or locked the campaign in this transaction, so the campaign cannot complete in the meantime.
    """
    file = {"campaign_id": campaign_id, "file_name": file_name}
    last = connection.execute(query("find_last_ids"), {"campaign_id": campaign_id}).fetchone()
    assert last is not None
    last_ids = {"campaign_id": campaign_id, "last_message_id": last[0], "last_error_id": last[1]}
    imported = file | {"file_sha256": file_sha256, "columns": Jsonb(asdict(columns))}
    connection.execute(query("insert_import"), imported)
    rejected_count = connection.execute(query("insert_import_errors"), file).rowcount
    parameters = {"campaign_id": campaign_id, "separator": _SEPARATOR}
    connection.execute(query("insert_zones"), parameters)
    recipient_count = connection.execute(query("insert_recipients"), parameters).rowcount
    staged = connection.execute(query("count_staged")).fetchone()
    assert staged is not None
    counts = ImportCounts(recipient_count, staged[0] - rejected_count - recipient_count, rejected_count)
    differing: Sequence[int] = ()
    if counts.duplicate_count:
        values = file | last_ids | parameters | {"column_name": columns.names[columns.phone]}
        other = connection.execute(query("insert_duplicates"), values).fetchone()
        assert other is not None
        other_count, *differing = other
        counts = replace(counts, other_values_count=other_count)
    likenesses = _compare_with_files(connection, last_ids) if counts.recipient_count and last[0] else []
    connection.execute(query("drop_staged"))
    connection.execute(
        query("count_recipients"),
        {
            "campaign_id": campaign_id,
            "recipient_count": counts.recipient_count,
            "duplicate_count": counts.duplicate_count,
            "rejected_count": counts.rejected_count,
        },
    )
    first = connection.execute(query("find_first_imported"), last_ids).fetchone()
    groups = _group_errors(connection, last_ids)
    return ImportedRows(counts, first, groups, last[1], likenesses, *differing)


def _compare_with_files(connection: Connection, last_ids: Mapping[str, int]) -> list[Likeness]:
    """Compare the staged rows with the earlier files of a campaign that have messages."""
    files = [
        (file.facts.first_message_id, file.number)
        for file in list_imported_files(connection, last_ids["campaign_id"])
        if file.facts is not None and file.facts.first_message_id is not None
    ]
    rows = connection.execute(query("compare_with_files"), {**last_ids, "starts": [first for first, _ in files]})
    # Messages before the first of these files are those of an older version, or of a copied campaign.
    return [Likeness(files[place - 1][1], *counts) for place, *counts in rows if place]


def set_import_facts(connection: Connection, campaign_id: int, facts: ImportFacts) -> None:
    """Keep the facts about the import that this transaction has just written."""
    connection.execute(query("set_import_facts"), {"campaign_id": campaign_id, "facts": Jsonb(asdict(facts))})


def list_imported_files(connection: Connection, campaign_id: int) -> list[ImportedFile]:
    """Return the files of a campaign, in the order of the imports."""
    rows = connection.execute(query("list_imported_files"), {"campaign_id": campaign_id})
    return [
        ImportedFile(
            number,
            name,
            imported_at,
            None if columns is None else _read_columns(columns),
            None if facts is None else ImportFacts.read(facts),
        )
        for number, (name, imported_at, columns, facts) in enumerate(rows, start=1)
    ]


def _group_errors(connection: Connection, last_ids: Mapping[str, int]) -> list[ErrorGroup]:
    groups: dict[str, ErrorGroup] = {}
    for code, row_count, *row in connection.execute(query("group_import_errors"), {**last_ids, "limit": _GROUP_ROWS}):
        groups.setdefault(code, ErrorGroup(code, row_count, [])).rows.append((row[0], row[1], row[2]))
    return list(groups.values())


def copy_recipients(
    connection: Connection,
    source_id: int,
    copy_id: int,
    *,
    statuses: Collection[Status],
    template_id: int,
    columns: Sequence[str],
) -> int | None:
    """Give a new campaign the people of another campaign whose messages have these statuses; return their number.

    People whose data are erased are left out. `template_id` and `columns`: the template and the columns of the other
    campaign that the caller has read. If the other campaign has other ones by now, nobody is copied, and the result is
    None.
    """
    allow_long_transaction(connection)
    parameters = {
        "source_id": source_id,
        "copy_id": copy_id,
        "statuses": [status.value for status in statuses],
        "template_id": template_id,
        "columns": list(columns),
    }
    row = connection.execute(query("copy_messages"), parameters).fetchone()
    assert row is not None
    is_same, count = row
    if not is_same:
        return None
    counts = {"campaign_id": copy_id, "recipient_count": count, "duplicate_count": 0, "rejected_count": 0}
    connection.execute(query("count_recipients"), counts)
    return int(count)


@dataclass(frozen=True, slots=True)
class AudienceCount:
    """The people of a campaign who fit an audience: all, those whose message is uncertain, and those who opted out."""

    count: int
    uncertain_count: int
    suppressed_count: int


@dataclass(frozen=True, slots=True)
class AudienceRow:
    """Where the people of a campaign come from. `conditions`: as a person has written them, in their normal form.

    `recipient_count`: the number of people at `made_at`. `uncertain_count`: of these, the number of people whose
    message of the other campaign was uncertain.
    """

    campaign_id: int
    source_id: int
    source_name: str
    conditions: str
    made_at: dt.datetime
    recipient_count: int
    uncertain_count: int


def count_audience(connection: Connection, source_id: int, who: Who, *, now: dt.datetime) -> AudienceCount:
    """Count the people of a campaign who fit these conditions. Erased people are left out."""
    allow_long_statements(connection)
    parameters = {"audience": _write_audience(source_id, who, now)}
    with connection.cursor(row_factory=class_row(AudienceCount)) as cursor:
        row = cursor.execute(query("count_audience"), parameters).fetchone()
    assert row is not None
    return row


def copy_audience(
    connection: Connection,
    campaign_id: int,
    source_id: int,
    who: Who,
    *,
    now: dt.datetime,
    template_id: int,
    columns: Sequence[str],
    values: Sequence[int | str] | None,
) -> tuple[int, int] | None:
    """Give a draft without people those of another campaign who fit these conditions.

    Returns their number, and the number of those whose message is uncertain. `values`: for each value of a message, its
    place among the values of the other campaign, from 1, or the text itself; None: the values are the same.
    `template_id`, `columns` and the result None: as for `copy_recipients`.
    """
    allow_long_transaction(connection)
    audience = {"campaign_id": campaign_id, "audience": _write_audience(source_id, who, now)}
    connection.execute(query("insert_audience"), audience)
    parameters = {
        "campaign_id": campaign_id,
        "template_id": template_id,
        "columns": list(columns),
        "places": None if values is None else [each if isinstance(each, int) else None for each in values],
        "texts": None if values is None else [each if isinstance(each, str) else None for each in values],
    }
    row = connection.execute(query("copy_audience"), parameters).fetchone()
    assert row is not None
    is_same, count, last_id, uncertain_count = row
    if not is_same:
        return None
    counts = {"campaign_id": campaign_id, "recipient_count": count, "duplicate_count": 0, "rejected_count": 0}
    connection.execute(query("count_recipients"), counts)
    connection.execute(
        query("conclude_audience"),
        {
            "campaign_id": campaign_id,
            "recipient_count": count,
            "uncertain_count": uncertain_count,
            "last_id": last_id,
        },
    )
    return int(count), int(uncertain_count)


def _write_audience(source_id: int, who: Who, now: dt.datetime) -> Jsonb:
    """Return a row of `audiences` without its campaign."""
    spans = {
        fact.value: "({},{}]".format(*("" if at is None else f'"{at.isoformat()}"' for at in (span.since, span.until)))
        for fact, span in who.find_spans(now).items()
    }
    return Jsonb(
        spans
        | {
            "source_id": source_id,
            "conditions": who.text,
            "made_at": now.isoformat(),
            "statuses": sorted(who.statuses),
            "has_replied": who.has_replied,
            "codes": None if who.codes is None else sorted(who.codes),
        }
    )


def list_audiences(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, AudienceRow]:
    """Return, by campaign, where its people come from. The result omits campaigns whose people come from files."""
    with connection.cursor(row_factory=class_row(AudienceRow)) as cursor:
        rows = cursor.execute(query("list_audiences"), {"campaign_ids": list(campaign_ids)})
        return {row.campaign_id: row for row in rows}


def analyze_messages(connection: Connection) -> None:
    """Renew the statistics of the messages, in a transaction of its own after messages were inserted.

    ANALYZE locks the table against autovacuum and other ANALYZE until the transaction ends, so it is no part of an
    import.
    """
    allow_long_statements(connection)
    connection.execute(query("analyze_messages"))


def find_overlaps(
    connection: Connection,
    campaign_id: int,
    *,
    days: int,
    together: Collection[int] = (),
    capped: Sequence[int] = (),
) -> list[Overlap]:
    """Return the other campaigns that share recipients or a file with this campaign.

    Only started or scheduled campaigns that have not ended, campaigns that were created or ended in the last `days`
    days, and the campaigns with the ids `together`, are compared. `capped`: pending messages of this campaign that the
    limit per person will hold back.
    """
    allow_long_transaction(connection)
    parameters = {"campaign_id": campaign_id, "days": days, "together": list(together), "capped": list(capped)}
    with connection.cursor(row_factory=class_row(Overlap)) as cursor:
        return cursor.execute(query("find_overlaps"), parameters).fetchall()


def list_import_errors(
    connection: Connection, campaign_id: int, *, limit: int, is_rejected: bool = False
) -> list[ImportErrorRow]:
    """Return the rows that did not become messages, in the order of the files. `is_rejected`: omit duplicates."""
    parameters = {"campaign_id": campaign_id, "limit": limit, "is_rejected": is_rejected}
    with connection.cursor(row_factory=class_row(ImportErrorRow)) as cursor:
        return cursor.execute(query("list_import_errors"), parameters).fetchall()


def page_import_errors(
    connection: Connection, campaign_id: int, *, is_rejected: bool, after: int, limit: int
) -> list[tuple[int, ImportErrorRow]]:
    """Return at most `limit` rows that did not become messages and whose ids are above `after`, each with its id.

    `is_rejected`: omit duplicates.
    """
    parameters = {"campaign_id": campaign_id, "is_rejected": is_rejected, "after": after, "limit": limit}
    rows = connection.execute(query("page_import_errors"), parameters)
    return [(row[0], ImportErrorRow(*row[1:])) for row in rows]


def list_duplicates(connection: Connection, campaign_id: int, *, after: int, limit: int) -> list[ImportErrorRow]:
    """Return the first rows with ids above `after` whose people have a message by another row."""
    parameters = {"campaign_id": campaign_id, "after": after, "limit": limit}
    with connection.cursor(row_factory=class_row(ImportErrorRow)) as cursor:
        return cursor.execute(query("list_duplicates"), parameters).fetchall()


def count_import_errors(connection: Connection, campaign_id: int) -> int:
    """Return the number of rows of a campaign's files that did not become messages."""
    row = connection.execute(query("count_import_errors"), {"campaign_id": campaign_id}).fetchone()
    return int(row[0]) if row else 0


def count_rejected(connection: Connection, campaign_id: int) -> dict[str, int]:
    """Return the number of rejected rows of a campaign's files by their code, without duplicates."""
    return dict(connection.execute(query("count_rejected"), {"campaign_id": campaign_id}).fetchall())


def count_rejected_by_file(
    connection: Connection, campaign_id: int, starts: Sequence[int]
) -> dict[int, dict[str, int]]:
    """Return the numbers of rejected rows by the number of their file, which is 1 for the first, and by their code.

    `starts`: for each file of the campaign, the last id of an import error before it.
    """
    parameters = {"campaign_id": campaign_id, "starts": list(starts)}
    found: dict[int, dict[str, int]] = {}
    for number, code, count in connection.execute(query("count_rejected_by_file"), parameters):
        found.setdefault(number, {})[code] = count
    return found


def stream_import_errors(connection: Connection, campaign_id: int) -> Iterator[ImportErrorRow]:
    """Yield all rows that did not become messages, in the order of the files, while the transaction is open."""
    allow_long_transaction(connection)
    parameters = {"campaign_id": campaign_id, "limit": None, "is_rejected": False}
    with connection.cursor("import_errors", row_factory=class_row(ImportErrorRow)) as cursor:
        cursor.itersize = _FETCH_ROWS
        yield from cursor.execute(query("list_import_errors"), parameters)


def _to_line(row_number: int, row: Recipient | RowProblem) -> str:
    r"""Return a row in the text format of COPY (tabs, \N for NULL), twice as fast as psycopg's `write_row`."""
    if isinstance(row, RowProblem):
        return f"{row_number}\t\\N\t\\N\t\\N\t\\N\t\\N\t{_escape(row.column)}\t{_escape(row.reason)}\t{row.code}\n"
    variables = _escape(_SEPARATOR.join(row.variables))
    consent = "\\N" if row.consent is None else _escape(row.consent)
    zones = ZONE_SEPARATOR.join(find_zones(row.phone)) or "\\N"
    return f"{row_number}\t{row.phone}\t{recipient_key(row.phone)}\t{zones}\t{variables}\t{consent}\t\\N\t\\N\t\\N\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def load_zones(connection: Connection, campaign_id: int) -> dict[int, tuple[str, ...]]:
    """Return the possible time zones of a campaign's recipients, by the `zone_id` of their messages."""
    rows = connection.execute(query("load_zones"), {"campaign_id": campaign_id})
    return {row[0]: tuple(row[1].split(ZONE_SEPARATOR)) for row in rows}


def count_pending_by_zone(connection: Connection, campaign_id: int) -> dict[int, int]:
    """Return the number of a campaign's pending messages by `zone_id`; 0 stands for people whose zone is unknown."""
    allow_long_statements(connection)
    rows = connection.execute(query("count_pending_by_zone"), {"campaign_id": campaign_id})
    return dict(rows.fetchall())


def count_never_open(connection: Connection, campaign_id: int, window: Window) -> int:
    """Return the number of pending messages to phones whose possible zones never share an hour of the window."""
    now = read_clock(connection)
    zone_ids = ZoneHours(window, load_zones(connection, campaign_id)).never_open_ids(now)
    if not zone_ids:
        return 0
    allow_long_statements(connection)
    parameters = {"campaign_id": campaign_id, "zone_ids": sorted(zone_ids)}
    row = connection.execute(query("count_pending_in_zones"), parameters).fetchone()
    return int(row[0]) if row else 0
