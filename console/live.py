"""Reads the watched campaigns once a second, and wakes the streams of all browsers that watch them.

One hub serves all streams of a process. So the load of Postgres grows with the campaigns that are watched, not with the
people who watch. The hub's thread runs only while a stream is open; under gevent it is a greenlet.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

from campaigns.domain.campaign import STARTED
from campaigns.domain.statement import Finding
from campaigns.logs import event
from campaigns.management.reports import read_funnel
from campaigns.metrics.counts import counts
from campaigns.store.campaigns import CampaignListing, list_campaigns
from campaigns.store.database import Database, DatabaseError

_log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0
MAX_STREAMS = 1000  # per process
MAX_STREAMS_OF_SESSION = 10
# The causes why campaigns are not sent are looked for so often. They change seldom, and need several queries.
CAUSES_SECONDS = 5.0
# The rate of a campaign is measured over this time.
_RATE_SECONDS = 5.0
_MIN_SAMPLES = 2


class TooManyStreamsError(Exception):
    """The process has as many streams as it may have."""


@dataclass(eq=False, slots=True)
class Watch:
    """A stream. `is_over`: this stream must end, because its session has opened newer streams up to the limit."""

    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """A campaign with its rate in messages per second. `rate` None: nothing is known of the rate yet.

    `causes`: why nothing of the campaign is sent now.
    """

    row: CampaignListing
    rate: float | None
    causes: Sequence[Finding] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The campaigns as Postgres had them at the time `read_at`.

    `is_away`: Postgres did not answer the last query, so the campaigns may have changed since. `fragments`: the parts
    of pages that were rendered from this snapshot. `locks`: one for each of these parts.
    """

    number: int
    campaigns: Mapping[int, Progress]
    read_at: dt.datetime | None
    is_away: bool
    fragments: dict[tuple[object, ...], str] = field(default_factory=dict)
    locks: dict[tuple[object, ...], threading.Lock] = field(default_factory=dict)

    def render(self, key: tuple[object, ...], render: Callable[[], str]) -> str:
        """Return the fragment with this key. `render` makes it once for all streams that show it."""
        with self.locks.setdefault(key, threading.Lock()):
            if key not in self.fragments:
                self.fragments[key] = render()
            return self.fragments[key]


# Returns, by campaign, why nothing of it is sent now.
FindCauses = Callable[[Sequence[int]], Mapping[int, Sequence[Finding]]]


def find_no_causes(_campaign_ids: Sequence[int]) -> Mapping[int, Sequence[Finding]]:
    return {}


_NOTHING = Snapshot(0, MappingProxyType({}), None, is_away=False)


class Hub:
    def __init__(
        self, database: Database, *, find_causes: FindCauses = find_no_causes, every_seconds: float = EVERY_SECONDS
    ) -> None:
        self._database, self._find_causes, self._every_seconds = database, find_causes, every_seconds
        self._changed = threading.Condition()
        self._watched: Counter[int] = Counter()
        # The streams of each session, the oldest first. gunicorn does not tell when a browser has left, so some of them
        # may have no reader until their next write.
        self._streams: dict[str, list[Watch]] = {}
        self._rates = Rates()
        self._causes: Mapping[int, Sequence[Finding]] = {}
        self._causes_for: Sequence[int] = ()  # the campaigns for which the causes were looked for
        self._causes_at = 0.0  # when they were looked for, by the monotonic clock
        self._thread: threading.Thread | None = None
        self._snapshot = _NOTHING
        self._asked: frozenset[int] = frozenset()  # the campaigns that the snapshot was read for
        # gunicorn's worker replaces this function: the streams end when the worker stops.
        self.is_stopping: Callable[[], bool] = lambda: False

    @property
    def stream_count(self) -> int:
        return sum(map(len, self._streams.values()))

    @contextmanager
    def watch(self, campaign_ids: Collection[int], session: str) -> Iterator[Watch]:
        """Read these campaigns each second until the block ends. Raises TooManyStreamsError.

        If the session has too many streams, its oldest one ends. The limit ends the streams of pages that the
        person has left, because the process does not notice that a browser has closed a page.
        """
        watch = Watch()
        with self._changed:
            if self.stream_count >= MAX_STREAMS:
                raise TooManyStreamsError
            streams = self._streams.setdefault(session, [])
            streams.append(watch)
            for each in streams[:-MAX_STREAMS_OF_SESSION]:
                each.is_over = True
            self._changed.notify_all()
            self._watched.update(campaign_ids)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live numbers", daemon=True)
                self._thread.start()
        counts.add("revoada_live_viewers")
        try:
            yield watch
        finally:
            counts.add("revoada_live_viewers", count=-1)
            with self._changed:
                streams.remove(watch)
                if not streams:
                    self._streams.pop(session, None)
                self._watched -= Counter(campaign_ids)
                self._changed.notify_all()

    def wait(self, watch: Watch, campaign_ids: Collection[int], seen: int, *, seconds: float) -> Snapshot | None:
        """Return the first snapshot after the one with the number `seen` that has read these campaigns.

        Returns None after `seconds`, and sooner if the process stops or the stream has to end.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._is_newer(campaign_ids, seen):
                remaining = deadline - time.monotonic()
                if remaining <= 0 or watch.is_over or self.is_stopping():
                    return None
                self._changed.wait(min(remaining, self._every_seconds))
            return self._snapshot

    def _is_newer(self, campaign_ids: Collection[int], seen: int) -> bool:
        snapshot = self._snapshot
        return snapshot.number > seen and (snapshot.is_away or self._asked.issuperset(campaign_ids))

    def _run(self) -> None:
        """Read until no stream is open."""
        while True:
            with self._changed:
                asked = frozenset(self._watched)
                if not self._streams:
                    self._thread, self._snapshot, self._rates = None, _NOTHING, Rates()
                    return
            snapshot = self._read(asked)
            with self._changed:
                self._snapshot, self._asked = snapshot, asked
                self._changed.notify_all()
            self._pause()

    def _pause(self) -> None:
        """Wait for the next read, or until no stream is open."""
        deadline = time.monotonic() + self._every_seconds
        with self._changed:
            while self._streams and (remaining := deadline - time.monotonic()) > 0:
                self._changed.wait(remaining)

    def _read(self, campaign_ids: frozenset[int]) -> Snapshot:
        last = self._snapshot
        try:
            rows = self._database.run(list_campaigns, sorted(campaign_ids)) if campaign_ids else []
            self._look_for_causes(rows)
            found = {row.id: Progress(row, self._rates.add(row), self._causes.get(row.id, ())) for row in rows}
        except DatabaseError as error:
            if not last.is_away:
                _log.warning("No live numbers: %s", error, extra=event("console_live_away"))
            return Snapshot(last.number + 1, last.campaigns, last.read_at, is_away=True)
        except Exception:  # noqa: BLE001  the streams of all browsers depend on this thread, so it never ends by an error
            _log.exception("No live numbers", extra=event("console_live_failed"))
            return Snapshot(last.number + 1, last.campaigns, last.read_at, is_away=True)
        read_at = max((row.server_now for row in rows), default=dt.datetime.now(dt.UTC))
        return Snapshot(last.number + 1, found, read_at, is_away=False)

    def _look_for_causes(self, rows: Sequence[CampaignListing]) -> None:
        started = [row.id for row in rows if row.status in STARTED]
        now = time.monotonic()
        if started != self._causes_for or now >= self._causes_at + CAUSES_SECONDS:
            self._causes = self._find_causes(started)
            self._causes_for, self._causes_at = started, now


class Rates:
    """The rate of each campaign over the last seconds, by the clock of Postgres."""

    def __init__(self) -> None:
        self._seen: dict[int, deque[tuple[dt.datetime, int]]] = {}

    def add(self, row: CampaignListing) -> float | None:
        """Note the number of messages that are done; return the messages per second, None at the first time."""
        seen = self._seen.setdefault(row.id, deque())
        seen.append((row.server_now, read_funnel(row).settled))
        while len(seen) > _MIN_SAMPLES and (row.server_now - seen[0][0]).total_seconds() > _RATE_SECONDS:
            seen.popleft()
        elapsed = (row.server_now - seen[0][0]).total_seconds()
        return max(seen[-1][1] - seen[0][1], 0) / elapsed if elapsed > 0 else None
