"""Forgets one person: everything but that they must not be messaged, and that only as a hash."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.domain.optout.recognition import Source
from campaigns.domain.phone.person import list_forms, recipient_key
from campaigns.privacy.forgotten_people import ForgettingError, make_hasher
from campaigns.secrets import PersonHasher
from campaigns.store import people
from campaigns.store.database import Connection, Database
from campaigns.store.people import Erased
from campaigns.store.suppressions import SuppressionEvent, write_suppressions


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was held of the person. `suppressed_count`: messages that were still to be sent."""

    suppressed_count: int
    erased: Erased


def forget(database: Database, phone: str, *, secret_key: str) -> Forgotten:
    """Forget the person with this number (E.164).

    First, and for good, nothing more is sent to them. Raises ForgettingError while a request to them, or a webhook
    about them, is on its way: then nothing is erased yet.
    """
    key = recipient_key(phone)
    suppressed_count = database.run(_stop, key)
    return Forgotten(suppressed_count, database.run(_erase, key, secret_key))


def _stop(connection: Connection, key: str) -> int:
    write_suppressions(connection, [SuppressionEvent(key, Source.MANUAL, True, None, "forget")])  # noqa: FBT003
    return people.suppress_pending(connection, key)


def _erase(connection: Connection, key: str, secret_key: str) -> Erased:
    hasher = make_hasher(connection, secret_key) or PersonHasher(secret_key)
    # Waits for imports that have looked already; those that look later find the person.
    people.add_forgotten(connection, hasher.hash(key), hasher.key_id, key)
    people.suppress_pending(connection, key)
    numbers, user_ids = list_forms(key), people.find_user_ids(connection, [key])
    if people.is_named_in_new_events(connection, [*numbers, *user_ids]):
        raise ForgettingError(
            "A webhook about this person is not applied yet: try again in a minute, while a worker of the queue "
            "`webhooks` runs. Nothing more is sent."
        )
    # Wait for transactions of webhooks that write a pair of the person; later ones find the person in `forgotten`.
    people.lock_people(connection)
    user_ids = people.find_user_ids(connection, [key])
    erased = people.erase_person(connection, key, numbers, user_ids)
    # Also what came back from the wire while this looked.
    if people.has_messages(connection, key):
        raise ForgettingError("A message to this person is on the wire: try again in a minute. Nothing more is sent.")
    return erased
