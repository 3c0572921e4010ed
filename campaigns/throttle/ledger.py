"""Keeps the ledger in Valkey: the identity of the known database, and the number of claims of each campaign.

The known database is the database that had all claims when it was last compared with the ledger.

A database that has fewer claims than the ledger lacks the newest claims: an asynchronous replica was promoted, or a
backup was restored. The throttle notes each claim before the claim takes place (grant.lua). So while Valkey serves,
each claim whose messages left is in the ledger.

The key `revoada:database` is a hash with `incarnation`, `position` and `recovered_at` of the known database, and
`changed_at`, the time at which claims were first found missing. The key `revoada:claims` is a hash from campaign to
"EPOCH COUNT FINAL". FINAL is 0 while the last of these claims may not have been committed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import redis

from campaigns.domain.continuity import ClaimCount, DatabaseIdentity

_FOLDER = Path(__file__).parent
KEYS = ("revoada:database", "revoada:claims")


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of a comparison of a database with the ledger.

    `behind`: ids of the campaigns of which the database lacks claims. `seconds`: how long ago claims were first
    found missing.
    """

    behind: Collection[int]
    seconds: float


@dataclass(frozen=True, slots=True)
class Noted:
    """What the ledger has before a database is read.

    `position`: of the known database; "" if no database is known. `claims`: by campaign, "EPOCH COUNT FINAL".
    """

    position: str
    claims: Mapping[str, str]


class Ledger:
    """Reads and writes the ledger. All methods raise the errors of the client."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._check, self._compare, self._finish = (
            client.register_script((_FOLDER / f"ledger_{name}.lua").read_text(encoding="utf-8"))
            for name in ("check", "compare", "finish")
        )

    def read_position(self) -> str:
        """Return the position of the known database; "" if no database is known."""
        return _read_text(cast("bytes | None", self._client.hget(KEYS[0], "position")))

    def read(self) -> Noted:
        """Return what the ledger has now."""
        with self._client.pipeline() as pipeline:
            pipeline.hget(KEYS[0], "position")
            pipeline.hgetall(KEYS[1])
            position, claims = pipeline.execute()
        return Noted(_read_text(position), {key.decode(): value.decode() for key, value in claims.items()})

    def check(self, identity: DatabaseIdentity, claims: ClaimCount | None, *, position_before: str = "") -> bool:
        """Return True if this is the known database and it has all claims of the campaign in `claims`.

        In this case `check` notes these claims as final. If `claims` is None, only the database is checked. `identity`
        and `claims` must be from the same server.

        `position_before`: the result of `read_position` before `identity` was read. Without it, the result may be False
        for the known database, because another process has read a later position and has called `check` first. If the
        result is False with `position_before`, the caller must call `compare`.
        """
        given = () if claims is None else (claims.campaign_id, claims.epoch, claims.count)
        return bool(self._check(KEYS, (identity.incarnation, identity.position, position_before, *given)))

    def compare(self, identity: DatabaseIdentity, claims: Sequence[ClaimCount], *, before: Noted) -> Comparison:
        """Compare the claims of all campaigns with the ledger.

        `before`: the result of `read` before `identity` and `claims` were read.

        If no claim is missing, this database becomes the known database. Otherwise the throttle refuses all claims
        until a comparison finds that no claim is missing. If the ledger is empty, no claim is missing. If a person has
        recovered the database since the last comparison, `compare` empties the ledger first, because the person has
        dealt with the missing claims.
        """
        given: list[str | int] = [identity.incarnation, identity.position, identity.recovered_at, before.position]
        given += [len(claims), *(number for each in claims for number in (each.campaign_id, each.epoch, each.count))]
        given += [text for each in before.claims.items() for text in each]
        seconds, *behind = self._compare(KEYS, given)
        return Comparison([int(each) for each in behind], float(seconds))

    def finish(self, claims: ClaimCount) -> None:
        """Note that no further claim follows under this lease. `claims`: claims whose messages may have left."""
        self._finish(KEYS[1:], (claims.campaign_id, claims.epoch, claims.count))


def _read_text(value: bytes | None) -> str:
    return "" if value is None else value.decode()
