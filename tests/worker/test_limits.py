"""A worker says when it starts that it may open too few files, or use too little memory."""

from __future__ import annotations

import logging
import resource
import subprocess
import sys

import pytest

from campaigns.config import ENOUGH_DESCRIPTORS, ENOUGH_MEMORY_MB
from campaigns.worker import limits
from campaigns.worker.limits import Limits, find_limits, warn_of_limits

READ = """
from campaigns.worker.limits import find_limits
found = find_limits()
print(found.descriptors, found.memory_mb)
"""


def read_with(limit, value):
    """Return the limits that a process finds which was started with a lower limit."""
    done = subprocess.run(
        [sys.executable, "-c", READ],
        preexec_fn=lambda: resource.setrlimit(limit, (value, value)),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_the_hard_limits_of_the_process_are_found():
    assert read_with(resource.RLIMIT_NOFILE, 90)[0] == "90"
    assert int(read_with(resource.RLIMIT_AS, 2 << 30)[1]) <= 2048


@pytest.mark.parametrize(("text", "expected"), [("134217728\n", 128), ("max\n", None), (f"{2**63 - 4096}\n", None)])
def test_the_limit_of_a_container_is_found(monkeypatch, tmp_path, text, expected):
    path = tmp_path / "memory.max"
    path.write_text(text)
    monkeypatch.setattr(limits, "_CGROUP_FILES", (str(path), str(tmp_path / "missing")))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert find_limits() == Limits(None, expected)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Limits(ENOUGH_DESCRIPTORS - 1, None), ["few_descriptors"]),
        (Limits(None, ENOUGH_MEMORY_MB - 1), ["little_memory"]),
        (Limits(90, 64), ["few_descriptors", "little_memory"]),
        (Limits(ENOUGH_DESCRIPTORS, ENOUGH_MEMORY_MB), []),
        (Limits(None, None), []),
    ],
)
def test_each_limit_that_is_too_low_is_logged(caplog, found, expected):
    with caplog.at_level(logging.WARNING):
        warn_of_limits(found)
    assert [record.event for record in caplog.records] == expected
