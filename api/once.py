"""Changes: a change with an Idempotency-Key is made once, and a change with If-Match only if nobody was faster."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Response, request
from pydantic import BaseModel

from api.context import parts, token
from api.problems import ProblemError
from campaigns.management.users.idempotency import KeyBusyError, KeyReusedError, Outcome, find_outcome, run_once
from campaigns.secrets import decrypt_token, encrypt_token
from campaigns.store.database import Database
from campaigns.store.users.idempotency import KeyedRequest

_KEY = re.compile(r"[!-~]{1,255}")
_NO_BODIES = frozenset({b"", b"{}"})


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` None: the response has no body. `to_enqueue`: the campaigns that may run after the commit.

    `has_secret`: the body is encrypted where it is stored for a repeated request.
    """

    body: BaseModel | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    to_enqueue: Sequence[int] = ()
    has_file_work: bool = False
    has_secret: bool = False


def carry_out(change: Callable[[Database], Answer], *, prepare: Callable[[], object] | None = None) -> Response:
    """Make the change of this request in one transaction, and answer. `change` may be called again after a deadlock.

    `prepare` is called before the transaction, because it may wait for Meta; not for a request that was carried out.
    """
    made: list[Answer] = []
    keyed, database = _read_key(), parts().database

    def work(joined: Database) -> Mapping[str, Any]:
        made.append(change(joined))
        answer = made[-1]
        body = "" if answer.body is None else answer.body.model_dump_json()
        if answer.has_secret:
            body = encrypt_token(parts().settings.secret_key or "", body).decode("ascii")
        headers = dict(answer.headers)
        return {"status": answer.status, "headers": headers, "body": body, "is_encrypted": answer.has_secret}

    try:
        outcome = None if keyed is None else find_outcome(database, keyed)
        if outcome is None:
            if prepare is not None:
                prepare()
            outcome = run_once(database, keyed, work)
    except KeyBusyError:
        raise ProblemError("idempotency_key_busy", headers={"Retry-After": "1"}) from None
    except KeyReusedError:
        raise ProblemError("idempotency_key_reused") from None
    if not outcome.is_replay:
        if made[-1].to_enqueue:
            parts().enqueue(made[-1].to_enqueue)
        if made[-1].has_file_work:
            parts().enqueue_file_work()
    return _respond(outcome)


def refuse_body() -> None:
    """Refuse a body where none is read, so that a program does not believe that its members count."""
    if request.get_data().strip() not in _NO_BODIES:
        raise ProblemError("body_unexpected")


def make_etag(body: BaseModel) -> str:
    """Return the ETag of a representation, which changes whenever a member changes."""
    return f'"{hashlib.sha256(body.model_dump_json().encode()).hexdigest()[:32]}"'


def read_if_match() -> str:
    """Return the header If-Match of a change that demands it."""
    found = request.headers.get("If-Match", "").strip()
    if not found:
        raise ProblemError("if_match_missing")
    return found


def demand_match(body: BaseModel, if_match: str) -> None:
    """Refuse a change if the representation is not the one that the program has read. `*` fits each."""
    if if_match != "*" and make_etag(body) not in {each.strip() for each in if_match.split(",")}:
        raise ProblemError("campaign_changed")


def _read_key() -> KeyedRequest | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise ProblemError("idempotency_key_invalid")
    digest = hashlib.sha256()
    for part in (request.method.encode(), request.path.encode(), request.get_data()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return KeyedRequest(token().id, key, digest.digest())


def _respond(outcome: Outcome) -> Response:
    answer = outcome.answer
    headers = {**answer["headers"], "Idempotency-Replayed": "true"} if outcome.is_replay else answer["headers"]
    body = answer["body"]
    if answer.get("is_encrypted"):
        body = decrypt_token(parts().settings.secret_key or "", body.encode("ascii"))
    return Response(body, answer["status"], headers, content_type="application/json")
