"""Who may open which page. Each view names the right that it demands; a view that names none is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, abort, current_app, redirect, request, url_for
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.wrappers import Response

from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right, Role, list_rights
from campaigns.management.users.sessions import demand_confirmation
from console.context import console_session, find_user, may, parts
from console.security import pass_over
from console.texts import _, role_labels
from console.typed import SessionEndedError, find_owner, read_typed, show_typed

View = TypeVar("View", bound=Callable[..., Any])

# Views that visitors may open. Flask adds the view `static`.
PUBLIC = "public"
_OPEN_ENDPOINTS = frozenset({"static"})


def demands(right: Right) -> Callable[[View], View]:
    """Restrict a view to users with a right."""

    def mark(view: View) -> View:
        view.demanded = right  # type: ignore[attr-defined]
        return view

    return mark


def public(view: View) -> View:
    """Open a view to everybody, also to visitors."""
    view.demanded = PUBLIC  # type: ignore[attr-defined]
    return view


def sensitive(view: View) -> View:
    """Restrict a view to users who have typed their password in the last 10 minutes."""
    view.is_sensitive = True  # type: ignore[attr-defined]
    return view


def find_demand(app: Flask, endpoint: str) -> Right | str | None:
    """Return the right that a view demands, PUBLIC if it demands none, or None if it lacks both decorators."""
    if endpoint in _OPEN_ENDPOINTS:
        return PUBLIC
    return getattr(app.view_functions[endpoint], "demanded", None)


def explain_right(right: Right) -> str:
    """Return why the user may not do something; "" if the user may."""
    if may(right):
        return ""
    labels = role_labels()
    roles = ", ".join(labels[each] for each in Role if right in list_rights(each))
    return _("Your role does not allow it. These roles do: %(roles)s.", roles=roles)


def check_right() -> Response | None:
    """Send a visitor to the login page, and refuse a user without the right. Raises Refusal and SessionEndedError."""
    if request.endpoint is None:
        return None  # no such page
    demand = find_demand(current_app, request.endpoint)
    if demand == PUBLIC:
        return None
    assert isinstance(demand, Right), f"the view {request.endpoint} names no right"
    user = find_user()
    if user is None:
        return _ask_to_log_in()
    if why := explain_right(demand):
        abort(403, why)
    if getattr(current_app.view_functions[request.endpoint], "is_sensitive", False):
        try:
            demand_confirmation(user)
        except Refusal:
            return _ask_for_password()
    return None


def demand_token(protection: CSRFProtect) -> Response | None:
    """Refuse a change without the token of its session.

    If the person has only signed in again since the page of the form was shown, let this page answer with what the
    person has typed.
    """
    try:
        protection.protect(apply_exemptions=True)
    except CSRFError:
        reader = find_user()
        if reader is None or find_owner(read_typed()) != str(reader.user_id):
            raise
        show_typed()
        return check_right()
    return None


def _ask_to_log_in() -> Response:
    if "HX-Request" in request.headers:  # a part of a page: the script loads the whole page again
        abort(401)
    if typed := read_typed(is_visitor=True):
        raise SessionEndedError(typed)
    pass_over(min(request.content_length or 0, parts().settings.upload_mb * 1_000_000))
    if request.method == "PUT":  # a script sends a file, and shows the text of the answer
        text = _(
            "Your session has ended, so nothing was changed. Sign in again in another tab, and send the file again."
        )
        return Response(text, 401, content_type="text/plain; charset=utf-8")
    is_page = request.method == "GET"
    if request.endpoint == "log_out":
        return redirect(url_for("login"))
    had_session = console_session().sent_cookie is not None
    ended = ("page" if is_page else "form") if had_session else None
    return redirect(url_for("login", next=find_wanted() if is_page else _find_page(), ended=ended))


def _find_page() -> str | None:
    """Return the path of the page whose form was sent."""
    page = urlsplit(request.referrer or "")
    return page.path if page.netloc == request.host else None


def _ask_for_password() -> Response:
    """Lead to the page that asks for the password, and from there to the page of this address.

    The page says if a form was not carried out, because the browser does not send the values of the form again.
    """
    is_lost = "yes" if request.method == "POST" else None
    return redirect(url_for("confirm", next=find_wanted(), lost=is_lost))


def find_wanted() -> str:
    """Return the address of this request, as `read_next` reads it."""
    return f"{request.script_root}{request.full_path}".rstrip("?")
