"""Encrypts stored secrets anew with the newest key, so that the older keys of REVOADA_SECRET_KEY can be removed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from campaigns.domain.users.actor import Act, Actor
from campaigns.privacy.forgotten_people import reseal_hashers
from campaigns.secrets import reencrypt
from campaigns.store.accounts import lock_tokens, write_token
from campaigns.store.database import Connection, Database
from campaigns.store.forwards.forwards import lock_forward_secrets, write_forward_secret
from campaigns.store.users.audit import write_audit


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """The result of `rekey`. `unreadable`: the names of the accounts whose token no key can decrypt, and of a forward
    whose secret none can decrypt, such as `forward 1`.

    `token_count`: the number of tokens and secrets that were encrypted anew. `current_count`: the number of those that
    the newest key had encrypted already. `has_unknown_hashes`: the hashes of some forgotten people were made with a key
    that is neither in REVOADA_SECRET_KEY nor in the database.
    """

    token_count: int
    current_count: int
    unreadable: tuple[str, ...]
    has_unknown_hashes: bool

    @property
    def is_complete(self) -> bool:
        return not (self.unreadable or self.has_unknown_hashes)


def rekey(database: Database, *, actor: Actor, secret_key: str) -> Rekeyed:
    """Encrypt all tokens, the secrets of forwards, and the keys of the hashes of forgotten people, with the newest key.

    A second run changes nothing. The accounts' rows are locked, so a second run at the same time, or a change of a
    token, waits until this run has ended.
    """
    return database.run(_rekey, secret_key, actor)


def _rekey(connection: Connection, secret_key: str, actor: Actor) -> Rekeyed:
    token_count, current_count, unreadable = 0, 0, []
    stored = [(name, token, partial(write_token, connection, id_)) for id_, name, token in lock_tokens(connection)]
    stored += [
        (f"forward {id_}", secret, partial(write_forward_secret, connection, id_))
        for id_, secret in lock_forward_secrets(connection)
    ]
    for name, token, write in stored:
        renewed = reencrypt(secret_key, token)
        if renewed is None:
            unreadable.append(name)
        elif renewed == token:
            current_count += 1
        else:
            write(renewed)
            token_count += 1
    unknown = reseal_hashers(connection, secret_key)
    after = {"token_count": token_count, "current_count": current_count, "unreadable": unreadable}
    write_audit(connection, actor, Act.SECRET_REKEY, after=after)
    return Rekeyed(token_count, current_count, tuple(unreadable), has_unknown_hashes=bool(unknown))
