"""What became of every person: the books of the far end against ours, and each doubt against the faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from campaigns.store.leases import LEFT_BEHIND

# Why a message may be uncertain: its runner did not get to settle it; or the request left, and no readable reply came.
LEFT, NO_REPLY = "left", "no reply"
# A fault acts a little before it is written down, and a little after.
_SLACK_SECONDS = 0.5

_ACCEPTED = frozenset({"held", "sent", "delivered", "read"})


@dataclass(frozen=True, slots=True)
class Happened:
    """One fault: when it began and ended (seconds since 1970), and what doubt it may leave."""

    kind: str
    began_at: float
    ended_at: float
    explains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Doubt:
    """A message became uncertain at `at` in its send `send_no`, which had been claimed at `claimed_at`."""

    phone: str
    send_no: int
    claimed_at: float
    at: float
    reason: str

    @property
    def cause(self) -> str:
        return LEFT if self.reason == LEFT_BEHIND else NO_REPLY


@dataclass(slots=True)
class Account:
    """The result, person by person; the lists hold phones with what is wrong."""

    recipients: int = 0
    once: int = 0
    refused: int = 0  # never accepted, and known to be: Meta refused it for good
    never: int = 0  # never accepted, and known to be doubtful
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


def account_for(
    people: Iterable[str],
    *,
    statuses: Mapping[str, str],
    accepted: Mapping[str, int],
    arrived: Mapping[str, int],
    doubts: Sequence[Doubt],
    faults: Sequence[Happened],
) -> Account:
    """Compare what we believe (`statuses`, by phone) with what the far end counted, for all `people`.

    `arrived` counts requests that came to the far end whole, accepted or not.
    """
    account = Account()
    for phone in people:
        account.recipients += 1
        _judge(account, phone, statuses.get(phone, "missing"), accepted.get(phone, 0))
    for doubt in doubts:
        account.doubts += 1
        if arrived.get(doubt.phone, 0) >= doubt.send_no:
            account.doubts_on_the_wire += 1
        else:
            account.doubts_never_on_the_wire += 1
        account.doubts_settled += statuses.get(doubt.phone) != "uncertain"
        if not any(_explains(fault, doubt) for fault in faults):
            account.unexplained.append(
                f"{doubt.phone}: {doubt.reason} ({doubt.at - doubt.claimed_at:.1f} s after its claim)"
            )
    doubtful = {doubt.phone for doubt in doubts}
    account.wrong += [f"{phone}: uncertain without a record" for phone, status in statuses.items()
                      if status == "uncertain" and phone not in doubtful]  # fmt: skip
    return account


def _judge(account: Account, phone: str, status: str, count: int) -> None:
    if count > 1:
        account.twice.append(f"{phone}: accepted {count} times, {status}")
    elif count == 1:
        account.once += 1
        # Evidence comes until it is taken, so in the end an accepted message is known to be.
        if status not in _ACCEPTED | {"failed"}:
            account.wrong.append(f"{phone}: accepted, and {status}")
    elif status == "failed":
        account.refused += 1
    elif status == "uncertain":
        account.never += 1
    elif status in _ACCEPTED:
        account.wrong.append(f"{phone}: {status}, and never accepted")
    else:
        account.lost.append(f"{phone}: {status}, and never accepted")


def _explains(fault: Happened, doubt: Doubt) -> bool:
    return (
        doubt.cause in fault.explains
        and fault.began_at - _SLACK_SECONDS <= doubt.at
        and doubt.claimed_at <= fault.ended_at + _SLACK_SECONDS
    )


def count_kinds(faults: Iterable[Happened]) -> Counter[str]:
    return Counter(fault.kind for fault in faults)
