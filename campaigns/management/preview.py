"""What will happen when a campaign starts: who gets what, who does not, at which rates, and until when about."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.domain.campaign import CampaignError, missing_campaign
from campaigns.domain.estimate import estimate_end, estimate_seconds
from campaigns.domain.filling import fill, find_misfit
from campaigns.domain.pacing import Window
from campaigns.domain.preview import Preview, preview
from campaigns.domain.schedule import read_holidays
from campaigns.management.template_choice import read_template
from campaigns.store import campaigns, directory, portfolios, previews
from campaigns.store.accounts import load_campaign_accounts
from campaigns.store.campaigns import CampaignListing
from campaigns.store.database import Connection, Database

_DAY = dt.timedelta(days=1)
# A window is looked for over 60 days at a time: then for ten years.
_LOOKS = 61


@dataclass(frozen=True, slots=True)
class CampaignPreview:
    """`send_count` messages of the template's `category` go out, `suppressed_count` of the pending ones do not.

    `messages`: the texts for the first people, by phone. `rate`: messages per second of all accounts that may send it.
    `ends_at` is None if it is unknown: no account may send the campaign, or it takes more than ten years.
    """

    campaign: CampaignListing
    category: str
    send_count: int
    suppressed_count: int
    messages: list[tuple[str, Preview]]
    rate: int
    starts_at: dt.datetime
    ends_at: dt.datetime | None


def preview_campaign(database: Database, campaign_id: int, *, rows: int) -> CampaignPreview:
    """Return what a campaign will do with what is pending, with its first `rows` messages. Raises CampaignError."""
    return database.run(_load, campaign_id, rows)


def _load(connection: Connection, campaign_id: int, rows: int) -> CampaignPreview:
    found = campaigns.list_campaigns(connection, [campaign_id])
    if not found:
        raise CampaignError(missing_campaign(campaign_id))
    row = found[0]
    template = directory.load_template(connection, previews.find_template_id(connection, campaign_id))
    form = read_template(template)
    if misfit := find_misfit(form, row.parameters, row.columns):
        raise CampaignError(misfit)
    filling = fill(form, row.parameters)
    messages = [
        (
            phone,
            preview(
                filling.template,
                template.components,
                {**filling.fixed, **dict(zip(row.columns, variables, strict=False))},
            ),
        )
        for phone, variables in previews.first_messages(connection, campaign_id, limit=rows)
    ]
    pending_count, suppressed_count = previews.count_pending(connection, campaign_id)
    categories = load_campaign_accounts(connection, [campaign_id])[campaign_id]
    listed = directory.list_accounts(connection, list(categories))
    accounts = [account for account in listed if account.may_send(categories[account.id])]
    rate = sum(account.messages_per_second for account in accounts)
    send_count = pending_count - suppressed_count
    starts_at = max(row.scheduled_at or row.server_now, row.server_now)
    ends_at = _estimate_end(row, send_count, rate, starts_at)
    if ends_at is not None:
        ends_at = max(ends_at, starts_at + _DAY * _days_of_limits(connection, accounts, send_count))
    return CampaignPreview(row, template.category, send_count, suppressed_count, messages, rate, starts_at, ends_at)


def _estimate_end(row: CampaignListing, count: int, rate: int, starts_at: dt.datetime) -> dt.datetime | None:
    if not rate:
        return None
    holidays = read_holidays(row.holidays) if row.holidays else None
    window = Window(row.time_zone, row.window_from, row.window_to, frozenset(row.weekdays), holidays)

    def opening(at: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
        is_open, until = window.look(at)
        for _ in range(_LOOKS):
            if is_open:
                break
            at = until
            is_open, until = window.look(at)
        return at, until

    seconds = estimate_seconds(
        count,
        rate=rate,
        interval_seconds=row.interval_seconds,
        pause_after=row.pause_after or 0,
        pause_seconds=row.pause_seconds or 0.0,
    )
    return estimate_end(starts_at, seconds, opening)


def _days_of_limits(connection: Connection, accounts: Sequence[directory.AccountListing], count: int) -> int:
    """Return how many days the daily limits of the portfolios add, if every account that may send is in one."""
    names = {account.portfolio for account in accounts}
    if not names or None in names:
        return 0
    limits = [each for each in portfolios.list_portfolios(connection) if each.name in names]
    free = sum(max(each.daily_limit - each.people_count, 0) for each in limits)
    return max(math.ceil((count - free) / sum(each.daily_limit for each in limits)), 0)
