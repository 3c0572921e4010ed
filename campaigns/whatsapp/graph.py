"""Single reads of the Graph API: slow, rare, and never on the way of a message."""

from __future__ import annotations

import json
import time
from typing import Any

import requests
import urllib3

# Meta's own answers are a few KB.
_MAX_BYTES = 256 * 1024
_CHUNK_BYTES = 1  # so that a dripping answer is noticed between two bytes; Meta sends about a thousand
_FIELDS = (
    "id,display_phone_number,verified_name,status,quality_rating,throughput,name_status,"
    "whatsapp_business_manager_messaging_limit,health_status"
)


_SETUP_FIELDS = "id,display_phone_number,status,code_verification_status,platform_type,name_status"
_MOST_PAGES = 20


class GraphError(Exception):
    """A read failed; the text says how, without the token. `code` is Meta's own, None where it gave none."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


def read_phone_number(
    base_url: str, phone_number_id: str, token: str, *, connect_timeout: float, timeout: float
) -> dict[str, Any]:
    """Return what Meta says of a phone number (the fields above, and what else it sends). Raises as `read_object`."""
    url = f"{base_url}/{phone_number_id}"
    return read_object(url, token, {"fields": _FIELDS}, connect_timeout=connect_timeout, timeout=timeout)


def read_registration(
    base_url: str, phone_number_id: str, token: str, *, connect_timeout: float, timeout: float
) -> dict[str, Any]:
    """Return how a phone number is registered. Raises as `read_object`."""
    url = f"{base_url}/{phone_number_id}"
    return read_object(url, token, {"fields": _SETUP_FIELDS}, connect_timeout=connect_timeout, timeout=timeout)


def read_token(base_url: str, token: str, *, connect_timeout: float, timeout: float) -> dict[str, Any]:
    """Return what Meta says of a token, asked by the token itself. Raises as `read_object`.

    Meta takes the token that is asked about in the query only.
    """
    url, query = f"{base_url}/debug_token", {"input_token": token}
    return read_object(url, token, query, connect_timeout=connect_timeout, timeout=timeout)


def read_subscribed_apps(
    base_url: str, waba_id: str, token: str, *, connect_timeout: float, timeout: float
) -> dict[str, Any]:
    """Return the apps that get the webhooks of a WABA. Raises as `read_object`."""
    url = f"{base_url}/{waba_id}/subscribed_apps"
    return read_object(url, token, {}, connect_timeout=connect_timeout, timeout=timeout)


def find_template_status(
    base_url: str, waba_id: str, token: str, *, name: str, language: str, connect_timeout: float, timeout: float
) -> str | None:
    """Return the status of one template of a WABA; None when it has none of this name. Raises as `read_object`."""
    url = f"{base_url}/{waba_id}/message_templates"
    # Meta's filter takes every name that contains this one.
    query = {"name": name, "fields": "name,language,status", "limit": "100"}
    for _ in range(_MOST_PAGES):
        page = read_object(url, token, query, connect_timeout=connect_timeout, timeout=timeout)
        listed = page.get("data")
        if not isinstance(listed, list):
            raise GraphError("The answer lists no templates")
        for each in listed:
            if isinstance(each, dict) and (each.get("name"), each.get("language")) == (name, language):
                return str(each.get("status"))
        paging = page.get("paging")
        cursors = paging.get("cursors") if isinstance(paging, dict) and paging.get("next") else None
        after = cursors.get("after") if isinstance(cursors, dict) else None
        if not isinstance(after, str):
            return None
        query["after"] = after
    raise GraphError(f"More than {_MOST_PAGES} pages of templates")


def read_object(
    url: str, token: str, query: dict[str, str], *, connect_timeout: float, timeout: float
) -> dict[str, Any]:
    """Return the JSON object of an address. Raises GraphError for everything that is none with status 200."""
    ends_at = time.monotonic() + connect_timeout + timeout
    try:
        with requests.get(
            url,
            params=query,
            headers={"Authorization": f"Bearer {token}"},
            timeout=(connect_timeout, timeout),
            allow_redirects=False,
            stream=True,
        ) as response:
            body = read_body(response, ends_at)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        # The text of the error may hold the URL or the token; its kind says enough.
        raise GraphError(f"No answer: {type(error).__name__}") from None
    if response.status_code != requests.codes.ok:
        code = _code_in(body)
        told = "" if code is None else f" (code {code})"
        raise GraphError(f"Request failed with status code {response.status_code}{told}", code)
    answer = _parse(body)
    if answer is None:
        raise GraphError("The answer is not a JSON object")
    return answer


def read_body(response: requests.Response, ends_at: float) -> bytes:
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


def _code_in(body: bytes) -> int | None:
    """Return Meta's own code, which says more than the status; never its words, which may repeat the token."""
    error = (_parse(body) or {}).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and not isinstance(code, bool) else None
