"""The objects that all resources share, and the token of the present request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from flask import current_app, g, request

from campaigns.broker.queues import BrokerFacts
from campaigns.config import Settings
from campaigns.domain.users.actor import Actor, ActorKind, Surface
from campaigns.domain.users.proxy import CLIENT
from campaigns.domain.users.rights import Right, Role, list_rights
from campaigns.management.listings.reasons import KeptReasons
from campaigns.store.database import Database
from campaigns.store.users.tokens import TokenUse
from campaigns.throttle.requests import RequestLimit

EXTENSION = "revoada"


@dataclass(frozen=True, slots=True)
class Parts:
    """`enqueue`: enqueues campaigns whose change is committed; returns False if the broker did not take the tasks.

    `enqueue_file_work`: enqueues the work with files; returns False if the broker did not take the task. `ask_broker`:
    returns the state of the broker; with `asks_processes=True` it also asks the processes, which takes some seconds.
    `limit` counts all requests except posts of single messages, which `message_limit` counts. `reasons`: why messages
    of large campaigns failed.
    """

    settings: Settings
    database: Database
    limit: RequestLimit
    enqueue: Callable[[Sequence[int]], bool]
    enqueue_file_work: Callable[[], bool]
    ask_broker: Callable[..., BrokerFacts]
    message_limit: RequestLimit
    reasons: KeptReasons = field(default_factory=KeptReasons)


def parts() -> Parts:
    return cast("Parts", current_app.extensions[EXTENSION])


def token() -> TokenUse:
    """Return the token of a request whose view demands one."""
    return cast("TokenUse", g.token)


def read_address() -> str:
    """Return the IP address of the client, also behind a trusted proxy."""
    return str(request.environ.get(CLIENT) or "") or "127.0.0.1"  # a connection on a Unix socket has no address


def may(right: Right) -> bool:
    """Tell whether the role of the token's user has a right."""
    return right in list_rights(Role(token().role))


def actor() -> Actor:
    return Actor(
        token().owner,
        ActorKind.USER,
        Surface.API,
        network=read_address(),
        token_id=token().id,
        request_id=g.request_id,
    )
