"""TLS: the CPU time of a worker that sends by https, beside that of one that sends by http, and beside bare libcurl.

The sizes are those of `sending`, and PAIRS (2): each pair sends all messages by http and by https. The simulator makes
its certificate itself. Connections end at the start of each run, so each run makes all its TLS handshakes.
"""

from __future__ import annotations

import sys
from statistics import median
from typing import Any

from benchmarks.frame import World, read_size
from benchmarks.report import Report
from benchmarks.sending import ACCOUNTS, CAMPAIGNS, LATENCY_MS, MESSAGES, RECIPIENTS, measure_revoada, run_program

PAIRS = read_size("PAIRS", 2)


def main() -> int:
    report = Report(
        "tls", f"{CAMPAIGNS} campaigns at once, {LATENCY_MS} ms latency, by http and by https",
        campaigns=CAMPAIGNS, accounts=ACCOUNTS, recipients=RECIPIENTS, latency_ms=LATENCY_MS, pairs=PAIRS,
    )  # fmt: skip
    rows: dict[str, list[dict[str, Any]]] = {"http": [], "https": []}
    floors: dict[str, list[float]] = {"http": [], "https": []}
    for pair in range(1, PAIRS + 1):
        for scheme, is_tls in (("http", False), ("https", True)):
            what = f"Revoada, {scheme}, {pair}"
            row = measure_revoada(report, what, latency_ms=LATENCY_MS, is_tls=is_tls)
            floor = measure_libcurl(
                report, f"bare libcurl, {scheme}, {pair}", is_tls=is_tls, in_flight=row["in_flight"]
            )
            rows[scheme].append(row)
            floors[scheme].append(floor)
            report.add(what, times_libcurl=row["worker_cpu"] / floor)
    ratios = [tls["worker_cpu"] / plain["worker_cpu"] for plain, tls in zip(rows["http"], rows["https"], strict=True)]
    bare = [tls / plain for plain, tls in zip(floors["http"], floors["https"], strict=True)]
    report.note(f"https / http, worker CPU: {_write(ratios)}; of bare libcurl: {_write(bare)}.")
    report.goal("https costs the worker at most 1.15 times the CPU of http", median(ratios) <= 1.15)
    return report.finish()


def measure_libcurl(report: Report, what: str, *, is_tls: bool, in_flight: int) -> float:
    """Send the same number of messages with libcurl alone; return its CPU milliseconds per 1,000."""
    with World({"latency_ms": LATENCY_MS}, is_tls=is_tls) as world:
        arguments = (f"{world.api_url}/v24.0", ACCOUNTS, MESSAGES, in_flight)
        seconds, cpu, _ = run_program(world, "libcurl", *arguments)
        accepted = world.call_simulator("stats")["accepted"]
    report.add(what, messages=MESSAGES, messages_per_second=MESSAGES / seconds, worker_cpu=1e6 * cpu / MESSAGES,
               in_flight=in_flight)  # fmt: skip
    report.check(f"{what}: all accepted", accepted == MESSAGES)
    return 1e6 * cpu / MESSAGES


def _write(ratios: list[float]) -> str:
    return ", ".join(f"{ratio:.2f}" for ratio in ratios)


if __name__ == "__main__":
    sys.exit(main())
