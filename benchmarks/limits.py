"""Limits: how close to the real limits of many accounts one worker sends, and whether it ever goes beyond.

Ten campaigns send by all accounts. LIMIT_ACCOUNTS (50), LIMIT_RATE (80 messages/s of each account), LIMIT_SECONDS (60),
LATENCY_MS (150). The far end refuses what is beyond the rate and a burst of one second, as Meta does, with 130429.
"""

from __future__ import annotations

import sys
import time

from benchmarks.frame import World, percentile, size_of
from benchmarks.report import Report

ACCOUNTS = size_of("LIMIT_ACCOUNTS", 50)
RATE = size_of("LIMIT_RATE", 80)
SECONDS = size_of("LIMIT_SECONDS", 60)
LATENCY_MS = size_of("LATENCY_MS", 150)
CAMPAIGNS = 10

# What is sent before and after the measured time, in seconds of the wanted rate.
_WARM_UP_SECONDS = 3.0
_REST_SECONDS = 3.0
_LOOK_SECONDS = 0.2
_WINDOW = 5  # looks, a second each: what a person calls a moment of less


def main() -> int:
    wanted = ACCOUNTS * RATE
    report = Report(
        "limits", f"{ACCOUNTS} accounts at {RATE} messages/s each, one worker",
        accounts=ACCOUNTS, rate=RATE, seconds=SECONDS, latency_ms=LATENCY_MS, campaigns=CAMPAIGNS,
    )  # fmt: skip
    each = round(wanted * (_WARM_UP_SECONDS + SECONDS + _REST_SECONDS) / CAMPAIGNS)
    with World({"latency_ms": LATENCY_MS, "limits": {"messages_per_second": RATE}}) as world:
        accounts = world.add_accounts(ACCOUNTS, rate=RATE)
        ids = [
            world.add_campaign(accounts, people=range(number * each, (number + 1) * each))
            for number in range(CAMPAIGNS)
        ]
        world.start_roles("worker")
        world.start_campaigns(ids)
        while look(world)[1] < wanted * _WARM_UP_SECONDS:
            world.stack.check_alive()
            time.sleep(_LOOK_SECONDS)
        with world.measure() as usage:
            looks = [look(world)]
            for _ in range(SECONDS):
                time.sleep(max(looks[0][0] + len(looks) - time.monotonic(), 0))
                looks.append(look(world))
        throttled = world.far("stats")["errors"].get("130429", 0)
        world.await_completed(ids)
        stats = world.far("stats")
    sent = looks[-1][1] - looks[0][1]
    rate = sent / (looks[-1][0] - looks[0][0])
    windows = [
        (end[1] - begin[1]) / (end[0] - begin[0]) for begin, end in zip(looks, looks[_WINDOW:], strict=False)
    ] or [rate]
    figures = usage.cpu_ms_per_1000(max(sent, 1))
    report.add(
        "one worker",
        wanted_per_second=wanted, messages_per_second=rate, **{f"worst {_WINDOW} s": percentile(windows, 0.0)},
        **figures, worker_peak_mb=usage.peak_of("worker"), **{"130429": throttled},
    )  # fmt: skip
    report.goal(f"{wanted:,} messages/s within 2 %", abs(rate / wanted - 1) <= 0.02)
    report.goal("sending when it was measured", sent > 0)
    report.goal("no 130429", throttled == 0)
    report.goal(
        "at most 250 CPU ms per 1,000 (worker and Postgres)", figures["worker_cpu"] + figures["postgres_cpu"] <= 250
    )
    report.check("all accepted", stats["accepted"] == CAMPAIGNS * each)
    report.check("nobody twice", stats["max_accepted_per_recipient"] == 1)
    return report.finish()


def look(world: World) -> tuple[float, int]:
    """Return the time, and how many were accepted by then."""
    accepted = world.far("stats")["accepted"]
    return time.monotonic(), accepted


if __name__ == "__main__":
    sys.exit(main())
