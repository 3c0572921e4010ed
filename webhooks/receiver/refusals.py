"""Sums up refused requests: at most one log line per second and process, with the number of each kind of refusal.

Any client of the public port can send any number of requests that are refused. Such requests must not fill the disk
with logs.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from campaigns.logs import event

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Summary:
    """The refusals of one process. Threads and held locks do not survive a fork, so a child starts a new count."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    counts: Counter[str] = field(default_factory=Counter)
    is_pending: bool = False


class Refusals:
    """Counts refusals by their reason. The reasons are our own words, never text of the request."""

    def __init__(self, *, gap_seconds: float = 1.0) -> None:
        self._gap_seconds = gap_seconds
        self._summaries: dict[int, _Summary] = {}  # by process id

    def add(self, reason: str, count: int = 1) -> None:
        """Count `count` refusals and return at once. A log line reports them about a second later."""
        summary = self._summaries.get(os.getpid()) or self._summaries.setdefault(os.getpid(), _Summary())
        with summary.lock:
            summary.counts[reason] += count
            if summary.is_pending:
                return
            summary.is_pending = True
        thread = threading.Thread(target=self._report, args=(summary,), name="refusals", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the interpreter is shutting down; a later refusal tries again
            summary.is_pending = False

    def _report(self, summary: _Summary) -> None:
        time.sleep(self._gap_seconds)
        with summary.lock:
            counts, summary.counts = summary.counts, Counter()
            summary.is_pending = False
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(counts.items()))
        total = sum(counts.values())
        bound = event("webhook_refused", refused=total)
        log.warning("Refused %d webhook requests: %s", total, reasons, extra=bound)


refusals = Refusals()
