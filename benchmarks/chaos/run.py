"""A chaos run: runs campaigns, injects faults by the schedule, and measures the time until all work goes on again."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.chaos.faults import FAULTS, STORM_MARK, Fault, FaultContext
from benchmarks.chaos.lanes import Lanes
from benchmarks.chaos.people import InjectedFault, PeopleResult, UncertainSend, compare_people
from benchmarks.chaos.schedule import plan_rounds
from benchmarks.chaos.world import World

_log = logging.getLogger(__name__)

_CALM_SECONDS = 3.0
# After every fault all lanes must send again within this time.
_RECOVERY_MOST_SECONDS = 120.0
_DRAIN_MOST_SECONDS = 300.0
_POLL_SECONDS = 0.1
_SAMPLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a run, which lasts `seconds` and at least `least_faults` faults. `rate`: messages/s per account."""

    seconds: float
    least_faults: int
    seed: int
    lanes: int
    rate: int


@dataclass(slots=True)
class Outcome:
    """The result of a run. `recoveries`: by fault, the seconds until all lanes sent and webhooks were applied again."""

    faults: list[InjectedFault] = field(default_factory=list)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    samples: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    account: PeopleResult = field(default_factory=PeopleResult)
    campaigns: int = 0
    seconds: float = 0.0
    drain_seconds: float = 0.0
    restarts: int = 0

    @property
    def is_good(self) -> bool:
        return self.account.is_good and not self.problems


class Run:
    """Injects `faults` in a random order. `say` is called with a line of text for each fault."""

    def __init__(self, world: World, size: Size, say: Callable[[str], None], faults: Sequence[Fault] = FAULTS) -> None:
        self.world, self.size, self.say, self.faults = world, size, say, faults
        self.random = random.Random(size.seed)
        self.lanes = Lanes(world, size.seed, size.lanes, size.rate)
        self.outcome = Outcome()
        self._began = time.monotonic()
        self._ended = threading.Event()

    def run(self) -> Outcome:
        self.lanes.start()
        sampler = threading.Thread(target=self._sample, name="sampler", daemon=True)
        sampler.start()
        self._await_progress(time.time())
        time.sleep(_CALM_SECONDS)
        end = time.monotonic() + self.size.seconds
        with ThreadPoolExecutor(2) as threads:
            for pause, faults in plan_rounds(self.random, self.faults):
                if time.monotonic() + pause > end and len(self.outcome.faults) >= self.size.least_faults:
                    break
                time.sleep(pause)
                # The generators are made here, because the order in which the threads run is not deterministic.
                randoms = [random.Random(self.random.random()) for _ in faults]
                list(threads.map(self._inject, faults, randoms))
                self._recover(faults)
        self.outcome.seconds = time.monotonic() - self._began
        self._drain()
        self._ended.set()
        sampler.join()
        self.outcome.problems += [f"{name} ended by itself" for name in self.world.ended_by_itself]
        self._compare_people()
        self.outcome.campaigns, self.outcome.restarts = len(self.lanes.batches), self.world.restarts
        return self.outcome

    def _inject(self, fault: Fault, random_: random.Random) -> None:
        began_at = time.time()
        self.say(f"{time.monotonic() - self._began:7.1f} s  {fault.name}")
        fault.inject(FaultContext(self.world, self.lanes, random_))
        self.outcome.faults.append(InjectedFault(fault.kind, began_at, time.time(), fault.explains))

    def _recover(self, faults: tuple[Fault, ...]) -> None:
        ended_at = time.time()
        seconds = self._await_progress(ended_at)
        kinds = " with ".join(fault.kind for fault in faults)
        if seconds is None:
            self.outcome.problems.append(f"not everything went on within {_RECOVERY_MOST_SECONDS:g} s after: {kinds}")
            self.say(f"{'':11}did not go on within {_RECOVERY_MOST_SECONDS:g} s")
            return
        for fault in faults:
            self.outcome.recoveries.setdefault(fault.kind, []).append(seconds)

    def _await_progress(self, since: float) -> float | None:
        """Wait until each lane has sent a message and a webhook was applied; return the seconds since `since`."""
        before = self.world.simulator.accepted_by_account()
        delivered_before = self._delivered()
        while time.time() < since + _RECOVERY_MOST_SECONDS:
            now = self.world.simulator.accepted_by_account()
            numbers = [self.lanes.number(lane) for lane in range(self.size.lanes)]
            if all(now.get(each, 0) > before.get(each, 0) for each in numbers) and self._delivered() > delivered_before:
                return time.time() - since
            time.sleep(_POLL_SECONDS)
        return None

    def _delivered(self) -> int:
        [(count,)] = self.world.ask(
            "SELECT coalesce(sum(count), 0)::bigint FROM tallies WHERE status IN ('delivered', 'read')"
        )
        return int(count)

    def _drain(self) -> None:
        """Wait, without further faults, until all campaigns have completed and all webhooks are applied."""
        self.lanes.stop()
        began = time.monotonic()
        for is_done, what in (
            (lambda: not self.lanes.unfinished(), "campaigns complete"),
            (self._are_webhooks_applied, "webhooks are applied"),
        ):
            self._await_drained(is_done, what, began + _DRAIN_MOST_SECONDS)
        self.outcome.drain_seconds = time.monotonic() - began

    def _await_drained(self, is_done: Callable[[], bool], what: str, deadline: float) -> None:
        while not is_done():
            if time.monotonic() > deadline:
                self.outcome.problems.append(f"not within {_DRAIN_MOST_SECONDS:g} s: all {what}")
                return
            time.sleep(_POLL_SECONDS)

    def _are_webhooks_applied(self) -> bool:
        """Return whether all webhooks are posted and applied, except those of unknown messages."""
        if self.world.simulator.get("stats")["webhooks"]["pending"]:
            self.world.simulator.post("flush", {})
            return False
        [(waiting,)] = self.world.ask(
            "SELECT count(*) FROM webhook_events WHERE status <> 'set_aside' AND position(%s in body) = 0",
            STORM_MARK.encode(),
        )
        return not waiting

    def _compare_people(self) -> None:
        ids = [batch.campaign_id for batch in self.lanes.batches]
        rows = self.world.ask("SELECT phone, status::text FROM messages WHERE campaign_id = ANY (%s)", ids)
        uncertain = self.world.ask(
            "SELECT phone, u.send_no, extract(epoch FROM u.claimed_at)::float, extract(epoch FROM u.at)::float, "
            "u.reason FROM chaos_uncertain u JOIN messages m ON m.id = u.message_id"
        )
        self.outcome.account = compare_people(
            (phone for batch in self.lanes.batches for phone in batch.phones),
            statuses=dict(rows),
            accepted=_add_plus(self.world.simulator.get("recipients")["recipients"]),
            arrived=_add_plus(self.world.simulator.get("wire")["recipients"]),
            uncertain_sends=[UncertainSend(*row) for row in uncertain],
            faults=self.outcome.faults,
        )
        self._check_counters(ids)

    def _check_counters(self, ids: list[int]) -> None:
        """Check that all counters equal a count of the rows, and that no lease is held."""
        differing = self.world.ask(
            "SELECT * FROM (SELECT campaign_id, status, count(*) AS rows, count(replied_at) AS replied FROM messages"
            " GROUP BY 1, 2) r FULL JOIN (SELECT campaign_id, status, count AS tally, replied_count FROM tallies"
            " WHERE count <> 0 OR replied_count <> 0) t USING (campaign_id, status)"
            " WHERE (rows, replied) IS DISTINCT FROM (tally, replied_count)"
        )
        self.outcome.problems += [f"counters differ from rows: {row}" for row in differing]
        held = self.world.ask(
            "SELECT campaign_id FROM leases WHERE until > clock_timestamp() AND campaign_id = ANY (%s)", ids
        )
        self.outcome.problems += [f"campaign {row[0]} has completed, and its lease is still held" for row in held]

    def _sample(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self.outcome.samples.append((time.monotonic() - self._began, self.world.measure()))


def _add_plus(counts: dict[str, int]) -> dict[str, int]:
    return {f"+{digits}": count for digits, count in counts.items()}
