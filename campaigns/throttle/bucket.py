"""Takes tokens for a campaign from the buckets of its accounts, which all processes share. One token is one message.

The rules stand in grant.lua. While Valkey does not serve, each process has small buckets of its own.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import redis

from campaigns.domain.continuity import ClaimCount
from campaigns.throttle import ledger
from campaigns.valkey import describe

SCRIPT = Path(__file__).with_name("grant.lua").read_text(encoding="utf-8")
KEY = "revoada:throttle:{}"
MIN_RETRY_SECONDS = 0.005  # for buckets of the fallback; RETRY_MIN in grant.lua is for buckets in Valkey
FIELDS_PER_GRANT = 3  # the script replies with the server time, then for each account: tokens, wait, rate

_REFUSALS = {
    b"database": "Postgres may be an older copy of the database",
    b"lease": "another process has the lease of the campaign",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for tokens of one account."""

    account_id: int
    rate: float  # the account's configured messages per second
    want: int  # tokens wanted now; 0 ends the wait for tokens that an earlier `Ask` did not get
    give_back: int = 0  # tokens granted earlier and not used; negative: messages sent without a token
    throttled_at: float = 0  # `Grant.granted_at` of a message that Meta refused as sent too fast; 0: no message

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf:
            raise ValueError(f"rate must be a positive number, not {self.rate}")
        if self.want < 0:
            raise ValueError(f"want must not be negative: {self.want}")
        if not 0 <= self.throttled_at < math.inf:
            raise ValueError(f"throttled_at must be a time or 0, not {self.throttled_at}")


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to an `Ask`."""

    account_id: int
    tokens: int
    retry_seconds: float  # the time to wait before the next `Ask`; 0 if all wanted tokens are granted
    granted_at: float  # the time of the grant on Valkey's clock; 0 from the fallback
    rate: float  # the rate in force now, in messages per second


@dataclass(frozen=True, slots=True)
class NextClaim:
    """The claim that follows a grant. `incarnation`: the incarnation of the database in which the lease was taken."""

    incarnation: str
    claims: ClaimCount  # the number of claims, including the claim that follows


class ClaimRefusedError(Exception):
    """The claim must not take place. The database may be an older copy, or another process has the lease."""


class Throttle:
    """Takes tokens with one call of the script. Threads may share a Throttle, so a process needs only one Throttle.

    While Valkey does not answer, the process sends at most `fallback_rate` messages per second and account. Once every
    `retry_after_seconds`, one call tries Valkey again.

    The client must have socket timeouts. The client must not retry, because a script that runs again after a timeout
    would give the same tokens back twice. `Redis.from_url` does not retry; `Redis(...)` retries three times.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        fallback_rate: float = 1.0,
        retry_after_seconds: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 < fallback_rate < math.inf:
            raise ValueError(f"fallback_rate must be a positive number, not {fallback_rate}")
        self._script = client.register_script(SCRIPT)
        self._fallback = Fallback(fallback_rate, clock)
        self._retry_after_seconds = retry_after_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._try_again_at: float | None = None  # None: Valkey answers

    def grant(
        self, campaign_id: int, asks: Sequence[Ask], *, claim: NextClaim | None = None, comes_first: bool = False
    ) -> list[Grant]:
        """Return one grant for each ask, in the same order. If Valkey cannot serve, the fallback grants the tokens.

        `comes_first`: a standing campaign, which gets its tokens before all other campaigns.

        The script notes `claim` in the ledger before the claim takes place. If the claim must not take place, raises
        ClaimRefusedError.
        """
        if not asks:
            return []
        if not self._can_try():
            return self._fallback.grant(asks)
        keys: list[str] = []
        arguments: list[int | float | str] = [campaign_id, int(comes_first)]
        for ask in asks:
            key = KEY.format(ask.account_id)
            keys += (key, f"{key}:waiting", f"{key}:until")
            arguments += (ask.rate, ask.want, ask.give_back, ask.throttled_at)
        if claim is not None:
            keys += ledger.KEYS
            arguments += (claim.incarnation, claim.claims.epoch, claim.claims.count)
        try:
            reply = self._script(keys, arguments)
        except redis.RedisError as error:
            self._note_unreachable(error)
            return self._fallback.grant(asks)
        if self._try_again_at is not None:
            self._note_back()
        if len(reply) == 1:
            raise ClaimRefusedError(_REFUSALS[reply[0]])
        granted_at, *fields = map(float, reply)
        numbers = zip(*[iter(fields)] * FIELDS_PER_GRANT, strict=True)
        return [
            Grant(ask.account_id, int(tokens), retry_seconds, granted_at, rate)
            for ask, (tokens, retry_seconds, rate) in zip(asks, numbers, strict=True)
        ]

    def _can_try(self) -> bool:
        """Return whether to call Valkey. While Valkey does not answer, only one caller per interval calls Valkey."""
        with self._lock:
            if self._try_again_at is None:
                return True
            now = self._clock()
            if now < self._try_again_at:
                return False
            self._try_again_at = now + self._retry_after_seconds
            return True

    def _note_unreachable(self, error: redis.RedisError) -> None:
        with self._lock:
            was_away = self._try_again_at is not None
            self._try_again_at = self._clock() + self._retry_after_seconds
        if not was_away:
            logger.warning(
                "Valkey cannot give tokens, sending at most %g messages/s per account: %s",
                self._fallback.rate,
                describe(error),
                extra={"event": "throttle_unreachable"},
            )

    def _note_back(self) -> None:
        with self._lock:
            was_away = self._try_again_at is not None
            self._try_again_at = None
            self._fallback.clear()
        if was_away:
            logger.info("Valkey gives tokens again", extra={"event": "throttle_back"})


class Fallback:
    """Token buckets of this process for the time without Valkey.

    Each bucket holds at most one token. A new bucket is empty.
    """

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self.rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[int, tuple[float, float]] = {}  # by account: the tokens, and the time of their count

    def grant(self, asks: Sequence[Ask]) -> list[Grant]:
        with self._lock:
            return [self._grant(ask) for ask in asks]

    def clear(self) -> None:
        with self._lock:
            self._buckets.clear()

    def _grant(self, ask: Ask) -> Grant:
        rate = min(self.rate, ask.rate)
        now = self._clock()
        tokens, counted_at = self._buckets.get(ask.account_id, (0.0, now))
        tokens = min(1.0, tokens + rate * (now - counted_at))
        # A positive `give_back` is ignored, because its tokens came from a bucket in Valkey. A negative `give_back` is
        # charged, because these messages were sent without a token.
        tokens = max(-rate, tokens + min(0, ask.give_back))
        granted = 1 if ask.want and tokens >= 1 else 0
        self._buckets[ask.account_id] = (tokens - granted, now)
        retry_seconds = max(MIN_RETRY_SECONDS, (1 - tokens + granted) / rate) if granted < ask.want else 0.0
        return Grant(ask.account_id, granted, retry_seconds, 0.0, rate)
