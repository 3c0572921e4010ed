"""Single requests to the Graph API: slow, rare, and never on the way of a message."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
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


_TEMPLATE_FIELDS = "id,name,language,status,category,components,parameter_format,quality_score"
_PAGE_SIZE = 100
# A WABA has at most 6,000 templates. A page of them is long: it is read in larger pieces, and a drip is noticed later.
_MAX_PAGES = 500
_MAX_PAGE_BYTES = 8 * 1024 * 1024
_PAGE_CHUNK_BYTES = 16


class GraphError(Exception):
    """A request failed; the text says how, without the token."""


def read_phone_number(
    base_url: str, phone_number_id: str, token: str, *, connect_timeout: float, timeout: float
) -> dict[str, Any]:
    """Return what Meta says of a phone number (the fields above, and whatever else it sends).

    Raises GraphError for everything that is not a JSON object with status 200.
    """
    reader = _Reader(token, connect_timeout, timeout)
    return reader.read(f"{base_url}/{phone_number_id}", {"fields": _FIELDS})


def send_text(
    base_url: str, phone_number_id: str, token: str, *, to: str, text: str, connect_timeout: float, timeout: float
) -> None:
    """Send a free text to somebody who wrote to this number within a day. One request, never repeated.

    Raises GraphError for everything that is not a JSON object with status 200.
    """
    message = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": to,
        "type": "text",
        "text": {"body": text},
        "biz_opaque_callback_data": ANSWER,
    }
    _Reader(token, connect_timeout, timeout).read(f"{base_url}/{phone_number_id}/messages", posted=message)


def read_templates(
    base_url: str, waba_id: str, token: str, *, connect_timeout: float, timeout: float
) -> list[dict[str, Any]]:
    """Return all templates of a WABA as Meta lists them, page after page; the timeouts are those of one page.

    Raises GraphError when a page cannot be read, and for pages that never end: then nothing is known of the whole.
    """
    reader = _Reader(token, connect_timeout, timeout, max_bytes=_MAX_PAGE_BYTES, chunk_bytes=_PAGE_CHUNK_BYTES)
    parameters = {"fields": _TEMPLATE_FIELDS, "limit": str(_PAGE_SIZE)}
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    for _ in range(_MAX_PAGES):
        page = reader.read(f"{base_url}/{waba_id}/message_templates", parameters)
        entries = page.get("data")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise GraphError("The answer is not a list of templates")
        found += entries
        after = _next_cursor(page)
        if after is None:
            return found
        if after in seen:
            raise GraphError("The pages of the list repeat")
        seen.add(after)
        parameters["after"] = after
    raise GraphError(f"The list has more than {_MAX_PAGES} pages")


class _Reader:
    """One request after the other with one token: a GET, or a POST of what is `posted`.

    Never follows an address that an answer names.
    """

    def __init__(
        self,
        token: str,
        connect_timeout: float,
        timeout: float,
        *,
        max_bytes: int = _MAX_BYTES,
        chunk_bytes: int = _CHUNK_BYTES,
    ) -> None:
        self._token, self._connect_timeout, self._timeout = token, connect_timeout, timeout
        self._max_bytes, self._chunk_bytes = max_bytes, chunk_bytes

    def read(
        self, url: str, parameters: Mapping[str, str] | None = None, *, posted: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        ends_at = time.monotonic() + self._connect_timeout + self._timeout
        try:
            with requests.request(
                "GET" if posted is None else "POST",
                url,
                params=parameters,
                json=posted,
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=(self._connect_timeout, self._timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = self._read_body(response, ends_at)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # The text of the error may hold the URL or the token; its kind says enough.
            raise GraphError(f"No answer: {type(error).__name__}") from None
        if response.status_code != requests.codes.ok:
            raise GraphError(f"Request failed with status code {response.status_code}{_code_in(body)}")
        answer = _parse(body)
        if answer is None:
            raise GraphError("The answer is not a JSON object")
        return answer

    def _read_body(self, response: requests.Response, ends_at: float) -> bytes:
        """Return the body, cut off where no answer of Meta's is that long. The timeout holds for all of it."""
        body = bytearray()
        for chunk in response.iter_content(self._chunk_bytes):
            body += chunk
            if time.monotonic() > ends_at:
                raise TimeoutError
            if len(body) > self._max_bytes:
                break
        return bytes(body)


def _next_cursor(page: Mapping[str, Any]) -> str | None:
    """Return where the next page starts; None on the last one, which names no `next`."""
    paging = page.get("paging")
    cursors = paging.get("cursors") if isinstance(paging, dict) else None
    after = cursors.get("after") if isinstance(cursors, dict) else None
    if not isinstance(paging, dict) or not paging.get("next"):
        return None
    if not isinstance(after, str) or not after:
        raise GraphError("The list goes on, and the answer does not say where")
    return after


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
