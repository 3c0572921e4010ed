"""Growth: what a message costs in a large campaign and in small ones, and at the end of a large one and at its start.

GROWTH_RECIPIENTS (300,000; the goals are made for 1,000,000), GROWTH_SMALL (10,000), GROWTH_SMALL_CAMPAIGNS (5, one
after the other), LATENCY_MS (20 here: one campaign has at most 512 requests in flight).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.frame import Usage, World, cpu_seconds, elapsed, size_of
from benchmarks.report import Report

LARGE = size_of("GROWTH_RECIPIENTS", 300_000)
SMALL = size_of("GROWTH_SMALL", 10_000)
SMALL_CAMPAIGNS = size_of("GROWTH_SMALL_CAMPAIGNS", 5)
LATENCY_MS = size_of("LATENCY_MS", 20)
ACCOUNTS = 10
PARTS = 10

_LOOK_SECONDS = 0.1
# A worker has connections, statements and code ready before anything is measured.
_WARM_UP_PEOPLE = 10_000


def main() -> int:
    report = Report(
        "growth", "one campaign at a time, one worker",
        large=LARGE, small=SMALL, small_campaigns=SMALL_CAMPAIGNS, latency_ms=LATENCY_MS,
    )  # fmt: skip
    small = measure_campaigns(report, f"{SMALL_CAMPAIGNS} campaigns of {SMALL:,}", [SMALL] * SMALL_CAMPAIGNS)
    large = measure_campaigns(report, f"one campaign of {LARGE:,}", [LARGE])
    first, last = (
        sum(ours(report.rows[part_name(number)]) for number in numbers) for numbers in ((1, 2), (PARTS - 1, PARTS))
    )
    report.note(f"A message of {LARGE:,} costs {ours(large) / ours(small):.2f} times that of {SMALL:,} (worker and "
                f"Postgres); in the last two tenths {last / first:.2f} times that in the first two.")  # fmt: skip
    report.goal("a message of the large campaign costs at most 1.1 times that of a small one",
                ours(large) <= 1.1 * ours(small))  # fmt: skip
    report.goal("at its end at most 1.1 times that at its start", last <= 1.1 * first)
    report.goal("a worker has at most 200 MB", large["worker_peak_mb"] <= 200)
    return report.finish()


def ours(figures: dict[str, Any]) -> float:
    return float(figures["worker_cpu"] + figures["postgres_cpu"])


def part_name(number: int) -> str:
    return f"  tenth {number} of it"


def measure_campaigns(report: Report, what: str, sizes: Sequence[int]) -> dict[str, Any]:
    """Send campaigns one after the other in a world of their own; a single one in parts, too."""
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
                before = read(world)
                world.start_campaigns([campaign_id])
                if len(ids) == 1:
                    measure_parts(world, report, before)
                rows = world.await_completed([campaign_id])
            seconds += elapsed(rows)
            add_usage(total, usage)
        stats = world.far("stats")
        report.note(f"{what}: {describe_updates(world)}")
    messages = sum(sizes)
    figures = {"messages": messages, "messages_per_second": messages / seconds, **total.cpu_ms_per_1000(messages)}
    figures["worker_peak_mb"] = total.peak_of("worker")
    report.add(what, figures)
    report.check(f"{what}: all accepted", stats["accepted"] == first_person)
    report.check(f"{what}: nobody twice", stats["max_accepted_per_recipient"] == 1)
    return figures


def measure_parts(world: World, report: Report, before: Look) -> None:
    """Add a row for each part of the large campaign, while it is sent."""
    for number in range(1, PARTS + 1):
        while world.far("stats")["accepted"] - _WARM_UP_PEOPLE < LARGE * number // PARTS:
            world.stack.check_alive()
            time.sleep(_LOOK_SECONDS)
        now = read(world)
        sent, seconds = now.accepted - before.accepted, now.at - before.at
        usage = Usage(seconds, {name: now.cpu_seconds[name] - before.cpu_seconds[name] for name in now.cpu_seconds})
        report.add(part_name(number), messages=sent, messages_per_second=sent / seconds, **usage.cpu_ms_per_1000(sent))
        before = now


@dataclass(frozen=True)
class Look:
    at: float
    accepted: int
    cpu_seconds: dict[str, float]


def read(world: World) -> Look:
    cpu = {name: cpu_seconds(pid) for name, pid in world.pids().items()}
    return Look(time.monotonic(), world.far("stats")["accepted"], cpu)


def describe_updates(world: World) -> str:
    """Say what Postgres did to the messages: it keeps such books itself."""
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
