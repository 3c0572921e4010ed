"""Keeps what a person has typed into a form that arrives without a valid session.

The page of the login carries the fields of the form, and after the login the page of the form is shown with them. If
the person has signed in again in another tab, the page of the form is shown at once. Nothing is changed before the
person sends the form again. The fields stay in the browser: the console stores none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import current_app, g, request
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Rule

from console.context import parts
from console.security import find_most_bytes, read_fields_only

View = TypeVar("View", bound=Callable[..., Any])
Fields = Sequence[tuple[str, str]]

# In the next request these bytes may become twice as many, and a request has at most 64 kB.
_MOST_BYTES = 24 * 1024
_TOKEN = "csrf_token"  # noqa: S105  the name of a field
# The salt with which Flask-WTF signs.
_SALT = "wtf-csrf-token"


class SessionEndedError(Exception):
    """A form arrived whose session has ended. `fields`: what the person has typed into it."""

    def __init__(self, fields: Fields) -> None:
        super().__init__("the session of a form has ended")
        self.fields = fields


def keeps_typed(view: View) -> View:
    """Mark the page of a form. Its form is sent to the address of the page, and has no passwords.

    A file of the form is not kept, so the page says that it has to be chosen again. The page has to show the fields of
    the request, also if it is asked for with POST. Flask-WTF does this by itself.
    """
    view.keeps_typed = True  # type: ignore[attr-defined]
    return view


def read_typed(*, is_visitor: bool = False) -> Fields:
    """Return the fields of a form that a page of ours has sent; none if its page does not keep them.

    `is_visitor`: nobody has signed in, so a file of the form is dropped while it arrives. A browser says with
    `Sec-Fetch-Site` that a page of the console has sent the request. An old browser does not say so, and then the
    fields are lost.
    """
    is_ours = request.headers.get("Sec-Fetch-Site") == "same-origin"
    # A script, unlike a form, shows the answer in a part of its page.
    is_form = request.method == "POST" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    most_with_file = find_most_bytes(parts().settings)
    most = most_with_file or _MOST_BYTES
    if not (is_ours and is_form and _find_page() and 0 < (request.content_length or 0) <= most):
        return ()
    fields = read_fields_only() if most_with_file and is_visitor else list(request.form.items(multi=True))
    return fields if len(urlencode(fields)) <= _MOST_BYTES and find_owner(fields) else ()


def find_owner(fields: Fields) -> str:
    """Return the id of the user to whom the page of a form was shown; "" if the form does not say so.

    The token of the form says it, also after its session has ended.
    """
    try:
        made = URLSafeTimedSerializer(current_app.secret_key or "", salt=_SALT).loads(dict(fields).get(_TOKEN, ""))
    except BadData:
        return ""
    return str(made).rpartition(".")[0]


def show_typed() -> None:
    """Let the page of the form answer this request, in place of the view that would carry the form out."""
    page = _find_page()
    assert page is not None
    request.url_rule, request.view_args = page
    g.is_shown_again = True


def is_shown_again() -> bool:
    """Tell whether a page is shown with the fields of a form that was not carried out."""
    return bool(g.get("is_shown_again"))


def write_fields(fields: Fields) -> str:
    return json.dumps(fields, ensure_ascii=False)


def load_fields(text: str) -> Fields:
    """Return the fields that `write_fields` wrote; none if it did not write the text."""
    try:
        return [(str(name), str(value)) for name, value in json.loads(text)]
    except (ValueError, TypeError, RecursionError):
        return ()


def _find_page() -> tuple[Rule, dict[str, Any]] | None:
    """Return the page at the address of this request, and the values in the address; None if it keeps no fields."""
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None
    try:
        rule, values = adapter.match(method="GET", return_rule=True)
    except (NotFound, MethodNotAllowed):
        return None
    view = current_app.view_functions[rule.endpoint]
    return (rule, dict(values)) if getattr(view, "keeps_typed", False) else None
