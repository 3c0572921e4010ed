"""The result of an import: as JSON in the row of its job, and as values for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from campaigns.domain.phone.number import PhoneKind
from campaigns.domain.statement import Sentence
from campaigns.management.campaigns import ChangeResult
from campaigns.management.files.rejected import RejectedRow
from campaigns.management.files.sentences import read_sentence, write_sentence
from campaigns.management.layouts import Preview
from campaigns.management.recipients import Filled
from campaigns.sheets.rows import WindowsText
from campaigns.store.recipients import ImportErrorRow, Overlap


@dataclass(frozen=True, slots=True)
class SharedPeople:
    """Another campaign with people of the list. See `Overlap`, whose attributes have the same names."""

    campaign_id: int
    name: str
    status: str
    shared_count: int
    has_same_file: bool


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of an import. See `Imported`, whose attributes have the same names.

    `suppressed_count`: the people of the campaign who must not get messages. `rejected`: the first rejected rows.
    `duplicates`: the first rows of people who are in an earlier row. `overlaps`: other campaigns to the same
    people; None: they are not compared yet. `recorded_count`: the people whose no was recorded as an opt-out.
    """

    recipient_count: int
    duplicate_count: int
    rejected_count: int
    replaced_count: int
    kept_count: int
    phone_column: str
    header_row: int
    ignored: Sequence[str]
    deciding: Sequence[str]
    filled: Sequence[Filled]
    fixed: Mapping[str, str]
    first: Preview | None
    kinds: Mapping[PhoneKind, int]
    hidden_row_count: int
    hidden_columns: Sequence[str]
    struck_row_count: int
    coloured_row_count: int
    skips_hidden: bool
    hidden_sheets: Sequence[str]
    windows_text: WindowsText | None
    suppressed_count: int
    rejected: Sequence[RejectedRow]
    duplicates: Sequence[RejectedRow]
    overlaps: Sequence[SharedPeople] | None
    warnings: Sequence[Sentence]
    recorded_count: int

    @property
    def row_count(self) -> int:
        return self.recipient_count + self.duplicate_count + self.rejected_count


def write_report(
    changed: ChangeResult,
    rejected: Sequence[RejectedRow],
    *,
    suppressed_count: int,
    duplicates: Sequence[ImportErrorRow],
) -> dict[str, Any]:
    imported = changed.imported
    assert imported is not None
    return {
        "recipient_count": imported.counts.recipient_count,
        "duplicate_count": imported.counts.duplicate_count,
        "rejected_count": imported.counts.rejected_count,
        "replaced_count": changed.replaced_count,
        "kept_count": changed.kept_count,
        "phone_column": imported.facts.phone_column,
        "header_row": imported.header_row,
        "ignored": imported.ignored,
        "deciding": imported.deciding,
        "filled": [asdict(each) for each in imported.filled],
        "fixed": dict(imported.fixed),
        "first": None if imported.first is None else asdict(imported.first),
        "kinds": {kind.value: count for kind, count in imported.kinds.items()},
        "hidden_row_count": imported.hidden.row_count,
        "hidden_columns": list(imported.hidden.columns.values()),
        "struck_row_count": imported.hidden.struck_count,
        "coloured_row_count": 0 if imported.hidden.coloured is None else len(imported.hidden.coloured.rows),
        "hidden_sheets": list(imported.hidden_sheets),
        "skips_hidden": imported.skips_hidden,
        "windows_text": None if imported.windows_text is None else asdict(imported.windows_text),
        "suppressed_count": suppressed_count,
        "rejected": [asdict(each) for each in rejected],
        "duplicates": [asdict(RejectedRow(each.row_number, each.column_name, each.reason, "")) for each in duplicates],
        "overlaps": None,
        "recorded_count": changed.recorded_count,
        "warnings": [write_sentence(each) for each in (*changed.warnings, *changed.import_warnings)],
    }


def write_overlaps(overlaps: Sequence[Overlap]) -> list[dict[str, Any]]:
    """Return the campaigns with people of a list as JSON."""
    return [
        asdict(SharedPeople(each.campaign_id, each.name, each.status, each.shared_count, each.has_same_file))
        for each in overlaps
    ]


def read_report(result: Mapping[str, Any]) -> ImportReport:
    """Return the report that `write_report` has written."""
    first, windows_text, overlaps = result["first"], result["windows_text"], result["overlaps"]
    read = {
        "filled": [Filled(**each) for each in result["filled"]],
        "first": None if first is None else Preview(**first),
        "kinds": {PhoneKind(kind): count for kind, count in result["kinds"].items()},
        "windows_text": None if windows_text is None else WindowsText(**windows_text),
        "rejected": [RejectedRow(**each) for each in result["rejected"]],
        "duplicates": [RejectedRow(**each) for each in result["duplicates"]],
        "overlaps": None if overlaps is None else [SharedPeople(**each) for each in overlaps],
        "warnings": [read_sentence(each) for each in result["warnings"]],
    }
    # The result of an older version lacks some of the facts.
    added = {"kept_count": 0, "struck_row_count": 0, "deciding": [], "coloured_row_count": 0}
    added |= {"hidden_sheets": [], "recorded_count": 0}
    known = {name: value for name, value in result.items() if name != "other_notes"}  # an older version wrote them
    return ImportReport(**{**added, **known, **read})
