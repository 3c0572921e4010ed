"""Finds the message of each piece of merged evidence, and the order in which evidence about one message is applied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from campaigns.domain.message import Status
from campaigns.domain.phone.person import may_be_same
from campaigns.store.events import FoundMessage
from campaigns.store.messages import EvidenceRow
from webhooks.applier.merge import Merged


@dataclass(slots=True)
class Match:
    """Evidence with its message.

    `send_no`: the send that the evidence is about. Without callback data, the last send is assumed.
    """

    merged: Merged
    message: FoundMessage
    send_no: int

    @property
    def is_current(self) -> bool:
        """Whether the evidence is about the last send, and the message is not pending, cancelled or suppressed."""
        return self.send_no == self.message.send_no and self.message.status not in _NOT_SENT


@dataclass(slots=True)
class MatchResult:
    """The matches, the evidence of other installations, and the evidence without a match.

    `unmatched` also has the reason why each piece of evidence has no match.
    """

    matches: list[Match] = field(default_factory=list)
    foreign: list[Merged] = field(default_factory=list)
    unmatched: list[tuple[Merged, str]] = field(default_factory=list)


_NOT_SENT = frozenset({Status.SUPPRESSED, Status.CANCELLED, Status.PENDING})


def match_evidence(merged: Iterable[Merged], found: Iterable[FoundMessage], *, installation: str) -> MatchResult:
    """Match evidence that has callback data by the message's id, and all other evidence by the wamid."""
    messages = list(found)
    by_id = {message.id: message for message in messages}
    by_wamid = {message.wamid: message for message in messages if message.wamid}
    result = MatchResult()
    for each in merged:
        callback = each.callback
        if callback is not None and callback.installation != installation:
            result.foreign.append(each)
            continue
        message = by_id.get(callback.message_id) if callback is not None else by_wamid.get(each.wamid)
        reason = _find_mismatch(each, message)
        if message is None or reason:
            result.unmatched.append((each, reason))
        else:
            result.matches.append(Match(each, message, callback.send_no if callback else message.send_no))
    return result


def _find_mismatch(merged: Merged, message: FoundMessage | None) -> str:
    """Return the reason why the evidence cannot be about `message`, or "" if the evidence can be about it.

    An equal id is not enough, because after a restore of the database an id may be assigned a second time. So there are
    three checks. First, the message must have the send that the evidence names. Second, if this is the last send, the
    evidence must name the phone number of the account that sent the message. Third, if the evidence does not have the
    wamid of the message, it must name the recipient of the message. An unknown number or recipient passes the check.
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


def split_rounds(matches: Sequence[Match]) -> list[list[EvidenceRow]]:
    """Return the rows to merge, in rounds: a round has at most one row per message, and older sends come first."""
    rounds: list[list[EvidenceRow]] = []
    seen: dict[int, int] = {}
    for match in sorted(matches, key=attrgetter("message.id", "send_no")):
        number = seen.get(match.message.id, 0)
        seen[match.message.id] = number + 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(_make_row(match))
    return rounds


def _make_row(match: Match) -> EvidenceRow:
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
