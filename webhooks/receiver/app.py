"""The HTTP service to which Meta posts webhooks.

It verifies the signature, stores the body, notifies the workers, and answers. It does not parse bodies, so a fault in
the parser cannot lose a webhook.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask, abort, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from campaigns.metrics.counts import counts
from webhooks.receiver.inbox import Inbox, InboxUnavailable
from webhooks.receiver.notifier import Notifier
from webhooks.receiver.refusals import refusals
from webhooks.receiver.signature import is_signed

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/webhooks/whatsapp"
MAX_BODY_BYTES = 3 * 1024 * 1024  # Meta sends up to 3 MB; a lower limit would lose webhooks
RETRY_AFTER_SECONDS = 10

# The outcome of a posted webhook in the metrics, by the status of the answer.
_OUTCOMES = {200: "stored", 400: "incomplete", 401: "unsigned", 413: "too_large", 503: "unavailable"}

log = logging.getLogger(__name__)


def make_app(
    *, app_secret: str, verify_token: str, inbox: Inbox, notifier: Notifier, is_ready: Callable[[], bool]
) -> Flask:
    """Return the WSGI application. `is_ready` returns whether a body could be stored now, and must not raise."""
    app = Flask(__name__, static_folder=None)
    app.config.update(PROVIDE_AUTOMATIC_OPTIONS=False)

    @app.before_request
    def refuse_head() -> None:
        if request.method == "HEAD":  # werkzeug adds HEAD to every route with GET
            abort(405)

    @app.get(PATH)
    def verify() -> Response:
        return _answer_handshake(verify_token)

    @app.get("/healthz")
    def answer_healthz() -> Response:
        return _text("ok")

    @app.get("/readyz")
    def answer_readyz() -> Response:
        return _text("ready") if is_ready() else _text("not ready", 503)

    app.wsgi_app = _FlaskBypass(  # type: ignore[method-assign]  # as Flask's documentation shows it
        app.wsgi_app, partial(receive, app_secret=app_secret, inbox=inbox, notifier=notifier)
    )
    return app


class _FlaskBypass:
    """Handles posted webhooks without the contexts and the dispatch of Flask, and leaves all other requests to Flask.

    Flask's contexts and dispatch took more CPU time than all other work on a webhook.
    """

    def __init__(self, flask_app: WSGIApplication, receive: Callable[[Request], Response]) -> None:
        self._flask_app, self._receive = flask_app, receive

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "POST" or environ["PATH_INFO"] != PATH:
            return self._flask_app(environ, start_response)
        began = time.perf_counter()
        try:
            answer = self._receive(Request(environ))
        except HTTPException as error:
            answer = error.get_response(environ)
        counts.add("revoada_webhook_requests_total", _OUTCOMES.get(answer.status_code, "incomplete"))
        counts.observe("revoada_webhook_request_seconds", [time.perf_counter() - began])
        return answer(environ, start_response)


def receive(request: Request, app_secret: str, inbox: Inbox, notifier: Notifier) -> Response:
    body = _read_body(request)
    if len(body) > MAX_BODY_BYTES:
        refusals.add("too large")
        abort(413)
    header = request.headers.get("X-Hub-Signature-256")
    if not is_signed(body, header, app_secret):
        refusals.add("without a signature" if header is None else "with a wrong signature")
        return Response(status=401)
    return _store(body, inbox, notifier)


def _answer_handshake(verify_token: str) -> Response:
    """Return Meta's challenge if the request has our verify token. If no token is configured, refuse every request."""
    token = request.args.get("hub.verify_token", "")
    is_known = hmac.compare_digest(token.encode("utf-8", "surrogatepass"), verify_token.encode())
    if not verify_token or not is_known or request.args.get("hub.mode") != "subscribe":
        refusals.add("for a verification")
        return _text("", 403)
    challenge = request.args.get("hub.challenge")
    if not challenge:
        return _text("", 400)
    log.info("Webhook verified", extra={"event": "webhook_verified"})
    return _text(challenge)


def _read_body(request: Request) -> bytes:
    # A chunked body declares no length, and Werkzeug cuts such a body at the limit. The extra byte shows that the body
    # is too large.
    request.max_content_length = MAX_BODY_BYTES + 1
    try:
        return request.get_data(cache=False)
    except HTTPException:
        refusals.add("too large")
        raise
    except Exception:  # noqa: BLE001  WSGI servers raise different exceptions for a broken body
        refusals.add("with an incomplete body")
        abort(400)


def _store(body: bytes, inbox: Inbox, notifier: Notifier) -> Response:
    try:
        inbox.add(body)
    except InboxUnavailable as error:
        log.warning("Webhook not stored: %s", error, extra={"event": "webhook_not_stored"})
        answer = _text("", 503)
        answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return answer
    notifier.notify()
    return _text("EVENT_RECEIVED")


def _text(text: str, status: int = 200) -> Response:
    answer = Response(text, status, mimetype="text/plain")
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
