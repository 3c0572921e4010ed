"""Tracks the daily quota of portfolios in one slice: remembers the full portfolios, and gives unused quota back.

The accounts of a portfolio share Meta's limit on the number of people who get messages in 24 hours. A portfolio is full
when it has no quota for new people. A full portfolio may still send to people whom the limit counts already. See
docs/decisions/0015-the-daily-limit-counts-who-may-have-got-a-message.md.
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
    """Remembers the portfolios that the claims of one slice found full, until replies may have freed quota."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._full_until: dict[int, dt.datetime] = {}

    def free_at(self, account: AccountRow, now: dt.datetime) -> dt.datetime:
        """Return the time from which the account may send: `now`, or a later time if its portfolio is full."""
        return now if account.portfolio_id is None else self._full_until.get(account.portfolio_id, now)

    def note_full(self, full: Mapping[int, dt.datetime]) -> None:
        """Note the full portfolios. `full`: by portfolio, the time before which its accounts can send nothing.

        Until that time the portfolio has no quota for new people, and no message for a counted person is due.
        """
        self._full_until.update(full)

    def account_ids_without_quota(self, accounts: Iterable[AccountRow]) -> list[int]:
        """Return the ids of the accounts whose portfolio is known to be full."""
        return [row.id for row in accounts if row.portfolio_id in self._full_until]

    def forget_full(self, decisions: Sequence[Decision]) -> bool:
        """Forget which portfolios are full if an account with a portfolio sent one of the messages.

        Returns whether there is such a message. The settlement may have made this message pending again. The message
        can then be claimed although the portfolio is full, because the limit counts the recipient already.
        """
        has_portfolio = any(in_flight.account.portfolio_id for in_flight, _, _ in decisions)
        if has_portfolio:
            self._full_until.clear()
        return has_portfolio

    def return_quota(self, decisions: Sequence[Decision]) -> None:
        """Return quota for recipients who certainly received nothing. Raises the errors of `store.database`."""
        refused = [
            in_flight.message.id
            for in_flight, verdict, settlement in decisions
            if _has_received_nothing(verdict, settlement)
        ]
        if refused and (account_ids := self._database.run(portfolios.return_quota, refused)):
            # This call makes the campaigns that wait for quota due, and the next tick enqueues these campaigns. If each
            # refusal enqueued them at once, there would be too many tasks.
            self._database.run(portfolios.wake_campaigns, account_ids, should_enqueue=False)


def _has_received_nothing(verdict: Verdict, settlement: Settlement) -> bool:
    return (
        isinstance(settlement, Settle)
        and settlement.status is Status.FAILED
        and isinstance(verdict, Rejected | NotSent)
    )
