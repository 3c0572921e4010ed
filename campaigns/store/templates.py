"""What the send path learns of a template."""

from __future__ import annotations

import datetime as dt

from campaigns.store.database import Connection, query


def block_template(
    connection: Connection, template_id: int, *, status: str, retry_seconds: float
) -> dt.datetime | None:
    """Let a template that Meta refused rest; return until when, or None if it rests already."""
    parameters = {"template_id": template_id, "status": status, "retry_seconds": retry_seconds}
    row = connection.execute(query("block_template"), parameters).fetchone()
    return row[0] if row else None


def approve_template(connection: Connection, template_id: int) -> None:
    """Note that Meta takes messages with this template."""
    connection.execute(query("approve_template"), {"template_id": template_id})
