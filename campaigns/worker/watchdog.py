"""Watches over this worker from threads of its own: it may answer every ping and yet take no task any more.

Now and then an idle worker gets a task in a queue that only it consumes, by the same connection and the same command as
all its queues. Who leaves it there is told of, and ended, so that its supervisor starts it again: docs/decisions/0020.
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
from campaigns.config import EXIT_AFTER_PROBES, Settings
from campaigns.logs import event
from campaigns.store import installation
from campaigns.store.database import Database, DatabaseError, DatabaseUnavailable

_log = logging.getLogger(__name__)

# "Temporary failure, try again" (EX_TEMPFAIL of sysexits.h).
EXIT_CODE = 75
# Beside the HTTP timeout: to settle, to give leases back and to ring.
_DRAIN_SECONDS = 5.0
_POLL_SECONDS = 0.05
_FRAMES = 6
# Probes that a worker leaves in its queue before a person is told.
_TELL_AFTER_PROBES = 4


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen since the look before. `has_probe`: the broker had taken a task for this worker's own queue."""

    has_consumed: bool
    is_full: bool
    has_probe: bool


def count_misses(misses: int, look: Look) -> int:
    """Return how many looks in a row found a worker that could have taken a task and did not.

    A worker without a free slot takes none, and while the broker takes none nobody can: neither is a miss.
    """
    return 0 if look.has_consumed or look.is_full or not look.has_probe else misses + 1


@dataclass(frozen=True, slots=True)
class Worker:
    """This process. `owner` is what its leases say; `name` is what Celery calls it."""

    owner: str
    name: str
    queues: Sequence[str]
    slots: int


class Watch:
    """One per worker process. Tasks of all kinds tell it when they begin and end."""

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
    ) -> None:
        """`put_probe` puts one task, and no second one, into the worker's own queue; False: the broker did not take it.

        It must not use the connections of the consumer. `begin_stop` lets slices end; then `stop` is set.
        """
        self._worker, self._settings = worker, settings
        self._database, self._alerts, self._stop = database, alerts, stop
        self._begin_stop, self._put_probe = begin_stop, put_probe
        self._lock = threading.Lock()
        self._started_at = self._consumed_at = time.monotonic()
        self._running_count = self._misses = 0
        self._was_full = self._is_ending = False

    def start(self) -> None:
        """Start to look and to report. What the one waits for never holds up the other."""
        for work in (self._look_around, self._report_on):
            threading.Thread(target=work, name=f"watch{work.__name__}", daemon=True).start()

    def note_begin(self) -> None:
        with self._lock:
            self._running_count += 1
            self._was_full |= self._running_count >= self._worker.slots
            self._consumed_at = time.monotonic()

    def note_end(self) -> None:
        with self._lock:
            self._running_count -= 1

    def was_full(self) -> bool:
        """Tell whether all slots were taken, be it for a moment, since this was asked before."""
        with self._lock:
            was_full, self._was_full = self._was_full, self._running_count >= self._worker.slots
        return was_full

    def _look_around(self) -> None:
        has_probe, looked_at = False, time.monotonic()
        while not self._stop.wait(self._settings.probe_seconds):
            look = Look(self._consumed_at > looked_at, self._running_count >= self._worker.slots, has_probe)
            looked_at = time.monotonic()
            self._judge(look)
            if self._misses >= EXIT_AFTER_PROBES and self._settings.exit_on_stall_seconds:
                self._end()
            has_probe = not look.has_consumed and not look.is_full and self._try_probe()

    def _try_probe(self) -> bool:
        try:
            return self._put_probe()
        except Exception:  # noqa: BLE001  a broker's client has surprises, and a watch that ends watches nothing
            bound = event("probe_failed", worker=self._worker.name)
            _log.exception("Worker %s could not put its probe, and is looked at again", self._worker.name, extra=bound)
            return False

    def _judge(self, look: Look) -> None:
        before, self._misses = self._misses, count_misses(self._misses, look)
        if self._misses == _TELL_AFTER_PROBES and before < _TELL_AFTER_PROBES:
            text = f"Worker {self._worker.name} is alive and takes no task, though one waits and a slot is free"
            bound = event("worker_stalled", worker=self._worker.name, main_thread=_where_main_stands())
            _log.warning(text, extra=bound)
            self._alerts.send("worker_stalled", text, worker=self._worker.name)
        elif before >= _TELL_AFTER_PROBES and look.has_consumed:
            _log.info("Worker %s takes tasks again", self._worker.name, extra=event("worker_back"))

    def _end(self) -> None:
        """End the process as SIGTERM would, but for the main thread, which may hang: nobody waits for it."""
        self._is_ending = True
        seconds = self._settings.http_timeout_seconds + _DRAIN_SECONDS
        # Whatever comes in the way of the rest, a log that hangs included.
        guard = threading.Timer(seconds + _DRAIN_SECONDS, os._exit, (EXIT_CODE,))
        guard.daemon = True
        guard.start()
        self._begin_stop()
        bound = event("worker_exits", worker=self._worker.name, main_thread=_where_main_stands())
        _log.error("Worker %s takes no task any more and ends, to be started again", self._worker.name, extra=bound)
        deadline = time.monotonic() + seconds
        while self._running_count and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        os._exit(EXIT_CODE)

    def _report_on(self) -> None:
        while True:
            try:
                self._report()
            except (DatabaseError, *DatabaseUnavailable) as error:
                # Who cannot be reached needs no report; the looks go on without it.
                _log.debug("Worker could not report: %s", type(error).__name__, extra=event("worker_unreported"))
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
            stalled_seconds=self._misses * every if self._misses >= _TELL_AFTER_PROBES else None,
            local_time=time.time(),
        )
        self._database.run(installation.report_worker, report, patience_seconds=self._settings.silent_seconds)


def _where_main_stands() -> str:
    """Return the innermost frames of the main thread, which explain a hang."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001  there is no other way
    stack = traceback.extract_stack(frame)[-_FRAMES:] if frame else []
    return " < ".join(f"{each.name} ({os.path.basename(each.filename)}:{each.lineno})" for each in reversed(stack))  # noqa: PTH119
