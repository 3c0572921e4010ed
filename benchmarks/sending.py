"""Sending: campaigns at once from many accounts, limits out of the way.

CAMPAIGNS (10), ACCOUNTS (10, each campaign sends by all), RECIPIENTS (10,000 of each campaign), LATENCY_MS (150).
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.frame import World, elapsed, size_of
from benchmarks.report import Report

CAMPAIGNS = size_of("CAMPAIGNS", 10)
ACCOUNTS = size_of("ACCOUNTS", 10)
RECIPIENTS = size_of("RECIPIENTS", 10_000)
LATENCY_MS = size_of("LATENCY_MS", 150)


def main() -> int:
    report = Report(
        "sending", f"{CAMPAIGNS} campaigns at once, {LATENCY_MS} ms latency",
        campaigns=CAMPAIGNS, accounts=ACCOUNTS, recipients=RECIPIENTS, latency_ms=LATENCY_MS,
    )  # fmt: skip
    measure_revoada(report, "one worker", latency_ms=LATENCY_MS)
    measure_revoada(report, "one worker, 0 ms", latency_ms=0)
    measure_revoada(report, "two workers", latency_ms=LATENCY_MS, workers=2)
    return report.finish()


def measure_revoada(report: Report, what: str, *, latency_ms: int, workers: int = 1) -> dict[str, Any]:
    """Send everything once; the rate is from the first start to the last completion."""
    with World({"latency_ms": latency_ms}) as world:
        accounts = world.add_accounts(ACCOUNTS)
        ids = [
            world.add_campaign(accounts, people=range(number * RECIPIENTS, (number + 1) * RECIPIENTS))
            for number in range(CAMPAIGNS)
        ]
        world.start_roles(*(f"worker{number}" for number in range(1, workers + 1)))
        with world.measure() as usage:
            world.start_campaigns(ids)
            rows = world.await_completed(ids)
        stats = world.far("stats")
    messages, seconds = CAMPAIGNS * RECIPIENTS, elapsed(rows)
    figures = {
        "messages": messages,
        "messages_per_second": messages / seconds,
        **usage.cpu_ms_per_1000(messages),
        "worker_peak_mb": usage.peak_of("worker"),
    }
    report.add(what, figures)
    report.check(f"{what}: all accepted", stats["accepted"] == messages)
    report.check(f"{what}: nobody twice", stats["max_accepted_per_recipient"] == 1)
    return figures


if __name__ == "__main__":
    sys.exit(main())
