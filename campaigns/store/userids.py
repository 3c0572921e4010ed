"""Meta's user ids of people: which numbers belong to one, which ids belong to the same person."""

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
    """Someone who is known by user ids. `recipient_keys`: of their numbers, the present one first."""

    user_ids: Sequence[str]
    recipient_keys: Sequence[str]


def find_new_pairs(connection: Connection, pairs: Collection[Pair]) -> list[Pair]:
    """Return those pairs that say something new: `add_pairs` writes them, once the lock is taken."""
    if not pairs:
        return []
    return [Pair(*row) for row in connection.execute(query("find_new_pairs"), _columns(pairs))]


def lock_people(connection: Connection, *, is_shared: bool = False) -> None:
    """Let no opt-out under a user id and no pair of it be written at the same time, until this transaction ends.

    A transaction that only adds pairs shares the lock with others of its kind. Whoever waited for it sees, by the
    next statement, what the other has committed: so the later of the two applies the opt-out.
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
    """Return the person of each of these user ids, also where no number is known."""
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
