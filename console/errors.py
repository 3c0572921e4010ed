"""The pages of errors: what is wrong and what to do, in the language of the reader, and never a traceback."""

from __future__ import annotations

import logging

from flask import Flask, current_app, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from campaigns.domain.statement import Refusal
from campaigns.logs import event
from campaigns.store.database import DatabaseError, DatabaseUnavailable, LockTimeout
from console.context import find_user
from console.texts import _, say

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 10

Answer = tuple[str, int, dict[str, str]]


def find_status(refusal: Refusal) -> int:
    return refusal.http_status


def show_error(status: int, text: str, *, title: str | None = None) -> Answer:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}  # noqa: PLR2004
    page = render_template("error.html", status=status, title=title or _title(status), text=text, user=_find_reader())
    return page, status, headers


def handle_errors(app: Flask) -> None:
    """Answer each error with a page."""

    @app.errorhandler(Refusal)
    def show_refusal(refusal: Refusal) -> Answer:
        return show_error(find_status(refusal), say(refusal))

    @app.errorhandler(CSRFError)
    def show_forgery(_error: CSRFError) -> Answer:
        return show_error(
            400,
            _(
                "This form is too old, or your browser does not keep cookies. Nothing was changed. Go back, load the"
                " page again and repeat the step."
            ),
        )

    @app.errorhandler(HTTPException)
    def show_http_error(error: HTTPException) -> Answer:
        status = error.code or 500
        own_text = error.description if error.description != type(error).description else None
        if status == 413:  # noqa: PLR2004
            own_text = _explain_size()
        return show_error(status, own_text or _text(status))

    @app.errorhandler(Exception)
    def show_fault(error: Exception) -> Answer:
        if isinstance(error, LockTimeout):
            text = _("The campaign is being changed, or its list is being read. Nothing was changed. Try again later.")
            return show_error(409, text)
        if isinstance(error, DatabaseUnavailable):
            log.warning("Postgres does not answer: %s", error, extra=event("console_database_away"))
            return show_error(503, _text(503))
        log.error(
            "A page failed: %s %s", request.method, request.path, exc_info=error, extra=event("console_page_failed")
        )
        return show_error(500, _text(500))


def _explain_size() -> str | None:
    """Return the text that the view of this request has for a body that is too large; None if it has no such text."""
    view = current_app.view_functions.get(request.endpoint or "")
    text = getattr(view, "too_large", None)
    return None if text is None else _(text)


def _title(status: int) -> str:
    titles = {
        400: _("The request is not valid"),
        401: _("Please sign in"),
        403: _("You may not do this"),
        404: _("There is no such page"),
        405: _("This is not possible here"),
        409: _("This is not possible now"),
        413: _("This is too large"),
        422: _("Something is not right"),
        429: _("Too many attempts"),
        500: _("A fault of the program"),
        503: _("Not available now"),
    }
    return titles.get(status) or titles[400 if status < 500 else 500]  # noqa: PLR2004


def _text(status: int) -> str:
    texts = {
        400: _("The server does not understand the request. Go back, load the page again and repeat the step."),
        401: _("Your session has ended. Sign in again."),
        403: _("Your role does not allow this. Ask an admin."),
        404: _("The address is wrong, or the thing was removed."),
        405: _("This address does not take such a request. Nothing was changed."),
        413: _("The server does not take so much data at once. Nothing was changed."),
        429: _("There were too many requests. Try again in a minute."),
        500: _("The page could not be made. The log of the server says why. Your campaigns go on."),
        503: _("The database does not answer. Your campaigns are safe. Try again in some seconds."),
    }
    return texts.get(status) or texts[400 if status < 500 else 500]  # noqa: PLR2004


def _find_reader() -> object:
    """Return the user whose name the error page shows; None if there is none, or if Postgres does not answer."""
    try:
        return find_user()
    except (DatabaseError, Refusal):
        return None
