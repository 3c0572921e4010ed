"""Compares, for each person, the simulator's counts with our statuses, and each uncertain message with the faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from campaigns.store.leases import LEFT_BEHIND

# The causes of an uncertain message: its worker ended before the settlement, or no readable reply came.
LEFT, NO_REPLY = "left", "no reply"
# A fault may have an effect a little before and after the times that are recorded for it.
_SLACK_SECONDS = 0.5

_ACCEPTED = frozenset({"held", "sent", "delivered", "read"})


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """A fault with its begin and end (seconds since 1970), and the causes of uncertain messages that it explains."""

    kind: str
    began_at: float
    ended_at: float
    explains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class UncertainSend:
    """The send `send_no` of a message, which was claimed at `claimed_at` and became uncertain at `at`."""

    phone: str
    send_no: int
    claimed_at: float
    at: float
    reason: str

    @property
    def cause(self) -> str:
        return LEFT if self.reason == LEFT_BEHIND else NO_REPLY


@dataclass(slots=True)
class PeopleResult:
    """The counts of people by result. The lists contain phones with a description of the error."""

    recipients: int = 0
    once: int = 0
    refused: int = 0  # never accepted, and its status is `failed`
    never: int = 0  # never accepted, and its status is `uncertain`
    twice: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    doubts: int = 0
    doubts_on_the_wire: int = 0
    doubts_never_on_the_wire: int = 0
    doubts_settled: int = 0
    unexplained: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.twice or self.lost or self.wrong or self.unexplained)


def compare_people(
    people: Iterable[str],
    *,
    statuses: Mapping[str, str],
    accepted: Mapping[str, int],
    arrived: Mapping[str, int],
    uncertain_sends: Sequence[UncertainSend],
    faults: Sequence[InjectedFault],
) -> PeopleResult:
    """Compare our statuses (by phone) with the simulator's counts of accepted messages, for all `people`.

    `arrived` counts the requests that reached the simulator completely, accepted or not.
    """
    result = PeopleResult()
    for phone in people:
        result.recipients += 1
        _count_person(result, phone, statuses.get(phone, "missing"), accepted.get(phone, 0))
    for send in uncertain_sends:
        result.doubts += 1
        if arrived.get(send.phone, 0) >= send.send_no:
            result.doubts_on_the_wire += 1
        else:
            result.doubts_never_on_the_wire += 1
        result.doubts_settled += statuses.get(send.phone) != "uncertain"
        if not any(_can_explain(fault, send) for fault in faults):
            result.unexplained.append(
                f"{send.phone}: {send.reason} ({send.at - send.claimed_at:.1f} s after its claim)"
            )
    uncertain_phones = {send.phone for send in uncertain_sends}
    result.wrong += [f"{phone}: uncertain without a record" for phone, status in statuses.items()
                      if status == "uncertain" and phone not in uncertain_phones]  # fmt: skip
    return result


def _count_person(result: PeopleResult, phone: str, status: str, count: int) -> None:
    if count > 1:
        result.twice.append(f"{phone}: accepted {count} times, {status}")
    elif count == 1:
        result.once += 1
        # Webhooks are repeated until they are stored, so in the end our status must agree with the simulator.
        if status not in _ACCEPTED | {"failed"}:
            result.wrong.append(f"{phone}: accepted, and {status}")
    elif status == "failed":
        result.refused += 1
    elif status == "uncertain":
        result.never += 1
    elif status in _ACCEPTED:
        result.wrong.append(f"{phone}: {status}, and never accepted")
    else:
        result.lost.append(f"{phone}: {status}, and never accepted")


def _can_explain(fault: InjectedFault, send: UncertainSend) -> bool:
    return (
        send.cause in fault.explains
        and fault.began_at - _SLACK_SECONDS <= send.at
        and send.claimed_at <= fault.ended_at + _SLACK_SECONDS
    )


def count_kinds(faults: Iterable[InjectedFault]) -> Counter[str]:
    return Counter(fault.kind for fault in faults)
