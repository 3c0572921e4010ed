"""Sends the bodies that wait for one target, in their order for each phone number.

The caller has the lease of the target, so no other process sends to it. No connection to Postgres is held during a
POST. A process that is killed leaves its bodies, and the next process sends the last ones again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import groupby

from campaigns.config import Settings
from campaigns.domain.statement import Refusal
from campaigns.egress import Poster, PostResult, wait_seconds
from campaigns.logs import event
from campaigns.management.forwards.send import choose_secret, describe_failure, post_body
from campaigns.store.database import Connection, Database, DatabaseUnavailable, commit_lazily
from campaigns.store.forwards import forwards
from campaigns.store.forwards.forwards import DueBody, LeasedForward

_log = logging.getLogger(__name__)

# A round begins with a renewal of the lease, and ends within `_ROUND_SECONDS` plus the time limit of one POST.
LEASE_SECONDS = 60.0
_ROUND_SECONDS = 20.0
# After this time the process gives the target back, so that it can stop, and other processes get their turn.
_TURN_SECONDS = 120.0
# A target gets bodies of at most this many phone numbers at the same time.
_LANE_COUNT = 4
# The statuses by which a proxy or an overloaded server says that the target cannot answer now.
_AWAY_STATUSES = frozenset({408, 425, 429, 502, 503, 504})
# A body without an answer is tried that many times before newer bodies are sent.
_TRIES_IN_PLACE = 3
# If so many consecutive tries got no answer, the target was away. Once it answers, all that waits is due at once.
_AWAY_COUNT = 3


def send_waiting(forward: LeasedForward, database: Database, settings: Settings, stop: threading.Event) -> None:
    """Send what waits for a target until nothing is due, the target does not answer, or the turn is over."""
    try:
        _Sender(forward, database, settings, stop).run()
    except Exception:  # noqa: BLE001  no error may end the thread unlogged
        bound = event("forward_error", forward_id=forward.id)
        _log.exception("Forward %s stopped for now by an error; others go on", forward.id, extra=bound)
    finally:
        with suppress(*DatabaseUnavailable):  # the lease ends by itself
            database.run(forwards.release_forward, forward)


class _Sender:
    def __init__(self, forward: LeasedForward, database: Database, settings: Settings, stop: threading.Event) -> None:
        self._forward, self._database, self._settings, self._stop = forward, database, settings, stop
        self._is_silent = threading.Event()  # a try of this round got no answer
        self._ends_at = 0.0

    def run(self) -> None:
        try:
            secret = choose_secret(self._settings, self._forward.secret)
        except Refusal as refusal:
            if self._database.run(self._note_silence, str(refusal)):
                self._warn(str(refusal))
            return
        turn_ends_at = time.monotonic() + _TURN_SECONDS
        count = 0
        poster = Poster(self._forward.url, self._settings.egress_networks or (), ca_file=self._settings.ca_file)
        with poster, ThreadPoolExecutor(_LANE_COUNT, thread_name_prefix=f"forward-{self._forward.id}") as lanes:
            while not self._is_over() and time.monotonic() < turn_ends_at:
                due = self._database.run(forwards.take_due_bodies, self._forward, lease_seconds=LEASE_SECONDS)
                if not due:
                    break
                self._ends_at = time.monotonic() + _ROUND_SECONDS
                for set_ in split_sets(due):
                    count += sum(lanes.map(partial(self._send_lane, poster=poster, secret=secret), set_))
        if count:
            bound = event("forwarded", forward_id=self._forward.id, webhooks=count)
            _log.info("Passed %s webhooks on by forward %s", count, self._forward.id, extra=bound)

    def _is_over(self) -> bool:
        return self._stop.is_set() or self._is_silent.is_set()

    def _send_lane(self, bodies: Sequence[DueBody], *, poster: Poster, secret: str) -> int:
        """Send bodies one after the other; return the number that the target has accepted."""
        count = 0
        for body in bodies:
            if self._is_over() or time.monotonic() >= self._ends_at:
                break
            result = post_body(poster, body.body, secret)
            count += result.is_success
            self._settle(body, result)
        return count

    def _settle(self, body: DueBody, result: PostResult) -> None:
        if result.is_success:
            if self._database.run(self._note_delivery, body):
                bound = event("forward_works_again", forward_id=self._forward.id)
                _log.info("The target of forward %s accepts webhooks again", self._forward.id, extra=bound)
            return
        is_unanswered = result.status is None or result.status in _AWAY_STATUSES
        if is_unanswered:
            self._is_silent.set()
        reason = describe_failure(result)
        wait = wait_seconds(body.attempts + 1)
        if self._database.run(self._note_failure, body, reason, wait=wait, is_unanswered=is_unanswered):
            self._warn(reason)
        if wait is None:
            bound = event("forward_given_up", forward_id=self._forward.id, webhooks=1)
            _log.warning("Forward %s gave up a webhook after its last try", self._forward.id, extra=bound)

    def _warn(self, reason: str) -> None:
        bound = event("forward_failing", forward_id=self._forward.id)
        _log.warning("The target of forward %s fails: %s", self._forward.id, reason, extra=bound)

    def _note_delivery(self, connection: Connection, body: DueBody) -> bool:
        """Return whether the try before had failed."""
        commit_lazily(connection)  # after a crash of Postgres, the target gets the body again
        had_failed, silence_count = forwards.note_delivery(connection, self._forward.id, body.inbox_id)
        if silence_count >= _AWAY_COUNT:
            forwards.hasten_unanswered(connection, self._forward.id)
        return had_failed

    def _note_failure(
        self, connection: Connection, body: DueBody, reason: str, *, wait: float | None, is_unanswered: bool
    ) -> bool:
        """Return whether the try before had succeeded. `wait`: until the next try; None: this was the last one."""
        if wait is None:
            forwards.give_up_body(connection, self._forward.id, body.inbox_id)
        else:
            stays = is_unanswered and body.attempts + 1 < _TRIES_IN_PLACE
            forwards.defer_body(
                connection,
                self._forward.id,
                body.inbox_id,
                wait_seconds=None if stays else wait,
                is_unanswered=is_unanswered,
            )
        if is_unanswered:
            return self._note_silence(connection, reason)
        return forwards.note_failure(connection, self._forward.id, reason)

    def _note_silence(self, connection: Connection, reason: str) -> bool:
        """Pause the forward; return whether the try before had succeeded."""
        first, later = wait_seconds(1), wait_seconds(2)
        assert first is not None
        assert later is not None
        forwards.pause_forward(connection, self._forward.id, first_seconds=first, later_seconds=later)
        return forwards.note_failure(connection, self._forward.id, reason)


def split_sets(due: Sequence[DueBody]) -> list[list[list[DueBody]]]:
    """Split bodies into sets that follow one another, and each set into lanes that may be sent at the same time.

    A lane has the bodies of one phone number, in their order. A body with several numbers is a set of its own.
    """
    sets: list[list[list[DueBody]]] = []
    for is_single, run in groupby(due, lambda body: len(body.phone_number_ids) <= 1):
        if not is_single:
            sets += [[[body]] for body in run]
            continue
        lanes: dict[str, list[DueBody]] = {}
        for body in run:
            lanes.setdefault("".join(body.phone_number_ids), []).append(body)
        sets.append(list(lanes.values()))
    return sets
