"""Chooses the accounts that may send for a campaign now, and takes tokens for them from the throttle."""

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
from campaigns.throttle.bucket import Ask, Grant, NextClaim, Throttle

_log = logging.getLogger(__name__)

# After the throttle grants fewer tokens than wanted for an account, the slice waits at least this long before it asks
# for more tokens. Tokens gather in the meantime, so that one claim takes several messages. The bucket has room for
# these tokens, because it can hold the tokens of 0.25 seconds (BURST in grant.lua).
_GATHER_SECONDS = 0.1


class AccountPool:
    """The accounts of one slice. For each account, the pool keeps the unused tokens and the time of the next call."""

    def __init__(
        self,
        throttle: Throttle,
        lease_keeper: LeaseKeeper,
        quota: DailyQuota,
        settings: Settings,
        *,
        campaign_id: int,
        categories: Mapping[int, str],
        comes_first: bool = False,
        now: Callable[[], dt.datetime],
    ) -> None:
        """`categories`: the category of the campaign's template, by account. `now` returns the time of Postgres.

        `comes_first`: as for `Throttle.grant`.
        """
        self._throttle, self._lease_keeper, self._quota = throttle, lease_keeper, quota
        self._settings, self._now = settings, now
        self._campaign_id, self._categories, self._comes_first = campaign_id, dict(categories), comes_first
        self._access_tokens: dict[bytes, str] = {}
        self._shares = Shares()
        # Ids of the accounts that could send when the slice last asked for tokens.
        self._free_ids: list[int] = []
        # By account: the rate that the throttle enforces now, the configured rate (both in messages per second), and
        # the time (on `clock`) before which the slice asks for no more tokens.
        self._rates: dict[int, float] = {}
        self._configured_rates: dict[int, float] = {}
        self._next_request_at: dict[int, float] = {}
        # By account: the unused tokens, and the time of the last grant whose message Meta refused because the account
        # sent too fast. The next call of the throttle gives these tokens back and reports this time.
        self._unused_tokens: dict[int, int] = {}
        self._throttled_at: dict[int, float] = {}

    def accounts(self) -> list[AccountRow]:
        """Return the campaign's accounts. The rows are up to about a second old."""
        return self._lease_keeper.accounts(list(self._categories))

    def usable_ids(self) -> set[int]:
        """Return the ids of active accounts that are not deactivated for the category of the campaign's template."""
        return {row.id for row in self._usable()}

    @property
    def categories(self) -> Mapping[int, str]:
        """The category of the campaign's template, by account."""
        return self._categories

    def note_categories(self, named: Mapping[int, str]) -> None:
        """Store the categories that Meta's refusals have named. `named`: by account, the category of the template."""
        self._categories.update(named)

    def _usable(self) -> list[AccountRow]:
        return [
            row for row in self.accounts() if row.active and self._categories[row.id] not in row.inactive_categories
        ]

    def grant(self, want: int, *, claim: NextClaim | None = None) -> dict[int, Grant] | Wait:
        """Return the grants that hold tokens, by account, or the reason to wait if no account may send.

        The grants hold at most `want` tokens in all. The call takes one round trip to Valkey, or no round trip while
        all accounts are known to lack tokens. `claim`: the claim that follows the grant. Raises ClaimRefusedError if
        this claim must not take place.
        """
        accounts = self._free_accounts()
        if isinstance(accounts, Wait):
            return accounts
        self._free_ids = list(accounts)
        now = clock()
        rates = {
            account_id: self._rates.get(account_id, float(row.messages_per_second))
            for account_id, row in accounts.items()
            if self._next_request_at.get(account_id, 0.0) <= now
        }
        asks = [self._ask(accounts[account_id], part) for account_id, part in self._shares.split(want, rates).items()]
        grants = self._throttle.grant(self._campaign_id, asks, claim=claim, comes_first=self._comes_first)
        for grant in grants:
            self._rates[grant.account_id] = grant.rate
            pause_seconds = max(grant.retry_seconds, _GATHER_SECONDS) if grant.retry_seconds else 0.0
            self._next_request_at[grant.account_id] = now + pause_seconds
        return {grant.account_id: grant for grant in grants if grant.tokens}

    def _free_accounts(self) -> dict[int, AccountRow] | Wait:
        usable = [row for row in self._usable() if self.access_token(row)]
        if not usable:
            return Wait(Reason.NO_ACTIVE_ACCOUNT, self._now() + dt.timedelta(seconds=self._settings.recheck_seconds))
        now = self._now()
        free = {row.id: row for row in usable if not row.blocked_seconds and self._quota.free_at(row, now) <= now}
        return free or min((self._wait_for(row, now) for row in usable), key=lambda wait: wait.until)

    def _wait_for(self, row: AccountRow, now: dt.datetime) -> Wait:
        cooldown_until = now + dt.timedelta(seconds=row.blocked_seconds)
        if (free_at := self._quota.free_at(row, now)) > cooldown_until:
            return Wait(Reason.DAILY_LIMIT, free_at)
        return Wait(row.cooldown_reason.waiting_reason, cooldown_until)

    def access_token(self, account: AccountRow) -> str:
        """Return the account's access token, or "" if it cannot be decrypted. The failure is logged once per slice."""
        if account.token not in self._access_tokens:
            try:
                self._access_tokens[account.token] = decrypt_token(self._settings.secret_key or "", account.token)
            except TokenError as error:
                self._access_tokens[account.token] = ""
                bound = event("token_unreadable", account_id=account.id, campaign_id=self._campaign_id)
                _log.error("Account %s cannot send: %s", account.id, error, extra=bound)
        return self._access_tokens[account.token]

    def _ask(self, account: AccountRow, want: int) -> Ask:
        self._configured_rates[account.id] = account.messages_per_second
        return Ask(
            account.id,
            rate=account.messages_per_second,
            want=want,
            give_back=self._unused_tokens.pop(account.id, 0),
            throttled_at=self._throttled_at.pop(account.id, 0.0),
        )

    def seconds_until_tokens(self) -> float:
        """Return the seconds until the first account may have tokens again; 0 if an account may have tokens now."""
        next_at = min((self._next_request_at.get(account_id, 0.0) for account_id in self._free_ids), default=0.0)
        return max(next_at - clock(), 0.0)

    def note_used(self, grants: Mapping[int, Grant], used: Mapping[int, int]) -> None:
        """Note the unused tokens of `grants`. `used`: by account, the number of used tokens.

        The next call of the throttle gives the unused tokens back.
        """
        for account_id, grant in grants.items():
            unused = grant.tokens - used.get(account_id, 0)
            self._unused_tokens[account_id] = self._unused_tokens.get(account_id, 0) + unused

    def note_throttled(self, throttled_at: Mapping[int, float]) -> None:
        """Note the accounts whose messages Meta refused because the account sent too fast.

        `throttled_at`: by account, the time at which the token of the refused message was granted (`Grant.granted_at`).
        """
        for account_id, at in throttled_at.items():
            self._throttled_at[account_id] = max(at, self._throttled_at.get(account_id, 0.0))
            # The next call of the throttle reports the refusal, so that call must not wait.
            self._next_request_at[account_id] = 0.0

    def account_ids_without_quota(self) -> list[int]:
        """Return the ids of the usable accounts whose portfolio has no quota."""
        return self._quota.account_ids_without_quota(self._usable())

    def close(self) -> None:
        """Give unused tokens back to the throttle, and report the refusals that no earlier call has reported."""
        unreported = {account_id for account_id, tokens in self._unused_tokens.items() if tokens}
        unreported |= self._throttled_at.keys()
        asks = [
            Ask(
                account_id,
                rate=self._configured_rates[account_id],
                want=0,
                give_back=self._unused_tokens.get(account_id, 0),
                throttled_at=self._throttled_at.get(account_id, 0.0),
            )
            for account_id in sorted(unreported)
        ]
        self._throttle.grant(self._campaign_id, asks, comes_first=self._comes_first)
