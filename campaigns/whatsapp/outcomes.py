"""Turns the HTTP reply to a send into a verdict: accepted, rejected with a failure, not sent, or unknown."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from campaigns.domain.failures import find_failure, find_http_failure
from campaigns.domain.verdict import Accepted, NotSent, Rejected, Unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from campaigns.domain.verdict import Failure, Verdict
    from campaigns.whatsapp.mailbox import Reply

# Maximum lengths in characters. Meta's texts are shorter; a longer wamid is not from Meta.
MAX_TITLE = 200
MAX_DETAILS = 500
MAX_FBTRACE_ID = 64
MAX_WAMID = 512

MAX_CODE = 2**31 - 1  # the column is an integer

# With these statuses, Meta has accepted the message, and delays it while Meta assesses the quality of the template.
# `paused`: Meta has also paused the template. The message has a wamid, and a webhook reports later whether the message
# was sent or failed (132015). So the message must not be sent again.
_HELD_STATUSES = ("held_for_quality_assessment", "paused")

_CODE_IN_TEXT = re.compile(r"[0-9]{1,10}", re.ASCII)
_CODE_PREFIX = re.compile(r"\(#\d+\)\s*")
_WAMID = re.compile(rf"[!-~]{{1,{MAX_WAMID}}}")

# Postgres refuses NUL and half surrogate pairs. Escape sequences and changes of the text direction would disturb a
# terminal.
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# Meta repeats a malformed token in its error message. The pattern takes a text for a token if the text follows one of
# the words below, starts as Meta's tokens do, or is a long run that has capitals, small letters and digits.
_SECRET = re.compile(
    r"(?P<lead>(?i:malformed access token\s+)).+"
    r"|(?P<name>(?i:access_token=|bearer\s+))[^\s&]+"
    r"|EAA[^\s&\"'<>(),;]+"
    r"|(?<![\w|-])(?=[\w|-]*[A-Z])(?=[\w|-]*[a-z])(?=[\w|-]*[0-9])[\w|-]{40,}",
    re.ASCII,
)
_MAX_SCANNED = 4096  # a text is cut to this many characters, then cleaned, then cut to its maximum length


class _Message(msgspec.Struct):
    id: str
    message_status: Any = None


class _Contact(msgspec.Struct):
    input: str


class _Acceptance(msgspec.Struct):
    """The usual acceptance. Its other fields are skipped."""

    messages: list[_Message]
    contacts: list[_Contact]


_decode_acceptance = msgspec.json.Decoder(_Acceptance).decode


def read_verdict(reply: Reply) -> Verdict:
    """Return the verdict of a request.

    The verdict is `NotSent` if the request never left, and `Unknown` if no reply was read to its end. Otherwise
    `read_reply` finds the verdict.
    """
    if not reply.has_left:
        return NotSent(reply.error or "the request did not leave", is_unreachable=not reply.was_held_back)
    if reply.error:
        return Unknown(reply.error)
    return read_reply(reply.http_status, reply.body, content_type=reply.content_type)


def read_reply(status: int, body: bytes, *, content_type: str = "") -> Verdict:
    """Return the verdict of one HTTP reply. Never raises, whatever arrives.

    A wamid in a 2xx reply proves acceptance. Otherwise an error code decides the verdict, whatever the HTTP status is,
    as Meta recommends. Without wamid and code, the HTTP status decides the verdict (`find_http_failure`): after most
    3xx and 4xx statuses the request was not carried out. In all other cases the result is unknown.
    """
    is_success = 200 <= status <= 299  # noqa: PLR2004
    if is_success and (usual := _read_usual_acceptance(body)):
        return usual
    document = _parse_object(body)
    accepted = _read_acceptance(document)
    if accepted is not None and is_success:
        return accepted
    if refused := _read_refusal(status, document):
        return refused
    error = _as_object(document.get("error"))
    reason = f"HTTP {status} with {_describe_body(document, body, content_type)}"
    refusal = find_http_failure(status) if accepted is None else None
    return Unknown(reason) if refusal is None else _make_rejected(refusal, error, details=reason)


def read_refusal(status: int, body: bytes, *, secrets: Sequence[str] = ()) -> Rejected | None:
    """Return Meta's refusal of any request, with Meta's own text; None if the body has no error code.

    `secrets`: words that are replaced in Meta's text, such as the token of the request.
    """
    return _read_refusal(status, _parse_object(body), secrets)


def _read_refusal(status: int, document: dict[str, Any], secrets: Sequence[str] = ()) -> Rejected | None:
    error = _as_object(document.get("error"))
    code = _read_code(error.get("code"))
    if code is None:
        return None
    failure = find_failure(code, subcode=_read_code(error.get("error_subcode")), http_status=status)
    return _make_rejected(failure, error, secrets=secrets)


def _read_usual_acceptance(body: bytes) -> Accepted | None:
    """Return what `_read_acceptance` would return, in less than half of the time; None if the body has another form."""
    try:
        usual = _decode_acceptance(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not usual.messages or not usual.contacts or _WAMID.fullmatch(usual.messages[0].id) is None:
        return None
    message = usual.messages[0]
    return Accepted(message.id, is_held=message.message_status in _HELD_STATUSES, recipient=usual.contacts[0].input)


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        return _as_object(json.loads(body))
    except (ValueError, RecursionError):  # not JSON, not UTF-8, a number of 5,000 digits, or nested too deeply
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
    """Return the phone that Meta repeats from the request; "" if `contacts` has no phone, None without `contacts`.

    The `wa_id` is not used: it is Meta's own form of the phone and may differ.
    """
    if contacts is None:
        return None
    contact = _as_object(contacts[0]) if isinstance(contacts, list) and contacts else {}
    phone = contact.get("input")
    return phone if isinstance(phone, str) else ""


def _read_code(value: object) -> int | None:
    """Return a code that came as a number or as digits; None for any other value (True is not the code 1)."""
    if isinstance(value, str) and _CODE_IN_TEXT.fullmatch(value):
        value = int(value)
    return value if type(value) is int and 0 <= value <= MAX_CODE else None


def _make_rejected(
    failure: Failure, error: dict[str, Any], *, details: str = "", secrets: Sequence[str] = ()
) -> Rejected:
    return Rejected(
        failure,
        title=_read_title(error, secrets),
        details=details or _read_details(error, secrets),
        fbtrace_id=_clean_text(error.get("fbtrace_id"), MAX_FBTRACE_ID),
    )


def _read_title(error: dict[str, Any], secrets: Sequence[str]) -> str:
    title = _clean_text(error.get("message"), MAX_TITLE, secrets)
    title = title or _clean_text(error.get("error_user_title"), MAX_TITLE, secrets)
    return _CODE_PREFIX.sub("", title, count=1) if title.startswith("(#") else title


def _read_details(error: dict[str, Any], secrets: Sequence[str]) -> str:
    data = error.get("error_data")
    details = data.get("details") if isinstance(data, dict) else data
    cleaned = _clean_text(details, MAX_DETAILS, secrets)
    return cleaned or _clean_text(error.get("error_user_msg"), MAX_DETAILS, secrets)


def _clean_text(value: object, max_length: int, secrets: Sequence[str] = ()) -> str:
    """Make an untrusted text safe to store and show: one printable line without tokens, at most `max_length` long.

    The `secrets` are replaced before the text is cut, because a cut would leave a part of a secret.
    """
    if not isinstance(value, str) or not value:
        return ""
    text = value
    for secret in filter(None, secrets):
        text = text.replace(secret, "[redacted]")
    text = " ".join(_UNPRINTABLE.sub("", text[:_MAX_SCANNED]).split())
    return _SECRET.sub(_redact, text)[:max_length].rstrip()


def _redact(match: re.Match[str]) -> str:
    return f"{match['lead'] or match['name'] or ''}[redacted]"


def _describe_body(document: dict[str, Any], body: bytes, content_type: str) -> str:
    if document:
        return "an error without a code" if "error" in document else "JSON that is neither an acceptance nor an error"
    if not body.strip():
        return "an empty body"
    if "html" in content_type.lower() or body.lstrip()[:1] == b"<":
        return "HTML instead of JSON"
    return "an unreadable body"


def _as_object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
