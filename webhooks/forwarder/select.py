"""Chooses the changes of a webhook body that a target gets. Pure: reads no table, and never raises."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.store.forwards.forwards import ForwardFilter


@dataclass(frozen=True, slots=True)
class Selection:
    """What a target gets of a body. `phone_number_ids`: the numbers of the changes, in their order."""

    body: bytes
    phone_number_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Change:
    """A change, with its field and its phone number id; "" if it names none."""

    content: object
    field: str
    phone_number_id: str

    def is_for(self, chosen: ForwardFilter) -> bool:
        return (not chosen.fields or self.field in chosen.fields) and (
            not chosen.phone_number_ids or self.phone_number_id in chosen.phone_number_ids
        )


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry without its changes, and its changes."""

    frame: Mapping[str, Any]
    changes: Sequence[_Change]


class Webhook:
    """A body with its changes. A body that cannot be read has no changes."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._frame, self._entries = _read(body)
        self._changes = [change for entry in self._entries for change in entry.changes]

    def select(self, chosen: ForwardFilter) -> Selection | None:
        """Return what the target gets; None if no change matches.

        If all changes match, the body is returned byte by byte, so Meta's own signature fits it. A body without
        changes, or one that cannot be read, is only for targets that get everything.
        """
        matching = [change for change in self._changes if change.is_for(chosen)]
        numbers = list(dict.fromkeys(change.phone_number_id for change in matching if change.phone_number_id))
        if len(matching) == len(self._changes):
            gets_all = not chosen.fields and not chosen.phone_number_ids
            return Selection(self._body, numbers) if matching or gets_all else None
        return Selection(self._write(chosen), numbers) if matching else None

    def _write(self, chosen: ForwardFilter) -> bytes:
        """Return a body with the matching changes only. Non-ASCII characters are escaped, as Meta does."""
        parts = [
            (entry.frame, [each.content for each in entry.changes if each.is_for(chosen)]) for entry in self._entries
        ]
        entries = [{**frame, "changes": changes} for frame, changes in parts if changes]
        return json.dumps({**self._frame, "entry": entries}, separators=(",", ":")).encode("ascii")


def _read(body: bytes) -> tuple[Mapping[str, Any], Sequence[_Entry]]:
    """Return the body without its entries, and its entries; nothing if the body has another form than Meta's."""
    try:
        content = json.loads(body)
        # A body that cannot be written again cannot be cut into parts.
        json.dumps(content, allow_nan=False)
        return content, [_read_entry(entry) for entry in content["entry"]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}, []


def _read_entry(entry: Any) -> _Entry:
    return _Entry(entry, [_read_change(change) for change in entry["changes"]])


def _read_change(change: object) -> _Change:
    """Return a change. If it has another form than Meta's, it names no field and no number."""
    number = _get(_get(_get(change, "value"), "metadata"), "phone_number_id")
    is_id = isinstance(number, str) and number.isascii() and number.isdecimal()
    return _Change(change, str(_get(change, "field")), str(number) if is_id else "")


def _get(content: object, key: str) -> object:
    return content.get(key) if isinstance(content, dict) else None
