"""Posted messages with their keys, and the standing campaigns of accounts and templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from campaigns.domain.phone.person import recipient_key
from campaigns.store.database import Connection, query
from campaigns.store.messages import RecipientRow


@dataclass(frozen=True, slots=True)
class PostKey:
    """The key of a posted message.

    It is unique in the campaign. If the campaign was made for an account and a template, the key is unique among all
    such campaigns of the account.
    """

    campaign_id: int
    key_sha256: bytes


@dataclass(frozen=True, slots=True)
class PostRow:
    """A posted message. `recipient_key` None: the person was erased."""

    id: int
    campaign_id: int
    status: str
    recipient_key: str | None
    variables: list[str]


@dataclass(frozen=True, slots=True)
class SingleMessage(RecipientRow):
    """A message with its person and its campaign."""

    campaign_id: int


def lock_standing(connection: Connection, account_id: int, template: str) -> None:
    """Wait until no other transaction makes the standing campaign of an account and a template."""
    connection.execute(query("lock_standing"), {"account_id": account_id, "template": template})


def find_standing(connection: Connection, account_id: int, template: str) -> int | None:
    """Return the id of the standing campaign that was made for an account and a template, `name:language`."""
    row = connection.execute(query("find_standing"), {"account_id": account_id, "template": template}).fetchone()
    return None if row is None else int(row[0])


def note_standing_account(connection: Connection, campaign_id: int, account_id: int) -> None:
    """Note that a standing campaign was made for the messages of an account."""
    connection.execute(query("note_standing_account"), {"campaign_id": campaign_id, "account_id": account_id})


def insert_post(
    connection: Connection, key: PostKey, *, phone: str, variables: Sequence[str], posted_by: str
) -> int | None:
    """Insert a message with its key into a campaign that the caller has locked.

    Return its id; None if the key is in use.
    """
    parameters = _name(key) | {
        "phone": phone,
        "recipient_key": recipient_key(phone),
        "variables": list(variables),
        "posted_by": posted_by,
    }
    row = connection.execute(query("insert_post"), parameters).fetchone()
    return None if row is None else int(row[0])


def note_post(connection: Connection, campaign_id: int) -> bool:
    """Count a message that was inserted, and wake its campaign. Return whether the caller enqueues the campaign."""
    row = connection.execute(query("note_post"), {"campaign_id": campaign_id}).fetchone()
    return bool(row and row[0])


def find_post(connection: Connection, key: PostKey) -> PostRow | None:
    """Return the message that was posted with a key."""
    with connection.cursor(row_factory=class_row(PostRow)) as cursor:
        return cursor.execute(query("find_post"), _name(key)).fetchone()


def load_message(connection: Connection, message_id: int) -> SingleMessage | None:
    with connection.cursor(row_factory=class_row(SingleMessage)) as cursor:
        return cursor.execute(query("load_message"), {"message_id": message_id}).fetchone()


def _name(key: PostKey) -> dict[str, object]:
    return {"campaign_id": key.campaign_id, "key_sha256": key.key_sha256}
