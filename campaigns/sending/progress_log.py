"""Tells the story of one slice: settled sets at most once a second, failures grouped by code, messages at DEBUG."""

from __future__ import annotations

import logging
import time
from collections import Counter

from campaigns.domain.settlement import Settle, Settlement
from campaigns.domain.verdict import Accepted, NotSent, Rejected, Unknown, Verdict
from campaigns.logs import event
from campaigns.store.messages import Claimed

_log = logging.getLogger("campaigns.sending")

_EVERY_SECONDS = 1.0


class ProgressLog:
    """Gathers what one campaign's slice does and logs it in sentences."""

    def __init__(self, campaign_id: int) -> None:
        self._campaign_id = campaign_id
        self._said_at = 0.0
        self._settled_count = 0
        self._failures: Counter[tuple[int | None, str]] = Counter()
        self._sample: dict[tuple[int | None, str], int] = {}

    def note_sending(self, message: Claimed) -> None:
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug(
                "Sending message #%s",
                message.id,
                extra=event("sending", campaign_id=self._campaign_id, account_id=message.account_id),
            )

    def note_settled(self, message: Claimed, verdict: Verdict, settlement: Settlement) -> None:
        self._settled_count += 1
        if isinstance(verdict, Accepted):
            if _log.isEnabledFor(logging.DEBUG):
                bound = event("sent", campaign_id=self._campaign_id, message_id=message.id)
                _log.debug("Message accepted", extra=bound)
            return
        key = _explain(verdict, settlement)
        self._failures[key] += 1
        self._sample.setdefault(key, message.id)

    def write(self, *, at_once: bool = False) -> None:
        """Log what has gathered, if anything has and the last time was long enough ago."""
        now = time.monotonic()
        if not self._settled_count or not (at_once or now - self._said_at >= _EVERY_SECONDS):
            return
        _log.info(
            "Processing %s recipients of campaign %s",
            self._settled_count,
            self._campaign_id,
            extra=event("batch", campaign_id=self._campaign_id),
        )
        for (code, text), count in self._failures.most_common():
            _log.warning(
                "%s messages of campaign %s: %s",
                count,
                self._campaign_id,
                text,
                extra=event("failures", campaign_id=self._campaign_id, code=code, message_id=self._sample[code, text]),
            )
        self._settled_count = 0
        self._failures.clear()
        self._sample.clear()
        self._said_at = now


def _explain(verdict: Verdict, settlement: Settlement) -> tuple[int | None, str]:
    """Return the code and one sentence, the same for all messages to which the same happened."""
    outcome = settlement.status if isinstance(settlement, Settle) else "to be tried again"
    match verdict:
        case Rejected():
            known = "" if verdict.failure.is_known else " (unknown code)"
            return verdict.code, f"{outcome}, {verdict.code}{known} {verdict.failure.meaning}"
        case Unknown(reason, code):
            return code, f"{outcome}, {reason}"
        case NotSent(reason):
            return None, f"{outcome}, {reason}"
        case Accepted():
            return None, f"{outcome}"
