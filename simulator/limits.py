"""Meta's two limits of a send: throughput of a number (token bucket) and of a pair (GCRA, 1 in 6 s, burst 45)."""

_PRUNE_ABOVE = 100_000


class Throughput:
    """Tokens of one number: full at first, at most one second's worth."""

    __slots__ = ("_at", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._tokens = max(rate, 1.0)
        self._at = now

    def take(self, rate: float, now: float) -> bool:
        tokens = min(max(rate, 1.0), self._tokens + (now - self._at) * rate)
        self._at = now
        self._tokens = tokens - 1 if tokens >= 1 else tokens
        return tokens >= 1


class Pairs:
    """When each pair of number and person will have paid for its messages."""

    def __init__(self) -> None:
        self._paid_at: dict[tuple[str, str], float] = {}
        self._prune_above = _PRUNE_ABOVE

    def take(self, pair: tuple[str, str], *, seconds: float, burst: int, now: float) -> bool:
        paid_at = max(self._paid_at.get(pair, now), now)
        if paid_at - now > seconds * (burst - 1):
            return False
        self._paid_at[pair] = paid_at + seconds
        if len(self._paid_at) > self._prune_above:
            self._prune(now)
        return True

    def _prune(self, now: float) -> None:
        self._paid_at = {pair: paid_at for pair, paid_at in self._paid_at.items() if paid_at > now}
        self._prune_above = max(_PRUNE_ABOVE, 2 * len(self._paid_at))
