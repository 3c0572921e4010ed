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

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

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


class Ledger:
    """Reads and writes the ledger. All methods raise the errors of the client."""

    def __init__(self, client: redis.Redis) -> None:
        self._check, self._compare, self._finish = (
            client.register_script((_FOLDER / f"ledger_{name}.lua").read_text(encoding="utf-8"))
            for name in ("check", "compare", "finish")
        )

    def check(self, identity: DatabaseIdentity, claims: ClaimCount | None) -> bool:
        """Return True if this is the known database and it has all claims of the campaign in `claims`.

        In this case `check` notes these claims as final. If `claims` is None, only the database is checked. If the
        result is False, the caller must call `compare`.
        """
        given = () if claims is None else (claims.campaign_id, claims.epoch, claims.count)
        return bool(self._check(KEYS, (identity.incarnation, identity.position, *given)))

    def compare(self, identity: DatabaseIdentity, claims: Sequence[ClaimCount]) -> Comparison:
        """Compare the claims of all campaigns with the ledger.

        If no claim is missing, this database becomes the known database. Otherwise the throttle refuses all claims
        until a comparison finds that no claim is missing. If the ledger is empty, no claim is missing. If a person has
        recovered the database since the last comparison, `compare` empties the ledger first, because the person has
        dealt with the missing claims.
        """
        given: list[str | int] = [identity.incarnation, identity.position, identity.recovered_at]
        given += [number for each in claims for number in (each.campaign_id, each.epoch, each.count)]
        seconds, *behind = self._compare(KEYS, given)
        return Comparison([int(each) for each in behind], float(seconds))

    def finish(self, claims: ClaimCount) -> None:
        """Note that no further claim follows under this lease. `claims`: claims whose messages may have left."""
        self._finish(KEYS[1:], (claims.campaign_id, claims.epoch, claims.count))
