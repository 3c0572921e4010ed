"""Makes the console's Flask application from its parts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flask import Flask
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from campaigns.doctor.causes import find_causes
from campaigns.metrics.requests import count_requests
from console.context import EXTENSION, Parts
from console.errors import handle_errors
from console.languages import set_up_languages
from console.live import Hub
from console.pages import (
    campaign,
    campaigns,
    costs,
    downloads,
    drafts,
    errors,
    login,
    many,
    moves,
    now,
    probes,
    recipients,
    streams,
    updates,
)
from console.pages.accounts import account, accounts, acts
from console.pages.audit import audit
from console.pages.hooks import hooks
from console.pages.outcomes import compare, report
from console.pages.people import optouts, person, reviews
from console.pages.retries import failed, uncertain
from console.pages.settings import price_changes, prices, settings, tokens
from console.pages.system import system
from console.pages.templates import templates
from console.pages.users import confirm, users
from console.rights import check_right, demand_token
from console.security import (
    Mount,
    add_headers,
    admit_files,
    derive_signing_key,
    read_public_address,
    refuse_nul,
    refuse_strangers,
)
from console.sessions import Sessions
from console.templating import set_up_templates

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# The largest field is a text of some lines, or a small file of opt-outs. The views that take a list have a limit of
# their own.
_MAX_BODY_BYTES = 64 * 1024
_MAX_FORM_FIELDS = 200

_PAGES = (
    *(probes, login, now, campaigns, drafts, campaign, recipients, moves, many, errors, streams, updates, downloads),
    *(failed, uncertain, templates, compare, report, costs),
    *(accounts, account, acts, person, optouts, reviews, audit, confirm, settings, prices, price_changes, users),
    *(system, hooks, tokens),
)


def make_app(parts: Parts, api: WSGIApplication | None = None) -> Flask:
    """Return the application. `api`: it answers the paths below `/api/`, under the same prefix and proxies."""
    address = read_public_address(parts.settings)
    app = Flask("console", static_folder="static")
    app.secret_key = derive_signing_key(parts.settings)
    app.config.update(
        MAX_CONTENT_LENGTH=_MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=_MAX_BODY_BYTES,
        MAX_FORM_PARTS=_MAX_FORM_FIELDS,
        PROVIDE_AUTOMATIC_OPTIONS=False,
        # A form is valid for as long as its session.
        WTF_CSRF_TIME_LIMIT=None,
        # `demand_token` checks it.
        WTF_CSRF_CHECK_DEFAULT=False,
        # The header `Sec-Fetch-Site` and the token decide. A browser may be set up to send no `Referer`.
        WTF_CSRF_SSL_STRICT=False,
    )
    app.extensions[EXTENSION] = parts
    app.extensions["revoada.hub"] = Hub(
        parts.database, find_causes=partial(find_causes, parts.database, parts.settings)
    )
    app.session_interface = Sessions(address)
    set_up_languages(app)
    set_up_templates(app)
    app.before_request(lambda: refuse_strangers(address))
    app.before_request(check_right)
    app.before_request(lambda: admit_files(parts.settings))
    protection = CSRFProtect(app)
    app.before_request(lambda: demand_token(protection))
    app.before_request(refuse_nul)
    add_headers(app, address)
    handle_errors(app)
    for page in _PAGES:
        page.register(app)
    trusted = parts.settings.trusted_proxies or ()
    served = app.wsgi_app if api is None else DispatcherMiddleware(app.wsgi_app, {"/api": api})
    app.wsgi_app = Mount(count_requests(served), address, trusted)  # type: ignore[method-assign]  # as Flask's documentation shows
    return app
