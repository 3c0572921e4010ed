"""Two worlds for the same claims: fakeredis, whose clock a test turns, and a real Valkey, where a test waits."""

import heapq
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from unittest.mock import patch

import fakeredis
import redis

from campaigns.throttle.bucket import Ask, Grant, Throttle

ACCOUNT = 7


@dataclass
class World:
    client: redis.Redis
    sleep: Callable[[float], None]
    now: Callable[[], float]
    throttle: Throttle = field(init=False)

    def __post_init__(self) -> None:
        self.throttle = Throttle(self.client)

    def grant(
        self,
        want: int,
        *,
        rate: float = 80,
        campaign: int = 1,
        account: int = ACCOUNT,
        comes_first: bool = False,
        **more,
    ) -> Grant:
        return self.throttle.grant(campaign, [Ask(account, rate, want, **more)], comes_first=comes_first)[0]

    def fill(self, **ask) -> None:
        """Leave the account with a full bucket."""
        self.grant(0, give_back=1_000_000, **ask)


@dataclass
class Caller:
    """A campaign that asks again when it was told to, and `pause` after it got all it wanted."""

    campaign: int
    want: int = 100_000
    pause: float = 0
    hasty: bool = False  # asks every `pause`, whatever it is told
    leaves_at: float = 1e9
    comes_first: bool = False
    tokens: int = 0
    calls: int = 0


def drive(world: World, callers: list[Caller], *, rate: float, seconds: float) -> list[int]:
    """Let the callers ask for `seconds` of the fake clock, one event after the other; return what each got."""
    start, order = world.now(), count()
    agenda = [(start + 1e-4 * i, next(order), caller) for i, caller in enumerate(callers)]
    heapq.heapify(agenda)
    while agenda[0][0] < start + seconds:
        at, _, caller = heapq.heappop(agenda)
        world.sleep(max(0.0, at - world.now()))
        grant = world.grant(caller.want, rate=rate, campaign=caller.campaign, comes_first=caller.comes_first)
        caller.tokens += grant.tokens
        caller.calls += 1
        wait = caller.pause if caller.hasty else grant.retry_seconds or caller.pause
        if at + wait - start < caller.leaves_at:
            heapq.heappush(agenda, (at + wait + 1e-4, next(order), caller))
    return [caller.tokens for caller in callers]


@contextmanager
def fake_world() -> Iterator[World]:
    clock = SimpleNamespace(now=1_800_000_000.0)

    def sleep(seconds: float) -> None:
        clock.now += seconds

    fake_time = SimpleNamespace(time=lambda: clock.now, monotonic=time.monotonic, sleep=time.sleep)
    with (
        patch("fakeredis.commands_mixins.server_mixin.time", fake_time),  # TIME
        patch("fakeredis._socket._base.time", fake_time),  # expiry
    ):
        yield World(fakeredis.FakeRedis(), sleep, lambda: clock.now)
