"""Gives a marketing campaign a window outside the hours in which people get no marketing."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from campaigns.domain.campaign import Plan
from campaigns.domain.template import is_marketing
from campaigns.store import campaigns as store
from campaigns.store.accounts import load_campaign_accounts
from campaigns.store.database import Connection
from campaigns.store.templates import load_template

# The beginning and the end of the hours in which people get no marketing messages.
QuietHours = tuple[dt.time, dt.time]


def sends_marketing(connection: Connection, campaign_id: int) -> bool:
    """Tell whether an account of the campaign sends its template as marketing.

    If the campaign has no account, the category of its template counts. So a draft gets its window, or a person chooses
    no window, once: before the draft gets accounts.
    """
    categories = [*load_campaign_accounts(connection, [campaign_id])[campaign_id].values()]
    if not categories:
        categories = [load_template(connection, store.find_template_id(connection, campaign_id)).category]
    return any(is_marketing(category) for category in categories)


def close_quiet_hours(
    connection: Connection, campaign_id: int, plan: Plan, quiet: QuietHours, *, uses_recipient_zones: bool = True
) -> Plan:
    """Store the window outside the quiet hours for a campaign; return the changed plan.

    `uses_recipient_zones`: the window is on the clock of each person, not on the clock of the campaign.
    """
    plan = replace(plan, window_from=quiet[1], window_to=quiet[0], uses_recipient_zones=uses_recipient_zones)
    store.set_window(connection, campaign_id, plan)
    return plan
