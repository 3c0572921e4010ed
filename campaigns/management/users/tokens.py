"""Adds and revokes the tokens of the API, and finds the token of a request."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from campaigns.domain.statement import Hint, HintAction, Kind, Refusal
from campaigns.domain.users.actor import Act, Actor
from campaigns.domain.users.credentials import read_user_name
from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope, list_scopes
from campaigns.domain.users.tokens import (
    ALPHABET,
    RANDOM_CHARACTERS,
    check_token_days,
    check_token_name,
    is_token,
    write_token,
)
from campaigns.management.users.users import missing_user
from campaigns.store.database import Connection, Database
from campaigns.store.users import tokens as store
from campaigns.store.users.audit import write_audit
from campaigns.store.users.tokens import Token, TokenUse
from campaigns.store.users.users import lock_user


@dataclass(frozen=True, slots=True)
class AddedToken:
    """`secret`: the token itself, which is shown once. Postgres has only its SHA-256."""

    secret: str
    token: Token


def add_token(
    database: Database,
    name: str,
    *,
    owner: str,
    scopes: Collection[Scope],
    networks: Sequence[str] = (),
    days: int,
    actor: Actor,
) -> AddedToken:
    """Add a token for a program. `owner`: the user whose rights bound those of the token, also later.

    `networks`: the addresses and networks from which requests may come, such as 10.0.0.0/8; empty: from everywhere.
    `days`: for how long the token is valid. Raises Refusal, also for a scope that the role of the owner does not allow.
    """
    name, owner, days = check_token_name(name), read_user_name(owner), check_token_days(days)
    if not scopes:
        text = "A token needs at least one scope, such as {scope}."
        raise Refusal("api_token_scopes_missing", text, scope=Scope.CAMPAIGNS_READ)
    read = [_read_network(each) for each in networks]
    secret = write_token("".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARACTERS)))

    def work(connection: Connection) -> AddedToken:
        user = lock_user(connection, owner)
        if user is None:
            raise missing_user(owner)
        for scope in sorted(scopes):
            if scope not in list_scopes(Role(user.role)):
                text = "{name} has the role {role}, which does not allow the scope {scope}."
                raise Refusal(
                    "api_token_scope_forbidden", text, kind=Kind.FORBIDDEN, name=user.name, role=user.role, scope=scope
                )
        token_id = store.insert_token(
            connection, secret, user_id=user.id, name=name, scopes=sorted(scopes), networks=read, days=days
        )
        (token,) = store.list_tokens(connection, token_id)
        write_audit(connection, actor, Act.TOKEN_ADD, token_id, after=_describe(token))
        return AddedToken(secret, token)

    return database.run(work)


def revoke_token(database: Database, token_id: int, *, actor: Actor) -> Token:
    """Revoke a token: from now on each request with it is refused. Raises Refusal if there is no such token.

    A token that was revoked already stays as it is, and the audit gets no row.
    """

    def work(connection: Connection) -> Token:
        is_new = store.revoke_token(connection, token_id)
        found = store.list_tokens(connection, token_id)
        if not found:
            text = "There is no token {id}; {list_tokens} shows all."
            hint = Hint(HintAction.LIST_TOKENS)
            raise Refusal("api_token_missing", text, kind=Kind.MISSING, id=token_id, list_tokens=hint)
        if is_new:
            write_audit(connection, actor, Act.TOKEN_REVOKE, token_id, before=_describe(found[0]))
        return found[0]

    return database.run(work)


def find_token(database: Database, text: str, *, address: str) -> TokenUse:
    """Return the token of a request, with its owner. `address`: the IP address of the client.

    Raises Refusal: `api_token_invalid`, with the same words whether the token is unknown, revoked or expired or its
    owner is disabled; `api_token_network` if the token does not hold for this address.
    """
    found = database.run(_find, text, address) if is_token(text) else None
    if found is None:
        text = "The token is not valid: it is unknown, revoked or expired, or its user is disabled."
        raise Refusal("api_token_invalid", text, kind=Kind.FORBIDDEN)
    if not found.is_from_its_network:
        text = "The token does not hold for requests from {address}."
        raise Refusal("api_token_network", text, kind=Kind.FORBIDDEN, address=address)
    return found


def _find(connection: Connection, text: str, address: str) -> TokenUse | None:
    found = store.find_token(connection, text, address=address)
    if found is not None and found.is_from_its_network and found.is_unseen:
        store.see_token(connection, found.id)
    return found


def _read_network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip()))
    except ValueError:
        raise Refusal(
            "api_token_network_invalid",
            "{network} is no address and no network such as 203.0.113.0/24.",
            network=text,
        ) from None


def _describe(token: Token) -> dict[str, object]:
    return {
        "name": token.name,
        "owner": token.owner,
        "scopes": token.scopes,
        "networks": token.networks,
        "expire_at": token.expires_at,
    }
