"""Merges all evidence about one send into one value.

The functions are pure. `join` is commutative, associative and idempotent, so the final row does not depend on the order
of webhooks, on their batches, or on repetitions.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from campaigns.domain.message import LADDER, Status
from campaigns.whatsapp.callback import CallbackData
from webhooks.applier.evidence import Evidence

# With callback data, the key is (installation, message id, send_no, "", phone number id, recipient).
# Without callback data, the key is ("", 0, 0, wamid, phone number id, recipient).
GroupKey = tuple[str, int, int, str, str, str]

_RANKS = {status: rank for rank, status in enumerate(LADDER)}


@dataclass(slots=True)
class Merged:
    """All evidence about one send of one message.

    `status` is the strongest status. Each time is the earliest of its kind, and the error is that of the earliest
    failure. The phone number and the recipient are part of the key, so that evidence of another number or about another
    person is never merged with the evidence of this send.
    """

    key: GroupKey
    callback: CallbackData | None
    phone_number_id: str
    waba_id: str
    wamid: str
    recipient: str
    status: Status
    sent_at: dt.datetime | None
    delivered_at: dt.datetime | None
    read_at: dt.datetime | None
    failed_at: dt.datetime | None
    error_code: int | None
    error_title: str
    error_details: str
    pricing_category: str
    pricing_model: str
    is_billable: bool | None

    def join(self, other: Merged) -> Merged:
        """Return the merged evidence of `self` and `other`, which must have the same key."""
        assert self.key == other.key
        failure = self if _order_failure(self) <= _order_failure(other) else other
        return Merged(
            key=self.key,
            callback=self.callback,
            phone_number_id=self.phone_number_id,
            waba_id=_smaller(self.waba_id, other.waba_id),
            wamid=_smaller(self.wamid, other.wamid),
            recipient=self.recipient,
            status=max(self.status, other.status, key=_RANKS.__getitem__),
            sent_at=_earlier(self.sent_at, other.sent_at),
            delivered_at=_earlier(self.delivered_at, other.delivered_at),
            read_at=_earlier(self.read_at, other.read_at),
            failed_at=failure.failed_at,
            error_code=failure.error_code,
            error_title=failure.error_title,
            error_details=failure.error_details,
            pricing_category=_smaller(self.pricing_category, other.pricing_category),
            pricing_model=_smaller(self.pricing_model, other.pricing_model),
            is_billable=_join_billable({self.is_billable, other.is_billable}),
        )


def merge(evidence: Iterable[Evidence | Merged]) -> list[Merged]:
    """Return one value per key, ordered by key. The values without callback data come first.

    `evidence` may contain values that were merged before.
    """
    groups: dict[GroupKey, Merged] = {}
    for item in evidence:
        merged = item if isinstance(item, Merged) else _start(item)
        known = groups.get(merged.key)
        groups[merged.key] = merged if known is None else known.join(merged)
    return [groups[key] for key in sorted(groups)]


def group_key(evidence: Evidence) -> GroupKey:
    """Return the key that `evidence` is merged under."""
    callback = evidence.callback
    if callback is None:
        return ("", 0, 0, evidence.wamid, evidence.phone_number_id, evidence.recipient)
    ids = (callback.installation, callback.message_id, callback.send_no)
    return (*ids, "", evidence.phone_number_id, evidence.recipient)


def _start(evidence: Evidence) -> Merged:
    status, at = evidence.status, evidence.at
    return Merged(
        key=group_key(evidence),
        callback=evidence.callback,
        phone_number_id=evidence.phone_number_id,
        waba_id=evidence.waba_id,
        wamid=evidence.wamid,
        recipient=evidence.recipient,
        status=status,
        sent_at=at if status is Status.SENT else None,
        delivered_at=at if status is Status.DELIVERED else None,
        read_at=at if status is Status.READ else None,
        failed_at=at if status is Status.FAILED else None,
        error_code=evidence.error_code,
        error_title=evidence.error_title,
        error_details=evidence.error_details,
        pricing_category=evidence.pricing_category,
        pricing_model=evidence.pricing_model,
        is_billable=evidence.is_billable,
    )


def _order_failure(merged: Merged) -> tuple[bool, float, bool, int, str, str]:
    """Return a sort key: time, then code. A value without a failure, or without a code, comes last."""
    at, code = merged.failed_at, merged.error_code
    return (
        at is None,
        at.timestamp() if at is not None else 0.0,
        code is None,
        code if code is not None else 0,
        merged.error_title,
        merged.error_details,
    )


def _earlier(one: dt.datetime | None, other: dt.datetime | None) -> dt.datetime | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)


def _smaller(one: str, other: str) -> str:
    """Return the smaller of two texts; an empty text counts as missing."""
    return min(one, other) if one and other else one or other


def _join_billable(flags: set[bool | None]) -> bool | None:
    """Return True if any status says that the message is billable, because Meta then charges for the message."""
    return max((flag for flag in flags if flag is not None), default=None)
