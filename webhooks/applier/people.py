"""Reads from a body which phone numbers and which of Meta's user ids belong to the same person.

The functions are pure, and their time grows linearly with the body.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast

from campaigns.domain.phone.person import is_number, recipient_key
from webhooks.applier.json_fields import UnusableError, read_id, read_list, read_object, read_time

# A user id looks like US.13491208655302741918. Meta also writes user ids under keys that are named for a phone number.
_USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]+")

# The keys that name one person: the key of the number, and the keys of the user ids (the id within our portfolio, and
# the id within linked portfolios).
SENDER = ("from", ("from_user_id", "from_parent_user_id"))
CONTACT = ("wa_id", ("user_id", "parent_user_id"))
_PEOPLE = (
    SENDER,
    CONTACT,
    ("to", ("to_user_id", "to_parent_user_id")),
    # Before May 2026 Meta wrote `parent_recipient_user_id` for `recipient_parent_user_id`.
    ("recipient_id", ("recipient_user_id", "recipient_parent_user_id", "parent_recipient_user_id")),
    ("recipient_participant_id", ("recipient_participant_user_id", "recipient_participant_parent_user_id")),
    ("participant_recipient_id", ("recipient_participant_user_id", "recipient_participant_parent_user_id")),
)
_USER_KEYS = frozenset(key for _, keys in _PEOPLE for key in keys)
# The lists of a change whose items name people.
_LISTS = ("statuses", "messages", "user_preferences", "user_id_update", "calls", "message_echoes", "contacts")
_OWN_KEYS = ("user_id", "parent_user_id")


# The maximum number of connected numbers and user ids. A person has only a few of them in a lifetime.
MAX_CONNECTED = 100


class _Groups:
    """Groups of connected numbers and user ids (union-find).

    A name is a number or a user id. `parents` maps each name to its parent, and the root of a group to itself.
    """

    def __init__(self) -> None:
        self.parents: dict[str, str] = {}

    def find(self, name: str) -> str:
        """Return the root of the group of a name."""
        self.parents.setdefault(name, name)
        while (parent := self.parents[name]) != name:
            self.parents[name] = self.parents[parent]  # shortens the path to the root for the next search
            name = parent
        return name

    def connect(self, one: str, other: str) -> None:
        self.parents[self.find(one)] = self.find(other)


@dataclass(slots=True)
class People:
    """The numbers and user ids in a body that belong to the same person.

    `pairs`: (user id, recipient key), with the newest time at which Meta reported the pair, or None. `changes`:
    (previous user id, new user id). `moves`: (recipient key of the previous number, recipient key of the new number).
    """

    pairs: dict[tuple[str, str], dt.datetime | None] = field(default_factory=dict)
    changes: set[tuple[str, str]] = field(default_factory=set)
    moves: set[tuple[str, str]] = field(default_factory=set)

    def __bool__(self) -> bool:
        return self is not NOBODY and bool(self.pairs or self.changes or self.moves)

    def update(self, other: People) -> None:
        for (user_id, key), at in other.pairs.items():
            self.add(user_id, key, at)
        self.changes.update(other.changes)
        self.moves.update(other.moves)

    def bound_times(self, received_at: dt.datetime) -> People:
        """Return the same people; no pair is newer than `received_at`."""
        if all(at is None or at <= received_at for at in self.pairs.values()):
            return self
        pairs = {pair: at and min(at, received_at) for pair, at in self.pairs.items()}
        return People(pairs, self.changes, self.moves)

    def add(self, user_id: str, key: str, at: dt.datetime | None) -> None:
        known = self.pairs.get((user_id, key))
        self.pairs[user_id, key] = max(known, at) if known is not None and at is not None else known or at

    def connect(self, number: object, user_ids: Iterable[str], at: dt.datetime | None) -> None:
        """Add a pair for each user id that is not "". A value that is not a number is skipped."""
        if key := _read_key(number):
            for user_id in user_ids:
                if user_id:
                    self.add(user_id, key, at)

    def drop_crowds(self) -> int:
        """Drop all connections in each group of more than `MAX_CONNECTED` numbers and user ids.

        Returns the size of the largest dropped group, or 0 if no group was dropped. No person has that many numbers and
        user ids, and the cost of the SQL statements grows with the square of a group's size.
        """
        if len(self.pairs) + len(self.changes) + len(self.moves) < MAX_CONNECTED:
            return 0
        if not (self.changes or self.moves) and all(
            len(set(names)) == len(self.pairs) for names in zip(*self.pairs, strict=True)
        ):
            return 0  # the usual case: each user id has one number, and each number one user id
        groups = _Groups()
        for user_id, key in self.pairs:
            groups.connect(f"id {user_id}", f"number {key}")
        for old, new in self.changes:
            groups.connect(f"id {old}", f"id {new}")
        for old, new in self.moves:
            groups.connect(f"number {old}", f"number {new}")
        sizes = Counter(map(groups.find, list(groups.parents)))
        crowds = {root for root, size in sizes.items() if size > MAX_CONNECTED}
        if not crowds:
            return 0
        self.pairs = {pair: at for pair, at in self.pairs.items() if groups.find(f"id {pair[0]}") not in crowds}
        self.changes = {each for each in self.changes if groups.find(f"id {each[0]}") not in crowds}
        self.moves = {each for each in self.moves if groups.find(f"number {each[0]}") not in crowds}
        return max(sizes[root] for root in crowds)

    def read(self, value: object) -> None:
        """Read the `value` of one change of an entry.

        An unreadable part is skipped and does not make the body a dead letter.
        """
        at = None
        for name, part in _read_parts(value):
            at = _read_time(part) or at
            if name == "user_id_update":
                self._read_update(part, at)
            elif name == "messages" and part.get("type") == "system":
                self._read_system(part, at)
            elif not _USER_KEYS.isdisjoint(part):
                self._read_part(part, at)

    def _read_part(self, part: Mapping[str, Any], at: dt.datetime | None) -> None:
        for number_key, user_keys in _PEOPLE:
            if number_key in part and (user_ids := _read_ids(part, user_keys)):
                self.connect(part[number_key], user_ids, at)

    def _read_update(self, part: Mapping[str, Any], at: dt.datetime | None) -> None:
        key = _read_key(part.get("wa_id"))
        for name in _OWN_KEYS:
            change = part.get(name)
            if isinstance(change, dict):
                old, new = _read_ids(change, ("previous",)), _read_ids(change, ("current",))
                self._change(old, new, "", key, at)

    def _read_system(self, message: Mapping[str, Any], at: dt.datetime | None) -> None:
        """Read a system message: a person has a new number, a new user id, or both."""
        notice = message.get("system")
        if not isinstance(notice, dict):
            return
        new = _read_ids(notice, _OWN_KEYS)
        named = [*_read_ids(notice, ("previous_user_id", "previous_parent_user_id")), *_read_ids(message, SENDER[1])]
        old_key = _read_key(message.get("from")) or _read_key(notice.get("customer"))
        new_key = _read_key(notice.get("wa_id")) or _read_key(notice.get("new_wa_id"))
        self._change([each for each in named if each not in new], new or named, old_key, new_key, at)

    def _change(self, old: list[str], new: list[str], old_key: str, new_key: str, at: dt.datetime | None) -> None:
        self.changes.update((one, other) for one in old for other in new if one != other)
        if old_key and new_key and old_key != new_key:
            self.moves.add((old_key, new_key))
        # The newest pair holds a person's present number, so the pair of the old number gets an earlier time.
        before = at - dt.timedelta(microseconds=1) if at else None
        for user_ids, key, since in ((old, old_key, before), (new, new_key or old_key, at)):
            for user_id in user_ids if key else ():
                self.add(user_id, key, since)


# The people of a body that connects no number with a user id. Most bodies are like this, and all of them share this
# object, because an object for each would cost time. So its collections are of types to which nothing can be added.
NOBODY = People(
    cast("dict[tuple[str, str], dt.datetime | None]", MappingProxyType({})),
    cast("set[tuple[str, str]]", frozenset()),
    cast("set[tuple[str, str]]", frozenset()),
)


def find_person(part: Mapping[str, Any], keys: tuple[str, tuple[str, ...]]) -> tuple[str, tuple[str, ...]]:
    """Return the number (a `wa_id`, or "") and the user ids of the person that a part names under these keys.

    Raises UnusableError if an id cannot be read, or if there is no user id and the number's key has a value that is not
    a number.
    """
    number_key, user_keys = keys
    named = read_id(part.get(number_key), number_key)
    if is_number(named):
        return named, tuple(_read_ids(part, user_keys))
    user_ids = [user_id for key in user_keys if (user_id := read_user_id(part.get(key), key))]
    if _USER_ID.fullmatch(named):
        user_ids.append(named)
    elif named and not user_ids:
        raise UnusableError(number_key, "not a phone number")
    return "", tuple(dict.fromkeys(user_ids))


def read_user_id(value: object, where: str) -> str:
    """Return a user id, or "" for None. Raises UnusableError for any other value."""
    user_id = read_id(value, where)
    if user_id.startswith("+"):
        raise UnusableError(where, "not a user id")
    return user_id


def _read_ids(part: Mapping[str, Any], keys: tuple[str, ...]) -> list[str]:
    """Return the user ids under these keys. Skips values that are not user ids."""
    found = []
    for key in keys:
        if (value := part.get(key)) is None:
            continue
        try:
            found.append(read_user_id(value, key))
        except UnusableError:
            continue
    return [user_id for user_id in found if user_id]


def _read_key(value: object) -> str:
    """Return the recipient key of a number, or "" for any other value."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) and value < 10**15 else value
    return recipient_key(text) if isinstance(text, str) and is_number(text) else ""


def _read_parts(value: object) -> list[tuple[str, dict[str, Any]]]:
    """Return the parts of a `value` that may name people, each with the name of its list.

    Contacts have no time and get the time of the parts before them, so they come last. The list is empty if no part
    connects a number or a user id with another one.
    """
    try:
        content = read_object(value, "")
    except UnusableError:
        return []
    parts, connects = [], False
    for name in _LISTS:
        if name not in content:
            continue
        try:
            listed = read_list(content[name], "")
        except UnusableError:
            continue
        for part in listed:
            if isinstance(part, dict):
                parts.append((name, part))
                connects = connects or _may_connect(name, part)
    return parts if connects else []


def _may_connect(name: str, part: Mapping[str, Any]) -> bool:
    """Whether a part may say that numbers or user ids belong to one person."""
    return (
        not _USER_KEYS.isdisjoint(part)
        or name == "user_id_update"
        or (name == "messages" and part.get("type") == "system")
    )


def _read_time(part: Mapping[str, Any]) -> dt.datetime | None:
    timestamp = part.get("timestamp")
    try:
        return None if timestamp is None else read_time(timestamp, "timestamp")
    except UnusableError:
        return None
