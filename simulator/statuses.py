"""Plans the statuses of a message and the reply to it, and builds webhook bodies in Meta's format.

The functions are pure except for random choices.
"""

import json
import random
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from simulator.config import Account, Range, Webhooks
from simulator.ledger import Accepted
from simulator.outcomes import Kind, Step
from simulator.replies import describe_error, make_wamid

_FIXED = {
    Kind.SILENT: (),
    Kind.FAILED: (Kind.FAILED,),
    Kind.SENT: (Kind.SENT,),
    Kind.DELIVERED: (Kind.SENT, Kind.DELIVERED),
}
_ARRIVED = frozenset({Kind.DELIVERED, Kind.READ})
_random = random.Random()  # noqa: S311 (not used for secrets)


class Event(NamedTuple):
    """One status of one message, or the reply of its recipient (`Kind.REPLY`).

    `code` is set only for `failed`, and `text` only for a reply. `reply_id`: the wamid of the reply. `is_quoting`: the
    reply quotes the message.
    """

    accepted: Accepted
    account: Account
    status: Kind
    code: int = 0
    text: str = ""
    reply_id: str = ""
    is_quoting: bool = False


def make_event(accepted: Accepted, account: Account, status: Kind, *, code: int, webhooks: Webhooks) -> Event:
    if status is not Kind.REPLY:
        return Event(accepted, account, status, code)
    is_quoting = _happens(webhooks.quote_probability)
    return Event(accepted, account, status, 0, webhooks.reply_text, make_wamid(accepted.to), is_quoting)


def draw(range_seconds: Range) -> float:
    low, high = range_seconds
    return low if low == high else _random.uniform(low, high)


def plan_statuses(step: Step, webhooks: Webhooks) -> list[tuple[float, Kind]]:
    """Return the statuses of a message, and maybe a reply, with their delays in seconds, in the order of posting."""
    statuses = _choose_statuses(step, webhooks)
    ranges = {
        Kind.SENT: webhooks.sent_after_ms,
        Kind.DELIVERED: webhooks.delivered_after_ms,
        Kind.READ: webhooks.read_after_ms,
        Kind.FAILED: webhooks.failed_after_ms,
    }
    delays = sorted(draw(ranges[status]) for status in statuses)
    if webhooks.shuffle:
        _random.shuffle(statuses)
    planned = list(zip(delays, statuses, strict=True))
    if not _ARRIVED.isdisjoint(statuses) and _happens(webhooks.reply_probability):
        planned.append((draw(webhooks.reply_after_ms), Kind.REPLY))
    return planned + [entry for entry in planned if _happens(webhooks.duplicate_probability)]


def _choose_statuses(step: Step, webhooks: Webhooks) -> list[Kind]:
    kind = Kind.FAILED if step.kind is Kind.HELD and step.code else step.kind
    if kind in _FIXED:
        return list(_FIXED[kind])
    if kind is not Kind.READ:
        if not _happens(webhooks.delivered_probability):
            return [Kind.SENT]
        if not _happens(webhooks.read_probability):
            return [Kind.SENT, Kind.DELIVERED]
    skipped = _happens(webhooks.skip_delivered_probability)
    return [Kind.SENT, Kind.READ] if skipped else [Kind.SENT, Kind.DELIVERED, Kind.READ]


def _happens(probability: float) -> bool:
    return probability >= 1 or (probability > 0 and _random.random() < probability)


def shuffle_events(events: list[Event]) -> None:
    _random.shuffle(events)


def encode_events(events: Iterable[Event], *, has_user_ids: bool = False) -> bytes:
    """Encode a webhook body, with an entry per WABA and a change per number. Escapes non-ASCII, as Meta does.

    `has_user_ids`: each person is named by a user id beside the number.
    """
    wabas: dict[str, dict[str, dict[str, Any]]] = {}
    for event in events:
        numbers = wabas.setdefault(event.account.waba_id, {})
        value = numbers.get(event.accepted.account)
        if value is None:
            value = numbers[event.accepted.account] = _open_value(event)
        is_reply = event.status is Kind.REPLY
        part = _describe_reply(event) if is_reply else _describe(event)
        contact: dict[str, Any] = {"profile": {"name": "Ada"}, "wa_id": event.accepted.to}
        if has_user_ids:
            contact["user_id"] = _make_user_id(event.accepted.to)
            part["from_user_id" if is_reply else "recipient_user_id"] = contact["user_id"]
        value.setdefault("messages" if is_reply else "statuses", []).append(part)
        if event.status is not Kind.FAILED:
            value.setdefault("contacts", []).append(contact)
    entries = [
        {"id": waba, "changes": [{"value": value, "field": "messages"} for value in numbers.values()]}
        for waba, numbers in wabas.items()
    ]
    return encode_webhook({"object": "whatsapp_business_account", "entry": entries})


def _make_user_id(phone: str) -> str:
    """Make a user id of Meta's form. Each phone has its own user id."""
    return f"BR.{phone.lstrip('+'):0>20}"


def encode_webhook(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _open_value(event: Event) -> dict[str, Any]:
    digits = "".join(filter(str.isdecimal, event.account.display_phone_number))
    return {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": digits, "phone_number_id": event.accepted.account},
    }


def _describe_reply(event: Event) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "from": event.accepted.to,
        "id": event.reply_id,
        "timestamp": str(int(time.time())),
        "type": "text",
        "text": {"body": event.text},
    }
    if event.is_quoting:
        digits = "".join(filter(str.isdecimal, event.account.display_phone_number))
        reply["context"] = {"from": digits, "id": event.accepted.wamid}
    return reply


def _describe(event: Event) -> dict[str, Any]:
    accepted = event.accepted
    status: dict[str, Any] = {
        "id": accepted.wamid,
        "status": event.status.value,
        "timestamp": str(int(time.time())),
        "recipient_id": accepted.to,
    }
    if accepted.callback_data is not None:
        status["biz_opaque_callback_data"] = accepted.callback_data
    if event.status is Kind.FAILED:
        status["errors"] = [describe_error(event.code)]
    elif event.status is not Kind.READ:
        status["pricing"] = {
            "billable": True,
            "pricing_model": "PMP",
            "type": "regular" if accepted.template else "free_customer_service",
            "category": "marketing" if accepted.template else "service",
        }
    return status
