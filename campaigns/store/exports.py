"""Messages as an export lists them, page by page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from campaigns.store.database import Connection, allow_long_statements, query


class ExportRow(NamedTuple):
    """One message. A tuple, because there are millions of them."""

    id: int
    phone: str
    variables: list[str]
    status: str
    sent_at: dt.datetime | None
    delivered_at: dt.datetime | None
    read_at: dt.datetime | None
    failed_at: dt.datetime | None
    error_code: int | None
    error_title: str | None
    error_details: str | None
    attempts: int
    account: str | None
    wamid: str | None
    pricing_category: str | None
    pricing_model: str | None
    is_billable: bool | None
    consent: str | None


def export_messages(
    connection: Connection, campaign_id: int, *, statuses: Sequence[str] | None, after: int, limit: int
) -> list[ExportRow]:
    """Return up to `limit` messages with these statuses (None: any) whose id is above `after`."""
    parameters = {
        "campaign_id": campaign_id,
        "statuses": None if statuses is None else list(statuses),
        "after": after,
        "limit": limit,
    }
    # Few of many: a page may look at the whole campaign.
    allow_long_statements(connection)
    return [ExportRow(*row) for row in connection.execute(query("export_messages"), parameters)]


def variables_width(connection: Connection, campaign_id: int) -> int:
    """Return the most variables that a message of the campaign has."""
    statement = "SELECT coalesce(max(cardinality(variables)), 0) FROM messages WHERE campaign_id = %s"
    allow_long_statements(connection)
    row = connection.execute(statement, (campaign_id,)).fetchone()
    return int(row[0]) if row else 0
