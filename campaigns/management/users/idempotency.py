"""Carries out the request of a program once, however often the program sends it: docs/decisions/0112."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from campaigns.store.database import Connection, Database, JoinedDatabase
from campaigns.store.users import idempotency as store
from campaigns.store.users.idempotency import KeyedRequest


class KeyBusyError(Exception):
    """Another request with the same key is being carried out."""


class KeyReusedError(Exception):
    """The key belongs to another request, which was carried out."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`answer`: as JSON. `is_replay`: the request was carried out before, and this is the answer of that time."""

    answer: Mapping[str, Any]
    is_replay: bool


def find_outcome(database: Database, request: KeyedRequest) -> Outcome | None:
    """Return the outcome of a request that was carried out before, else None. Raises KeyReusedError."""
    return database.run(_find, request)


def run_once(
    database: Database, request: KeyedRequest | None, work: Callable[[Database], Mapping[str, Any]]
) -> Outcome:
    """Call `work` with a database whose transactions are all parts of one transaction, and store its answer there.

    So either the changes and the answer are committed, or nothing is: a process that is killed at any time leaves a
    request that was carried out with its answer, or a request that was not carried out. `work` does nothing outside of
    Postgres, because a deadlock repeats it. It returns an answer that JSON can hold, and that has no data of a person,
    because nobody erases it when the person is forgotten. If `work` raises an error, nothing
    is changed, and the key is not used up. `request` None: the request has no key, and nothing is stored.

    Raises KeyBusyError and KeyReusedError.
    """

    def run(connection: Connection) -> Outcome:
        if request is None:
            return Outcome(work(JoinedDatabase(connection)), is_replay=False)
        if not store.lock_key(connection, request):
            raise KeyBusyError
        if (before := _find(connection, request)) is not None:
            return before
        answer = work(JoinedDatabase(connection))
        store.insert_answer(connection, request, answer)
        return Outcome(answer, is_replay=False)

    return database.run(run)


def _find(connection: Connection, request: KeyedRequest) -> Outcome | None:
    found = store.find_answer(connection, request)
    if found is None:
        return None
    if found.digest != request.digest:
        raise KeyReusedError
    return Outcome(found.answer, is_replay=True)
