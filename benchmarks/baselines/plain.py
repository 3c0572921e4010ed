"""Shared by the two usual ways to send: a table of messages, the request for a message, and the update after its reply.

The two usual ways have no claims, rate limits, retries or checks of the reply. All of these would make them slower.
"""

from __future__ import annotations

from typing import Any

import psycopg
import requests

HEADERS = {"Authorization": "Bearer t"}
TIMEOUT_SECONDS = 20

SCHEMA = """
DROP TABLE IF EXISTS plain_messages;
CREATE TABLE plain_messages (
    id bigserial PRIMARY KEY, campaign_id int NOT NULL, account text NOT NULL, phone text NOT NULL, variables text[],
    status text NOT NULL DEFAULT 'pending', wamid text, sent_at timestamptz
);
INSERT INTO plain_messages (campaign_id, account, phone, variables)
SELECT c, %(first_account)s + n %% %(accounts)s, '+55119' || (10000000 + c * %(people)s + n), ARRAY['Ana', '20%%']
FROM generate_series(0, %(campaigns)s - 1) c, generate_series(0, %(people)s - 1) n
"""


def send(session: requests.Session, connection: psycopg.Connection[Any], api: str, message_id: int) -> None:
    """Send one message and store that it was sent."""
    found = connection.execute("SELECT account, phone, variables FROM plain_messages WHERE id = %s", [message_id])
    account, phone, variables = found.fetchone() or ()
    body = {"type": "body", "parameters": [{"type": "text", "text": text} for text in variables]}
    payload = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": phone,
        "type": "template",
        "template": {"name": "bench", "language": {"code": "pt_BR"}, "components": [body]},
    }
    answer = session.post(f"{api}/{account}/messages", json=payload, headers=HEADERS, timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()
    connection.execute(
        "UPDATE plain_messages SET status = 'sent', wamid = %s, sent_at = now() WHERE id = %s",
        [answer.json()["messages"][0]["id"], message_id],
    )
