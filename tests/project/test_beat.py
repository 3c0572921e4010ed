"""The tasks that beat publishes by `celeryconfig.py`."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from celery.beat import ScheduleEntry

from campaigns import clock


@pytest.fixture
def entries(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[ScheduleEntry]:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    schedule: dict[str, dict[str, Any]] = runpy.run_path(str(project / "celeryconfig.py"))["beat_schedule"]
    return [ScheduleEntry(name=name, **entry) for name, entry in schedule.items()]


def test_no_task_of_beat_expires(entries):
    assert [entry.options for entry in entries] == [{}] * 7


def test_all_are_due_when_beat_starts_and_then_by_a_clock_that_nobody_sets(entries, monkeypatch):
    """The schedule ignores the machine's clock: in this test only the seconds since the start change."""
    started_at = 1_000_000.0
    for seconds, due in ((0.0, 7), (0.5, 0), (11.0, 3), (61.0, 6), (3601.0, 7)):
        monkeypatch.setattr(clock.time, "clock_gettime", lambda _clock, at=started_at + seconds: at)
        if not seconds:
            assert all(entry.is_due().is_due for entry in entries)
            entries = [next(entry) for entry in entries]
        else:
            assert sum(entry.is_due().is_due for entry in entries) == due
