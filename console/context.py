"""The objects that all pages share, and the person who makes the present request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from flask import current_app, g, request, session

from campaigns.broker.queues import BrokerFacts
from campaigns.config import Settings
from campaigns.domain.statement import Refusal
from campaigns.domain.users.actor import Actor, ActorKind, Surface
from campaigns.domain.users.rights import Right, Role, list_rights
from campaigns.management.listings.reasons import KeptReasons
from campaigns.management.users.hashing import Hasher
from campaigns.management.users.sessions import find_proxy_user, find_session
from campaigns.store.database import Database, DatabaseError
from campaigns.store.users.sessions import SessionUser
from console.security import read_address, read_peer
from console.sessions import ConsoleSession

EXTENSION = "revoada"


@dataclass(frozen=True, slots=True)
class Parts:
    """`enqueue`: enqueues campaigns whose change is committed; returns False if the broker did not take the tasks.

    `enqueue_file_work`: enqueues the work with files; returns False if the broker did not take the task. `ask_broker`:
    returns the state of the broker; with `asks_processes=True` it also asks the processes, which takes some seconds.
    `reasons`: why messages of large campaigns failed.
    """

    settings: Settings
    database: Database
    hasher: Hasher
    enqueue: Callable[[Sequence[int]], bool]
    enqueue_file_work: Callable[[], bool]
    ask_broker: Callable[..., BrokerFacts]
    reasons: KeptReasons = field(default_factory=KeptReasons)


def parts() -> Parts:
    return cast("Parts", current_app.extensions[EXTENSION])


def console_session() -> ConsoleSession:
    return cast("ConsoleSession", session._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001


def find_user() -> SessionUser | None:
    """Return the user of this request, None for a visitor.

    The user whom a trusted proxy names takes precedence over the user of a session. Raises DatabaseError if Postgres
    does not answer, and Refusal if the proxy names somebody without access. An error is kept for the rest of the
    request, so the error page does not wait for Postgres a second time.
    """
    if "user_error" in g:
        raise g.user_error
    if "user" not in g:
        try:
            g.user = _find_proxy_user() or _find_session_user()
        except (DatabaseError, Refusal) as error:
            g.user_error = error
            raise
    return cast("SessionUser | None", g.user)


def _find_proxy_user() -> SessionUser | None:
    """Return the user whom a trusted proxy has signed in. The proxy asks for the password, so no page asks again."""
    found = find_proxy_user(parts().database, parts().settings, list(request.headers), read_peer())
    g.is_by_proxy = found is not None
    if found is None:
        return None
    return SessionUser(
        user_id=found.id,
        name=found.name,
        role=found.role,
        language=found.language,
        time_zone=found.time_zone,
        wants_updates=found.wants_updates,
        created_at=found.created_at,
        is_unseen=False,
        is_confirmed=True,
    )


def _find_session_user() -> SessionUser | None:
    token = console_session().token
    return None if token is None else find_session(parts().database, token)


def is_by_proxy() -> bool:
    """Tell whether a proxy has signed the user of this request in. Such a user has no session here."""
    return bool(g.get("is_by_proxy"))


def user() -> SessionUser:
    """Return the user of a request whose view has `demands`. Such a request always has a user."""
    found = find_user()
    assert found is not None
    return found


def may(right: Right) -> bool:
    return right in list_rights(Role(user().role))


def actor() -> Actor:
    return Actor(user().name, ActorKind.USER, Surface.CONSOLE, network=read_address())
