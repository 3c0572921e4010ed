"""The callback data of a request: which installation, which message, which of its sends."""

from __future__ import annotations

import re
from dataclasses import dataclass

# `r1` is the version of the format: later ones can be told apart. Meta allows 512 characters.
_FORM = re.compile(r"r1\.([0-9a-f]{8})\.([1-9][0-9]{0,18})\.([1-9][0-9]{0,4})\Z", re.ASCII)
# The callback data of an answer, which is no message of a campaign: nobody looks for it.
ANSWER = "r1.answer"

_MAX_BIGINT = 2**63 - 1
_MAX_SMALLINT = 2**15 - 1


@dataclass(frozen=True, slots=True)
class CallbackData:
    """What we send as `biz_opaque_callback_data` and get back in every status of the message.

    `installation` is 8 hex digits that this database was given when it was made, so that another installation with
    the same WABA (a staging copy, a restored backup) cannot move our messages.
    """

    installation: str
    message_id: int
    send_no: int


def write_callback(callback: CallbackData) -> str:
    return f"r1.{callback.installation}.{callback.message_id}.{callback.send_no}"


def read_callback(text: object) -> CallbackData | None:
    """Return what `write_callback` wrote, or None for anything else (other senders use the field too)."""
    match = _FORM.match(text) if isinstance(text, str) else None
    if match is None:
        return None
    message_id, send_no = int(match[2]), int(match[3])
    if message_id > _MAX_BIGINT or send_no > _MAX_SMALLINT:
        return None
    return CallbackData(match[1], message_id, send_no)
