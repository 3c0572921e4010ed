"""How far a campaign is, in numbers and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from campaigns.cli.output import count as write_count
from campaigns.cli.output import local_time
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.message import ACCEPTED, OPEN, Status

if TYPE_CHECKING:
    from campaigns.store.campaigns import CampaignListing


@dataclass(frozen=True, slots=True)
class Progress:
    """`sent`: Meta has it, or had it; `held` are those of them that it keeps back. `done`: nothing is left to do."""

    total: int
    done: int
    sent: int
    failed: int
    uncertain: int
    skipped: int
    expired: int
    held: int = 0

    @property
    def percent(self) -> int:
        """Rounded down: 100 means all."""
        return 100 * self.done // self.total if self.total else 0

    def __str__(self) -> str:
        numbers = f"{self.done:,}/{self.total:,} ({self.percent}%)"
        rest = [
            f"{number:,} {word}"
            for number, word in (
                (self.held, "held by Meta"),
                (self.failed, "failed"),
                (self.uncertain, "uncertain"),
                (self.skipped, "skipped"),
                (self.expired, "expired"),
            )
            if number
        ]
        return ", ".join([numbers, *rest])


def read_progress(row: CampaignListing) -> Progress:
    counts = {Status(status): count for status, count in row.counts.items()}
    return Progress(
        total=sum(counts.values()),
        done=sum(count for status, count in counts.items() if status not in OPEN),
        sent=sum(count for status, count in counts.items() if status in ACCEPTED),
        failed=counts.get(Status.FAILED, 0),
        uncertain=counts.get(Status.UNCERTAIN, 0),
        held=counts.get(Status.HELD, 0),
        skipped=counts.get(Status.SUPPRESSED, 0) + counts.get(Status.CANCELLED, 0),
        expired=counts.get(Status.EXPIRED, 0),
    )


def describe_wait(row: CampaignListing) -> str:
    """Return why nothing is sent just now and until when, in the campaign's own zone; "" when something may be."""
    is_alive = row.status in {CampaignStatus.PENDING, CampaignStatus.SCHEDULED, CampaignStatus.RUNNING}
    if is_alive and row.scheduled_at is not None and row.scheduled_at > row.server_now:
        return f"schedule until {local_time(row.scheduled_at, row.time_zone)}"
    if row.status != CampaignStatus.RUNNING or row.waiting_reason is None:
        return ""
    until = f" until {local_time(row.due_at, row.time_zone)}" if row.due_at is not None else ""
    return f"{row.waiting_reason}{until}"


def describe_doubts(row: CampaignListing) -> str:
    """Return what an operator must know of a campaign's uncertain messages; "" where there are none."""
    doubted = row.counts.get(Status.UNCERTAIN, 0)
    if not doubted:
        return ""
    is_one = doubted == 1
    return (
        f"{write_count(doubted, 'message')} of campaign {row.id} {'is' if is_one else 'are'} uncertain: nobody knows "
        f"whether Meta has {'it' if is_one else 'them'}. A webhook settles each, whenever it comes; nothing is sent "
        f"again but by `revoada campaign retry-uncertain {row.id}`, at the risk of a second copy."
    )
