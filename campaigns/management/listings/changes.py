"""Lists the values that an audit event has changed: names with their old and new values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.store.database import Database
from campaigns.store.users.audit import AuditEvent, find_names


@dataclass(frozen=True, slots=True)
class Change:
    """A value that was changed. `old` None: the event keeps no old value. "": there was no value, or there is none."""

    name: str
    old: str | None
    new: str


def list_changes(event: AuditEvent) -> list[Change]:
    """Return the changes of an event. New values that are empty and replace nothing are left out."""
    before, after = event.before or {}, event.after or {}
    names = (*after, *(name for name in before if name not in after))
    changes = [
        Change(name, _write(before[name]) if name in before else None, _write(after.get(name))) for name in names
    ]
    return [each for each in changes if each.old is not None or each.new]


# The values of an event that are ids, each with the kind of the thing.
_ID_VALUES = {
    "account_ids": "account",
    "campaign_id": "campaign",
    "copied_from": "campaign",
    "template_id": "template",
    "test_id": "campaign",
}


def find_names_of(database: Database, events: Sequence[AuditEvent]) -> dict[tuple[str, int], str]:
    """Return the present names of the things that events name by their ids, by kind and id."""
    ids: dict[str, set[int]] = {}
    for event in events:
        if event.target_id is not None:
            ids.setdefault(event.what.partition(".")[0], set()).add(event.target_id)
        for values in (event.before or {}, event.after or {}):
            for name, kind in _ID_VALUES.items():
                value = values.get(name)
                found = value if isinstance(value, list) else [value]
                ids.setdefault(kind, set()).update(each for each in found if isinstance(each, int))
    return database.run(find_names, ids)


def _write(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_write, value))
    if isinstance(value, dict):
        return " ".join(f"{name}={_write(each)}" for name, each in value.items())
    return "" if value is None else str(value)
