"""Numbers over time, for the charts of people: no decision of the program depends on them."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Sequence

from campaigns.config import Settings
from campaigns.domain.failures import FAILURES
from campaigns.domain.verdict import Accepted, Rejected, Unknown, Verdict
from campaigns.logs import event
from campaigns.metrics.counts import counts
from campaigns.metrics.table import OTHER
from campaigns.store.database import Database, DatabaseError, DatabaseUnavailable
from campaigns.store.history import receipts, samples
from campaigns.throttle.inspection import read_rates

_log = logging.getLogger(__name__)

_THROTTLE_SECONDS = 0.5
# One call of `sample` counts the receipts of at most this many sets of messages. The next call goes on.
_MAX_SETS = 300


class ReplyCounts:
    """Counts the replies to the requests of this process, by account and outcome, until `store` writes them.

    If the process is killed, the counts of its last seconds are missing in the charts. If Postgres commits the counts
    and the answer is lost, they are added twice.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[int, str]] = Counter()

    def add(self, replies: Iterable[tuple[int, Verdict]]) -> None:
        """Count replies, each with the id of its account."""
        found = Counter((account_id, outcome) for account_id, verdict in replies if (outcome := _name(verdict)))
        with self._lock:
            self._counts += found
        labelled = [((counts.label_account(each), outcome), count) for (each, outcome), count in found.items()]
        counts.add_all("revoada_replies_total", labelled)

    def store(self, database: Database) -> None:
        """Add the counts to the row of this minute. If Postgres does not answer, the next call adds them."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        if not taken:
            return
        try:
            database.run(samples.add_replies, dict(sorted(taken.items())))
        except (DatabaseError, *DatabaseUnavailable) as error:
            _log.debug("Replies not counted yet: %s", type(error).__name__, extra=event("replies_uncounted"))
            with self._lock:
                self._counts += taken


def count_failures(rejected: Sequence[Rejected]) -> None:
    """Count refusals by their code; all codes that the failure table lacks count as one."""
    if rejected:
        codes = Counter[tuple[str, ...]](
            (str(each.failure.code) if each.failure.code in FAILURES else OTHER,) for each in rejected
        )
        counts.add_all("revoada_failures_total", codes.items())


def sample(database: Database, settings: Settings) -> None:
    """Write the present numbers of running campaigns and of all accounts, and count the receipts of older messages.

    A second call in a minute adds nothing.
    """
    configured = database.run(samples.list_rates)
    rates: dict[int, float | None] = dict.fromkeys(configured)
    if settings.redis_url is not None:
        rates |= read_rates(settings.redis_url, configured, timeout_seconds=_THROTTLE_SECONDS) or {}
    database.run(samples.sample_campaigns)
    database.run(samples.sample_accounts, rates)
    database.run(receipts.add_receipt_positions)
    for _ in range(_MAX_SETS):
        if not database.run(receipts.count_receipts):
            break


def condense_samples(database: Database) -> None:
    """Put minutes that are older than 48 hours together to hours, and hours that are older than 90 days to days."""
    count = database.run(samples.delete_old_samples) + database.run(receipts.delete_old_receipts)
    while written := database.run(samples.condense_day):
        count += written
    if count:
        _log.info(
            "Put old numbers of campaigns and accounts together: %s rows", count, extra=event("samples_condensed")
        )


def _name(verdict: Verdict) -> str:
    """Return the outcome of a reply, "" for a request that never left."""
    match verdict:
        case Accepted():
            return "accepted"
        case Rejected():
            return verdict.failure.blame.value
        case Unknown():
            return "uncertain"
    return ""
