"""Calls our own webhook as Meta does: verifies the address, and posts a signed event without content."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import Any

import requests
import urllib3

from campaigns.domain.statement import Sentence
from campaigns.whatsapp.graph import explain_no_answer, read_body

# The webhook stores, applies and deletes this event like any other. The event changes nothing, because it has no
# entries.
EMPTY_EVENT = b'{"object":"whatsapp_business_account","entry":[]}'


class CallbackError(Exception):
    """The webhook did not respond. The text gives the reason without any secret."""

    def __init__(self, reason: Sentence) -> None:
        super().__init__(str(reason))
        self.reason = reason


def verify_callback(url: str, verify_token: str, *, connect_timeout: float, timeout: float) -> tuple[int, bool]:
    """Verify a webhook address as Meta does; return the HTTP status, and whether the challenge came back."""
    challenge = secrets.token_hex(8)
    query = {"hub.mode": "subscribe", "hub.verify_token": verify_token, "hub.challenge": challenge}
    status, body = _send_request("GET", url, connect_timeout=connect_timeout, timeout=timeout, params=query)
    return status, body.strip() == challenge.encode()


def post_empty_event(url: str, app_secret: str, *, connect_timeout: float, timeout: float) -> int:
    """Post an empty event, signed with `app_secret`; return the HTTP status."""
    signature = hmac.digest(app_secret.encode(), EMPTY_EVENT, hashlib.sha256).hex()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
    options = {"data": EMPTY_EVENT, "headers": headers}
    return _send_request("POST", url, connect_timeout=connect_timeout, timeout=timeout, **options)[0]


def _send_request(
    method: str, url: str, *, connect_timeout: float, timeout: float, **options: Any
) -> tuple[int, bytes]:
    ends_at = time.monotonic() + connect_timeout + timeout
    wait = (connect_timeout, timeout)
    try:
        with requests.request(method, url, timeout=wait, allow_redirects=False, stream=True, **options) as response:
            return response.status_code, read_body(response, ends_at)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        # The text of the error may hold the address with the verify token, so only its kind is shown.
        raise CallbackError(explain_no_answer(error)) from None
