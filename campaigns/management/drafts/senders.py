"""Lists the accounts that a person can choose for a draft."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.management.reports import find_campaign
from campaigns.management.template_choice import find_copy
from campaigns.store.accounts import AccountListing, list_accounts, load_campaign_accounts
from campaigns.store.database import Connection, Database
from campaigns.store.portfolios import PortfolioListing, list_portfolios
from campaigns.store.templates import find_templates, list_synced_wabas


@dataclass(frozen=True, slots=True)
class Sender:
    """An account in the choice of accounts for a draft.

    `category`: the category that the template of the draft has in the WABA of the account; None if the WABA does not
    have the template. `portfolio`: None if the account has no daily limit. `is_chosen`: the draft has the account.
    """

    account: AccountListing
    category: str | None
    portfolio: PortfolioListing | None
    is_chosen: bool

    @property
    def may_send(self) -> bool:
        """Whether the account would send messages of the draft now."""
        return self.category is not None and self.account.may_send(self.category)


def list_senders(database: Database, campaign_id: int) -> list[Sender]:
    """Return all accounts, those that would send the draft first. Raises Refusal."""
    return sorted(database.run(_list, campaign_id), key=lambda each: not each.may_send)


def load_senders(connection: Connection, campaign_id: int) -> list[AccountListing]:
    """Return the accounts of a campaign that may send now."""
    categories = load_campaign_accounts(connection, [campaign_id])[campaign_id]
    listed = list_accounts(connection, list(categories))
    return [account for account in listed if account.may_send(categories[account.id])]


def _list(connection: Connection, campaign_id: int) -> list[Sender]:
    row = find_campaign(connection, campaign_id)
    copies = {each.waba_id: each for each in find_templates(connection, row.template_name, row.language)}
    synced = list_synced_wabas(connection)
    portfolios = {each.name: each for each in list_portfolios(connection)}
    chosen = load_campaign_accounts(connection, [campaign_id])[campaign_id]
    senders = []
    for account in list_accounts(connection):
        copy = find_copy(copies, account.waba_id, synced)
        portfolio = portfolios[account.portfolio] if account.portfolio is not None else None
        senders.append(Sender(account, copy.category if copy else None, portfolio, account.id in chosen))
    return senders
