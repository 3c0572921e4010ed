"""What is asked of a campaign before it goes out."""

from __future__ import annotations

from campaigns.store.database import Connection, allow_long_statements, query


def find_template_id(connection: Connection, campaign_id: int) -> int:
    row = connection.execute("SELECT template_id FROM campaigns WHERE id = %s", (campaign_id,)).fetchone()
    assert row is not None
    return int(row[0])


def first_messages(connection: Connection, campaign_id: int, *, limit: int) -> list[tuple[str, list[str]]]:
    """Return phone and variables of the first people of a campaign."""
    parameters = {"campaign_id": campaign_id, "limit": limit}
    return connection.execute(query("first_messages"), parameters).fetchall()


def count_pending(connection: Connection, campaign_id: int) -> tuple[int, int]:
    """Return how many messages are pending, and how many of them are for people who opted out."""
    allow_long_statements(connection)
    row = connection.execute(query("count_pending"), {"campaign_id": campaign_id}).fetchone()
    assert row is not None
    return row[0], row[1]
