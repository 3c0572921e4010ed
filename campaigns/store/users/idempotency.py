"""The requests with an Idempotency-Key that were carried out, each with its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from campaigns.store.database import Connection, query


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """`key`: the Idempotency-Key. `digest`: the SHA-256 of the request, by which another request is noticed."""

    token_id: int
    key: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    digest: bytes
    answer: dict[str, Any]


def lock_key(connection: Connection, request: KeyedRequest) -> bool:
    """Lock a key until the transaction ends; return False if another transaction has locked it."""
    row = connection.execute(query("lock_idempotency_key"), _name(request)).fetchone()
    return row == (True,)


def find_answer(connection: Connection, request: KeyedRequest) -> StoredAnswer | None:
    row = connection.execute(query("find_idempotency_key"), _name(request)).fetchone()
    return None if row is None else StoredAnswer(bytes(row[0]), row[1])


def insert_answer(connection: Connection, request: KeyedRequest, answer: Mapping[str, Any]) -> None:
    parameters = {**_name(request), "digest": request.digest, "answer": Jsonb(dict(answer))}
    connection.execute(query("insert_idempotency_key"), parameters)


def erase_answers(connection: Connection) -> int:
    """Delete the requests that are older than 24 hours; return their number."""
    return connection.execute(query("erase_idempotency_keys")).rowcount


def _name(request: KeyedRequest) -> dict[str, Any]:
    return {"token_id": request.token_id, "key": request.key}
