"""Reads which numbers and which of Meta's user ids belong to the same person. Pure, and linear in the body."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from campaigns.domain.phone.person import is_number, recipient_key
from webhooks.applier.json_fields import UnusableError, read_id, read_list, read_object, read_time

# The form of a user id (US.13491208655302741918): it may also be in a key for a number, and is recognised by its form.
_USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]+")

# The keys of one person: the key of the number, and the keys of the user ids (of the portfolio, of linked ones).
SENDER = ("from", ("from_user_id", "from_parent_user_id"))
CONTACT = ("wa_id", ("user_id", "parent_user_id"))
_PEOPLE = (
    SENDER,
    CONTACT,
    ("to", ("to_user_id", "to_parent_user_id")),
    # Before May 2026 Meta spelled the last one `parent_recipient_user_id`.
    ("recipient_id", ("recipient_user_id", "recipient_parent_user_id", "parent_recipient_user_id")),
    ("recipient_participant_id", ("recipient_participant_user_id", "recipient_participant_parent_user_id")),
    ("participant_recipient_id", ("recipient_participant_user_id", "recipient_participant_parent_user_id")),
)
_USER_KEYS = frozenset(key for _, keys in _PEOPLE for key in keys)
# The lists of a change whose parts name people.
_LISTS = ("statuses", "messages", "user_preferences", "user_id_update", "calls", "message_echoes", "contacts")
_OWN_KEYS = ("user_id", "parent_user_id")


@dataclass(slots=True)
class People:
    """The numbers and user ids of the same person in a body.

    `pairs`: (user id, recipient key) with Meta's newest time of the pair, None where none is given. `changes`:
    (previous user id, new one). `moves`: (recipient key of the previous number, that of the new one).
    """

    pairs: dict[tuple[str, str], dt.datetime | None] = field(default_factory=dict)
    changes: set[tuple[str, str]] = field(default_factory=set)
    moves: set[tuple[str, str]] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.pairs or self.changes or self.moves)

    def update(self, other: People) -> None:
        for (user_id, key), at in other.pairs.items():
            self.add(user_id, key, at)
        self.changes |= other.changes
        self.moves |= other.moves

    def add(self, user_id: str, key: str, at: dt.datetime | None) -> None:
        known = self.pairs.get((user_id, key))
        self.pairs[user_id, key] = max(known, at) if known is not None and at is not None else known or at

    def read(self, value: object) -> None:
        """Read the parts of one change. An unreadable part is skipped, and does not refuse the body."""
        at = None
        for name in _LISTS:  # contacts last: they have no time of their own, and take that of the other parts
            for part in _read_parts(value, name):
                at = _read_time(part) or at
                if name == "user_id_update":
                    self._read_update(part, at)
                elif name == "messages" and part.get("type") == "system":
                    self._read_system(part, at)
                elif not _USER_KEYS.isdisjoint(part):
                    self._read_part(part, at)

    def _read_part(self, part: Mapping[str, Any], at: dt.datetime | None) -> None:
        for number_key, user_keys in _PEOPLE:
            if key := _read_key(part.get(number_key)):
                for user_id in _read_ids(part, user_keys):
                    self.add(user_id, key, at)

    def _read_update(self, part: Mapping[str, Any], at: dt.datetime | None) -> None:
        key = _read_key(part.get("wa_id"))
        for name in _OWN_KEYS:
            change = part.get(name)
            if isinstance(change, dict):
                old, new = _read_ids(change, ("previous",)), _read_ids(change, ("current",))
                self._change(old, new, "", key, at)

    def _read_system(self, message: Mapping[str, Any], at: dt.datetime | None) -> None:
        """Read the notice that a person has a new number, a new user id, or both."""
        told = message.get("system")
        if not isinstance(told, dict):
            return
        new = _read_ids(told, _OWN_KEYS)
        named = [*_read_ids(told, ("previous_user_id", "previous_parent_user_id")), *_read_ids(message, SENDER[1])]
        old_key = _read_key(message.get("from")) or _read_key(told.get("customer"))
        new_key = _read_key(told.get("wa_id")) or _read_key(told.get("new_wa_id"))
        self._change([each for each in named if each not in new], new or named, old_key, new_key, at)

    def _change(self, old: list[str], new: list[str], old_key: str, new_key: str, at: dt.datetime | None) -> None:
        self.changes |= {(one, other) for one in old for other in new if one != other}
        if old_key and new_key and old_key != new_key:
            self.moves.add((old_key, new_key))
        # The present number is that of the newest pair.
        before = at - dt.timedelta(microseconds=1) if at else None
        for user_ids, key, since in ((old, old_key, before), (new, new_key or old_key, at)):
            for user_id in user_ids if key else ():
                self.add(user_id, key, since)


def find_person(part: Mapping[str, Any], keys: tuple[str, tuple[str, ...]]) -> tuple[str, tuple[str, ...]]:
    """Return the number (a `wa_id`, "" where there is none) and the user ids that a part names.

    Raises UnusableError if the key of the number holds neither a number nor a user id, and no other key has a user id.
    """
    number_key, user_keys = keys
    named = read_id(part.get(number_key), number_key)
    if is_number(named):
        return named, tuple(_read_ids(part, user_keys))
    user_ids = [user_id for key in user_keys if (user_id := _read_user_id(part.get(key), key))]
    if _USER_ID.fullmatch(named):
        user_ids.append(named)
    elif named and not user_ids:
        raise UnusableError(number_key, "not a phone number")
    return "", tuple(dict.fromkeys(user_ids))


def _read_user_id(value: object, where: str) -> str:
    user_id = read_id(value, where)
    if user_id.startswith("+"):
        raise UnusableError(where, "not a user id")
    return user_id


def _read_ids(part: Mapping[str, Any], keys: tuple[str, ...]) -> list[str]:
    """Return the user ids under these keys, without unreadable ones."""
    found = []
    for key in keys:
        try:
            found.append(_read_user_id(part.get(key), key))
        except UnusableError:
            continue
    return [user_id for user_id in found if user_id]


def _read_key(value: object) -> str:
    """Return the recipient key of a number, "" for any other value."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) and value < 10**15 else value
    return recipient_key(text) if isinstance(text, str) and is_number(text) else ""


def _read_parts(value: object, name: str) -> Iterator[dict[str, Any]]:
    try:
        listed = read_list(read_object(value, "").get(name), "")
    except UnusableError:
        return
    for part in listed:
        if isinstance(part, dict):
            yield part


def _read_time(part: Mapping[str, Any]) -> dt.datetime | None:
    timestamp = part.get("timestamp")
    try:
        return None if timestamp is None else read_time(timestamp, "timestamp")
    except UnusableError:
        return None
