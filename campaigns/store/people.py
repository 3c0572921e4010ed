"""All that is held of one person: found by number or Meta's user id, erased, and remembered as a hash."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from campaigns.store.database import Connection, query
from campaigns.store.messages import write_array

_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Erased:
    """What `erase_person` has deleted."""

    message_count: int
    event_count: int
    suppression_count: int


def lock_forgotten(connection: Connection) -> None:
    """Let nobody be forgotten until the end of this transaction."""
    connection.execute(query("lock_forgotten"))


def list_key_ids(connection: Connection) -> set[bytes]:
    """Return which keys the forgotten were hashed with; none: there are none."""
    return {bytes(row[0]) for row in connection.execute(query("list_key_ids"))}


def load_forgotten(connection: Connection) -> set[bytes]:
    return {bytes(row[0]) for row in connection.execute(query("load_forgotten"))}


def find_forgotten(connection: Connection, people: Sequence[bytes]) -> set[bytes]:
    """Return which of these hashes are those of people who were forgotten."""
    return {bytes(row[0]) for row in connection.execute(query("find_forgotten"), {"people": list(people)})}


def count_forgotten(connection: Connection) -> int:
    row = connection.execute(query("count_forgotten")).fetchone()
    return int(row[0]) if row else 0


def add_forgotten(connection: Connection, person: bytes, key_id: bytes, recipient_key: str) -> None:
    """Remember a person by a hash; the source is that of their newest opt-out, `manual` where there was none."""
    parameters = {"person": person, "key_id": key_id, "recipient_key": recipient_key}
    connection.execute(query("add_forgotten"), parameters)


def delete_forgotten(connection: Connection, person: bytes) -> bool:
    return connection.execute(query("delete_forgotten"), {"person": person}).rowcount == 1


def stream_pending(connection: Connection, campaign_id: int) -> Iterator[list[tuple[int, str]]]:
    """Yield (message id, recipient key) of what a campaign has pending, in batches."""
    last_id = 0
    while True:
        parameters = {"campaign_id": campaign_id, "last_id": last_id, "limit": _BATCH}
        rows = connection.execute(query("list_pending"), parameters).fetchall()
        if not rows:
            return
        last_id = rows[-1][0]
        yield [(row[0], row[1]) for row in rows]


def suppress_and_erase(connection: Connection, message_ids: Sequence[int]) -> int:
    """Suppress pending messages of people who were forgotten, and erase them at once."""
    return connection.execute(query("suppress_and_erase"), {"message_ids": list(message_ids)}).rowcount


def suppress_pending(connection: Connection, recipient_key: str) -> int:
    """Suppress what is pending for a person, in every campaign."""
    return connection.execute(query("suppress_pending"), {"recipient_key": recipient_key}).rowcount


def has_messages(connection: Connection, recipient_key: str) -> bool:
    """Tell whether any message is known to go to this person."""
    row = connection.execute(query("has_messages"), {"recipient_key": recipient_key}).fetchone()
    return bool(row and row[0])


def is_named_in_new_events(connection: Connection, names: Sequence[str]) -> bool:
    """Return whether a webhook that is not applied yet holds one of these numbers or user ids."""
    row = connection.execute(query("is_named_in_new_events"), {"names": list(names)}).fetchone()
    return bool(row and row[0])


def erase_person(connection: Connection, recipient_key: str, numbers: Sequence[str], user_ids: Sequence[str]) -> Erased:
    """Erase the data of a person under a key, all `numbers` (digits) and `user_ids`, except statuses, times and
    counters. The caller holds the lock of `lock_people`.
    """
    parameters = {
        "recipient_key": recipient_key,
        "numbers": list(numbers),
        "names": [*numbers, *user_ids],
        "keys": [recipient_key, *user_ids],
        "user_ids": list(user_ids),
    }
    connection.execute(query("erase_test_copies"), parameters)
    event_count = connection.execute(query("erase_events_of"), parameters).rowcount
    message_count = connection.execute(query("erase_messages_of"), parameters).rowcount
    connection.execute(query("erase_replies_of"), parameters)
    connection.execute(query("erase_in_portfolios"), parameters)
    for number in numbers:
        connection.execute(query("erase_number_in_accounts"), {"number": number})
        connection.execute(query("erase_number_in_account_events"), {"number": number})
    for name in ("erase_reviews_of", "erase_pairs_of", "erase_user_id_changes_of"):
        connection.execute(query(name), parameters)
    suppression_count = connection.execute(query("delete_suppressions_of"), parameters).rowcount
    return Erased(message_count, event_count, suppression_count)


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
    connection.execute(query("share_people" if is_shared else "lock_people"))


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


@dataclass(frozen=True, slots=True)
class Overdue:
    """A campaign that ended long ago, and how many of its messages still say to whom they went."""

    id: int
    name: str
    message_count: int


@dataclass(frozen=True, slots=True)
class ErasedBatch:
    count: int
    last_id: int


def find_overdue(connection: Connection, *, days: int) -> list[Overdue]:
    rows = connection.execute(query("find_overdue"), {"days": days})
    return [Overdue(*row) for row in rows]


def erase_batch(connection: Connection, campaign_id: int, *, last_id: int, limit: int) -> ErasedBatch | None:
    """Erase the next messages after `last_id`; None: there are no more."""
    parameters = {"campaign_id": campaign_id, "last_id": last_id, "limit": limit}
    ids = [row[0] for row in connection.execute(query("erase_batch"), parameters)]
    return ErasedBatch(len(ids), max(ids)) if ids else None


def mark_erased(connection: Connection, campaign_id: int) -> None:
    """Note that nothing is left to erase, if so: what was on the wire when a campaign was cancelled comes later."""
    connection.execute(query("mark_erased"), {"campaign_id": campaign_id})
