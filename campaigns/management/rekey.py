"""Encrypts stored secrets anew with the newest key, so that the older keys of REVOADA_SECRET_KEY can be removed."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.domain.users.actor import Act, Actor
from campaigns.privacy.forgotten_people import reseal_hashers
from campaigns.secrets import reencrypt
from campaigns.store.accounts import lock_tokens, write_token
from campaigns.store.database import Connection, Database
from campaigns.store.forwards.forwards import lock_forward_secrets, write_forward_secret
from campaigns.store.hooks.hooks import lock_hook_secrets, write_hook_secrets
from campaigns.store.users.audit import write_audit


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """The result of `rekey`. `unreadable`: the names of the accounts whose token no key can decrypt.

    `unreadable_forwards` and `unreadable_hooks`: likewise the ids of forwards and of hooks, for their secrets.
    `token_count`: the number of tokens and secrets that were encrypted anew. `current_count`: the number of those that
    the newest key had encrypted already.
    `has_unknown_hashes`: the hashes of some forgotten people were made with a key that is neither in
    REVOADA_SECRET_KEY nor in the database.
    """

    token_count: int
    current_count: int
    unreadable: tuple[str, ...]
    has_unknown_hashes: bool
    unreadable_forwards: tuple[int, ...] = ()
    unreadable_hooks: tuple[int, ...] = ()

    @property
    def is_complete(self) -> bool:
        unreadable = (self.unreadable, self.unreadable_forwards, self.unreadable_hooks)
        return not any(unreadable) and not self.has_unknown_hashes


def rekey(database: Database, *, actor: Actor, secret_key: str) -> Rekeyed:
    """Encrypt all tokens, the secrets of forwards and hooks, and the keys of the hashes of forgotten people, anew.

    The newest key encrypts them.

    A second run changes nothing. The accounts' rows are locked, so a second run at the same time, or a change of a
    token, waits until this run has ended.
    """
    return database.run(_rekey, secret_key, actor)


def _rekey(connection: Connection, secret_key: str, actor: Actor) -> Rekeyed:
    token_count, current_count, unreadable = 0, 0, []
    for account_id, name, token in lock_tokens(connection):
        renewed = reencrypt(secret_key, token)
        if renewed is None:
            unreadable.append(name)
        elif renewed == token:
            current_count += 1
        else:
            write_token(connection, account_id, renewed)
            token_count += 1
    unreadable_forwards = []
    for forward_id, secret in lock_forward_secrets(connection):
        renewed = reencrypt(secret_key, secret)
        if renewed is None:
            unreadable_forwards.append(forward_id)
        elif renewed == secret:
            current_count += 1
        else:
            write_forward_secret(connection, forward_id, renewed)
            token_count += 1
    unreadable_hooks: list[int] = []
    for hook_id, secret, old_secret in lock_hook_secrets(connection):
        renewed, renewed_old = reencrypt(secret_key, secret), old_secret and reencrypt(secret_key, old_secret)
        if renewed is None or (old_secret is not None and renewed_old is None):
            unreadable_hooks.append(hook_id)
        elif (renewed, renewed_old) == (secret, old_secret):
            current_count += 1
        else:
            write_hook_secrets(connection, hook_id, secret=renewed, old_secret=renewed_old)
            token_count += 1
    unknown = reseal_hashers(connection, secret_key)
    after = {"token_count": token_count, "current_count": current_count, "unreadable": unreadable}
    write_audit(connection, actor, Act.SECRET_REKEY, after=after)
    return Rekeyed(
        token_count,
        current_count,
        tuple(unreadable),
        bool(unknown),
        tuple(unreadable_forwards),
        tuple(unreadable_hooks),
    )
