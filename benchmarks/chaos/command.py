"""The common part of `make chaos` and `make chaos-hosts`: sizes from the environment, the report, and the exit code."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.chaos.faults import Fault
from benchmarks.chaos.report import print_report, to_json
from benchmarks.chaos.run import Run, Size
from benchmarks.chaos.world import World
from devstack.stack import Stack, stop_on_sigterm

_RESULTS = Path(__file__).parent.parent / "results"


def run_chaos(name: str, make_world: Callable[[Stack], World], faults: Sequence[Fault], *, lanes: int) -> int:
    """Run the faults, print the report, write it to results/NAME.json, and return the exit code."""
    stop_on_sigterm()
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # faults hit this pool, too
    size = Size(
        seconds=float(os.environ.get("SECONDS", "60")),
        least_faults=int(os.environ.get("LEAST_FAULTS", "0")),
        seed=int(os.environ.get("SEED") or random.SystemRandom().randrange(100_000)),
        lanes=int(os.environ.get("LANES") or lanes),
        rate=int(os.environ.get("RATE", "40")),
    )
    console = Console(soft_wrap=True)
    console.print(
        f"{name}: {size.seconds:g} s, seed {size.seed}, {size.lanes} campaigns at once, {size.rate} messages/s each"
    )
    folder = Path(tempfile.mkdtemp(prefix=f"revoada-{name}-"))
    is_good = False
    try:
        with Stack(folder, {}) as stack, make_world(stack) as world:
            outcome = Run(world, size, lambda line: console.print(line, highlight=False), faults).run()
        is_good = outcome.is_good
        print_report(outcome, size, console)
    finally:
        if is_good and not os.environ.get("KEEP"):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            console.print(f"logs: {folder / 'logs'}", highlight=False)
    result = Path(os.environ.get("RESULT") or _RESULTS / f"{name}.json")
    result.parent.mkdir(exist_ok=True)
    result.write_text(json.dumps(to_json(outcome, size), indent=2), encoding="utf-8")
    return 0 if is_good else 1
