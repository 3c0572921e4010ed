"""Single requests to the Graph API: slow, rare, and never on the way of a message."""

from __future__ import annotations

import json
import time
from typing import Any

import requests
import urllib3

from campaigns.domain.callback import ANSWER

# Meta's own answers are a few KB.
_MAX_BYTES = 256 * 1024
_CHUNK_BYTES = 1  # so that a dripping answer is noticed between two bytes; Meta sends about a thousand
_FIELDS = (
    "id,display_phone_number,verified_name,status,quality_rating,throughput,name_status,"
    "whatsapp_business_manager_messaging_limit,health_status"
)


class GraphError(Exception):
    """A request failed; the text says how, without the token."""


def read_phone_number(
    base_url: str, phone_number_id: str, token: str, *, connect_timeout: float, timeout: float
) -> dict[str, Any]:
    """Return what Meta says of a phone number (the fields above, and whatever else it sends).

    Raises GraphError for everything that is not a JSON object with status 200.
    """
    body = _ask("GET", f"{base_url}/{phone_number_id}", token, (connect_timeout, timeout), params={"fields": _FIELDS})
    answer = _parse(body)
    if answer is None:
        raise GraphError("The answer is not a JSON object")
    return answer


def send_text(
    base_url: str, phone_number_id: str, token: str, *, to: str, text: str, connect_timeout: float, timeout: float
) -> None:
    """Send a free text to somebody who wrote to this number within a day. One request, never repeated.

    Raises GraphError for everything that is not a status 200.
    """
    message = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": to,
        "type": "text",
        "text": {"body": text},
        "biz_opaque_callback_data": ANSWER,
    }
    _ask("POST", f"{base_url}/{phone_number_id}/messages", token, (connect_timeout, timeout), json=message)


def _ask(method: str, url: str, token: str, timeouts: tuple[float, float], **content: Any) -> bytes:
    """Return the body of an answer with status 200; the second of `timeouts` holds for all of it."""
    ends_at = time.monotonic() + sum(timeouts)
    try:
        with requests.request(
            method,
            url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeouts,
            allow_redirects=False,
            stream=True,
            **content,
        ) as response:
            body = _read(response, ends_at)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        # The text of the error may hold the URL or the token; its kind says enough.
        raise GraphError(f"No answer: {type(error).__name__}") from None
    if response.status_code != requests.codes.ok:
        raise GraphError(f"Request failed with status code {response.status_code}{_code_in(body)}")
    return body


def _read(response: requests.Response, ends_at: float) -> bytes:
    """Return the body, cut off where no answer of Meta's is that long. The timeout holds for all of it."""
    body = b""
    for chunk in response.iter_content(_CHUNK_BYTES):
        body += chunk
        if time.monotonic() > ends_at:
            raise TimeoutError
        if len(body) > _MAX_BYTES:
            break
    return body


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _code_in(body: bytes) -> str:
    """Return Meta's own code, which says more than the status; never its words, which may repeat the token."""
    error = (_parse(body) or {}).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return f" (code {code})" if isinstance(code, int) and not isinstance(code, bool) else ""
