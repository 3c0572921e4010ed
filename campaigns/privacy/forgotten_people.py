"""Recognises people who were forgotten, by a keyed hash: a new list must not bring them back."""

from __future__ import annotations

from collections.abc import Sequence

from campaigns.secrets import PersonHasher
from campaigns.store import people
from campaigns.store.database import Connection


class ForgettingError(ValueError):
    """A person cannot be forgotten, or not be recognised. The message is one sentence for a person."""


def suppress_forgotten(connection: Connection, campaign_id: int, *, secret_key: str | None) -> int:
    """Suppress and erase the messages of a campaign to people who were forgotten; return how many.

    Comes after an import, in its transaction; nobody can be forgotten between this and its commit. Costs nothing while
    nobody was forgotten. Raises ForgettingError where the hashes cannot be compared.
    """
    people.lock_forgotten(connection)
    hasher = make_hasher(connection, secret_key)
    if hasher is None:
        return 0
    forgotten = people.load_forgotten(connection)
    count = 0
    for batch in people.stream_pending(connection, campaign_id):
        ids = [message_id for message_id, key in batch if hasher.hash(key) in forgotten]
        count += people.suppress_and_erase(connection, ids) if ids else 0
    return count


def find_forgotten(connection: Connection, recipient_keys: Sequence[str], *, secret_key: str | None) -> set[str]:
    """Return who of these people was forgotten. Raises ForgettingError where the hashes cannot be compared."""
    hasher = make_hasher(connection, secret_key)
    if hasher is None:
        return set()
    hashes = {hasher.hash(key): key for key in recipient_keys}
    return {hashes[person] for person in people.find_forgotten(connection, list(hashes))}


def recall_people(connection: Connection, recipient_keys: Sequence[str], *, secret_key: str | None) -> list[str]:
    """Take back that people were forgotten; return who was."""
    hasher = make_hasher(connection, secret_key)
    if hasher is None:
        return []
    return [key for key in dict.fromkeys(recipient_keys) if people.delete_forgotten(connection, hasher.hash(key))]


def make_hasher(connection: Connection, secret_key: str | None) -> PersonHasher | None:
    """Return what recognises forgotten people, None while there are none. Raises ForgettingError."""
    key_ids = people.list_key_ids(connection)
    if not key_ids:
        return None
    if secret_key is None:
        raise ForgettingError("REVOADA_SECRET_KEY is not set: without it nobody can tell who was forgotten.")
    hasher = PersonHasher(secret_key)
    if key_ids != {hasher.key_id}:
        raise ForgettingError(
            "People were forgotten under another REVOADA_SECRET_KEY, and cannot be recognised with this one: set the "
            "old key; where it is lost, see docs/decisions/0013."
        )
    return hasher
