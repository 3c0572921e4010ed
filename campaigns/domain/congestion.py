"""Limits the requests and the connections of a process, and splits a campaign's messages over its accounts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import nlargest

_START = 32
_LEAST = 8
# The API counts as silent if requests are in flight, and no reply has come for `_SILENCE_SECONDS` plus four times the
# latency. While the API is silent, no further request leaves.
_SILENCE_SECONDS = 1.0
_SILENCE_FACTOR = 4.0
# A latency of up to twice the shortest latency, plus a small margin, is normal. A longer latency means that requests
# queue up.
_QUEUE_FACTOR = 2.0
_QUEUE_SECONDS = 0.05
_QUEUE_SHRINKS_TO = 0.75
# This number of connections may always be in use. More connections may be in use up to `_BURST_FACTOR` times their
# average number of about the last `_AVERAGE_SECONDS`.
_ANY_CONNECTIONS = 256
_BURST_FACTOR = 1.5
_AVERAGE_SECONDS = 0.5
# Slices claim fewer messages while at least this many requests wait per connection that may be in use. A single
# campaign, which has at most 512 requests in flight, does not reach this number.
_WAITING_FACTOR = 2.0


@dataclass(slots=True)
class FlightWindow:
    """A window: the number of requests that may be in flight. The number follows the latency, as in TCP.

    The window grows by one with each reply (so it doubles with each round trip), up to `limit`. While replies take much
    longer than the fastest reply, the window shrinks by a quarter, once per round trip. If a request ends without a
    reply, the window shrinks by half. While the API is silent, no request may leave. This rule limits the number of
    messages that become uncertain when the API hangs.
    """

    limit: int
    size: float = _START
    latency_seconds: float = 0.0
    best_seconds: float = math.inf
    _last_sign_at: float = 0.0
    _shrunk_at: float = -math.inf

    def note_departure(self, now: float, *, in_flight: int) -> None:
        """Note that requests leave while `in_flight` earlier requests are in flight.

        If no earlier request is in flight, the silence of the API is measured from now.
        """
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
        """Shrink the window, at most once per round trip.

        A request that left before the window last shrank does not shrink the window again. `seconds`: the time since
        the request left.
        """
        if now - self._shrunk_at > seconds:
            self._shrunk_at = now
            self.size = max(self.size * factor, float(min(_LEAST, self.limit)))

    def room(self, now: float, *, in_flight: int) -> int:
        """Return the number of requests that may leave now."""
        silence = _SILENCE_SECONDS + _SILENCE_FACTOR * self.latency_seconds
        if in_flight and now - self._last_sign_at > silence:
            return 0
        return max(min(int(self.size), self.limit) - in_flight, 0)


@dataclass(slots=True)
class ConnectionLimit:
    """Limits the number of connections that are in use at the same time. The limit is never more than `most`.

    Campaigns submit requests in bursts. If each request of a burst got a connection at once, a process would open many
    times the connections that its rate needs, and a TLS handshake costs as much CPU time as several messages. So the
    limit follows the average number of connections in use, which is the rate times the latency. The other requests of
    a burst wait for a connection. `noted_at`: the time of the last call of `note`.
    """

    most: int
    noted_at: float
    average: float = 0.0

    def note(self, now: float, *, used: int) -> None:
        """Note that `used` connections were in use from the last call until `now`."""
        weight = min((now - self.noted_at) / _AVERAGE_SECONDS, 1.0)
        self.average += (used - self.average) * weight
        self.noted_at = now

    @property
    def allowed(self) -> float:
        """The number of connections that may be in use now."""
        return min(max(_ANY_CONNECTIONS, _BURST_FACTOR * self.average), self.most)

    def is_exceeded(self, *, waiting: int) -> bool:
        """Return whether the slices should claim few messages, because too many requests wait for a connection."""
        return waiting >= min(_WAITING_FACTOR * self.allowed, self.most)


@dataclass(slots=True)
class Shares:
    """Splits a campaign's messages over its accounts, over many splits exactly in proportion to the accounts' rates.

    If an account gets less or more than its due, the difference is carried to the next split. So the accounts alternate
    even if each split has one message.
    """

    credits: dict[int, float] = field(default_factory=dict)

    def split(self, want: int, rates: Mapping[int, float]) -> dict[int, int]:
        """Return the part of `want` for each account.

        `rates`: by account, the messages per second that the account may send now.
        """
        total = sum(rates.values())
        if not want or total <= 0:
            return {}
        carried = {account_id: self.credits.get(account_id, 0.0) for account_id in rates}
        # Accounts may have been added or removed, so the mean is subtracted from the carried differences. Their sum is
        # then zero.
        excess = sum(carried.values()) / len(carried)
        due = {account_id: carried[account_id] - excess + want * rate / total for account_id, rate in rates.items()}
        parts = {account_id: max(int(credit), 0) for account_id, credit in due.items()}
        missing = want - sum(parts.values())
        while missing:
            step = 1 if missing > 0 else -1
            takers = due if missing > 0 else [account_id for account_id in due if parts[account_id]]
            # If messages are missing, one more message goes to each of the accounts whose part is furthest below its
            # due. If `missing` is negative, one message is taken from each of the accounts whose part is furthest above
            # its due.
            for account_id in nlargest(abs(missing), takers, key=lambda each: step * (due[each] - parts[each])):
                parts[account_id] += step
                missing -= step
        self.credits = {account_id: due[account_id] - parts[account_id] for account_id in due}
        return {account_id: count for account_id, count in parts.items() if count}
