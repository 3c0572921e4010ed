"""`make chaos` injects faults, and fails on each duplicate, lost message, or uncertain message that no fault explains.

The variables are SECONDS (60), LEAST_FAULTS (the minimum number of faults, 0), SEED (of the schedule; by default
random, and printed), LANES (6 campaigns at the same time), RATE (40 messages/s of each campaign), KEEP=1 (keeps the
logs) and RESULT (the file for the result, benchmarks/results/chaos.json). The exit code is 1 if the run failed.
"""

from __future__ import annotations

import sys

from benchmarks.chaos.command import run_chaos
from benchmarks.chaos.faults import FAULTS
from benchmarks.chaos.world import World

if __name__ == "__main__":
    sys.exit(run_chaos("chaos", World, FAULTS, lanes=6))
