"""Builds the bytes of replies: Meta's success, Meta's error, and broken replies."""

import base64
import json
import random
from enum import Enum
from http import HTTPStatus
from typing import Any, NamedTuple

from simulator.catalogue import RefusalError, find_error
from simulator.outcomes import Kind, Step

_HEAD = (
    b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nfacebook-api-version: v24.0\r\n"
    b"Cache-Control: no-store\r\nContent-Length: %d\r\n\r\n%b"
)
_JSON = b"application/json; charset=UTF-8"
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_BAD_GATEWAY = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>Sorry.</body></html>"
_CUT_OFF_BYTES = 40


class Ending(Enum):
    """The fate of the connection: it stays open, is closed after the payload, or stays open without any reply."""

    KEEP = 0
    CLOSE = 1
    HANG = 2


class Reply(NamedTuple):
    payload: bytes
    delay_seconds: float = 0.0
    ending: Ending = Ending.KEEP


def encode(status: int, body: bytes, content_type: bytes = _JSON) -> bytes:
    return _HEAD % (status, _REASONS.get(status, b"Unknown"), content_type, len(body), body)


def encode_json(status: int, document: Any) -> bytes:
    return encode(status, json.dumps(document, separators=(",", ":")).encode())


def encode_refusal(refusal: RefusalError) -> bytes:
    error: dict[str, Any] = {"message": refusal.message, "type": refusal.type, "code": refusal.code}
    if refusal.subcode:
        error["error_subcode"] = refusal.subcode
    if refusal.details:
        error["error_data"] = {"messaging_product": "whatsapp", "details": refusal.details}
    error["fbtrace_id"] = make_trace_id()
    return encode_json(refusal.http_status, {"error": error})


def encode_accepted(to: str, wa_id: str, wamid: str, message_status: str) -> bytes:
    """Encode the reply to an accepted send. `message_status` is "" for all types but templates.

    `to` is copied from the request. `check_message` has made sure that it needs no JSON escapes.
    """
    status = f',"message_status":"{message_status}"' if message_status else ""
    return encode(
        200,
        f'{{"messaging_product":"whatsapp","contacts":[{{"input":"{to}","wa_id":"{wa_id}"}}],'
        f'"messages":[{{"id":"{wamid}"{status}}}]}}'.encode(),
    )


def describe_error(code: int) -> dict[str, Any]:
    """Build an entry of `errors` in a webhook. Its keys differ from those of an error in an HTTP reply."""
    known = find_error(code)
    return {
        "code": code,
        "title": known.title,
        "message": known.title,
        "error_data": {"details": known.details or known.title},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    }


def break_reply(step: Step, payload: bytes, delay_seconds: float) -> Reply:
    """Build the reply for an outcome: `payload` as it is, or broken as the outcome says."""
    ending = Ending.KEEP
    match step.kind:
        case Kind.LOST | Kind.LOST_BEFORE:
            payload, ending = b"", Ending.CLOSE
        case Kind.HANG | Kind.HANG_BEFORE:
            ending = Ending.HANG
        case Kind.HALF:
            payload, ending = payload[:-_CUT_OFF_BYTES], Ending.CLOSE
        case Kind.HTML | Kind.HTML_ACCEPTED:
            payload = encode(502, _BAD_GATEWAY, b"text/html; charset=utf-8")
        case Kind.EMPTY:
            payload = encode(200, b"")
        case Kind.GARBAGE:
            payload = encode(200, b"for (;;);{not json")
    return Reply(payload, delay_seconds, ending)


def make_wamid(digits: str) -> str:
    """Make an id in Meta's format: the recipient's number and 18 hex digits (compared with 90 public ids)."""
    unique = random.getrandbits(72)
    phone = digits.encode()
    raw = b"\x1c\x18%c%b\x15\x02\x00\x11\x18\x12%018X\x00" % (len(phone), phone, unique)
    return "wamid." + base64.b64encode(raw).decode()


def make_trace_id() -> str:
    unique = random.randbytes(16)  # noqa: S311 (an id, not a secret)
    return "A" + base64.urlsafe_b64encode(unique).decode().rstrip("=")
