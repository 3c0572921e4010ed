"""Single requests to the Graph API: health checks, templates, set-up, free texts.

This module sends no campaign message.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import requests
import urllib3

from campaigns.domain.failures import BAD_PARAMETER, TOKEN_REFUSED, UNKNOWN_NUMBER, advise_request
from campaigns.domain.statement import Sentence, Word
from campaigns.domain.verdict import Failure, Rejected
from campaigns.whatsapp.callback import ANSWER
from campaigns.whatsapp.outcomes import read_refusal

# A body is read up to this size. Most bodies of Meta have about 1 KB.
_MAX_BYTES = 256 * 1024
# A body is read byte by byte, so that the deadline is checked even if the body arrives slowly.
_CHUNK_BYTES = 1
_FIELDS = (
    "id,display_phone_number,verified_name,status,quality_rating,throughput,name_status,"
    "whatsapp_business_manager_messaging_limit,health_status"
)
_SETUP_FIELDS = "id,display_phone_number,status,code_verification_status,platform_type,name_status"
_TEMPLATE_FIELDS = "id,name,language,status,category,components,parameter_format,quality_score"
_PAGE_SIZE = 100
# A WABA has at most 6,000 templates. A page of templates is long, so its body is read in pieces of 16 bytes. All other
# bodies are read byte by byte.
_MAX_PAGES = 500
_MAX_PAGE_BYTES = 8 * 1024 * 1024
_PAGE_CHUNK_BYTES = 16


class GraphError(Exception):
    """A request failed. The text gives the reason.

    `failure`: the row of Meta's error code; None if Meta sent no code, for example because Meta was not reached.
    `said`: Meta's own text without the token, or "". The text of the exception does not contain Meta's text, because
    Meta's text may name the time of day or a phone number. `advice` says what a person can do.
    """

    def __init__(
        self, reason: Sentence, failure: Failure | None = None, said: str = "", *, is_about_waba: bool = False
    ) -> None:
        super().__init__(str(reason))
        self.reason, self.failure, self.said = reason, failure, said
        self.advice = advise_request(failure, is_about_waba=is_about_waba)

    @property
    def code(self) -> int | None:
        return None if self.failure is None else self.failure.code

    @property
    def refuses_token(self) -> bool:
        """Whether Meta refuses the token, whatever the request."""
        return self.code in TOKEN_REFUSED

    @property
    def full_text(self) -> Sentence:
        """The reason together with Meta's own text."""
        return Sentence("{reason}: {said}", reason=self.reason, said=self.said) if self.said else self.reason

    def explain(self, account: str) -> Sentence:
        """Return the reason, Meta's own text, and the advice. `account`: the account whose request failed."""
        advice = self.advice.aim(account=[account])
        return Sentence("{reason}. {advice}", reason=self.full_text, advice=advice)


def read_phone_number(
    base_url: str, phone_number_id: str, token: str, *, connect_timeout: float, timeout: float
) -> dict[str, Any]:
    """Return the profile, the status and the health of a phone number.

    Raises GraphError unless the response is a JSON object with status 200. This holds for all requests of this module.
    """
    reader = _Reader(token, connect_timeout, timeout)
    return reader.read(f"{base_url}/{phone_number_id}", {"fields": _FIELDS})


def read_registration(
    base_url: str, phone_number_id: str, token: str, *, connect_timeout: float, timeout: float
) -> dict[str, Any]:
    """Return the registration of a phone number. Raises GraphError."""
    reader = _Reader(token, connect_timeout, timeout)
    return reader.read(f"{base_url}/{phone_number_id}", {"fields": _SETUP_FIELDS})


def read_token(base_url: str, token: str, *, connect_timeout: float, timeout: float) -> dict[str, Any]:
    """Return Meta's description of a token; the request is authorised by the token itself. Raises GraphError.

    Meta accepts the described token only as a query parameter.
    """
    return _Reader(token, connect_timeout, timeout).read(f"{base_url}/debug_token", {"input_token": token})


def read_subscribed_apps(
    base_url: str, waba_id: str, token: str, *, connect_timeout: float, timeout: float
) -> dict[str, Any]:
    """Return the apps that get the webhooks of a WABA. Raises GraphError."""
    reader = _Reader(token, connect_timeout, timeout, is_about_waba=True)
    return reader.read(f"{base_url}/{waba_id}/subscribed_apps")


def read_app_webhooks(
    base_url: str, app_id: str, app_secret: str, *, connect_timeout: float, timeout: float
) -> dict[str, Any]:
    """Return the webhook subscriptions of an app; the request carries the app's own token. Raises GraphError."""
    reader = _Reader(f"{app_id}|{app_secret}", connect_timeout, timeout)
    return reader.read(f"{base_url}/{app_id}/subscriptions")


def find_template_status(
    base_url: str, waba_id: str, token: str, *, name: str, language: str, connect_timeout: float, timeout: float
) -> str | None:
    """Return the status of one template of a WABA; None if there is no such template. Raises GraphError."""
    # Meta's filter returns every template whose name contains `name`.
    query = {"name": name, "fields": "name,language,status"}
    for each in _list_templates(base_url, waba_id, token, query, connect_timeout=connect_timeout, timeout=timeout):
        if (each.get("name"), each.get("language")) == (name, language):
            return str(each.get("status"))
    return None


def send_text(
    base_url: str, phone_number_id: str, token: str, *, to: str, text: str, connect_timeout: float, timeout: float
) -> None:
    """Send a free text to a person who wrote to this number in the last 24 hours. Raises GraphError; never retries."""
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
    base_url: str, waba_id: str, token: str, *, name: str | None = None, connect_timeout: float, timeout: float
) -> list[dict[str, Any]]:
    """Return all templates of a WABA. The timeouts apply to each page.

    `name`: return only the templates whose name contains this text, as Meta's filter does.

    Raises GraphError if a page cannot be read, or if the pages do not end, because the list would not be complete.
    """
    query = {"fields": _TEMPLATE_FIELDS} if name is None else {"fields": _TEMPLATE_FIELDS, "name": name}
    return list(_list_templates(base_url, waba_id, token, query, connect_timeout=connect_timeout, timeout=timeout))


def _name_failure(error: Exception) -> str:
    """Return the reason of a request without an answer: a host that does not exist, or the type of the error."""
    first = error.args[0] if isinstance(error, requests.ConnectionError) and error.args else None
    if isinstance(getattr(first, "reason", None), urllib3.exceptions.NameResolutionError):
        return Word("the host of the address was not found")
    return type(error).__name__


def explain_no_answer(error: Exception) -> Sentence:
    return Sentence("No answer: {problem}", problem=_name_failure(error))


def read_body(
    response: requests.Response, ends_at: float, *, max_bytes: int = _MAX_BYTES, chunk_bytes: int = _CHUNK_BYTES
) -> bytes:
    """Return the body, or its beginning if it is longer than `max_bytes`. Raises TimeoutError after `ends_at`.

    `ends_at`: a time of `time.monotonic()`. The beginning has at most `max_bytes` plus one chunk.
    """
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
    reader = _Reader(
        token,
        connect_timeout,
        timeout,
        max_bytes=_MAX_PAGE_BYTES,
        chunk_bytes=_PAGE_CHUNK_BYTES,
        is_about_waba=True,
    )
    parameters = {**query, "limit": str(_PAGE_SIZE)}
    seen: set[str] = set()
    for _ in range(_MAX_PAGES):
        page = reader.read(f"{base_url}/{waba_id}/message_templates", parameters)
        entries = page.get("data")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise GraphError(Sentence("The answer is not a list of templates"))
        yield from entries
        after = _next_cursor(page)
        if after is None:
            return
        if after in seen:
            raise GraphError(Sentence("The pages of the list repeat"))
        seen.add(after)
        parameters["after"] = after
    raise GraphError(Sentence("The list has more than {most} pages", most=_MAX_PAGES))


class _Reader:
    """Sends requests with one token: a POST if there is a body (`posted`), else a GET.

    `is_about_waba`: the id in the address is the id of a WABA, not the id of a phone number.

    Follows no redirect and no address in a response, so the token goes to no other server.
    """

    def __init__(
        self,
        token: str,
        connect_timeout: float,
        timeout: float,
        *,
        max_bytes: int = _MAX_BYTES,
        chunk_bytes: int = _CHUNK_BYTES,
        is_about_waba: bool = False,
    ) -> None:
        self._is_about_waba = is_about_waba
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
            # The text of the error may hold the URL or the token, so only the type is shown.
            raise GraphError(explain_no_answer(error)) from None
        if response.status_code != requests.codes.ok:
            raise self._make_error(response.status_code, body)
        answer = _parse_object(body)
        if answer is None:
            raise GraphError(Sentence("The answer is not a JSON object"))
        return answer

    def _make_error(self, status: int, body: bytes) -> GraphError:
        # The token of an app is the app's id, a bar and the app secret. Meta's text may hold the secret alone.
        refused = read_refusal(status, body, secrets=(self._token, self._token.rpartition("|")[2]))
        if refused is None:
            return GraphError(Sentence("Request failed with status code {status}", status=status))
        code = BAD_PARAMETER if refused.failure is UNKNOWN_NUMBER else refused.code
        reason = Sentence("Request failed with status code {status} (code {code})", status=status, code=code)
        return GraphError(reason, refused.failure, _quote(refused), is_about_waba=self._is_about_waba)


def _next_cursor(page: Mapping[str, Any]) -> str | None:
    """Return the cursor of the next page; None on the last page, which has no `next`."""
    paging = page.get("paging")
    cursors = paging.get("cursors") if isinstance(paging, dict) else None
    after = cursors.get("after") if isinstance(cursors, dict) else None
    if not isinstance(paging, dict) or not paging.get("next"):
        return None
    if not isinstance(after, str) or not after:
        raise GraphError(Sentence("The list has another page, but the response has no cursor for it"))
    return after


def _parse_object(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _quote(refused: Rejected) -> str:
    """Return Meta's own text: the title, and the details if they say more."""
    title, details = refused.title.rstrip(". "), refused.details.rstrip(". ")
    return title if details in title else f"{title}: {details}" if title else details
