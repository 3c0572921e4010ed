"""Confirmations to people who opted out: kept until they are taken, each taken once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.store.database import Connection, query


@dataclass(frozen=True, slots=True)
class StopReply:
    """Whom to answer (in E.164), from which of our numbers, and when the opt-out was written."""

    phone_number_id: str
    phone: str
    received_at: dt.datetime


@dataclass(frozen=True, slots=True)
class TakenReply:
    """A reply that is this process's to send. `account_id` and `token` are None where no active account has its number;
    `is_open`: Meta still takes free text to that person.
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
    """Take the oldest reply; commit before sending it. It is gone then, whatever becomes of it."""
    row = connection.execute(query("take_stop_reply")).fetchone()
    return TakenReply(*row) if row else None
