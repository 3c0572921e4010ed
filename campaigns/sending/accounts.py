"""Which accounts of a campaign may send now, and how much: tokens from their common limits, by what each has free."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping

from campaigns.clock import clock
from campaigns.config import Settings
from campaigns.domain.congestion import Shares
from campaigns.domain.pacing import Reason, Wait
from campaigns.logs import event
from campaigns.secrets import TokenError, decrypt_token
from campaigns.sending.daily_quota import DailyQuota
from campaigns.sending.leases import LeaseKeeper
from campaigns.store.accounts import AccountRow
from campaigns.throttle.bucket import Ask, Grant, Throttle

_log = logging.getLogger(__name__)

# An account that could not give all is asked again after this at the earliest: tokens gather (a bucket holds a quarter
# of a second), and claims come in sets instead of one by one.
_GATHER_SECONDS = 0.1


class AccountPool:
    """What one slice knows of its accounts and of the throttle: whom to ask when, and what to give back."""

    def __init__(
        self,
        throttle: Throttle,
        keeper: LeaseKeeper,
        quota: DailyQuota,
        settings: Settings,
        *,
        campaign_id: int,
        categories: Mapping[int, str],
        now: Callable[[], dt.datetime],
    ) -> None:
        """`categories`: the category of the campaign's template, by account. `now` is the server's clock for waits."""
        self._throttle, self._keeper, self._quota = throttle, keeper, quota
        self._settings, self._now = settings, now
        self._campaign_id, self._categories = campaign_id, dict(categories)
        self._access_tokens: dict[bytes, str] = {}
        self._free_ids: list[int] = []
        self._shares = Shares()
        self._rates: dict[int, float] = {}
        self._configured: dict[int, float] = {}
        self._asleep_until: dict[int, float] = {}
        self._give_back: dict[int, int] = {}
        self._throttled_at: dict[int, float] = {}

    def accounts(self) -> list[AccountRow]:
        """Return the campaign's accounts as they were about a second ago."""
        return self._keeper.accounts(list(self._categories))

    def usable_ids(self) -> set[int]:
        """Return the accounts that may send this campaign: active, and not deactivated for its template's category."""
        return {row.id for row in self._usable()}

    @property
    def categories(self) -> Mapping[int, str]:
        """The category of the campaign's template, by account."""
        return self._categories

    def note_categories(self, said: Mapping[int, str]) -> None:
        """Take over the categories of the template that refusals by Meta have named, by account."""
        self._categories.update(said)

    def _usable(self) -> list[AccountRow]:
        return [
            row for row in self.accounts() if row.active and self._categories[row.id] not in row.inactive_categories
        ]

    def grant(self, want: int) -> dict[int, Grant] | Wait:
        """Return the grants that hold tokens, by account, or what to wait for where no account may send.

        In all at most `want` tokens; one round trip, or none while the accounts are known to lack tokens.
        """
        accounts = self._free_accounts()
        if isinstance(accounts, Wait):
            return accounts
        self._free_ids = list(accounts)
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

    def _free_accounts(self) -> dict[int, AccountRow] | Wait:
        usable = [row for row in self._usable() if self.access_token(row)]
        if not usable:
            return Wait(Reason.NO_ACTIVE_ACCOUNT, self._now() + dt.timedelta(seconds=self._settings.recheck_seconds))
        now = self._now()
        free = {row.id: row for row in usable if not row.blocked_seconds and self._quota.free_at(row, now) <= now}
        return free or min((self._wait_for(row, now) for row in usable), key=lambda wait: wait.until)

    def _wait_for(self, row: AccountRow, now: dt.datetime) -> Wait:
        rests_until = now + dt.timedelta(seconds=row.blocked_seconds)
        if (free_at := self._quota.free_at(row, now)) > rests_until:
            return Wait(Reason.DAILY_LIMIT, free_at)
        reason = Reason.UNREACHABLE if row.blocked_reason.startswith("unreachable") else Reason.THROTTLED
        return Wait(reason, rests_until)

    def access_token(self, account: AccountRow) -> str:
        """Return the account's access token, or "" for one that this process cannot read (logged once a slice)."""
        if account.token not in self._access_tokens:
            try:
                self._access_tokens[account.token] = decrypt_token(self._settings.secret_key or "", account.token)
            except TokenError as error:
                self._access_tokens[account.token] = ""
                bound = event("token_unreadable", account_id=account.id, campaign_id=self._campaign_id)
                _log.error("Account %s cannot send: %s", account.id, error, extra=bound)
        return self._access_tokens[account.token]

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
        until = min((self._asleep_until.get(account_id, 0.0) for account_id in self._free_ids), default=0.0)
        return max(until - clock(), 0.0)

    def note_used(self, grants: Mapping[int, Grant], used: Mapping[int, int]) -> None:
        """Keep what is left of `grants` to give it back."""
        for account_id, grant in grants.items():
            left = grant.tokens - used.get(account_id, 0)
            self._give_back[account_id] = self._give_back.get(account_id, 0) + left

    def note_throttled(self, throttled_at: Mapping[int, float]) -> None:
        """Meta throttled requests of these accounts; the times are those of their grants."""
        for account_id, at in throttled_at.items():
            self._throttled_at[account_id] = max(at, self._throttled_at.get(account_id, 0.0))
            # The news goes with the next question, so that question comes soon.
            self._asleep_until[account_id] = 0.0

    def full_ids(self) -> list[int]:
        """Return the accounts that are not asked because their portfolio has no quota."""
        return self._quota.full_ids(self._usable())

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
