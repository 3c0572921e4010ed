"""Confirms each opt-out with at most one text message. The result of the send is only logged."""

from __future__ import annotations

import logging

from campaigns.config import Settings
from campaigns.logs import event, mask_phone
from campaigns.secrets import TokenError, decrypt_token
from campaigns.store.database import Database
from campaigns.store.optouts.confirmations import TakenReply, take_stop_reply
from campaigns.whatsapp.graph import GraphError, send_text

_log = logging.getLogger(__name__)


def send_replies(database: Database, settings: Settings) -> None:
    """Send the pending confirmations, one after the other. Each confirmation is deleted from the table before it is
    sent.
    """
    try:
        while (reply := database.run(take_stop_reply)) is not None:
            _send(reply, settings)
    except Exception as error:  # noqa: BLE001  nobody waits for this thread, and the next webhook starts it again
        _log.warning("Confirming opt-outs stopped: %s", type(error).__name__, extra=event("stop_replies_wait"))


def _send(reply: TakenReply, settings: Settings) -> None:
    who = mask_phone(reply.phone)
    try:
        trouble = _send_text(reply, settings)
    except (GraphError, TokenError) as error:
        trouble = str(error)
    if trouble:
        bound = event("stop_reply_failed", account_id=reply.account_id)
        _log.warning("The opt-out of %s is kept, but could not be confirmed: %s", who, trouble, extra=bound)
    else:
        _log.info("Confirmed the opt-out of %s", who, extra=event("stop_reply_sent", account_id=reply.account_id))


def _send_text(reply: TakenReply, settings: Settings) -> str:
    """Send one confirmation. Return the reason if the confirmation must not be sent, else "". Raises GraphError,
    TokenError.
    """
    if not reply.is_open:
        return "it is older than a day"
    if reply.token is None:
        return f"no active account has the number {reply.phone_number_id}"
    send_text(
        settings.graph_api_url,
        reply.phone_number_id,
        decrypt_token(settings.secret_key or "", reply.token),
        to=reply.phone,
        text=settings.stop_reply or "",
        connect_timeout=settings.connect_timeout_seconds,
        timeout=settings.http_timeout_seconds,
    )
    return ""
