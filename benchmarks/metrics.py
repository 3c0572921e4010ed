"""Metrics: the CPU time that counting adds to each message of the senders, in nanoseconds.

A slice counts once per set of replies. The benchmark counts sets of 1, 20 and 200 replies as a slice does. Two thirds
of the replies are accepted. The time of the same loop without counting is subtracted. METRIC_MESSAGES (20,000) is the
number of messages. The goal, 1 µs per message, is for sets of 20 replies and more: a set of one reply has a transaction
of its own, which costs a hundred times as much.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

from benchmarks.frame import read_size
from benchmarks.report import Report
from campaigns.domain.failures import find_failure
from campaigns.domain.verdict import Accepted, Rejected, Verdict
from campaigns.metrics.counts import Counts
from campaigns.sending import samples

MESSAGES = read_size("METRIC_MESSAGES", 20_000)
SIZES = (1, 20, 200)
GOAL_NANOSECONDS = 1_000
GOAL_SIZE = 20
_ROUNDS = 5


@dataclass(frozen=True)
class _Reply:
    seconds: float
    error: str
    verdict: Verdict


def count(counts: Counts, replies: list[_Reply]) -> None:
    """Count as `Slice._settle` and `Slice._claim` do, but without the counts of `ReplyCounts` for the charts."""
    with counts.time("revoada_settle_seconds"):
        pass
    counts.observe("revoada_reply_seconds", [reply.seconds for reply in replies if not reply.error])
    samples.count_failures([each.verdict for each in replies if isinstance(each.verdict, Rejected)])
    counts.add_all("revoada_replies_total", [(("1", "accepted"), len(replies)), (("1", "recipient"), 1)])
    with counts.time("revoada_claim_seconds"):
        pass
    counts.add("revoada_claimed_total", count=len(replies))


def measure(work: Callable[[], None], rounds: int) -> float:
    """Return the CPU seconds of one call."""
    began = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - began) / rounds


def main() -> int:
    report = Report("metrics", "what counting adds to each message of the senders", messages=MESSAGES)
    refused = Rejected(find_failure(131026))
    for size in SIZES:
        replies = [
            _Reply(0.05 + 0.002 * number, "", refused if number % 3 == 2 else Accepted("wamid.1"))
            for number in range(size)
        ]
        counts, rounds = Counts(), max(MESSAGES // size, 100)
        samples.counts = counts
        # In alternation, because the machine may have other work.
        each = [measure(partial(count, counts, replies), rounds) - measure(_do_nothing, rounds) for _ in range(_ROUNDS)]
        nanoseconds = median(each) / size * 1e9
        report.add(f"sets of {size}", nanoseconds_per_message=nanoseconds)
        if size >= GOAL_SIZE:
            report.goal(f"sets of {size}: at most 1 µs per message", nanoseconds <= GOAL_NANOSECONDS)
    return report.finish()


def _do_nothing() -> None:
    """Take the place of the counting, so that the loop alone is measured."""


if __name__ == "__main__":
    sys.exit(main())
