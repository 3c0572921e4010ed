"""Recognises forgotten people by a keyed hash, so that a new list does not add them again."""

from __future__ import annotations

from collections.abc import Sequence

from campaigns.domain.statement import Kind, Refusal
from campaigns.secrets import PersonHasher, reencrypt
from campaigns.store import people
from campaigns.store.database import Connection


class ForgettingError(Refusal):
    """Forgotten people cannot be recognised without the key under which they were forgotten."""


def suppress_forgotten(connection: Connection, campaign_id: int, *, secret_key: str | None) -> int:
    """Suppress and erase the messages of a campaign to people who were forgotten; return their number.

    The caller calls this function in the transaction that inserts the messages. Nobody can be forgotten between this
    call and the commit. If no person was ever forgotten, the function only takes a lock. Raises ForgettingError if the
    hashes cannot be compared.
    """
    people.lock_forgotten(connection)
    hashers = find_hashers(connection, secret_key)
    if not hashers:
        return 0
    forgotten = people.load_forgotten(connection)
    count = 0
    for batch in people.stream_pending(connection, campaign_id):
        ids = [message_id for message_id, key in batch if any(each.hash(key) in forgotten for each in hashers)]
        count += people.suppress_and_erase(connection, ids) if ids else 0
    return count


def find_forgotten(connection: Connection, recipient_keys: Sequence[str], *, secret_key: str | None) -> set[str]:
    """Return those of the given people who were forgotten. Raises ForgettingError if the hashes cannot be compared."""
    hashers = find_hashers(connection, secret_key)
    if not hashers:
        return set()
    hashes = {hasher.hash(key): key for key in recipient_keys for hasher in hashers}
    return {hashes[person] for person in people.find_forgotten(connection, list(hashes))}


def recall_people(connection: Connection, recipient_keys: Sequence[str], *, secret_key: str | None) -> list[str]:
    """Delete the hashes of these people, so that they are not forgotten any more; return the people who had a hash."""
    hashers = find_hashers(connection, secret_key)
    return [
        key
        for key in dict.fromkeys(recipient_keys)
        # The hashes by all hashers are deleted, because a person may have a hash under each key.
        if sum(people.delete_forgotten(connection, each.hash(key)) for each in hashers)
    ]


def find_hashers(connection: Connection, secret_key: str | None) -> list[PersonHasher]:
    """Return the hashers that recognise forgotten people; [] if nobody was forgotten.

    Raises ForgettingError if one of the hashers cannot be made.
    """
    needed = people.list_key_ids(connection)
    if not needed:
        return []
    if secret_key is None:
        raise ForgettingError(
            "forgotten_key_missing",
            "REVOADA_SECRET_KEY is not set: without it nobody can tell who was forgotten.",
            kind=Kind.MISSING,
        )
    hashers = {hasher.key_id: hasher for hasher in PersonHasher.list_all(secret_key)}
    if not needed <= hashers.keys():
        hashers |= _load_hashers(connection, secret_key)
    if not needed <= hashers.keys():
        raise ForgettingError(
            "forgotten_key_differs",
            "People were forgotten under another REVOADA_SECRET_KEY, and cannot be recognised with this one: add the"
            " old key behind the newest one; if it is lost, see docs/decisions/0013.",
        )
    return [hashers[key_id] for key_id in sorted(needed)]


def _load_hashers(connection: Connection, secret_key: str) -> dict[bytes, PersonHasher]:
    """Return, by key id, the hashers that `reseal_hashers` has stored, including the hashers of older keys."""
    opened = [PersonHasher.open(secret_key, sealed) for _, sealed in people.list_person_keys(connection)]
    return {hasher.key_id: hasher for hasher in opened if hasher is not None}


def reseal_hashers(connection: Connection, secret_key: str) -> set[bytes]:
    """Store the hashers of all keys, encrypted with the newest key, so that the older keys are not needed any more.

    Returns the ids of the keys under which people were forgotten and for which there is no hasher.
    """
    hashers = _load_hashers(connection, secret_key)
    hashers |= {hasher.key_id: hasher for hasher in PersonHasher.list_all(secret_key)}
    stored = dict(people.list_person_keys(connection))
    for key_id, hasher in sorted(hashers.items()):
        sealed = stored.get(key_id)
        if sealed is None or reencrypt(secret_key, sealed) != sealed:
            people.write_person_key(connection, key_id, hasher.seal(secret_key))
    return people.list_key_ids(connection) - hashers.keys()
