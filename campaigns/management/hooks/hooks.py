"""Adds, changes and removes hooks, and sends events again."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from campaigns.domain.hooks.events import DeliveryState, DisabledReason, choose_types
from campaigns.domain.hooks.signature import SECRET_BYTES, write_secret
from campaigns.domain.statement import Hint, HintAction, Kind, Refusal
from campaigns.domain.users.actor import Act, Actor
from campaigns.domain.users.proxy import Network
from campaigns.egress import check_url
from campaigns.secrets import encrypt_token
from campaigns.store.database import Connection, Database
from campaigns.store.hooks import hooks as store
from campaigns.store.hooks import outbox
from campaigns.store.hooks.hooks import Hook
from campaigns.store.hooks.outbox import Delivery
from campaigns.store.users.audit import write_audit

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AddedHook:
    """`secret`: signs the POSTs to the hook. It is shown once; Postgres has it encrypted."""

    secret: str
    hook: Hook


def add_hook(
    database: Database,
    url: str,
    *,
    types: Collection[str],
    networks: Sequence[Network],
    actor: Actor,
    secret_key: str,
) -> AddedHook:
    """Add a hook, which gets all later events of its types.

    `types`: empty for all types but those with phones. `networks`: the setting REVOADA_EGRESS_NETWORKS. Raises Refusal.
    """
    check_url(url, networks)
    chosen, secret = choose_types(types), _make_secret()

    def work(connection: Connection) -> AddedHook:
        hook_id = store.insert_hook(connection, url, types=chosen, secret=encrypt_token(secret_key, secret))
        hook = _load(connection, hook_id)
        write_audit(connection, actor, Act.HOOK_ADD, hook_id, after=_describe(hook))
        return AddedHook(secret, hook)

    return database.run(work)


def list_hooks(database: Database) -> list[Hook]:
    return database.run(store.list_hooks)


def load_hook(database: Database, hook_id: int) -> Hook:
    """Return a hook. Raises Refusal if there is none with this id."""
    return database.run(_load, hook_id)


def list_deliveries(
    database: Database,
    hook_id: int,
    *,
    before: int | None = None,
    state: DeliveryState | None = None,
    limit: int,
) -> list[Delivery]:
    """Return at most `limit` deliveries, the newest event first. `before`: only events with a smaller id.

    Raises Refusal if there is no such hook.
    """

    def work(connection: Connection) -> list[Delivery]:
        _load(connection, hook_id)
        return outbox.list_deliveries(connection, hook_id, before=before, state=state, limit=limit)

    return database.run(work)


def change_hook(database: Database, hook_id: int, *, types: Collection[str], actor: Actor) -> Hook:
    """Set the types of the events that a hook gets from now on. Raises Refusal.

    `types`: empty for all types but those with phones. Events that wait already are still sent, also events of a type
    that the hook gets no longer. If the hook has these types already, nothing changes, and the audit gets no row.
    """
    chosen = choose_types(types)

    def work(connection: Connection) -> Hook:
        before = _load(connection, hook_id)
        if store.set_hook_types(connection, hook_id, chosen):
            was, now = {"types": before.types}, {"types": chosen}
            write_audit(connection, actor, Act.HOOK_CHANGE, hook_id, before=was, after=now)
        return _load(connection, hook_id)

    return _change(database, hook_id, work)


def rotate_hook(database: Database, hook_id: int, *, actor: Actor, secret_key: str) -> AddedHook:
    """Give a hook a new secret. The secret before it signs for 24 more hours. Raises Refusal."""
    secret = _make_secret()

    def work(connection: Connection) -> AddedHook:
        store.rotate_hook(connection, hook_id, secret=encrypt_token(secret_key, secret))
        write_audit(connection, actor, Act.HOOK_ROTATE, hook_id)
        return AddedHook(secret, _load(connection, hook_id))

    return _change(database, hook_id, work)


def disable_hook(database: Database, hook_id: int, *, actor: Actor) -> Hook:
    """Send a hook nothing more. What waits for a try goes on waiting. Raises Refusal."""

    def work(connection: Connection) -> Hook:
        if store.disable_hook(connection, hook_id, DisabledReason.PERSON):
            write_audit(connection, actor, Act.HOOK_DISABLE, hook_id)
        return _load(connection, hook_id)

    return _change(database, hook_id, work)


def enable_hook(database: Database, hook_id: int, *, actor: Actor) -> Hook:
    """Send a hook its events again: those that wait, and those that happen from now on. Raises Refusal.

    The hook gets the events between only if somebody replays them.
    """

    def work(connection: Connection) -> Hook:
        if store.enable_hook(connection, hook_id):
            write_audit(connection, actor, Act.HOOK_ENABLE, hook_id)
        return _load(connection, hook_id)

    return _change(database, hook_id, work)


def remove_hook(database: Database, hook_id: int, *, actor: Actor) -> Hook:
    """Delete a hook with its deliveries; return it as it was. Raises Refusal."""

    def work(connection: Connection) -> Hook:
        hook = _load(connection, hook_id)
        store.remove_hook(connection, hook_id)
        write_audit(connection, actor, Act.HOOK_REMOVE, hook_id, before=_describe(hook))
        return hook

    return _change(database, hook_id, work)


def test_hook(database: Database, hook_id: int, *, actor: Actor) -> int:
    """Send a hook a test event within seconds; return the id of the event. Raises Refusal, also if it is disabled."""

    def work(connection: Connection) -> int:
        _demand_enabled(_load(connection, hook_id))
        event_id = outbox.write_test_event(connection, hook_id)
        write_audit(connection, actor, Act.HOOK_TEST, hook_id, after={"event_id": event_id})
        return event_id

    return _change(database, hook_id, work)


def resend_delivery(database: Database, hook_id: int, event_id: int, *, actor: Actor) -> None:
    """Send one event to a hook again, with all its tries. The event keeps its id. Raises Refusal."""

    def work(connection: Connection) -> None:
        _demand_enabled(_load(connection, hook_id))
        if not outbox.resend_delivery(connection, hook_id, event_id):
            text = "Hook {id} has no event {event} that could be sent again."
            raise Refusal("hook_event_missing", text, kind=Kind.MISSING, id=hook_id, event=event_id)
        write_audit(connection, actor, Act.HOOK_REPLAY, hook_id, after={"event_id": event_id, "sent_event_count": 1})

    _change(database, hook_id, work)


def replay_hook(
    database: Database, hook_id: int, *, from_id: int | None = None, from_time: dt.datetime | None = None, actor: Actor
) -> int:
    """Send a hook all events of its types again, from an event or a time on; return their number. Raises Refusal.

    Events are kept for 30 days. Each event keeps its id, so the receiver can leave out those that it has.
    """

    def work(connection: Connection) -> int:
        _demand_enabled(_load(connection, hook_id))
        count = outbox.replay_deliveries(connection, hook_id, from_id=from_id, from_time=from_time)
        after = {"from_id": from_id, "from_time": from_time, "sent_event_count": count}
        write_audit(connection, actor, Act.HOOK_REPLAY, hook_id, after=after)
        return count

    return _change(database, hook_id, work)


def _change(database: Database, hook_id: int, work: Callable[[Connection], T]) -> T:
    def locked(connection: Connection) -> T:
        store.lock_hook(connection, hook_id)
        _load(connection, hook_id)
        return work(connection)

    return database.run(locked)


def _load(connection: Connection, hook_id: int) -> Hook:
    found = store.list_hooks(connection, hook_id)
    if not found:
        text = "There is no hook {id}; {list_hooks} shows all."
        hint = Hint(HintAction.LIST_HOOKS)
        raise Refusal("hook_missing", text, kind=Kind.MISSING, id=hook_id, list_hooks=hint)
    return found[0]


def _demand_enabled(hook: Hook) -> None:
    if hook.disabled_at is not None:
        text = "Hook {id} is disabled, so nothing is sent to it. Enable it first."
        raise Refusal("hook_not_enabled", text, kind=Kind.CONFLICT, id=hook.id)


def _make_secret() -> str:
    return write_secret(secrets.token_bytes(SECRET_BYTES))


def _describe(hook: Hook) -> dict[str, object]:
    """Return the values for the audit. The path and the query of a URL may be secrets, so only its host is kept."""
    return {"host": urlsplit(hook.url).hostname, "types": hook.types}
