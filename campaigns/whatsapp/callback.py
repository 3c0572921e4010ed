"""Writes and reads the callback data of a request: the installation, the message, and the number of the send."""

from __future__ import annotations

import re
from dataclasses import dataclass

# `r1` is the version of the format. Meta allows 512 characters of callback data.
_FORM = re.compile(r"r1\.([0-9a-f]{8})\.([1-9][0-9]{0,18})\.([1-9][0-9]{0,4})\Z", re.ASCII)
# The callback data of the message that confirms an opt-out. This message belongs to no campaign.
ANSWER = "r1.answer"

_MAX_BIGINT = 2**63 - 1
_MAX_SMALLINT = 2**15 - 1


@dataclass(frozen=True, slots=True)
class CallbackData:
    """The content of `biz_opaque_callback_data`, which Meta repeats in every status of the message.

    `installation`: 8 hex digits that identify this installation. A status of a message that another installation with
    the same WABA sent (a staging system, for example) carries other digits, so this status changes none of our
    messages.
    """

    installation: str
    message_id: int
    send_no: int


def write_callback(callback: CallbackData) -> str:
    return f"r1.{callback.installation}.{callback.message_id}.{callback.send_no}"


def read_callback(text: object) -> CallbackData | None:
    """Read a text that `write_callback` wrote; None for any other text (other senders use the field too)."""
    match = _FORM.match(text) if isinstance(text, str) else None
    if match is None:
        return None
    message_id, send_no = int(match[2]), int(match[3])
    if message_id > _MAX_BIGINT or send_no > _MAX_SMALLINT:
        return None
    return CallbackData(match[1], message_id, send_no)
