"""Reads one status of one message into `Evidence`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from campaigns.domain.message import Status
from campaigns.domain.phone.person import is_number
from campaigns.whatsapp.callback import read_callback
from webhooks.applier.evidence import Evidence
from webhooks.applier.json_fields import UnusableError, read_code, read_id, read_list, read_text, read_time

STATUSES = {
    "sent": Status.SENT,
    "delivered": Status.DELIVERED,
    "read": Status.READ,
    "played": Status.READ,  # a person who played a voice message has seen it
    "failed": Status.FAILED,
}

MAX_WORD_CHARACTERS = 100


def read_evidence(status: Mapping[str, Any], reached: Status, waba_id: str, phone_number_id: str) -> Evidence:
    """Read a status whose name means `reached`. Raises UnusableError if the id or the time is missing or invalid."""
    wamid = read_id(status.get("id"), "id")
    if not wamid:
        raise UnusableError("id", "missing")
    at = read_time(status.get("timestamp"), "timestamp")
    code, title, details = _read_error(status.get("errors")) if reached is Status.FAILED else (None, "", "")
    pricing = status.get("pricing")
    if not isinstance(pricing, dict):
        pricing = {}
    billable = pricing.get("billable")
    return Evidence(
        status=reached,
        wamid=wamid,
        at=at,
        phone_number_id=phone_number_id,
        waba_id=waba_id,
        callback=read_callback(status.get("biz_opaque_callback_data")),
        recipient=read_recipient(status.get("recipient_id")),
        error_code=code,
        error_title=title,
        error_details=details,
        pricing_category=read_text(pricing.get("category"), MAX_WORD_CHARACTERS),
        pricing_model=read_text(pricing.get("pricing_model"), MAX_WORD_CHARACTERS),
        is_billable=billable if isinstance(billable, bool) else None,
    )


def read_recipient(value: object) -> str:
    """Return a number; "" for any other value, such as the id of a group or of a user."""
    recipient = read_text(value, MAX_WORD_CHARACTERS)
    return recipient if is_number(recipient) else ""


def _read_error(errors: object) -> tuple[int | None, str, str]:
    """Return code, title and details of the first error; (None, "", "") if the failure gives no reason."""
    try:
        listed = read_list(errors, "errors")
    except UnusableError:
        listed = []
    error: dict[str, Any] = next((item for item in listed if isinstance(item, dict)), {})
    data = error.get("error_data")
    details = data.get("details") if isinstance(data, dict) else data
    return (
        read_code(error.get("code")),
        read_text(error.get("title")) or read_text(error.get("message")),
        read_text(details) or read_text(error.get("details")),
    )
