"""How much a slice may have on the wire, and which account carries it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import nlargest

_START = 32
_LEAST = 8
# Silence: nothing has come back for this long although something is out. Then nothing more goes out.
_SILENCE_SECONDS = 1.0
_SILENCE_FACTOR = 4.0
# A latency of up to twice the best (and a little) is the far end's own; more means that requests queue up somewhere.
_QUEUE_FACTOR = 2.0
_QUEUE_SECONDS = 0.05
_QUEUE_SHRINKS_TO = 0.75


@dataclass(slots=True)
class FlightWindow:
    """The number of requests that may be in flight: it follows the latency, as TCP's window does.

    It grows by one with each reply (so it doubles with each round trip), up to `limit`; it shrinks by a quarter, once
    per round trip, while replies take much longer than the best, and by half when one did not come in time. While the
    API is silent it is shut, so that a hanging API makes few messages uncertain.
    """

    limit: int
    size: float = _START
    latency_seconds: float = 0.0
    best_seconds: float = math.inf
    _last_sign_at: float = 0.0
    _shrunk_at: float = -math.inf

    def note_departure(self, now: float, *, in_flight: int) -> None:
        """`in_flight` is the number before this departure: out of nothing, silence starts now."""
        if not in_flight:
            self._last_sign_at = now

    def note_reply(self, now: float, seconds: float) -> None:
        self._last_sign_at = now
        self.latency_seconds += (seconds - self.latency_seconds) * (0.1 if self.latency_seconds else 1.0)
        self.best_seconds = min(self.best_seconds, seconds)
        is_queueing = self.latency_seconds > _QUEUE_FACTOR * self.best_seconds + _QUEUE_SECONDS
        if is_queueing:
            self._shrink(now, seconds, _QUEUE_SHRINKS_TO)
        else:
            self.size = min(self.size + 1, float(self.limit))

    def note_silence(self, now: float, seconds: float) -> None:
        """Note a request that ended without a reply after `seconds`."""
        self._last_sign_at = now
        self._shrink(now, seconds, 0.5)

    def _shrink(self, now: float, seconds: float, factor: float) -> None:
        """Shrink once for all that was out together: what left `seconds` ago left before the last shrinking."""
        if now - self._shrunk_at > seconds:
            self._shrunk_at = now
            self.size = max(self.size * factor, float(min(_LEAST, self.limit)))

    def room(self, now: float, *, in_flight: int) -> int:
        """Return how many more may leave now."""
        silence = _SILENCE_SECONDS + _SILENCE_FACTOR * self.latency_seconds
        if in_flight and now - self._last_sign_at > silence:
            return 0
        return max(min(int(self.size), self.limit) - in_flight, 0)


@dataclass(slots=True)
class Shares:
    """Splits what a campaign wants over its accounts in proportion to their rates, exactly over time.

    What an account was due and did not get is carried to the next split, so that one message at a time goes round too.
    """

    credits: dict[int, float] = field(default_factory=dict)

    def split(self, want: int, rates: Mapping[int, float]) -> dict[int, int]:
        """Return how many of `want` each account of `rates` (id → messages/s now free) shall carry."""
        total = sum(rates.values())
        if not want or total <= 0:
            return {}
        carried = {account_id: self.credits.get(account_id, 0.0) for account_id in rates}
        # Accounts come and go: among those here now, what is carried adds up to nothing.
        excess = sum(carried.values()) / len(carried)
        due = {account_id: carried[account_id] - excess + want * rate / total for account_id, rate in rates.items()}
        parts = {account_id: max(int(credit), 0) for account_id, credit in due.items()}
        missing = want - sum(parts.values())
        while missing:
            step = 1 if missing > 0 else -1
            takers = due if missing > 0 else [account_id for account_id in due if parts[account_id]]
            # Whoever got one is behind all others after it, so the first so many get one each.
            for account_id in nlargest(abs(missing), takers, key=lambda each: step * (due[each] - parts[each])):
                parts[account_id] += step
                missing -= step
        self.credits = {account_id: due[account_id] - parts[account_id] for account_id in due}
        return {account_id: count for account_id, count in parts.items() if count}
