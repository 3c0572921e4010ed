"""Calls our own webhook as Meta would: the handshake, and a signed event in which nothing stands."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import Any

import requests
import urllib3

from campaigns.whatsapp.graph import read_body

# It is stored, applied and deleted like any event, and says nothing.
EMPTY_EVENT = b'{"object":"whatsapp_business_account","entry":[]}'


class CallbackError(Exception):
    """The webhook gave no answer; the text says how, without any secret."""


def shake_hands(url: str, verify_token: str, *, connect_timeout: float, timeout: float) -> tuple[int, bool]:
    """Ask as Meta asks before it takes an address; return the status, and whether our challenge came back."""
    challenge = secrets.token_hex(8)
    query = {"hub.mode": "subscribe", "hub.verify_token": verify_token, "hub.challenge": challenge}
    status, body = _call("GET", url, connect_timeout=connect_timeout, timeout=timeout, params=query)
    return status, body.strip() == challenge.encode()


def post_empty_event(url: str, app_secret: str, *, connect_timeout: float, timeout: float) -> int:
    """Post an empty event, signed with `app_secret`; return the status."""
    signature = hmac.digest(app_secret.encode(), EMPTY_EVENT, hashlib.sha256).hex()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
    more = {"data": EMPTY_EVENT, "headers": headers}
    return _call("POST", url, connect_timeout=connect_timeout, timeout=timeout, **more)[0]


def _call(method: str, url: str, *, connect_timeout: float, timeout: float, **more: Any) -> tuple[int, bytes]:
    ends_at = time.monotonic() + connect_timeout + timeout
    wait = (connect_timeout, timeout)
    try:
        with requests.request(method, url, timeout=wait, allow_redirects=False, stream=True, **more) as response:
            return response.status_code, read_body(response, ends_at)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        # The text of the error may hold the address with the verify token; its kind says enough.
        raise CallbackError(f"No answer: {type(error).__name__}") from None
