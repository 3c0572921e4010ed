"""Roles whose machines have wrong clocks: libfaketime moves the clock of a process, but not its monotonic clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from fixtures import database_url, flow, redis_url, simulator_url
from harness import Flow

__all__ = ["database_url", "flow", "redis_url", "simulator_url"]

_SLEEPING = Path(__file__).parent / "sleeping"
_LIBRARIES = sorted(Path("/usr").glob("lib*/**/faketime/libfaketime.so.1"))

WithClock = Callable[[str | None], AbstractContextManager[None]]


def pytest_configure() -> None:
    if not _LIBRARIES:
        raise pytest.UsageError("libfaketime.so.1 is missing: install Debian's package `faketime`.")


@pytest.fixture
def dial(tmp_path: Path) -> Path:
    """A file with the clock offset of every process that was started under `moving`; a test writes it."""
    path = tmp_path / "dial"
    path.write_text("+0")
    return path


@pytest.fixture
def with_clock(flow: Flow) -> WithClock:
    """Start the processes of a `with` block with a clock offset (`+1h`, `-30s`); None: with the right clock."""
    return lambda offset: _preloading(flow, {"FAKETIME": offset} if offset else None)


@pytest.fixture
def moving(flow: Flow, dial: Path) -> Callable[[], AbstractContextManager[None]]:
    """Start the processes of a `with` block with the clock offset in the file `dial`."""
    return lambda: _preloading(flow, {"FAKETIME_TIMESTAMP_FILE": str(dial), "FAKETIME_NO_CACHE": "1"})


@contextmanager
def _preloading(flow: Flow, clock: dict[str, str] | None) -> Iterator[None]:
    """Durations stay right, as on a machine whose clock is set."""
    added = {
        "LD_PRELOAD": str(_LIBRARIES[0]),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": str(_SLEEPING),
        **(clock or {}),
    }
    if clock:
        flow.stack.environment |= added
    try:
        yield
    finally:
        for name in added:
            flow.stack.environment.pop(name, None)
