"""Folds evidence about the same send into one value: the same one in any order, number and grouping.

Pure. `join` is commutative, associative and idempotent, so Meta's retries, batches and delays cannot change the
final row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from campaigns.domain.callback import CallbackData
from campaigns.domain.message import LADDER, Status
from webhooks.applier.evidence import Evidence

# (installation, message id, send_no, "", phone number id, recipient), or ("", 0, 0, wamid, phone number id, recipient)
# without callback data.
GroupKey = tuple[str, int, int, str, str, str]

_RANKS = {status: rank for rank, status in enumerate(LADDER)}


@dataclass(frozen=True, slots=True)
class Merged:
    """All that is proved about one send of one message.

    `status` is the strongest seen, each time the earliest of its kind, the error that of the earliest failure. The
    phone number and the recipient are parts of the key: evidence from another number, or of another person, than the
    send's own must not mix with it.
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
        """Return what both prove together. Both must have the same key."""
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
    """Return one value per send, ordered by key: by message, then by send; those without callback data come first.

    What was merged before may be merged again with more.
    """
    groups: dict[GroupKey, Merged] = {}
    for item in evidence:
        merged = item if isinstance(item, Merged) else _start(item)
        known = groups.get(merged.key)
        groups[merged.key] = merged if known is None else known.join(merged)
    return [groups[key] for key in sorted(groups)]


def group_key(evidence: Evidence) -> GroupKey:
    """Return the key of the group that `evidence` is merged into (to find what a group was made of)."""
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
    """Order by time, then by code. No failure comes after every failure, no code after every code."""
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
    """Return the smaller of two texts; an empty one says nothing."""
    return min(one, other) if one and other else one or other


def _join_billable(flags: set[bool | None]) -> bool | None:
    """Let True win: what was billable once costs money."""
    return max((flag for flag in flags if flag is not None), default=None)
