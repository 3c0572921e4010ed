"""Takes tokens for one campaign from its accounts' common limits, in proportion to what each has free."""

from __future__ import annotations

from collections.abc import Mapping

from campaigns.domain.flight import Shares
from campaigns.store.accounts import AccountRow
from campaigns.throttle import Ask, Grant, Throttle
from campaigns.whatsapp.transport import clock

# An account that could not give all is asked again after this at the earliest: tokens gather (a bucket holds a quarter
# of a second), and claims come in sets instead of one by one.
_GATHER_SECONDS = 0.1


class Granter:
    """What one slice knows of the throttle: whom to ask when, what to give back, and which sends Meta throttled."""

    def __init__(self, throttle: Throttle, campaign_id: int) -> None:
        self._throttle, self._campaign_id = throttle, campaign_id
        self._shares = Shares()
        self._rates: dict[int, float] = {}
        self._configured: dict[int, float] = {}
        self._asleep_until: dict[int, float] = {}
        self._give_back: dict[int, int] = {}
        self._throttled_at: dict[int, float] = {}

    def grant(self, want: int, accounts: Mapping[int, AccountRow]) -> dict[int, Grant]:
        """Return the grants that hold tokens, by account; in all at most `want` tokens. One round trip or none."""
        now = clock()
        awake = {
            account_id: self._rates.get(account_id, float(row.messages_per_second))
            for account_id, row in accounts.items()
            if self._asleep_until.get(account_id, 0.0) <= now
        }
        asks = [self._ask(accounts[account_id], part) for account_id, part in self._shares.split(want, awake).items()]
        grants = self._throttle.grant(self._campaign_id, asks)
        for grant in grants:
            self._rates[grant.account_id] = grant.rate
            rest = max(grant.retry_seconds, _GATHER_SECONDS) if grant.retry_seconds else 0.0
            self._asleep_until[grant.account_id] = now + rest
        return {grant.account_id: grant for grant in grants if grant.tokens}

    def _ask(self, account: AccountRow, want: int) -> Ask:
        self._configured[account.id] = account.messages_per_second
        return Ask(
            account.id,
            rate=account.messages_per_second,
            want=want,
            give_back=self._give_back.pop(account.id, 0),
            throttled_at=self._throttled_at.pop(account.id, 0.0),
        )

    def seconds_to_next(self) -> float:
        """Return how long to wait until one of the accounts may have tokens again; 0: now."""
        return max(min(self._asleep_until.values(), default=0.0) - clock(), 0.0)

    def note_used(self, grants: Mapping[int, Grant], used: Mapping[int, int]) -> None:
        """Keep what is left of `grants` to give it back; `used` may hold more than was granted of one account."""
        for account_id, grant in grants.items():
            left = grant.tokens - used.get(account_id, 0)
            self._give_back[account_id] = self._give_back.get(account_id, 0) + left

    def note_throttled(self, throttled_at: Mapping[int, float]) -> None:
        """Meta throttled requests of these accounts; the times are those of their grants."""
        for account_id, at in throttled_at.items():
            self._throttled_at[account_id] = max(at, self._throttled_at.get(account_id, 0.0))
            # The news goes with the next question, so that question comes soon.
            self._asleep_until[account_id] = 0.0

    def close(self) -> None:
        """Give back what was granted and not used, and pass on what Meta throttled."""
        left = {account_id for account_id, tokens in self._give_back.items() if tokens} | self._throttled_at.keys()
        asks = [
            Ask(
                account_id,
                rate=self._configured[account_id],
                want=0,
                give_back=self._give_back.get(account_id, 0),
                throttled_at=self._throttled_at.get(account_id, 0.0),
            )
            for account_id in sorted(left)
        ]
        self._throttle.grant(self._campaign_id, asks)
