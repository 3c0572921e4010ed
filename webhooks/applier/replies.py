"""Reads the replies of people. Only the fact and the time of a reply are used; the content of a reply is not read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhooks.applier.json_fields import UnusableError, read_id, read_time
from webhooks.applier.people import SENDER, find_person

# The types of inbound messages by which a person answers. All other types are no replies: a reaction is an emoji on a
# message, an edit or a deletion changes an earlier message, and a system message is a notice of WhatsApp. A message of
# a person that Meta's API cannot show has the type `unsupported`, earlier `unknown`. Such a message is a reply.
_ANSWERS = frozenset(
    {"text", "button", "interactive", "image", "video", "audio", "voice", "document", "sticker"}
    | {"location", "contacts", "order", "unsupported", "unknown"}
)
# The keys that a message keeps if it is stored as a body of its own, so that the reply can be read again. The content
# of the message is not among these keys.
_KEPT = ("id", "timestamp", "type", "context", SENDER[0], *SENDER[1])


@dataclass(frozen=True, slots=True)
class Reply:
    """A person answered a message. `number` is the person's `wa_id`, or "" if the webhook names only `user_ids`.

    `context_wamid`: the wamid of the message that the person quoted, or whose button they tapped, or "".
    `phone_number_id`: the number that received the reply.
    """

    number: str
    user_ids: tuple[str, ...]
    context_wamid: str
    phone_number_id: str
    at: dt.datetime


def read_reply(message: object, phone_number_id: str, display_phone_number: str) -> Reply | None:
    """Return the reply in an inbound message.

    Returns None if the message is no reply, or if the author or the time of the message cannot be read.

    A message to a group, a message that our own number wrote, and a chat that an advertisement opened are no replies.
    """
    if not isinstance(message, dict) or message.get("group_id") or message.get("referral"):
        return None
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in _ANSWERS:
        return None
    try:
        number, user_ids = find_person(message, SENDER)
        context = message.get("context")
        wamid = read_id(context.get("id"), "context.id") if isinstance(context, dict) else ""
        at = read_time(message.get("timestamp"), "timestamp")
    except UnusableError:
        return None
    if not (number or user_ids or wamid) or (number and number.lstrip("+") == display_phone_number):
        return None
    return Reply(number, user_ids, wamid, phone_number_id, at)


def strip_content(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the message without its content. `read_reply` returns the same reply for the copy."""
    stripped = {key: message[key] for key in _KEPT if key in message}
    if isinstance(context := stripped.get("context"), dict):
        stripped["context"] = {"id": context.get("id")}
    return stripped
