"""Single requests to the Graph API: slow, rare, and never on the way of a message."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
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
_SETUP_FIELDS = "id,display_phone_number,status,code_verification_status,platform_type,name_status"
_TEMPLATE_FIELDS = "id,name,language,status,category,components,parameter_format,quality_score"
_PAGE_SIZE = 100
# A WABA has at most 6,000 templates. A page of them is long: it is read in larger pieces, and a drip is noticed later.
_MAX_PAGES = 500
_MAX_PAGE_BYTES = 8 * 1024 * 1024
_PAGE_CHUNK_BYTES = 16


class GraphError(Exception):
    """A request failed; the text says how, without the token. `code` is Meta's own, None where it gave none."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


def read_phone_number(
    base_url: str, phone_number_id: str, token: str, *, connect_timeout: float, timeout: float
) -> dict[str, Any]:
    """Return what Meta says of a phone number (the fields above, and what else it sends).

    Raises GraphError for everything that is not a JSON object with status 200, as all reads here do.
    """
    reader = _Reader(token, connect_timeout, timeout)
    return reader.read(f"{base_url}/{phone_number_id}", {"fields": _FIELDS})


def read_registration(
    base_url: str, phone_number_id: str, token: str, *, connect_timeout: float, timeout: float
) -> dict[str, Any]:
    """Return how a phone number is registered. Raises GraphError."""
    reader = _Reader(token, connect_timeout, timeout)
    return reader.read(f"{base_url}/{phone_number_id}", {"fields": _SETUP_FIELDS})


def read_token(base_url: str, token: str, *, connect_timeout: float, timeout: float) -> dict[str, Any]:
    """Return what Meta says of a token, asked by the token itself. Raises GraphError.

    Meta takes the token that is asked about in the query only.
    """
    return _Reader(token, connect_timeout, timeout).read(f"{base_url}/debug_token", {"input_token": token})


def read_subscribed_apps(
    base_url: str, waba_id: str, token: str, *, connect_timeout: float, timeout: float
) -> dict[str, Any]:
    """Return the apps that get the webhooks of a WABA. Raises GraphError."""
    return _Reader(token, connect_timeout, timeout).read(f"{base_url}/{waba_id}/subscribed_apps")


def read_app_webhooks(
    base_url: str, app_id: str, app_secret: str, *, connect_timeout: float, timeout: float
) -> dict[str, Any]:
    """Return where Meta posts the webhooks of an app, and which; asked with the app's own token. Raises GraphError."""
    reader = _Reader(f"{app_id}|{app_secret}", connect_timeout, timeout)
    return reader.read(f"{base_url}/{app_id}/subscriptions")


def find_template_status(
    base_url: str, waba_id: str, token: str, *, name: str, language: str, connect_timeout: float, timeout: float
) -> str | None:
    """Return the status of one template of a WABA; None when it has none of this name. Raises GraphError."""
    # Meta's filter takes every name that contains this one.
    query = {"name": name, "fields": "name,language,status"}
    for each in _list_templates(base_url, waba_id, token, query, connect_timeout=connect_timeout, timeout=timeout):
        if (each.get("name"), each.get("language")) == (name, language):
            return str(each.get("status"))
    return None


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
    query = {"fields": _TEMPLATE_FIELDS}
    return list(_list_templates(base_url, waba_id, token, query, connect_timeout=connect_timeout, timeout=timeout))


def read_body(
    response: requests.Response, ends_at: float, *, max_bytes: int = _MAX_BYTES, chunk_bytes: int = _CHUNK_BYTES
) -> bytes:
    """Return the body, cut off where no answer of Meta's is that long. Raises TimeoutError after `ends_at`."""
    body = bytearray()
    for chunk in response.iter_content(chunk_bytes):
        body += chunk
        if time.monotonic() > ends_at:
            raise TimeoutError
        if len(body) > max_bytes:
            break
    return bytes(body)


def _list_templates(
    base_url: str, waba_id: str, token: str, query: Mapping[str, str], *, connect_timeout: float, timeout: float
) -> Iterator[dict[str, Any]]:
    reader = _Reader(token, connect_timeout, timeout, max_bytes=_MAX_PAGE_BYTES, chunk_bytes=_PAGE_CHUNK_BYTES)
    parameters = {**query, "limit": str(_PAGE_SIZE)}
    seen: set[str] = set()
    for _ in range(_MAX_PAGES):
        page = reader.read(f"{base_url}/{waba_id}/message_templates", parameters)
        entries = page.get("data")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise GraphError("The answer is not a list of templates")
        yield from entries
        after = _next_cursor(page)
        if after is None:
            return
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
                body = read_body(response, ends_at, max_bytes=self._max_bytes, chunk_bytes=self._chunk_bytes)
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


def _code_in(body: bytes) -> int | None:
    """Return Meta's own code, which says more than the status; never its words, which may repeat the token."""
    error = (_parse(body) or {}).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and not isinstance(code, bool) else None
