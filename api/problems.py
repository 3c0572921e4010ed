"""The errors of the API: each is a problem of RFC 9457, whoever has found it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from apiflask import APIFlask
from apiflask.exceptions import HTTPError
from flask import Response, g, json, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from campaigns.domain.statement import Finding, Hint, Refusal, Sentence, Statement
from campaigns.logs import event
from campaigns.store.database import DatabaseUnavailable, LockTimeout

_log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
# After an error that passes by itself, a program waits this long.
_RETRY_SECONDS = 10

# The problems of the API itself: the status and the text of each. The other problems are refusals of use cases.
OWN: Mapping[str, tuple[int, str]] = MappingProxyType({
    "authentication_missing": (401, "The request has no token: send the header Authorization: Bearer rv_…"),
    "body_malformed": (400, "The body is not valid JSON in UTF-8."),
    "body_unexpected": (400, "This request takes no body."),
    "body_too_large": (413, "The body is larger than this request may be."),
    "campaign_busy": (409, "The campaign is being changed, or its list is being read. Nothing was changed. Try again."),
    "campaign_changed": (412, "The campaign has changed since its ETag was read: read it again."),
    "database_away": (503, "Postgres does not answer. Campaigns that run go on. Try again."),
    "fault": (500, "A fault of the program. The log of the server has it under the request_id."),
    "idempotency_key_busy": (409, "Another request with this Idempotency-Key is being carried out. Try again."),
    "idempotency_key_invalid": (400, "An Idempotency-Key has 1 to 255 visible characters of ASCII."),
    "idempotency_key_reused": (422, "This Idempotency-Key belongs to another request: take a new one."),
    "if_match_missing": (428, "Send the header If-Match with the ETag of the campaign, so that no change is lost."),
    "limit_exceeded": (429, "The token has used up its requests of this minute, or its messages of this second."),
    "media_type_unsupported": (415, "Send the body as {media_type}."),
    "method_not_allowed": (405, "This path does not take this method."),
    "not_found": (404, "There is nothing at this path."),
    "request_malformed": (400, "The server does not understand the request."),
    "right_missing": (403, "The role of the token's user does not allow this."),
    "scope_missing": (403, "The token lacks the scope {scope}, or the role of its user does not allow this scope."),
    "values_invalid": (422, "Some values are not valid: `errors` has them."),
})  # fmt: skip
_OF_STATUS = {
    400: "request_malformed", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large",
    415: "media_type_unsupported",
}  # fmt: skip


class ProblemError(Exception):
    """A problem of the table `OWN`. `values`: those of the places in its text."""

    def __init__(
        self, code: str, *, headers: Mapping[str, str] | None = None, errors: Sequence[Any] = (), **values: object
    ) -> None:
        self.status, text = OWN[code]
        super().__init__(text.format(**values))
        self.code, self.headers, self.errors = code, headers or {}, errors


def handle_problems(app: APIFlask) -> None:
    """Answer each error with a problem."""
    app.register_error_handler(ProblemError, _show_problem)
    app.register_error_handler(Refusal, _show_refusal)
    app.register_error_handler(HTTPException, _show_http_error)
    app.register_error_handler(Exception, _show_fault)
    app.register_error_handler(HTTPError, _show_invalid)


def _show_problem(error: ProblemError) -> Response:
    return _respond(error.status, error.code, str(error), headers=error.headers, errors=error.errors)


def _show_refusal(refusal: Refusal) -> Response:
    status, headers = refusal.http_status, dict[str, str]()
    if status == HTTPStatus.UNAUTHORIZED:
        headers = {"WWW-Authenticate": "Bearer"}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = _wait(_RETRY_SECONDS)
    return _respond(status, refusal.code, str(refusal), hint=refusal.hint, headers=headers)


def _show_invalid(error: HTTPError) -> Response:
    """Answer an error of APIFlask, which raises none but that of a body or a query that its model refuses."""
    assert isinstance(error.__cause__, ValidationError)
    return _show_problem(ProblemError("values_invalid", errors=list(_list_errors(error.__cause__))))


def _show_http_error(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    code = _OF_STATUS.get(status, "request_malformed")
    if status == HTTPStatus.BAD_REQUEST and request.mimetype == "application/json":
        code = "body_malformed"
    headers = {"Allow": ", ".join(error.valid_methods or ())} if isinstance(error, MethodNotAllowed) else {}
    return _show_problem(ProblemError(code, headers=headers, media_type="application/json"))


def _show_fault(error: Exception) -> Response:
    if isinstance(error, RecursionError):  # a body with thousands of brackets
        return _show_problem(ProblemError("body_malformed"))
    if isinstance(error, LockTimeout):
        return _show_problem(ProblemError("campaign_busy", headers=_wait(_RETRY_SECONDS)))
    if isinstance(error, DatabaseUnavailable):
        _log.warning("Postgres does not answer: %s", error, extra=event("api_database_away"))
        return _show_problem(ProblemError("database_away", headers=_wait(_RETRY_SECONDS)))
    bound = event("api_failed", request_id=g.request_id)
    _log.error("A request of a program failed: %s %s", request.method, request.path, exc_info=error, extra=bound)
    return _show_problem(ProblemError("fault"))


def describe_finding(finding: Finding) -> dict[str, Any]:
    """Return a finding as the API shows it."""
    return {
        "code": finding.code,
        "severity": finding.severity,
        "detail": str(finding),
        "advice": str(finding.fill_advice(str)) if finding.advice else "",
        "hint": describe_hint(finding.hint),
    }


def describe_reason(sentence: Sentence | None) -> dict[str, Any] | None:
    """Return why work was refused or failed as the API shows it; None if it was not."""
    if sentence is None:
        return None
    code = sentence.code if isinstance(sentence, Statement) else "fault"
    return {"code": code, "detail": str(sentence), "hint": describe_hint(sentence.hint)}


def _respond(
    status: int,
    code: str,
    detail: str,
    *,
    hint: Hint | None = None,
    errors: Sequence[Any] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    problem: dict[str, Any] = {
        "type": f"docs/api.md#{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": g.request_id,
    }
    if errors:
        problem["errors"] = errors
    if hint is not None:
        problem["hint"] = describe_hint(hint)
    return Response(json.dumps(problem), status, headers, content_type=CONTENT_TYPE)


def describe_hint(hint: Hint | None) -> dict[str, str] | None:
    """Return a hint as the API shows it."""
    return None if hint is None else {"action": hint.action.code, "target": str(hint.target)}


def _list_errors(error: ValidationError) -> Iterable[dict[str, str]]:
    """Return the values that are not valid. `pointer`: a JSON pointer into the body, or `?name` for a parameter."""
    is_query = request.mimetype != "application/json"
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        place = "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in each["loc"])
        yield {"pointer": f"?{place}" if is_query else f"/{place}", "code": each["type"], "detail": each["msg"]}


def _wait(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}
