"""Detects a worker that is alive but consumes no tasks any more, reports the worker, and ends its process.

A worker may answer every ping and yet consume nothing. So an idle worker regularly gets a probe: a task in a queue that
only this worker consumes, over the same connection and with the same command as its other queues. If a worker leaves
several probes in a row unconsumed, the watchdog alerts and then ends the process, so that its supervisor starts a new
one. The watchdog runs in threads of its own. See docs/decisions/0020.

While the worker misses no probe, each check touches REVOADA_ALIVE_FILE.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from campaigns.alerts import Alerts
from campaigns.broker.alive_file import touch_alive_file
from campaigns.config import EXIT_AFTER_PROBES, Settings
from campaigns.logs import event
from campaigns.store import installation
from campaigns.store.database import Database, DatabaseError, DatabaseUnavailable
from campaigns.worker.limits import find_limits, warn_of_limits

_log = logging.getLogger(__name__)

# "Temporary failure, try again" (EX_TEMPFAIL of sysexits.h).
EXIT_CODE = 75
# The time, in addition to the HTTP timeout, in which ending slices settle replies, release leases and enqueue the next
# slices.
_DRAIN_SECONDS = 5.0
_POLL_SECONDS = 0.05
_MAX_LOGGED_FRAMES = 6
# The watchdog warns after this many probes in a row that the worker has not consumed.
_WARN_AFTER_PROBES = 4


@dataclass(frozen=True, slots=True)
class Observation:
    """The worker's activity since the last check. `has_probe`: the last check put a probe into the worker's queue."""

    has_consumed: bool
    is_full: bool
    has_probe: bool


def count_misses(misses: int, observation: Observation) -> int:
    """Return how many checks in a row found that the worker could have consumed its probe and did not.

    A check is no miss if the worker had no free slot, or if the broker had accepted no probe.
    """
    is_miss = observation.has_probe and not observation.has_consumed and not observation.is_full
    return misses + 1 if is_miss else 0


@dataclass(frozen=True, slots=True)
class Worker:
    """This worker process. `owner`: the worker's name in leases. `name`: the worker's name in Celery."""

    owner: str
    name: str
    queues: Sequence[str]
    slots: int


class Watchdog:
    """Watches this worker process. Handlers of Celery's signals call it when a task begins or ends."""

    def __init__(
        self,
        worker: Worker,
        *,
        settings: Settings,
        database: Database,
        alerts: Alerts,
        stop: threading.Event,
        begin_stop: Callable[[], None],
        put_probe: Callable[[], bool],
        store_counts: Callable[[Database], None],
    ) -> None:
        """`put_probe` leaves exactly one probe in the worker's own queue. `begin_stop` sets `stop` and ends the slices.

        `put_probe` returns False if the broker is unreachable. `put_probe` must not use the connections of the
        consumer. `store_counts` writes the counts of the replies that the process got since the last report; it raises
        nothing.
        """
        self._worker, self._settings = worker, settings
        self._database, self._alerts, self._stop = database, alerts, stop
        self._begin_stop, self._put_probe, self._store_counts = begin_stop, put_probe, store_counts
        self._lock = threading.Lock()
        self._started_at = self._consumed_at = time.monotonic()
        self._running_count = self._misses = 0
        self._limits = find_limits()
        self._was_full = self._is_ending = False

    @property
    def queues(self) -> Sequence[str]:
        """The queues for which this worker was started."""
        return self._worker.queues

    def start(self) -> None:
        """Start one thread for checks and one thread for reports, so that neither thread waits for the other."""
        warn_of_limits(self._limits)
        for work in (self._run_checks, self._run_reports):
            threading.Thread(target=work, name=f"watchdog{work.__name__}", daemon=True).start()

    def note_task_begin(self) -> None:
        with self._lock:
            self._running_count += 1
            self._was_full |= self._running_count >= self._worker.slots
            self._consumed_at = time.monotonic()

    def note_task_end(self) -> None:
        with self._lock:
            self._running_count -= 1

    def was_full(self) -> bool:
        """Return whether all slots were taken at any moment since the last call."""
        with self._lock:
            was_full, self._was_full = self._was_full, self._running_count >= self._worker.slots
        return was_full

    def _run_checks(self) -> None:
        touch_alive_file(self._settings.alive_file)
        has_probe, checked_at = False, time.monotonic()
        while not self._stop.wait(self._settings.probe_seconds):
            is_full = self._running_count >= self._worker.slots
            observation = Observation(self._consumed_at > checked_at, is_full, has_probe)
            checked_at = time.monotonic()
            self._update_misses(observation)
            if not self._misses:
                touch_alive_file(self._settings.alive_file)
            if self._misses >= EXIT_AFTER_PROBES and self._settings.exit_on_stall_seconds:
                self._end_process()
            has_probe = not observation.has_consumed and not observation.is_full and self._try_probe()

    def _try_probe(self) -> bool:
        try:
            return self._put_probe()
        except Exception:  # noqa: BLE001  the watchdog must go on, whatever error the broker's client raises
            bound = event("probe_failed", worker=self._worker.name)
            _log.exception("Worker %s could not put its probe, and will try again", self._worker.name, extra=bound)
            return False

    def _update_misses(self, observation: Observation) -> None:
        before, self._misses = self._misses, count_misses(self._misses, observation)
        if self._misses == _WARN_AFTER_PROBES and before < _WARN_AFTER_PROBES:
            text = f"Worker {self._worker.name} is alive and takes no task, though one waits and a slot is free"
            bound = event("worker_stalled", worker=self._worker.name, main_thread=_describe_main_thread())
            _log.warning(text, extra=bound)
            self._alerts.send("worker_stalled", text, worker=self._worker.name)
        elif before >= _WARN_AFTER_PROBES and observation.has_consumed:
            _log.info("Worker %s takes tasks again", self._worker.name, extra=event("worker_back"))

    def _end_process(self) -> None:
        """Let the slices end, then exit the process from this thread, because the main thread may hang."""
        self._is_ending = True
        seconds = self._settings.http_timeout_seconds + _DRAIN_SECONDS
        # Exits the process even if a later line of this method hangs, for example a line that logs.
        guard = threading.Timer(seconds + _DRAIN_SECONDS, os._exit, (EXIT_CODE,))
        guard.daemon = True
        guard.start()
        self._begin_stop()
        bound = event("worker_exits", worker=self._worker.name, main_thread=_describe_main_thread())
        _log.error("Worker %s takes no task any more and ends, to be started again", self._worker.name, extra=bound)
        deadline = time.monotonic() + seconds
        while self._running_count and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        os._exit(EXIT_CODE)

    def _run_reports(self) -> None:
        while True:
            try:
                self._report()
            except (DatabaseError, *DatabaseUnavailable) as error:
                # The checks do not need the reports and go on.
                _log.debug("Worker could not report: %s", type(error).__name__, extra=event("worker_unreported"))
            self._store_counts(self._database)
            if self._stop.wait(self._settings.probe_seconds):
                break
        if self._is_ending:
            return
        try:
            self._database.run(installation.remove_worker, self._worker.owner)
        except (DatabaseError, *DatabaseUnavailable) as error:
            _log.debug("Worker could not report: %s", type(error).__name__, extra=event("worker_unreported"))

    def _report(self) -> None:
        worker, now, every = self._worker, time.monotonic(), self._settings.probe_seconds
        report = installation.WorkerReport(
            owner=worker.owner,
            name=worker.name,
            queues=list(worker.queues),
            slots=worker.slots,
            running_count=self._running_count,
            started_seconds=now - self._started_at,
            consumed_seconds=now - self._consumed_at,
            stalled_seconds=self._misses * every if self._misses >= _WARN_AFTER_PROBES else None,
            local_time=time.time(),
            descriptor_limit=self._limits.descriptors,
            memory_limit_mb=self._limits.memory_mb,
        )
        self._database.run(installation.report_worker, report, patience_seconds=self._settings.silent_seconds)


def _describe_main_thread() -> str:
    """Return the innermost frames of the main thread, which show where the main thread hangs."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001  there is no other way
    stack = traceback.extract_stack(frame)[-_MAX_LOGGED_FRAMES:] if frame else []
    return " < ".join(f"{each.name} ({os.path.basename(each.filename)}:{each.lineno})" for each in reversed(stack))  # noqa: PTH119
