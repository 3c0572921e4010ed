"""Counts what a process does. The senders count once per set of messages, never once per message."""

from __future__ import annotations

import fcntl
import mmap
import tempfile
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from contextlib import contextmanager

from campaigns.metrics.table import MAX_ACCOUNTS, METRICS, OTHER, SUM, Key, Kind, list_bucket_keys, list_keys

# The shared memory has this many rows. gunicorn runs a few processes, and a new process takes the row of a process that
# has ended.
_ROWS = 64
_BYTES = 8  # of a float


class Counts:
    """Numbers by metric and labels. All of them only rise, except those of gauges.

    They are in the memory of this process, or, after `share`, in memory that a server and its processes share.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[Key, float] = {}
        self._accounts: set[int] = set()
        self._shared: _SharedNumbers | None = None

    def declare(self, names: Iterable[str]) -> None:
        """Begin these metrics at 0, so that Prometheus sees the first increase. Sparse metrics are left out."""
        self._add(dict.fromkeys(list_keys(name for name in names if not METRICS[name].is_sparse), 0.0))

    def share(self, names: Iterable[str]) -> None:
        """Keep only these metrics, in shared memory. A server calls this function before it forks its processes."""
        self._shared = _SharedNumbers(list(list_keys(names)))

    def take_row(self) -> None:
        """Let this process count in a row of its own. A process calls this function after the fork."""
        if self._shared is not None:
            self._shared.take_row()

    def add(self, name: str, *labels: str, count: float = 1) -> None:
        self._add({(name, labels): count})

    def add_all(self, name: str, counts: Iterable[tuple[tuple[str, ...], int]]) -> None:
        """Add to many series of a metric. `counts`: the values of the labels, and the number."""
        self._add({(name, labels): count for labels, count in counts})

    def observe(self, name: str, values: Iterable[float], *labels: str) -> None:
        """Add values, in seconds, to a histogram."""
        bounds, keys, seconds = METRICS[name].bounds, list_bucket_keys(name, labels), [*values]
        found: dict[Key, float] = {**Counter([keys[bisect_left(bounds, each)] for each in seconds])}
        if seconds:
            found[name, (*labels, SUM)] = sum(seconds)
            self._add(found)

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Add the seconds that the block takes to a histogram, also if the block raises."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.observe(name, [time.perf_counter() - began])

    def label_account(self, account_id: int) -> str:
        """Return the label of an account: its id, or `other` if this process counts MAX_ACCOUNTS others already."""
        if account_id not in self._accounts:
            if len(self._accounts) >= MAX_ACCOUNTS:
                return OTHER
            self._accounts.add(account_id)
        return str(account_id)

    def read(self) -> dict[Key, float]:
        if self._shared is not None:
            return self._shared.read()
        with self._lock:
            return dict(self._numbers)

    def _add(self, found: Mapping[Key, float]) -> None:
        if self._shared is not None:
            self._shared.add(found)
            return
        with self._lock:
            for key, count in found.items():
                self._numbers[key] = self._numbers.get(key, 0.0) + count


class _SharedNumbers:
    """One row of numbers for each process of a server, in memory that all of them have mapped.

    A row outlives its process, so no count is lost when a process is killed. The next process takes a row whose process
    has ended, and adds to it. The process that has row N holds a lock on byte N of the file; the kernel releases this
    lock when the process ends. The gauges of a process end with it: in a row without a process they are set to 0.
    """

    def __init__(self, keys: list[Key]) -> None:
        self._places = {key: place for place, key in enumerate(keys)}
        self._gauges = [place for place, (name, _) in enumerate(keys) if METRICS[name].kind is Kind.GAUGE]
        self._row_number: int | None = None
        size = _BYTES * len(keys) * _ROWS
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  it stays open for as long as the processes
        self._file.truncate(size)
        self._memory = memoryview(mmap.mmap(self._file.fileno(), size)).cast("d")
        # The main process of the server has no row, because it serves no request. It counts into this list, which
        # nobody reads.
        self._row: MutableSequence[float] | memoryview[float] = [0.0] * len(keys)

    def take_row(self) -> None:
        width = len(self._places)
        for row in range(_ROWS):
            if self._lock(row):
                self._end_gauges(row)
                self._row_number, self._row = row, self._memory[row * width : (row + 1) * width]
                return

    def add(self, found: Mapping[Key, float]) -> None:
        # No lock is needed: the process is the only one that writes to its row, and its greenlets switch only when they
        # wait for input or output.
        for key, count in found.items():
            if (place := self._places.get(key)) is not None:
                self._row[place] += count

    def read(self) -> dict[Key, float]:
        if self._gauges:
            self._end_gauges_of_the_dead()
        width = len(self._places)
        sums = {key: sum(self._memory[place::width]) for key, place in self._places.items()}
        return {key: number for key, number in sums.items() if number or not METRICS[key[0]].is_sparse}

    def _end_gauges_of_the_dead(self) -> None:
        for row in range(_ROWS):
            # The kernel would grant this process a second lock of its own row, and the unlock would release the row.
            if row != self._row_number and self._lock(row):
                self._end_gauges(row)
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, row)

    def _end_gauges(self, row: int) -> None:
        for place in self._gauges:
            self._memory[row * len(self._places) + place] = 0.0

    def _lock(self, row: int) -> bool:
        """Lock a row; return False if a living process has it."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, row)
        except OSError:
            return False
        return True


# The counts of this process.
counts = Counts()
