"""The tokens with which programs use the API."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from campaigns.store.database import Connection, insert_row, query


@dataclass(frozen=True, slots=True)
class Token:
    """`owner`: the name of the user whose rights bound those of the token. `networks`: [] means everywhere.

    `last_used_at`: the time of the last request, within a minute. `is_valid`: the token is neither revoked nor expired,
    and its owner may sign in.
    """

    id: int
    name: str
    owner: str
    scopes: list[str]
    networks: list[str]
    created_at: dt.datetime
    expires_at: dt.datetime
    last_used_at: dt.datetime | None
    revoked_at: dt.datetime | None
    is_valid: bool


@dataclass(frozen=True, slots=True)
class TokenUse:
    """A valid token of a request, with its owner. `is_unseen`: `see_token` has to be called."""

    id: int
    name: str
    user_id: int
    owner: str
    role: str
    scopes: list[str]
    expires_at: dt.datetime
    is_from_its_network: bool
    is_unseen: bool


def insert_token(
    connection: Connection,
    token: str,
    *,
    user_id: int,
    name: str,
    scopes: Sequence[str],
    networks: Sequence[str],
    days: int,
) -> int:
    """Insert a token that is valid for a number of days; return its id."""
    parameters = {
        "user_id": user_id,
        "name": name,
        "token_sha256": _hash(token),
        "scopes": list(scopes),
        "networks": list(networks),
        "days": days,
    }
    return insert_row(connection, "insert_token", parameters)


def list_tokens(connection: Connection, token_id: int | None = None) -> list[Token]:
    """Return all tokens, or the token with this id, also tokens that are not valid any more."""
    with connection.cursor(row_factory=class_row(Token)) as cursor:
        return cursor.execute(query("list_tokens"), {"token_id": token_id}).fetchall()


def revoke_token(connection: Connection, token_id: int) -> bool:
    """Revoke a token; return False if it was revoked already, or if there is none with this id."""
    return connection.execute(query("revoke_token"), {"token_id": token_id}).rowcount == 1


def find_token(connection: Connection, token: str, *, address: str) -> TokenUse | None:
    """Return the valid token with this text; None if there is none. `address`: the IP address of the client."""
    parameters = {"token_sha256": _hash(token), "address": address}
    with connection.cursor(row_factory=class_row(TokenUse)) as cursor:
        return cursor.execute(query("find_token"), parameters).fetchone()


def see_token(connection: Connection, token_id: int) -> None:
    """Note that the token is in use."""
    connection.execute(query("see_token"), {"token_id": token_id})


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
