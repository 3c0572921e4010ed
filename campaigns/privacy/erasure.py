"""Forgets one person: erases all data about the person and keeps only a hash, by which the person stays suppressed."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from campaigns.domain.optout.recognition import Source
from campaigns.domain.phone.person import list_forms, recipient_key
from campaigns.domain.statement import Kind, Refusal
from campaigns.domain.users.actor import Act, Actor
from campaigns.privacy.forgotten_people import find_hashers
from campaigns.secrets import PersonHasher
from campaigns.store import people
from campaigns.store.database import Connection, Database, LockTimeout, allow_long_statements, limit_lock_waits
from campaigns.store.files.jobs import stop_file_work
from campaigns.store.files.uploads import forget_files
from campaigns.store.hooks.outbox import erase_phones
from campaigns.store.optouts.suppressions import SuppressionEvent, write_suppressions
from campaigns.store.people import ErasedCounts
from campaigns.store.users.audit import write_audit

# The longest wait for the work with a file. A list of a million people takes a minute or two.
_MAX_WAIT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The result of forgetting a person. `suppressed_count`: the number of pending messages that will not be sent."""

    suppressed_count: int
    erased: ErasedCounts


def forget(database: Database, phone: str, *, actor: Actor, secret_key: str) -> Forgotten:
    """Forget the person with this number (E.164).

    First the person is suppressed, so that no more messages are sent to the person. Waits for the work with files that
    is in progress. Raises Refusal if that work takes too long, while a request to the person is in flight, or while a
    webhook about the person waits to be applied. After a Refusal nothing is erased, but the suppression stays.
    """
    key = recipient_key(phone)
    suppressed_count = database.run(_stop, key, actor)
    try:
        return Forgotten(suppressed_count, database.run(_erase, key, secret_key, actor))
    except LockTimeout:
        raise Refusal(
            "file_in_work",
            "A list is being imported, or a file is being written: try again when that is finished. Nothing more is"
            " sent.",
            kind=Kind.AWAY,
        ) from None


def _stop(connection: Connection, key: str, actor: Actor) -> int:
    write_suppressions(connection, [SuppressionEvent(key, Source.MANUAL, True, None, "forget")])  # noqa: FBT003
    count = people.suppress_pending(connection, key)
    after = {"person_count": 1, "detail": "forget", "message_count": count}
    write_audit(connection, actor, Act.SUPPRESSION_ADD, after=after)
    return count


def _erase(connection: Connection, key: str, secret_key: str, actor: Actor) -> ErasedCounts:
    allow_long_statements(connection)
    limit_lock_waits(connection, _MAX_WAIT_SECONDS)
    # A file may have the person's data, and nobody can search it. So all files are deleted, after the work with them.
    # The wait comes before all other locks, because that work takes locks that this transaction takes below.
    stop_file_work(connection)
    hasher = _choose_hasher(connection, key, secret_key)
    # This statement waits for the imports of commands that have already searched their lists for forgotten people.
    # Later imports find this person in `forgotten`.
    people.add_forgotten(connection, hasher.hash(key), hasher.key_id, key)
    people.suppress_pending(connection, key)
    numbers, user_ids = list_forms(key), people.find_user_ids(connection, [key])
    if people.is_named_in_new_events(connection, [*numbers, *user_ids]):
        raise Refusal(
            "webhook_not_applied",
            "A webhook about this person is not applied yet: try again in a minute, while a worker of the queue"
            " `webhooks` runs. Nothing more is sent.",
            kind=Kind.AWAY,
        )
    export_count, upload_count = forget_files(connection)
    # Wait for transactions of webhooks that write a pair of user id and number of the person. Later transactions find
    # the person in `forgotten`.
    people.lock_people(connection)
    user_ids = people.find_user_ids(connection, [key])
    erased = people.erase_person(connection, key, numbers, user_ids)
    erase_phones(connection, [key])
    # The erasure leaves out messages in flight. This check also finds a message that Meta accepted or refused during
    # the erasure.
    if people.has_messages(connection, key):
        raise Refusal(
            "message_in_flight",
            "A message to this person is in flight: try again in a minute. Nothing more is sent.",
            kind=Kind.CONFLICT,
        )
    counts = {"export_count": export_count, "upload_count": upload_count}
    write_audit(connection, actor, Act.PERSON_FORGET, after=asdict(erased) | counts)
    return erased


def _choose_hasher(connection: Connection, key: str, secret_key: str) -> PersonHasher:
    """Return the hasher under which the person was forgotten before, or else the hasher of the newest key."""
    known = find_hashers(connection, secret_key)
    found = people.find_forgotten(connection, [hasher.hash(key) for hasher in known])
    return next((hasher for hasher in known if hasher.hash(key) in found), PersonHasher.list_all(secret_key)[0])
