"""TLS: the CPU time of a worker that sends by https, beside that of one that sends by http, and beside bare yardsticks.

The first part sends as fast as possible, with the sizes of `sending`. Each run opens all its connections, so it makes
up to 2,048 TLS handshakes. The second part sends at the limits of accounts, with the sizes of `limits`, and measures
after the connections have been opened. Each part runs by http and by https in turn, PAIRS (2) times. The simulator
makes its certificate itself.
"""

from __future__ import annotations

import sys
from statistics import median
from typing import Any

from benchmarks.frame import World, read_size
from benchmarks.limits import measure_at_limits
from benchmarks.report import Report
from benchmarks.sending import ACCOUNTS, CAMPAIGNS, LATENCY_MS, MESSAGES, RECIPIENTS, measure_revoada, run_program

PAIRS = read_size("PAIRS", 2)
_SCHEMES = ("http", "https")
_BARE = ("libcurl", "sockets")
_MOST_TIMES_HTTP = 1.15


def main() -> int:
    report = Report(
        "tls", f"{CAMPAIGNS} campaigns at once, {LATENCY_MS} ms latency, by http and by https",
        campaigns=CAMPAIGNS, accounts=ACCOUNTS, recipients=RECIPIENTS, latency_ms=LATENCY_MS, pairs=PAIRS,
    )  # fmt: skip
    ratios: dict[str, list[float]] = {"worker": [], "without TLS": [], **{program: [] for program in _BARE}}
    at_limits: list[float] = []
    for pair in range(1, PAIRS + 1):
        cpu: dict[str, dict[str, float]] = {}
        for scheme in _SCHEMES:
            what = f"Revoada, {scheme}, {pair}"
            row = measure_revoada(report, what, latency_ms=LATENCY_MS, is_tls=scheme == "https")
            cpu[scheme] = {"worker": row["worker_cpu"]}
            for program in _BARE:
                cpu[scheme][program] = measure_bare(report, program, scheme, pair, in_flight=row["in_flight"])
            report.add(what, times_libcurl=row["worker_cpu"] / cpu[scheme]["libcurl"])
        plain, tls = cpu["http"], cpu["https"]
        for program in ("worker", *_BARE):
            ratios[program].append(tls[program] / plain[program])
        tls_alone = tls["sockets"] - plain["sockets"]
        ratios["without TLS"].append((tls["worker"] - tls_alone) / plain["worker"])
    for pair in range(1, PAIRS + 1):
        used: list[dict[str, Any]] = [
            measure_at_limits(report, f"Revoada at limits, {scheme}, {pair}", is_tls=scheme == "https")
            for scheme in _SCHEMES
        ]
        at_limits.append(used[1]["worker_cpu"] / used[0]["worker_cpu"])
    report.note(
        f"https / http, CPU, as fast as possible: worker {_write(ratios['worker'])}; bare libcurl"
        f" {_write(ratios['libcurl'])}; bare sockets {_write(ratios['sockets'])}; worker without the extra time of bare"
        f" sockets {_write(ratios['without TLS'])}. At limits: worker {_write(at_limits)}."
    )
    report.goal_ratio(
        "at the limits of accounts https costs the worker at most 1.15 times the CPU of http",
        median(at_limits), most=_MOST_TIMES_HTTP,
    )  # fmt: skip
    report.goal_ratio(
        "as fast as possible, 1.15 times without the CPU that https costs bare sockets",
        median(ratios["without TLS"]), most=_MOST_TIMES_HTTP,
    )  # fmt: skip
    return report.finish()


def measure_bare(report: Report, program: str, scheme: str, pair: int, *, in_flight: int) -> float:
    """Send the same number of messages with a bare yardstick; return its CPU milliseconds per 1,000."""
    what = f"bare {program}, {scheme}, {pair}"
    with World({"latency_ms": LATENCY_MS}, is_tls=scheme == "https") as world:
        arguments = (f"{world.api_url}/v24.0", ACCOUNTS, MESSAGES, in_flight)
        seconds, cpu, _ = run_program(world, program, *arguments)
        accepted = world.call_simulator("stats")["accepted"]
    report.add(what, messages=MESSAGES, messages_per_second=MESSAGES / seconds, worker_cpu=1e6 * cpu / MESSAGES,
               in_flight=in_flight)  # fmt: skip
    report.check(f"{what}: all accepted", accepted == MESSAGES)
    return 1e6 * cpu / MESSAGES


def _write(ratios: list[float]) -> str:
    return ", ".join(f"{ratio:.2f}" for ratio in ratios)


if __name__ == "__main__":
    sys.exit(main())
