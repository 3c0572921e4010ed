"""Tells the state of accounts: what the throttle allows now, who uses them, what is wrong and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from campaigns.config import Settings
from campaigns.doctor.campaign_checks import AccountFacts, judge_account
from campaigns.doctor.diagnose import account_facts
from campaigns.domain.statement import Finding, Severity
from campaigns.store.accounts import (
    AccountListing,
    CampaignOfAccount,
    list_accounts,
    list_campaigns_of_accounts,
    load_accounts,
)
from campaigns.store.database import Connection, Database
from campaigns.store.portfolios import PortfolioListing, list_portfolios
from campaigns.throttle.inspection import read_rates

# A person waits for the page, so a Valkey that does not answer within this time counts as away.
_TIMEOUT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account with what concerns it now.

    `rate`: the messages per second that the throttle allows now; None if it is not known. `campaigns`: the newest
    campaigns of the account that were started and have not ended. `campaign_count`: the number of all of these.
    """

    row: AccountListing
    rate: float | None
    portfolio: PortfolioListing | None
    campaigns: Sequence[CampaignOfAccount]
    campaign_count: int
    findings: Sequence[Finding]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """`portfolios`: by name."""

    rows: Sequence[AccountListing]
    tokens: Mapping[int, bytes]
    portfolios: Mapping[str, PortfolioListing]
    campaigns: Sequence[CampaignOfAccount]
    campaign_counts: Mapping[int, int]


def describe_accounts(
    database: Database,
    settings: Settings,
    account_ids: Sequence[int] | None = None,
    *,
    after: int = 0,
    limit: int | None = None,
    time_zone: str,
    campaign_limit: int = 200,
) -> list[AccountState]:
    """Return the state of accounts, in the order of their ids, as `list_accounts` chooses them.

    `campaign_limit`: the most campaigns that are named with an account.

    `time_zone`: that of the times in the findings. The function asks Postgres and Valkey, and no process.
    """

    def load(connection: Connection) -> _Loaded:
        rows = list_accounts(connection, account_ids, after=after, limit=limit)
        ids = [row.id for row in rows]
        return _Loaded(
            rows,
            {each.id: each.token for each in load_accounts(connection, ids)},
            {each.name: each for each in list_portfolios(connection)},
            *list_campaigns_of_accounts(connection, ids, limit=campaign_limit),
        )

    loaded = database.run(load)
    rates: Mapping[int, float] = {}
    if settings.redis_url is not None:
        configured = {row.id: row.messages_per_second for row in loaded.rows}
        rates = read_rates(settings.redis_url, configured, timeout_seconds=_TIMEOUT_SECONDS) or {}
    return [
        AccountState(
            row,
            rates.get(row.id),
            loaded.portfolios.get(row.portfolio or ""),
            [each for each in loaded.campaigns if each.account_id == row.id],
            loaded.campaign_counts.get(row.id, 0),
            _judge(account_facts(row, loaded.tokens[row.id], settings, rates.get(row.id)), time_zone),
        )
        for row in loaded.rows
    ]


def _judge(facts: AccountFacts, time_zone: str) -> list[Finding]:
    """Return what is wrong with an account: one finding, or one for each category that the account does not send."""
    categories = list(facts.inactive_categories) if facts.active and facts.is_readable else []
    found = [judge_account(facts, each, time_zone, severity=Severity.ERROR) for each in categories or [""]]
    return [each for each in found if each is not None]
