"""Meta's two rate limits for sends.

The limit of a number is a token bucket. The limit of a pair of number and person (1 message in 6 s, burst of 45) is a
GCRA, the generic cell rate algorithm.
"""

_PRUNE_ABOVE = 100_000


class Throughput:
    """The token bucket of one number. It starts full and holds the tokens of one second."""

    __slots__ = ("_at", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._tokens = max(rate, 1.0)
        self._at = now

    def take(self, rate: float, now: float) -> bool:
        tokens = min(max(rate, 1.0), self._tokens + (now - self._at) * rate)
        self._at = now
        self._tokens = tokens - 1 if tokens >= 1 else tokens
        return tokens >= 1


class PairLimits:
    """For each pair of number and person, the time at which its past messages no longer count (GCRA's arrival time)."""

    def __init__(self) -> None:
        self._free_at: dict[tuple[str, str], float] = {}
        self._prune_above = _PRUNE_ABOVE

    def take(self, pair: tuple[str, str], *, seconds: float, burst: int, now: float) -> bool:
        free_at = max(self._free_at.get(pair, now), now)
        if free_at - now > seconds * (burst - 1):
            return False
        self._free_at[pair] = free_at + seconds
        if len(self._free_at) > self._prune_above:
            self._prune(now)
        return True

    def _prune(self, now: float) -> None:
        self._free_at = {pair: free_at for pair, free_at in self._free_at.items() if free_at > now}
        self._prune_above = max(_PRUNE_ABOVE, 2 * len(self._free_at))
