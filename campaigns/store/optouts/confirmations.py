"""Queries about confirmations of opt-outs, which are sent once to each person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.store.database import Connection, query


@dataclass(frozen=True, slots=True)
class StopReply:
    """A confirmation to send: the sending number, the recipient's phone, and the time of the opt-out."""

    phone_number_id: str
    phone: str
    received_at: dt.datetime


@dataclass(frozen=True, slots=True)
class TakenReply:
    """A confirmation that this process has taken.

    `account_id`, `token`: None if no active account has the sending number.

    `is_open`: the person wrote less than a day ago, so Meta still accepts free text.
    """

    id: int
    phone_number_id: str
    phone: str
    is_open: bool
    account_id: int | None
    token: bytes | None


def add_stop_replies(connection: Connection, replies: Sequence[StopReply]) -> None:
    if not replies:
        return
    parameters = {
        "phone_number_ids": [reply.phone_number_id for reply in replies],
        "phones": [reply.phone for reply in replies],
        "received_at": [reply.received_at for reply in replies],
    }
    connection.execute(query("add_stop_replies"), parameters)


def take_stop_reply(connection: Connection) -> TakenReply | None:
    """Delete and return the oldest confirmation. The caller commits before it sends the confirmation, so the
    confirmation is sent at most once.
    """
    row = connection.execute(query("take_stop_reply")).fetchone()
    return TakenReply(*row) if row else None
