"""Queries about people: their numbers and user ids, hashes of forgotten people, and the erasure of people's data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from campaigns.store.database import Connection, query
from campaigns.store.messages import find_change, write_array

_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class ErasedCounts:
    """The numbers of rows that `erase_person` has erased or deleted."""

    message_count: int
    event_count: int
    suppression_count: int


def lock_forgotten(connection: Connection) -> None:
    """Lock the table of forgotten people against writes until the transaction ends."""
    connection.execute(query("lock_forgotten"))


def list_key_ids(connection: Connection) -> set[bytes]:
    """Return the ids of the keys with which people were hashed."""
    return {bytes(row[0]) for row in connection.execute(query("list_key_ids"))}


def load_forgotten(connection: Connection) -> set[bytes]:
    return {bytes(row[0]) for row in connection.execute(query("load_forgotten"))}


def find_forgotten(connection: Connection, people: Sequence[bytes]) -> set[bytes]:
    """Return those of the given hashes that belong to forgotten people."""
    return {bytes(row[0]) for row in connection.execute(query("find_forgotten"), {"people": list(people)})}


def count_forgotten(connection: Connection) -> int:
    row = connection.execute(query("count_forgotten")).fetchone()
    return int(row[0]) if row else 0


def add_forgotten(connection: Connection, person: bytes, key_id: bytes, recipient_key: str) -> None:
    """Store the hash of a forgotten person, with the source of the newest opt-out (`manual` if there is none)."""
    parameters = {"person": person, "key_id": key_id, "recipient_key": recipient_key}
    connection.execute(query("add_forgotten"), parameters)


def delete_forgotten(connection: Connection, person: bytes) -> bool:
    return connection.execute(query("delete_forgotten"), {"person": person}).rowcount == 1


def list_person_keys(connection: Connection) -> list[tuple[bytes, bytes]]:
    """Return (key id, encrypted key) of each hash key that `revoada rekey` has stored."""
    return [(bytes(key_id), bytes(sealed)) for key_id, sealed in connection.execute(query("list_person_keys"))]


def write_person_key(connection: Connection, key_id: bytes, sealed: bytes) -> None:
    connection.execute(query("write_person_key"), {"key_id": key_id, "sealed": sealed})


def stream_pending(connection: Connection, campaign_id: int) -> Iterator[list[tuple[int, str]]]:
    """Yield (message id, recipient key) of the pending messages of a campaign, in batches."""
    last_id = 0
    while True:
        parameters = {"campaign_id": campaign_id, "last_id": last_id, "limit": _BATCH}
        rows = connection.execute(query("list_pending"), parameters).fetchall()
        if not rows:
            return
        last_id = rows[-1][0]
        yield [(row[0], row[1]) for row in rows]


def suppress_and_erase(connection: Connection, message_ids: Sequence[int]) -> int:
    """Suppress and erase pending messages to forgotten people; return their number."""
    return connection.execute(query("suppress_and_erase"), {"message_ids": list(message_ids)}).rowcount


def suppress_pending(connection: Connection, recipient_key: str) -> int:
    """Suppress the pending messages to a person in all campaigns; return their number."""
    return connection.execute(query("suppress_pending"), {"recipient_key": recipient_key}).rowcount


def has_messages(connection: Connection, recipient_key: str) -> bool:
    """Whether there is any message to this person."""
    row = connection.execute(query("has_messages"), {"recipient_key": recipient_key}).fetchone()
    return bool(row and row[0])


@dataclass(frozen=True, slots=True)
class MessageOfPerson:
    """A message to a person. `account`: the name of the account that sent it or tried to; None if none did."""

    id: int
    campaign_id: int
    account: str | None
    status: str
    error_code: int | None
    error_title: str | None
    attempts: int
    claimed_at: dt.datetime | None
    sent_at: dt.datetime | None
    delivered_at: dt.datetime | None
    read_at: dt.datetime | None
    failed_at: dt.datetime | None
    replied_at: dt.datetime | None
    variables: list[str]

    @property
    def changed_at(self) -> dt.datetime | None:
        """When the message got its status, as far as this is known."""
        times = (self.read_at, self.delivered_at, self.sent_at, self.claimed_at)
        return find_change(self.status, self.failed_at, times)


def list_messages_of(
    connection: Connection, recipient_key: str, *, before: int | None, limit: int
) -> list[MessageOfPerson]:
    """Return messages to a person in all campaigns, the newest first. `before`: only messages with a smaller id."""
    parameters = {"recipient_key": recipient_key, "before": before, "limit": limit}
    with connection.cursor(row_factory=class_row(MessageOfPerson)) as cursor:
        return cursor.execute(query("list_messages_of"), parameters).fetchall()


def count_erased_campaigns(connection: Connection) -> int:
    """Return the number of campaigns whose people were erased, because the campaigns ended long ago."""
    row = connection.execute(query("count_erased_campaigns")).fetchone()
    return int(row[0]) if row else 0


def is_named_in_new_events(connection: Connection, names: Sequence[str]) -> bool:
    """Whether a webhook that was not applied yet contains one of these numbers or user ids."""
    row = connection.execute(query("is_named_in_new_events"), {"names": list(names)}).fetchone()
    return bool(row and row[0])


def erase_person(
    connection: Connection, recipient_key: str, numbers: Sequence[str], user_ids: Sequence[str]
) -> ErasedCounts:
    """Erase the data of the person who has this key, these `numbers` (as digits) and these `user_ids`.

    The statuses and times of messages, and the counters, stay. The caller holds the lock of `lock_people`.
    """
    parameters = {
        "recipient_key": recipient_key,
        "numbers": list(numbers),
        "names": [*numbers, *user_ids],
        "keys": [recipient_key, *user_ids],
        "user_ids": list(user_ids),
    }
    connection.execute(query("erase_test_copies"), parameters)
    event_count = sum(
        connection.execute(query(name), parameters).rowcount
        for name in ("erase_events_of", "erase_forward_inbox_of", "erase_forward_bodies_of")
    )
    message_count = connection.execute(query("erase_messages_of"), parameters).rowcount
    connection.execute(query("erase_replies_of"), parameters)
    connection.execute(query("erase_in_portfolios"), parameters)
    for number in numbers:
        connection.execute(query("erase_number_in_accounts"), {"number": number})
        connection.execute(query("erase_number_in_account_events"), {"number": number})
    for name in ("erase_reviews_of", "erase_pairs_of", "erase_user_id_changes_of"):
        connection.execute(query(name), parameters)
    suppression_count = connection.execute(query("delete_suppressions_of"), parameters).rowcount
    return ErasedCounts(message_count, event_count, suppression_count)


@dataclass(frozen=True, slots=True)
class UserIdPair:
    """A user id and a current or past number of the same person. `at`: the time of Meta's report; None: now."""

    user_id: str
    recipient_key: str
    at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Person:
    """A person with user ids. `recipient_keys`: the keys of the person's numbers, the current number first."""

    user_ids: Sequence[str]
    recipient_keys: Sequence[str]


def find_new_pairs(connection: Connection, pairs: Collection[UserIdPair]) -> list[UserIdPair]:
    """Return the pairs that must be written. The caller takes the lock and writes these pairs with `add_pairs`."""
    if not pairs:
        return []
    return [UserIdPair(*row) for row in connection.execute(query("find_new_pairs"), _pair_columns(pairs))]


def lock_people(connection: Connection, *, is_shared: bool = False) -> None:
    """Serialise transactions that write opt-outs under user ids with transactions that add pairs of user id and number.

    Transactions that only add pairs share the lock.

    The lock lasts until the transaction ends. After a wait for the lock, the next statement sees the rows that the
    other transaction has committed. So the transaction that gets the lock later applies the opt-out to the new number.
    """
    connection.execute(query("share_people" if is_shared else "lock_people"))


def add_pairs(connection: Connection, pairs: Collection[UserIdPair]) -> None:
    if pairs:
        connection.execute(query("add_pairs"), _pair_columns(pairs))


def add_changes(connection: Connection, changes: Iterable[tuple[str, str]]) -> None:
    """For each pair, store that its two user ids belong to the same person."""
    both_ways = [pair for one, other in changes for pair in ((one, other), (other, one))]
    if both_ways:
        parameters = {"user_ids": [pair[0] for pair in both_ways], "other_ids": [pair[1] for pair in both_ways]}
        connection.execute(query("add_user_id_changes"), parameters)


def find_people(connection: Connection, user_ids: Collection[str]) -> dict[str, Person]:
    """Return the person of each user id, even if no number of the person is known."""
    if not user_ids:
        return {}
    rows = connection.execute(query("find_people"), {"user_ids": sorted(user_ids)})
    return {asked: Person(ids, list(dict.fromkeys(keys))) for asked, ids, keys in rows}


def find_user_ids(connection: Connection, recipient_keys: Sequence[str]) -> list[str]:
    """Return every user id of the people with these numbers."""
    rows = connection.execute(query("find_user_ids"), {"recipient_keys": list(recipient_keys)})
    return [row[0] for row in rows]


def _pair_columns(pairs: Collection[UserIdPair]) -> dict[str, str | None]:
    return {
        "user_ids": write_array(pair.user_id for pair in pairs),
        "recipient_keys": write_array(pair.recipient_key for pair in pairs),
        "at": write_array(pair.at for pair in pairs),
    }


@dataclass(frozen=True, slots=True)
class OverdueCampaign:
    """A campaign that ended long ago, and the number of its messages that still have a phone."""

    id: int
    name: str
    message_count: int


@dataclass(frozen=True, slots=True)
class ErasedBatch:
    count: int
    last_id: int


def find_overdue_campaigns(connection: Connection, *, days: int) -> list[OverdueCampaign]:
    rows = connection.execute(query("find_overdue_campaigns"), {"days": days})
    return [OverdueCampaign(*row) for row in rows]


def erase_batch(connection: Connection, campaign_id: int, *, last_id: int, limit: int) -> ErasedBatch | None:
    """Erase the next messages after `last_id`; return None if there are no more."""
    parameters = {"campaign_id": campaign_id, "last_id": last_id, "limit": limit}
    ids = [row[0] for row in connection.execute(query("erase_batch"), parameters)]
    return ErasedBatch(len(ids), max(ids)) if ids else None


def mark_erased(connection: Connection, campaign_id: int) -> None:
    """Mark the campaign as erased if no message has a phone any more. Messages in flight are erased later, by another
    run.
    """
    connection.execute(query("mark_erased"), {"campaign_id": campaign_id})
