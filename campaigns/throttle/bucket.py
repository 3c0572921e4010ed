"""Decides how many messages a campaign may send now from each of its accounts, whoever else sends from them."""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import redis

from campaigns.valkey import find_reply

SCRIPT = Path(__file__).with_name("grant.lua").read_text(encoding="utf-8")
KEY = "revoada:throttle:{}"
RETRY_MIN_SECONDS = 0.005  # of the fallback; the script has its own
FIELDS_PER_GRANT = 3  # in the script's reply, after the time

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ask:
    account_id: int
    rate: float  # the account's messages per second as configured
    want: int  # tokens wanted now; 0 only gives back or slows down, and ends the wait for tokens asked for before
    give_back: int = 0  # tokens granted earlier and not used; negative: used without a grant
    throttled_at: float = 0  # `Grant.granted_at` of a request that got 130429; 0: none

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf:
            raise ValueError(f"rate must be a positive number, not {self.rate}")
        if self.want < 0:
            raise ValueError(f"want must not be negative: {self.want}")
        if not 0 <= self.throttled_at < math.inf:
            raise ValueError(f"throttled_at must be a time or 0, not {self.throttled_at}")


@dataclass(frozen=True, slots=True)
class Grant:
    account_id: int
    tokens: int
    retry_seconds: float  # until more are worth asking for; 0 if all that was wanted is granted
    granted_at: float  # Valkey's clock; 0 from the fallback, which knows no time that Valkey would understand
    rate: float  # messages per second in force now


class Throttle:
    """Grants tokens by one script call; safe to share between threads, and one per process is enough.

    While Valkey does not answer, each process sends at most `fallback_rate` messages per second and account, and one
    call every `retry_after_seconds` looks whether it is back.

    The client must have socket timeouts and no retries of its own (`Redis.from_url` has none, `Redis(...)` three):
    a script that is repeated after a timeout gives tokens back twice.
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

    def grant(self, campaign_id: int, asks: Sequence[Ask]) -> list[Grant]:
        """Return one grant for each ask, in their order; never raises for a Valkey that cannot serve."""
        if not asks:
            return []
        if not self._may_try():
            return self._fallback.grant(asks)
        keys: list[str] = []
        arguments: list[int | float] = [campaign_id]
        for ask in asks:
            key = KEY.format(ask.account_id)
            keys += (key, f"{key}:waiting", f"{key}:until")
            arguments += (ask.rate, ask.want, ask.give_back, ask.throttled_at)
        try:
            granted_at, *fields = map(float, self._script(keys, arguments))
        except redis.RedisError as error:
            self._note_unreachable(error)
            return self._fallback.grant(asks)
        if self._try_again_at is not None:
            self._note_back()
        numbers = zip(*[iter(fields)] * FIELDS_PER_GRANT, strict=True)
        return [
            Grant(ask.account_id, int(tokens), retry_seconds, granted_at, rate)
            for ask, (tokens, retry_seconds, rate) in zip(asks, numbers, strict=True)
        ]

    def _may_try(self) -> bool:
        """Tell whether to ask Valkey; while it is away one caller now and then does, so that the others never wait."""
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
                find_reply(error) or error,
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
    """This process's own buckets of one token each, empty at first, for the time without Valkey."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self.rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[int, tuple[float, float]] = {}  # by account: tokens, and when they were counted

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
        # What was granted by Valkey is not ours to give again.
        tokens = max(-rate, tokens + min(0, ask.give_back))
        granted = 1 if ask.want and tokens >= 1 else 0
        self._buckets[ask.account_id] = (tokens - granted, now)
        retry_seconds = max(RETRY_MIN_SECONDS, (1 - tokens + granted) / rate) if granted < ask.want else 0.0
        return Grant(ask.account_id, granted, retry_seconds, 0.0, rate)
