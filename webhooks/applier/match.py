"""Decides which message a merged piece of evidence speaks of, and in which order to apply what speaks of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from campaigns.domain.message import Status
from campaigns.domain.phone.person import may_be_same
from campaigns.store.events import FoundMessage
from campaigns.store.messages import EvidenceRow
from webhooks.applier.merge import Merged


@dataclass(frozen=True, slots=True)
class Match:
    """Evidence and the message that it speaks of. `send_no` is that of the send; without callback data, the last."""

    merged: Merged
    message: FoundMessage
    send_no: int

    @property
    def is_current(self) -> bool:
        """Whether it speaks of the last send, and that one is out."""
        return self.send_no == self.message.send_no and self.message.status not in _NOT_OUT


@dataclass(slots=True)
class Matched:
    """What was matched, what is another installation's, and what matches nothing, with the reason."""

    matches: list[Match] = field(default_factory=list)
    foreign: list[Merged] = field(default_factory=list)
    unmatched: list[tuple[Merged, str]] = field(default_factory=list)


_NOT_OUT = frozenset({Status.SUPPRESSED, Status.CANCELLED, Status.PENDING})


def match_evidence(merged: Iterable[Merged], found: Iterable[FoundMessage], *, installation: str) -> Matched:
    """Match by our own id first, by wamid second."""
    messages = list(found)
    by_id = {message.id: message for message in messages}
    by_wamid = {message.wamid: message for message in messages if message.wamid}
    matched = Matched()
    for each in merged:
        callback = each.callback
        if callback is not None and callback.installation != installation:
            matched.foreign.append(each)
            continue
        message = by_id.get(callback.message_id) if callback is not None else by_wamid.get(each.wamid)
        reason = _refuse(each, message)
        if message is None or reason:
            matched.unmatched.append((each, reason))
        else:
            matched.matches.append(Match(each, message, callback.send_no if callback else message.send_no))
    return matched


def _refuse(merged: Merged, message: FoundMessage | None) -> str:
    """Return why the evidence cannot speak of `message`, "" if it can.

    What is checked beside the ids: that the message has such a send; for its last one, that its account has the phone
    number; and the person, unless the wamid is the message's own. After a restore, ids may have been given twice.
    """
    callback = merged.callback
    if message is None:
        return "no message has this id" if callback is not None else "no message has this wamid"
    if callback is not None and callback.send_no > message.send_no:
        return "the message has no such send yet"
    is_last = callback is None or callback.send_no == message.send_no
    numbers = (merged.phone_number_id, message.phone_number_id)
    if is_last and all(numbers) and numbers[0] != numbers[1]:
        return "another phone number sent the message"
    if merged.wamid != message.wamid and merged.recipient and message.recipient_key:
        return "" if may_be_same(merged.recipient, message.recipient_key) else "the message went to another person"
    return ""


def in_rounds(matches: Sequence[Match]) -> list[list[EvidenceRow]]:
    """Return the rows to merge, in rounds: each holds a message once, older sends come first."""
    rounds: list[list[EvidenceRow]] = []
    seen: dict[int, int] = {}
    for match in sorted(matches, key=attrgetter("message.id", "send_no")):
        number = seen.get(match.message.id, 0)
        seen[match.message.id] = number + 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(_row(match))
    return rounds


def _row(match: Match) -> EvidenceRow:
    merged = match.merged
    return EvidenceRow(
        message_id=match.message.id,
        send_no=match.send_no,
        status=merged.status,
        wamid=merged.wamid,
        sent_at=merged.sent_at,
        delivered_at=merged.delivered_at,
        read_at=merged.read_at,
        failed_at=merged.failed_at,
        error_code=merged.error_code,
        error_title=(merged.error_title or "Meta gave no reason") if merged.failed_at else None,
        error_details=merged.error_details or None,
        pricing_category=merged.pricing_category or None,
        pricing_model=merged.pricing_model or None,
        is_billable=merged.is_billable,
    )
