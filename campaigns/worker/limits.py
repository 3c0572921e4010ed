"""Reads the limits that the machine or the container sets for this process: open files, and memory."""

from __future__ import annotations

import logging
import resource
from dataclasses import dataclass
from pathlib import Path

from campaigns.config import ENOUGH_DESCRIPTORS, ENOUGH_MEMORY_MB
from campaigns.logs import event

_log = logging.getLogger(__name__)

_CGROUP_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of this process. None means that there is no limit."""

    descriptors: int | None
    memory_mb: int | None


def find_limits() -> Limits:
    """Return the limits that this process cannot raise by itself."""
    _, descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    _, address_space = resource.getrlimit(resource.RLIMIT_AS)
    memory = [size for size in (address_space, *map(_read_bytes, _CGROUP_FILES)) if size is not None and size >= 0]
    return Limits(
        descriptors=None if descriptors == resource.RLIM_INFINITY else descriptors,
        # If there is no limit, some of these sources give a huge number.
        memory_mb=min((size >> 20 for size in memory if size < 1 << 60), default=None),
    )


def warn_of_limits(limits: Limits) -> None:
    """Log a warning for each limit that is too low for a worker. A worker calls this function when it starts."""
    if limits.descriptors is not None and limits.descriptors < ENOUGH_DESCRIPTORS:
        _log.warning(
            "This process may open only %s files and connections, and should be allowed %s: it may send slowly, or not"
            " at all. Raise the limit (ulimit -n, LimitNOFILE in systemd, ulimits in compose)",
            limits.descriptors,
            ENOUGH_DESCRIPTORS,
            extra=event("few_descriptors", limit=limits.descriptors),
        )
    if limits.memory_mb is not None and limits.memory_mb < ENOUGH_MEMORY_MB:
        _log.warning(
            "This process may use only %s MB of memory, and should be allowed %s: the kernel may kill it while it"
            " sends",
            limits.memory_mb,
            ENOUGH_MEMORY_MB,
            extra=event("little_memory", limit_mb=limits.memory_mb),
        )


def _read_bytes(path: str) -> int | None:
    try:
        return int(Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None  # no such file, or no number but "max", which means no limit
