"""`make chaos`: SECONDS of faults by the schedule of SEED; exit code 1 on any duplicate, loss or unexplained doubt.

SECONDS (60), LEAST_FAULTS (0: as many as SECONDS allow), SEED (a random one, printed), LANES (6 campaigns at once),
RATE (40 messages/s each), KEEP=1 keeps the logs. The result stands in RESULT (benchmarks/results/chaos.json) too.
"""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.chaos.report import print_report, to_json
from benchmarks.chaos.run import Run, Size
from benchmarks.chaos.world import World
from devstack.stack import Stack, stop_on_sigterm

RESULT = Path(os.environ.get("RESULT") or Path(__file__).parent.parent / "results" / "chaos.json")


def main() -> int:
    stop_on_sigterm()
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # our own look at a database that is tormented
    size = Size(
        seconds=float(os.environ.get("SECONDS", "60")),
        least_faults=int(os.environ.get("LEAST_FAULTS", "0")),
        seed=int(os.environ.get("SEED") or random.SystemRandom().randrange(100_000)),
        lanes=int(os.environ.get("LANES", "6")),
        rate=int(os.environ.get("RATE", "40")),
    )
    console = Console(soft_wrap=True)
    console.print(
        f"chaos: {size.seconds:g} s, seed {size.seed}, {size.lanes} campaigns at once, {size.rate} messages/s each"
    )
    folder = Path(tempfile.mkdtemp(prefix="revoada-chaos-"))
    is_good = False
    try:
        with Stack(folder, {}) as stack, World(stack) as world:
            outcome = Run(world, size, lambda line: console.print(line, highlight=False)).run()
        is_good = outcome.is_good
        print_report(outcome, size, console)
    finally:
        if is_good and not os.environ.get("KEEP"):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            console.print(f"logs: {folder / 'logs'}", highlight=False)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(to_json(outcome, size), indent=2), encoding="utf-8")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
