"""Meta's user ids of people: the numbers that belong to an id, and the ids that belong to the same person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from campaigns.store.database import Connection, query
from campaigns.store.messages import write_array

_LOCK = 7_301_986_124


@dataclass(frozen=True, slots=True)
class Pair:
    """A person with this user id has, or had, the number. `at`: when Meta said so, None: now."""

    user_id: str
    recipient_key: str
    at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Person:
    """A person who is known by user ids. `recipient_keys`: those of the person's numbers, the present one first."""

    user_ids: Sequence[str]
    recipient_keys: Sequence[str]


def find_new_pairs(connection: Connection, pairs: Collection[Pair]) -> list[Pair]:
    """Return the pairs that are not stored yet: the caller takes the lock and writes them with `add_pairs`."""
    if not pairs:
        return []
    return [Pair(*row) for row in connection.execute(query("find_new_pairs"), _columns(pairs))]


def lock_people(connection: Connection, *, is_shared: bool = False) -> None:
    """Lock until the end of this transaction, so that an opt-out under a user id and a pair of it are written in turn.

    Transactions that only add pairs share the lock. A transaction that waited for the lock sees, in its next statement,
    the rows that the other has committed: so the later of the two applies the opt-out.
    """
    name = "pg_advisory_xact_lock_shared" if is_shared else "pg_advisory_xact_lock"
    connection.execute(f"SELECT {name}({_LOCK})")


def add_pairs(connection: Connection, pairs: Collection[Pair]) -> None:
    if pairs:
        connection.execute(query("add_pairs"), _columns(pairs))


def add_changes(connection: Connection, changes: Iterable[tuple[str, str]]) -> None:
    """Note that two user ids are one person's."""
    both_ways = [pair for one, other in changes for pair in ((one, other), (other, one))]
    if both_ways:
        parameters = {"user_ids": [pair[0] for pair in both_ways], "other_ids": [pair[1] for pair in both_ways]}
        connection.execute(query("add_user_id_changes"), parameters)


def find_people(connection: Connection, user_ids: Collection[str]) -> dict[str, Person]:
    """Return the person of each of these user ids, even if no number is known."""
    if not user_ids:
        return {}
    rows = connection.execute(query("find_people"), {"user_ids": sorted(user_ids)})
    return {asked: Person(ids, list(dict.fromkeys(keys))) for asked, ids, keys in rows}


def find_user_ids(connection: Connection, recipient_keys: Sequence[str]) -> list[str]:
    """Return every user id of the people with these numbers."""
    rows = connection.execute(query("find_user_ids"), {"recipient_keys": list(recipient_keys)})
    return [row[0] for row in rows]


def _columns(pairs: Collection[Pair]) -> dict[str, str | None]:
    return {
        "user_ids": write_array(pair.user_id for pair in pairs),
        "recipient_keys": write_array(pair.recipient_key for pair in pairs),
        "at": write_array(pair.at for pair in pairs),
    }
