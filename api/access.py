"""Who may call which view: each view names the scope that it demands; a view that names none is an error."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from apiflask import APIFlask
from flask import Response, current_app, g, request

from api.context import parts, read_address, token
from api.problems import ProblemError
from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope, allow_scopes
from campaigns.management.users.tokens import find_token
from campaigns.throttle.requests import RequestLimit

View = TypeVar("View", bound=Callable[..., Any])

# Views for each valid token, and views that need no token.
ANY_TOKEN = "any token"  # noqa: S105  no secret
PUBLIC = "public"


def demands(demand: Scope | str) -> Callable[[View], View]:
    """Restrict a view to tokens with a scope, or to `ANY_TOKEN`, or open it to everybody with `PUBLIC`."""

    def mark(view: View) -> View:
        view.demanded = demand  # type: ignore[attr-defined]
        return view

    return mark


def takes(max_bytes: int) -> Callable[[View], View]:
    """Let a view take a larger body than others."""

    def mark(view: View) -> View:
        view.max_bytes = max_bytes  # type: ignore[attr-defined]
        return view

    return mark


def posts_messages(view: View) -> View:
    """Let a view be counted by the limit of single messages, and not by that of all requests."""
    view.posts_messages = True  # type: ignore[attr-defined]
    return view


def find_demand(app: APIFlask, endpoint: str) -> Scope | str | None:
    return getattr(app.view_functions[endpoint], "demanded", None)


def list_allowed() -> frozenset[Scope]:
    """Return the scopes that the token of this request has now."""
    return allow_scopes(token().scopes, Role(token().role))


def guard(app: APIFlask) -> None:
    """Check the token, its limit and its scope before each view, and add the headers to each response."""

    @app.before_request
    def check() -> None:
        g.request_id = secrets.token_hex(8)
        demand = PUBLIC if request.endpoint is None else find_demand(current_app, request.endpoint)  # type: ignore[arg-type]
        assert demand is not None, f"the view {request.endpoint} names no scope"
        if demand == PUBLIC:
            return
        g.token = find_token(parts().database, _read_bearer(), address=read_address())
        g.allowance = _find_limit().count(token().id)
        if g.allowance.is_exceeded:
            raise ProblemError("limit_exceeded", headers={"Retry-After": str(g.allowance.reset_seconds)})
        if demand != ANY_TOKEN and demand not in list_allowed():
            raise ProblemError("scope_missing", scope=demand)
        _check_body()

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"
        if "allowance" in g:
            limit = _find_limit()
            name = "minute" if limit is parts().limit else "messages"
            response.headers["RateLimit-Policy"] = f'"{name}";q={limit.most};w={limit.seconds}'
            response.headers["RateLimit"] = f'"{name}";r={max(g.allowance.left, 0)};t={g.allowance.reset_seconds}'
        return response


def _find_limit() -> RequestLimit:
    view = current_app.view_functions[request.endpoint or ""]
    return parts().message_limit if getattr(view, "posts_messages", False) else parts().limit


def _read_bearer() -> str:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise ProblemError("authentication_missing", headers={"WWW-Authenticate": "Bearer"})
    return text.strip()


def _check_body() -> None:
    """Set the largest size of the body. Where a view reads JSON, refuse another type and `null`.

    APIFlask reads each body as JSON, and reads `null` as an object without members.
    """
    view = current_app.view_functions[request.endpoint or ""]
    request.max_content_length = getattr(view, "max_bytes", current_app.config["MAX_CONTENT_LENGTH"])
    if "body" not in getattr(view, "_spec", {}):
        return
    if request.mimetype != "application/json":
        raise ProblemError("media_type_unsupported", media_type="application/json")
    if request.get_json() is None:
        error = {"pointer": "", "code": "model_type", "detail": "The body is an object, not null."}
        raise ProblemError("values_invalid", errors=[error])
