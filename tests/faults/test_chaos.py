"""Half a minute of chaos: real workers, faults of all kinds, and the far end counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(1500)
def test_half_a_minute_of_chaos_sends_nothing_twice_and_loses_nobody(project: Path, tmp_path: Path) -> None:
    """Another schedule: `make chaos SEED=…`; the seed of a failure is in its output."""
    result = tmp_path / "chaos.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos"],
        env={**os.environ, "SECONDS": "30", "LEAST_FAULTS": "5", "LANES": "4", "SEED": "1", "RESULT": str(result)},
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(result.read_text(encoding="utf-8"))
    assert document["account"]["recipients"] > 1_000
    assert sum(document["faults"].values()) >= 5
