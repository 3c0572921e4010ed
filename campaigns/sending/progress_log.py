"""Logs the progress of one slice.

At most once a second, ProgressLog logs the number of settled messages, and the failures by code and text. At the level
DEBUG, ProgressLog also logs each message.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from campaigns.domain.settlement import Settle, Settlement
from campaigns.domain.statement import Sentence, Word
from campaigns.domain.verdict import Accepted, NotSent, Rejected, Unknown, Verdict
from campaigns.logs import event
from campaigns.sending.settlement import Decision, InFlight

_log = logging.getLogger("campaigns.sending")

_INTERVAL_SECONDS = 1.0


class ProgressLog:
    """Counts the messages that one slice has settled since the last log lines."""

    def __init__(self, campaign_id: int) -> None:
        self._campaign_id = campaign_id
        self._logged_at = 0.0
        self._settled_count = 0
        # By code and text: the number of messages that Meta did not accept; the id of the first of them, and the text.
        self._failures: Counter[tuple[int | None, str]] = Counter()
        self._first: dict[tuple[int | None, str], tuple[int, Sentence]] = {}

    def note_sending(self, claimed: Iterable[InFlight]) -> None:
        if not _log.isEnabledFor(logging.DEBUG):
            return
        for each in claimed:
            bound = event("sending", campaign_id=self._campaign_id, account_id=each.message.account_id)
            _log.debug("Sending message #%s", each.message.id, extra=bound)

    def note_settled(self, decisions: Sequence[Decision]) -> None:
        self._settled_count += len(decisions)
        is_debugging = _log.isEnabledFor(logging.DEBUG)
        for in_flight, verdict, settlement in decisions:
            if not isinstance(verdict, Accepted):
                code, text = _explain(verdict, settlement)
                self._failures[code, str(text)] += 1
                self._first.setdefault((code, str(text)), (in_flight.message.id, text))
            elif is_debugging:
                bound = event("sent", campaign_id=self._campaign_id, message_id=in_flight.message.id)
                _log.debug("Message accepted", extra=bound)

    def write(self, *, at_once: bool = False) -> None:
        """Log the counts since the last log lines, at most once a second. With `at_once`, log them in any case."""
        now = time.monotonic()
        if not self._settled_count or not (at_once or now - self._logged_at >= _INTERVAL_SECONDS):
            return
        _log.info(
            "Processing %s recipients of campaign %s",
            self._settled_count,
            self._campaign_id,
            extra=event("batch", campaign_id=self._campaign_id),
        )
        for key, count in self._failures.most_common():
            message_id, text = self._first[key]
            _log.warning(
                "%s messages of campaign %s: %s",
                count,
                self._campaign_id,
                text,
                extra=event("failures", campaign_id=self._campaign_id, code=key[0], message_id=message_id),
            )
        self._settled_count = 0
        self._failures.clear()
        self._first.clear()
        self._logged_at = now


def _explain(verdict: Verdict, settlement: Settlement) -> tuple[int | None, Sentence]:
    """Return the code and the text under which a message is counted. The text begins with the message's outcome."""
    outcome = settlement.status if isinstance(settlement, Settle) else Word("to be tried again")
    match verdict:
        case Rejected():
            text = Sentence(
                "{outcome}, {code} {meaning}"
                if verdict.failure.is_known
                else "{outcome}, {code} (unknown code) {meaning}",
                outcome=outcome,
                code=verdict.code,
                meaning=Word(verdict.failure.meaning),
            )
            return verdict.code, text
        case Unknown(reason, code):
            return code, Sentence("{outcome}, {reason}", outcome=outcome, reason=Word(reason))
        case NotSent(reason):
            return None, Sentence("{outcome}, {reason}", outcome=outcome, reason=Word(reason))
        case Accepted():
            return None, Sentence("{outcome}", outcome=outcome)
