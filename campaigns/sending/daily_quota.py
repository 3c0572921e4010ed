"""The daily quota of people in one slice: which portfolios have none left, and what goes back to them.

Accounts of a portfolio share Meta's limit of unique people in 24 hours. A portfolio without quota still sends to people
who are counted already. See docs/decisions/0015-the-daily-limit-counts-who-may-have-got-a-message.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from campaigns.domain.message import Status
from campaigns.domain.settlement import Settle, Settlement
from campaigns.domain.verdict import NotSent, Rejected, Verdict
from campaigns.sending.settlement import Decision
from campaigns.store import portfolios
from campaigns.store.accounts import AccountRow
from campaigns.store.database import Database


class DailyQuota:
    """Knows the full portfolios from the claims, and forgets them when replies may have changed that."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._full_until: dict[int, dt.datetime] = {}

    def free_at(self, account: AccountRow, now: dt.datetime) -> dt.datetime:
        """Return when the account may send to new people, as far as is known: now, or when its portfolio has quota."""
        return now if account.portfolio_id is None else self._full_until.get(account.portfolio_id, now)

    def note_full(self, full: Mapping[int, dt.datetime]) -> None:
        """Note until when these portfolios have no quota and no message for people who are counted already."""
        self._full_until.update(full)

    def full_ids(self, accounts: Iterable[AccountRow]) -> list[int]:
        """Return those of the accounts whose portfolio has no quota."""
        return [row.id for row in accounts if row.portfolio_id in self._full_until]

    def reopen(self, decisions: Sequence[Decision]) -> bool:
        """Forget which portfolios are full if replies may have changed that: a released message needs no new quota."""
        is_concerned = any(in_flight.account.portfolio_id for in_flight, _, _ in decisions)
        if is_concerned:
            self._full_until.clear()
        return is_concerned

    def give_back(self, decisions: Sequence[Decision]) -> None:
        """Return quota for recipients who certainly received nothing. Raises as `store.database` does."""
        refused = [
            in_flight.message.id
            for in_flight, verdict, settlement in decisions
            if _has_received_nothing(verdict, settlement)
        ]
        if refused and (account_ids := self._database.run(portfolios.give_back_slots, refused)):
            # The campaigns that wait are not enqueued at once: a tick is soon enough, and refusals come in numbers.
            self._database.run(portfolios.wake_campaigns, account_ids, rings=False)


def _has_received_nothing(verdict: Verdict, settlement: Settlement) -> bool:
    return (
        isinstance(settlement, Settle)
        and settlement.status is Status.FAILED
        and isinstance(verdict, Rejected | NotSent)
    )
