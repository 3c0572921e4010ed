"""The only public port: verify, store, ring, answer. Nothing is parsed here, so a parser bug loses nothing."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask, abort, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from webhooks.receiver.inbox import Inbox, InboxUnavailable
from webhooks.receiver.notifier import Doorbell
from webhooks.receiver.signature import is_signed

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/webhooks/whatsapp"
MAX_BODY_BYTES = 3 * 1024 * 1024  # Meta sends up to 3 MB
RETRY_AFTER_SECONDS = 10

log = logging.getLogger(__name__)


def make_app(
    *, app_secret: str, verify_token: str, inbox: Inbox, doorbell: Doorbell, is_ready: Callable[[], bool]
) -> Flask:
    """Return the WSGI application. `is_ready` tells whether a body could be stored now; it must not raise."""
    app = Flask(__name__, static_folder=None)
    app.config.update(PROVIDE_AUTOMATIC_OPTIONS=False)

    @app.before_request
    def refuse_head() -> None:
        if request.method == "HEAD":  # werkzeug adds it to every GET
            abort(405)

    @app.get(PATH)
    def verify() -> Response:
        return _answer_handshake(verify_token)

    @app.get("/healthz")
    def tell_alive() -> Response:
        return _text("ok")

    @app.get("/readyz")
    def tell_ready() -> Response:
        return _text("ready") if is_ready() else _text("not ready", 503)

    app.wsgi_app = _Shortcut(  # type: ignore[method-assign]  # as Flask's documentation has it
        app.wsgi_app, partial(receive, app_secret=app_secret, inbox=inbox, doorbell=doorbell)
    )
    return app


class _Shortcut:
    """Takes webhooks past Flask's contexts and dispatch, which cost more than all that is done with one."""

    def __init__(self, others: WSGIApplication, receive: Callable[[Request], Response]) -> None:
        self._others, self._receive = others, receive

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "POST" or environ["PATH_INFO"] != PATH:
            return self._others(environ, start_response)
        try:
            answer = self._receive(Request(environ))
        except HTTPException as error:
            answer = error.get_response(environ)
        return answer(environ, start_response)


def receive(request: Request, app_secret: str, inbox: Inbox, doorbell: Doorbell) -> Response:
    body = _read_body(request)
    if len(body) > MAX_BODY_BYTES:
        abort(413)
    header = request.headers.get("X-Hub-Signature-256")
    if not is_signed(body, header, app_secret):
        log.warning(
            "Webhook refused: signature %s (%d bytes)",
            "missing" if header is None else "wrong",
            len(body),
            extra={"event": "webhook_refused"},
        )
        return Response(status=401)
    return _store(body, inbox, doorbell)


def _answer_handshake(verify_token: str) -> Response:
    """Echo Meta's challenge to whoever knows the token. Without a token of ours nobody does."""
    token = request.args.get("hub.verify_token", "")
    is_known = hmac.compare_digest(token.encode("utf-8", "surrogatepass"), verify_token.encode())
    if not verify_token or not is_known or request.args.get("hub.mode") != "subscribe":
        log.warning("Webhook verification refused", extra={"event": "webhook_verification_refused"})
        return _text("", 403)
    challenge = request.args.get("hub.challenge")
    if not challenge:
        return _text("", 400)
    log.info("Webhook verified", extra={"event": "webhook_verified"})
    return _text(challenge)


def _read_body(request: Request) -> bytes:
    # One byte more than allowed: a body without a length (chunked) is cut there, and must show that it is larger.
    request.max_content_length = MAX_BODY_BYTES + 1
    try:
        return request.get_data(cache=False)
    except HTTPException:
        raise
    except Exception as error:  # noqa: BLE001  each server has its own words for a body that breaks its own rules
        log.warning(
            "Webhook refused: its body breaks off (%s)", type(error).__name__, extra={"event": "webhook_refused"}
        )
        abort(400)


def _store(body: bytes, inbox: Inbox, doorbell: Doorbell) -> Response:
    try:
        inbox.add(body)
    except InboxUnavailable as error:
        log.warning("Webhook not stored: %s", error, extra={"event": "webhook_not_stored"})
        answer = _text("", 503)
        answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return answer
    doorbell.press()
    return _text("EVENT_RECEIVED")


def _text(text: str, status: int = 200) -> Response:
    answer = Response(text, status, mimetype="text/plain")
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
