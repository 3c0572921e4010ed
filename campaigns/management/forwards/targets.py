"""Adds, disables, enables, removes and tests the targets to which webhooks are passed on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from campaigns.config import Settings
from campaigns.domain.statement import Hint, HintAction, Kind, Refusal
from campaigns.domain.users.actor import Act, Actor
from campaigns.egress import Poster, PostResult, check_url
from campaigns.management.forwards.send import choose_secret, post_body
from campaigns.secrets import encrypt_token
from campaigns.store.accounts import list_accounts
from campaigns.store.database import Connection, Database
from campaigns.store.forwards import forwards as store
from campaigns.store.forwards.forwards import Forward
from campaigns.store.users.audit import write_audit

# Each enabled forward has a thread of its own in a process of the role `events`.
MAX_ENABLED = 10
# A webhook about no message of a number that does not exist. It has a change, because pywa fails without one.
TEST_BODY = (
    b'{"object":"whatsapp_business_account","entry":[{"id":"0","changes":[{"value":{"messaging_product":"whatsapp",'
    b'"metadata":{"display_phone_number":"0","phone_number_id":"0"}},"field":"messages"}]}]}'
)
_BATCH = 5_000


def add_forward(
    database: Database,
    url: str,
    *,
    fields: Sequence[str] = (),
    numbers: Sequence[str] = (),
    secret: str | None = None,
    settings: Settings,
    actor: Actor,
) -> Forward:
    """Add a target that gets the webhooks that arrive from now on.

    `fields`: the fields of Meta's webhooks, such as `messages`; empty: all. `numbers`: names of accounts, or phone
    number ids; empty: all, and also the changes that are about no number. `secret`: the one that signs; None: the app
    secret, so that Meta's own signature fits an unchanged body. Raises Refusal.
    """
    check_url(url, settings.egress_networks or ())
    if secret is None:
        settings.require("meta_app_secret")
    sealed = None if secret is None else encrypt_token(settings.require("secret_key").secret_key or "", secret)
    chosen = [_read_field(each) for each in fields]

    def work(connection: Connection) -> Forward:
        _refuse_more(connection)
        ids = _find_phone_number_ids(connection, numbers)
        forward_id = store.insert_forward(connection, url, fields=chosen, phone_number_ids=ids, secret=sealed)
        forward = _find(connection, forward_id)
        write_audit(connection, actor, Act.FORWARD_ADD, forward_id, after=_describe(forward))
        return forward

    return database.run(work)


def show_forward(database: Database, forward_id: int) -> Forward:
    """Return a forward. Raises Refusal if there is none with this id."""
    return database.run(_find, forward_id)


def disable_forward(database: Database, forward_id: int, *, actor: Actor) -> Forward:
    """Send nothing to a target any more. What waits for it is kept as long as for other targets; new webhooks are not.

    A forward that is disabled already stays as it is, and the audit gets no row. Raises Refusal if there is no such
    forward.
    """

    def work(connection: Connection) -> Forward:
        forward = _find(connection, forward_id)
        if store.disable_forward(connection, forward_id):
            write_audit(connection, actor, Act.FORWARD_DISABLE, forward_id, after=_describe(forward))
        return _find(connection, forward_id)

    return database.run(work)


def enable_forward(database: Database, forward_id: int, *, actor: Actor) -> Forward:
    """Send to a target again, at once. Raises Refusal if there is no such forward, or if too many are enabled."""

    def work(connection: Connection) -> Forward:
        forward = _find(connection, forward_id)
        if forward.disabled_at is not None:
            _refuse_more(connection)
            if store.enable_forward(connection, forward_id):
                write_audit(connection, actor, Act.FORWARD_ENABLE, forward_id, after=_describe(forward))
        return _find(connection, forward_id)

    return database.run(work)


def remove_forward(database: Database, forward_id: int, *, actor: Actor) -> Forward:
    """Delete a forward, with all that waits for it. Raises Refusal if there is no such forward."""
    disable_forward(database, forward_id, actor=actor)
    while database.run(store.delete_some_bodies, forward_id, limit=_BATCH):
        pass

    def work(connection: Connection) -> Forward:
        forward = _find(connection, forward_id)
        store.delete_forward(connection, forward_id)
        write_audit(connection, actor, Act.FORWARD_REMOVE, forward_id, before=_describe(forward))
        return forward

    return database.run(work)


def try_forward(database: Database, forward_id: int, *, settings: Settings) -> PostResult:
    """Post a signed webhook without content to a target, once; return its answer. Nothing is stored.

    Raises Refusal if there is no such forward, or if its secret cannot be read.
    """
    forward = database.run(_find, forward_id)
    secret = choose_secret(settings, database.run(store.read_secret, forward_id))
    with Poster(forward.url, settings.egress_networks or (), ca_file=settings.ca_file) as poster:
        return post_body(poster, TEST_BODY, secret)


def _find(connection: Connection, forward_id: int) -> Forward:
    found = store.list_forwards(connection, forward_id)
    if not found:
        text = "There is no forward {id}; {list_forwards} shows all."
        hint = Hint(HintAction.LIST_FORWARDS)
        raise Refusal("forward_missing", text, kind=Kind.MISSING, id=forward_id, list_forwards=hint)
    return found[0]


def _refuse_more(connection: Connection) -> None:
    if store.lock_forwards(connection) >= MAX_ENABLED:
        text = "{count} forwards are enabled, which is the most: disable or remove one first."
        raise Refusal("forwards_full", text, kind=Kind.CONFLICT, count=MAX_ENABLED)


def _read_field(text: str) -> str:
    field = text.strip()
    if not re.fullmatch(r"[a-z][a-z_]{0,63}", field):
        raise Refusal("forward_field_invalid", "{field} is no field of Meta's webhooks, such as messages.", field=text)
    return field


def _find_phone_number_ids(connection: Connection, numbers: Sequence[str]) -> list[str]:
    """Return the phone number ids of accounts. A number that no account has may belong to another program."""
    known = {account.name: account.phone_number_id for account in list_accounts(connection)}
    ids = []
    for text in map(str.strip, numbers):
        if text not in known and not re.fullmatch(r"[0-9]{1,32}", text):
            raise Refusal(
                "forward_number_unknown",
                "{number} is neither the name of an account nor a phone number id.",
                kind=Kind.MISSING,
                number=text,
            )
        ids.append(known.get(text, text))
    return list(dict.fromkeys(ids))


def _describe(forward: Forward) -> dict[str, object]:
    """Return what the audit keeps."""
    return {
        "name": forward.host,
        "fields": forward.fields,
        "phone_number_ids": forward.phone_number_ids,
    }
