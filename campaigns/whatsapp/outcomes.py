"""Reads one HTTP reply to a send and decides what it says: accepted, rejected and why, or nothing to build on."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from campaigns.domain.failures import find_failure, find_http_failure
from campaigns.domain.verdict import Accepted, NotSent, Rejected, Unknown

if TYPE_CHECKING:
    from campaigns.domain.verdict import Failure, Verdict
    from campaigns.whatsapp.mailbox import Reply

# Characters. Meta's texts are shorter; what is longer is not Meta's.
MAX_TITLE = 200
MAX_DETAILS = 500
MAX_FBTRACE_ID = 64
MAX_WAMID = 512

MAX_CODE = 2**31 - 1  # the column's type

# Meta has it and keeps it back, after an early look at the template's quality. `paused`: it did so and stopped the
# template. There is a wamid all the same and the end comes by webhook (132015), so it must not be sent again either.
_HELD_STATUSES = ("held_for_quality_assessment", "paused")

_CODE_IN_TEXT = re.compile(r"[0-9]{1,10}", re.ASCII)
_CODE_PREFIX = re.compile(r"\(#\d+\)\s*")
_WAMID = re.compile(rf"[!-~]{{1,{MAX_WAMID}}}")

# Postgres takes neither NUL nor half a surrogate pair, a terminal no escapes and no change of direction.
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# Meta repeats a malformed token in its message. Taken for a token: what follows these words, what starts like one of
# Meta's, and a long run of capitals, small letters and digits.
_SECRET = re.compile(
    r"(?P<lead>(?i:malformed access token\s+)).+"
    r"|(?P<name>(?i:access_token=|bearer\s+))[^\s&]+"
    r"|EAA[^\s&\"'<>(),;]+"
    r"|(?<![\w|-])(?=[\w|-]*[A-Z])(?=[\w|-]*[a-z])(?=[\w|-]*[0-9])[\w|-]{40,}",
    re.ASCII,
)
_ENOUGH = 4096  # characters that are looked at in order to keep 500


def read_verdict(reply: Reply) -> Verdict:
    """Read the result of a request: a request that never left was not accepted, all others need a readable reply."""
    if not reply.has_left:
        return NotSent(reply.error or "nothing left", is_unreachable=not reply.was_held_back)
    if reply.error:
        return Unknown(reply.error)
    return read_reply(reply.http_status, reply.body, content_type=reply.content_type)


def read_reply(status: int, body: bytes, *, content_type: str = "") -> Verdict:
    """Read the reply to one send. Never raises, whatever arrives.

    A wamid in a 2xx is proof of acceptance; a code is a verdict whatever the status (Meta: go by the code). Without
    either the status decides: what was refused below 500 was not carried out, of all else we do not know.
    """
    document = _parse_object(body)
    accepted = _read_acceptance(document)
    if accepted is not None and 200 <= status <= 299:  # noqa: PLR2004
        return accepted
    error = _as_object(document.get("error"))
    code = _read_code(error.get("code"))
    if code is not None:
        failure = find_failure(code, subcode=_read_code(error.get("error_subcode")), http_status=status)
        return _reject(failure, error)
    reason = f"HTTP {status} with {_name_body(document, body, content_type)}"
    refusal = find_http_failure(status) if accepted is None else None
    return Unknown(reason) if refusal is None else _reject(refusal, error, details=reason)


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        return _as_object(json.loads(body))
    except (ValueError, RecursionError):  # not JSON, not UTF-8, a number of 5,000 digits; nested a thousand deep
        return {}


def _read_acceptance(document: dict[str, Any]) -> Accepted | None:
    messages = document.get("messages")
    message = _as_object(messages[0]) if isinstance(messages, list) and messages else {}
    wamid = message.get("id")
    if not isinstance(wamid, str) or _WAMID.fullmatch(wamid) is None:
        return None
    is_held = message.get("message_status") in _HELD_STATUSES
    return Accepted(wamid, is_held=is_held, recipient=_read_recipient(document.get("contacts")))


def _read_recipient(contacts: object) -> str | None:
    """Return the phone of the request. The `wa_id` is not used: it is Meta's own form of the phone and may differ."""
    if contacts is None:
        return None
    contact = _as_object(contacts[0]) if isinstance(contacts, list) and contacts else {}
    phone = contact.get("input")
    return phone if isinstance(phone, str) else ""


def _read_code(value: object) -> int | None:
    """Return a code as a number, also where it came as a text of digits; None for all else (True is not the code 1)."""
    if isinstance(value, str) and _CODE_IN_TEXT.fullmatch(value):
        value = int(value)
    return value if type(value) is int and 0 <= value <= MAX_CODE else None


def _reject(failure: Failure, error: dict[str, Any], *, details: str = "") -> Rejected:
    return Rejected(
        failure,
        title=_read_title(error),
        details=details or _read_details(error),
        fbtrace_id=_clean(error.get("fbtrace_id"), MAX_FBTRACE_ID),
    )


def _read_title(error: dict[str, Any]) -> str:
    title = _clean(error.get("message"), MAX_TITLE) or _clean(error.get("error_user_title"), MAX_TITLE)
    return _CODE_PREFIX.sub("", title, count=1) if title.startswith("(#") else title


def _read_details(error: dict[str, Any]) -> str:
    data = error.get("error_data")
    details = data.get("details") if isinstance(data, dict) else data
    return _clean(details, MAX_DETAILS) or _clean(error.get("error_user_msg"), MAX_DETAILS)


def _clean(value: object, max_length: int) -> str:
    """Make a text of a stranger fit to be stored and shown: one line, printable, without tokens, cut."""
    if not isinstance(value, str) or not value:
        return ""
    text = " ".join(_UNPRINTABLE.sub("", value[:_ENOUGH]).split())
    return _SECRET.sub(_redact, text)[:max_length].rstrip()


def _redact(match: re.Match[str]) -> str:
    return f"{match['lead'] or match['name'] or ''}[redacted]"


def _name_body(document: dict[str, Any], body: bytes, content_type: str) -> str:
    if document:
        return "an error without a code" if "error" in document else "JSON that is neither an acceptance nor an error"
    if not body.strip():
        return "an empty body"
    if "html" in content_type.lower() or body.lstrip()[:1] == b"<":
        return "HTML instead of JSON"
    return "an unreadable body"


def _as_object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
