"""Limits: how close one worker comes to the rate limits of many accounts, and whether it ever exceeds one.

Ten campaigns send from all accounts. The sizes are LIMIT_ACCOUNTS (50), LIMIT_RATE (80 messages/s of each account),
LIMIT_SECONDS (60) and LATENCY_MS (150). The simulator refuses with 130429, as Meta does, each send that exceeds the
rate and a burst of one second. The yardstick is the floor of the benchmark `sending`.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from benchmarks.frame import World, percentile, read_size
from benchmarks.report import Report
from benchmarks.sending import measure_floor, sum_cpu

ACCOUNTS = read_size("LIMIT_ACCOUNTS", 50)
RATE = read_size("LIMIT_RATE", 80)
SECONDS = read_size("LIMIT_SECONDS", 60)
LATENCY_MS = read_size("LATENCY_MS", 150)
CAMPAIGNS = 10

# The seconds of sending before and after the measured time, for which the campaigns have additional messages.
_WARM_UP_SECONDS = 3.0
_TAIL_SECONDS = 3.0
_POLL_SECONDS = 0.2
_WINDOW = 5  # samples, one per second; the report has the rate of the slowest window


def main() -> int:
    expected = ACCOUNTS * RATE
    report = Report(
        "limits", f"{ACCOUNTS} accounts at {RATE} messages/s each, one worker",
        accounts=ACCOUNTS, rate=RATE, seconds=SECONDS, latency_ms=LATENCY_MS, campaigns=CAMPAIGNS,
    )  # fmt: skip
    figures = measure_at_limits(report, "one worker")
    rate = figures["messages_per_second"]
    report.goal_ratio(f"{expected:,} messages/s within 2 %", rate / expected, least=0.98, most=1.02)
    report.goal("sending when it was measured", rate > 0)
    report.goal("no 130429", figures["130429"] == 0)
    with World({"latency_ms": LATENCY_MS}) as world:
        measure_floor(world, report, in_flight=round(expected * LATENCY_MS / 1000))
    ratio = sum_cpu(figures) / sum_cpu(report.rows["floor: libcurl and Postgres"])
    report.goal_ratio("at most 2.5 times the CPU of libcurl and Postgres alone", ratio, most=2.5)
    return report.finish()


def measure_at_limits(report: Report, what: str, *, is_tls: bool = False) -> dict[str, Any]:
    """Send at the limits of all accounts; measure SECONDS of it, after the connections have been opened."""
    expected = ACCOUNTS * RATE
    each = round(expected * (_WARM_UP_SECONDS + SECONDS + _TAIL_SECONDS) / CAMPAIGNS)
    with World({"latency_ms": LATENCY_MS, "limits": {"messages_per_second": RATE}}, is_tls=is_tls) as world:
        accounts = world.add_accounts(ACCOUNTS, rate=RATE)
        ids = [
            world.add_campaign(accounts, people=range(number * each, (number + 1) * each))
            for number in range(CAMPAIGNS)
        ]
        world.start_roles("worker")
        world.start_campaigns(ids)
        while take_sample(world)[1] < expected * _WARM_UP_SECONDS:
            world.stack.check_alive()
            time.sleep(_POLL_SECONDS)
        with world.measure() as usage:
            samples = [take_sample(world)]
            for _ in range(SECONDS):
                time.sleep(max(samples[0][0] + len(samples) - time.monotonic(), 0))
                samples.append(take_sample(world))
        world.await_completed(ids)
        stats = world.call_simulator("stats")
    sent = samples[-1][1] - samples[0][1]
    rate = sent / (samples[-1][0] - samples[0][0])
    windows = [
        (end[1] - begin[1]) / (end[0] - begin[0]) for begin, end in zip(samples, samples[_WINDOW:], strict=False)
    ] or [rate]
    figures = {
        "wanted_per_second": expected,
        "messages_per_second": rate,
        f"worst {_WINDOW} s": percentile(windows, 0.0),
        **usage.cpu_ms_per_1000(max(sent, 1)),
        "worker_peak_mb": usage.peak_of("worker"),
        "130429": stats["errors"].get("130429", 0),
    }
    report.add(what, figures)
    report.check(f"{what}: all accepted", stats["accepted"] == CAMPAIGNS * each)
    report.check(f"{what}: nobody twice", stats["max_accepted_per_recipient"] == 1)
    return figures


def take_sample(world: World) -> tuple[float, int]:
    """Return the time and the number of messages accepted by then."""
    accepted = world.call_simulator("stats")["accepted"]
    return time.monotonic(), accepted


if __name__ == "__main__":
    sys.exit(main())
