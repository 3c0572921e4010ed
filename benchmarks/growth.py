"""Growth: the CPU time per message in a large campaign and in small ones, and at the start and the end of a large one.

The sizes are GROWTH_RECIPIENTS (300,000; the goals are made for 1,000,000), GROWTH_SMALL (10,000),
GROWTH_SMALL_CAMPAIGNS (5, one after the other) and LATENCY_MS (20). This latency is low, because one campaign has at
most 512 requests in flight.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.frame import Usage, World, cpu_seconds, measure_elapsed, read_size
from benchmarks.report import Report

LARGE = read_size("GROWTH_RECIPIENTS", 300_000)
SMALL = read_size("GROWTH_SMALL", 10_000)
SMALL_CAMPAIGNS = read_size("GROWTH_SMALL_CAMPAIGNS", 5)
LATENCY_MS = read_size("LATENCY_MS", 20)
ACCOUNTS = 10
PARTS = 10

_POLL_SECONDS = 0.1
# A first campaign, which is not measured, so that the worker has its connections and prepared statements ready.
_WARM_UP_PEOPLE = 10_000


def main() -> int:
    report = Report(
        "growth", "one campaign at a time, one worker",
        large=LARGE, small=SMALL, small_campaigns=SMALL_CAMPAIGNS, latency_ms=LATENCY_MS,
    )  # fmt: skip
    small = measure_campaigns(report, f"{SMALL_CAMPAIGNS} campaigns of {SMALL:,}", [SMALL] * SMALL_CAMPAIGNS)
    large = measure_campaigns(report, f"one campaign of {LARGE:,}", [LARGE])
    first, last = (
        sum(sum_cpu(report.rows[name_part(number)]) for number in numbers) for numbers in ((1, 2), (PARTS - 1, PARTS))
    )
    ratio = sum_cpu(large) / sum_cpu(small)
    report.note(
        f"A message of {LARGE:,} takes {ratio:.2f} times the CPU of one of {SMALL:,} (worker and Postgres), and in the "
        f"last two tenths {last / first:.2f} times that in the first two."
    )
    report.goal_ratio("a message of the large campaign costs at most 1.1 times that of a small one", ratio, most=1.1)
    report.goal_ratio("at its end at most 1.1 times that at its start", last / first, most=1.1)
    memory = large["worker_peak_mb"] / small["worker_peak_mb"]
    report.goal_ratio("a worker has at most 1.2 times the memory", memory, most=1.2)
    return report.finish()


def sum_cpu(figures: dict[str, Any]) -> float:
    return float(figures["worker_cpu"] + figures["postgres_cpu"])


def name_part(number: int) -> str:
    return f"  tenth {number} of it"


def measure_campaigns(report: Report, what: str, sizes: Sequence[int]) -> dict[str, Any]:
    """Send campaigns one after the other in a new installation. If there is only one, measure its tenths, too."""
    with World({"latency_ms": LATENCY_MS}) as world:
        accounts = world.add_accounts(ACCOUNTS)
        first_person, ids = _WARM_UP_PEOPLE, []
        warm_up = world.add_campaign(accounts, people=range(first_person))
        for size in sizes:
            ids.append(world.add_campaign(accounts, people=range(first_person, first_person + size)))
            first_person += size
        world.start_roles("worker")
        world.start_campaigns([warm_up])
        world.await_completed([warm_up])
        total, seconds = Usage(), 0.0
        for campaign_id in ids:
            with world.measure() as usage:
                before = take_snapshot(world)
                world.start_campaigns([campaign_id])
                if len(ids) == 1:
                    measure_parts(world, report, before)
                rows = world.await_completed([campaign_id])
            seconds += measure_elapsed(rows)
            add_usage(total, usage)
        stats = world.call_simulator("stats")
        report.note(f"{what}: {describe_updates(world)}")
    messages = sum(sizes)
    figures = {"messages": messages, "messages_per_second": messages / seconds, **total.cpu_ms_per_1000(messages)}
    figures["worker_peak_mb"] = total.peak_of("worker")
    report.add(what, figures)
    report.check(f"{what}: all accepted", stats["accepted"] == first_person)
    report.check(f"{what}: nobody twice", stats["max_accepted_per_recipient"] == 1)
    return figures


def measure_parts(world: World, report: Report, before: Snapshot) -> None:
    """Add a row for each part of the large campaign, while it is sent."""
    for number in range(1, PARTS + 1):
        while world.call_simulator("stats")["accepted"] - _WARM_UP_PEOPLE < LARGE * number // PARTS:
            world.stack.check_alive()
            time.sleep(_POLL_SECONDS)
        now = take_snapshot(world)
        sent, seconds = now.accepted - before.accepted, now.at - before.at
        usage = Usage(seconds, {name: now.cpu_seconds[name] - before.cpu_seconds[name] for name in now.cpu_seconds})
        report.add(name_part(number), messages=sent, messages_per_second=sent / seconds, **usage.cpu_ms_per_1000(sent))
        before = now


@dataclass(frozen=True)
class Snapshot:
    at: float
    accepted: int
    cpu_seconds: dict[str, float]


def take_snapshot(world: World) -> Snapshot:
    cpu = {name: cpu_seconds(pid) for name, pid in world.pids().items()}
    return Snapshot(time.monotonic(), world.call_simulator("stats")["accepted"], cpu)


def describe_updates(world: World) -> str:
    """Return a sentence with Postgres' statistics about updates of `messages`."""
    ((updates, hot, dead, runs, seconds),) = world.ask(
        "SELECT n_tup_upd, n_tup_hot_upd, n_dead_tup, autovacuum_count + autoanalyze_count,"
        " (total_autovacuum_time + total_autoanalyze_time) / 1000 FROM pg_stat_user_tables WHERE relname = 'messages'"
    )
    return (
        f"{updates:,} updates, {hot / updates:.0%} HOT, {dead:,} dead rows left, "
        f"autovacuum ran {runs} times, {seconds:.1f} s."
    )


def add_usage(total: Usage, usage: Usage) -> None:
    for name, seconds in usage.cpu_seconds.items():
        total.cpu_seconds[name] = total.cpu_seconds.get(name, 0.0) + seconds
        total.peak_mb[name] = max(total.peak_mb.get(name, 0.0), usage.peak_mb[name])


if __name__ == "__main__":
    sys.exit(main())
