"""How many messages of a campaign are in each status."""

from __future__ import annotations

from campaigns.domain.message import Status
from campaigns.store.database import Connection


def load_tally(connection: Connection, campaign_id: int) -> dict[Status, int]:
    """Return the counters of one campaign; a status that no message has may be missing."""
    rows = connection.execute("SELECT status::text, count FROM tallies WHERE campaign_id = %s", (campaign_id,))
    return {Status(row[0]): row[1] for row in rows if row[1]}
