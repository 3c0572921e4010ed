"""The HTTP service to which Meta posts webhooks.

It verifies the signature, stores the body, notifies the workers, and answers. It does not parse bodies, so a fault in
the parser cannot lose a webhook.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from flask import Flask, abort, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response

from campaigns.metrics.counts import counts
from webhooks.receiver.inbox import Inbox, InboxUnavailable
from webhooks.receiver.notifier import Notifier
from webhooks.receiver.refusals import refusals
from webhooks.receiver.signature import is_signed

PATH = "/webhooks/whatsapp"
SIGNATURE_HEADER = "X-Hub-Signature-256"
MAX_BODY_BYTES = 3 * 1024 * 1024  # Meta sends up to 3 MB; a lower limit would lose webhooks
RETRY_AFTER_SECONDS = 10
CONTENT_TYPE = "text/plain; charset=utf-8"
RECEIVE = "revoada.receive"  # the name of `receive` in the extensions of the application

# The outcome of a posted webhook in the metrics, by the status of the answer.
_OUTCOMES = {200: "stored", 400: "incomplete", 401: "unsigned", 413: "too_large", 503: "unavailable"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request. `retry_after`: after this time in seconds the client may send the request again."""

    status: HTTPStatus
    text: str = ""
    retry_after: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer, without those that the server adds and without Content-Length."""
        more = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return {"Content-Type": CONTENT_TYPE, "X-Content-Type-Options": "nosniff", **more}


# Returns the answer to a posted webhook. Its arguments are the bytes of the body and the value of SIGNATURE_HEADER. It
# answers 200 only after the body is stored durably.
Receive = Callable[[bytes, str | None], Answer]

_STORED = Answer(HTTPStatus.OK, "EVENT_RECEIVED")
_UNSIGNED = Answer(HTTPStatus.UNAUTHORIZED)
_UNAVAILABLE = Answer(HTTPStatus.SERVICE_UNAVAILABLE, retry_after=RETRY_AFTER_SECONDS)
_TOO_LARGE = Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
_INCOMPLETE = Answer(HTTPStatus.BAD_REQUEST)


def make_app(
    *, app_secret: str, verify_token: str, inbox: Inbox, notifier: Notifier, is_ready: Callable[[], bool]
) -> Flask:
    """Return the WSGI application. `is_ready` returns whether a body could be stored now, and must not raise.

    The production server calls `app.extensions[RECEIVE]` itself for most posts, because Flask's contexts and dispatch
    take more CPU time than all other work on a webhook.
    """
    app = Flask(__name__, static_folder=None)
    app.config.update(PROVIDE_AUTOMATIC_OPTIONS=False)
    receive = make_receive(app_secret, inbox, notifier)
    app.extensions[RECEIVE] = receive

    @app.before_request
    def refuse_head() -> None:
        if request.method == "HEAD":  # werkzeug adds HEAD to every route with GET
            abort(405)

    @app.post(PATH)
    def receive_webhook() -> Response:
        return _respond(_receive_request(receive))

    @app.get(PATH)
    def verify() -> Response:
        return _respond(_answer_handshake(verify_token))

    @app.get("/healthz")
    def answer_healthz() -> Response:
        return _respond(Answer(HTTPStatus.OK, "ok"))

    @app.get("/readyz")
    def answer_readyz() -> Response:
        ready = Answer(HTTPStatus.OK, "ready") if is_ready() else Answer(HTTPStatus.SERVICE_UNAVAILABLE, "not ready")
        return _respond(ready)

    return app


def make_receive(app_secret: str, inbox: Inbox, notifier: Notifier) -> Receive:
    def receive(body: bytes, signature: str | None) -> Answer:
        began = time.perf_counter()
        if len(body) > MAX_BODY_BYTES:
            return refuse_large()
        answer = decide(body, signature)
        counts.add("revoada_webhook_requests_total", _OUTCOMES[answer.status])
        counts.observe("revoada_webhook_request_seconds", [time.perf_counter() - began])
        return answer

    def decide(body: bytes, signature: str | None) -> Answer:
        if not is_signed(body, signature, app_secret):
            refusals.add("without a signature" if signature is None else "with a wrong signature")
            return _UNSIGNED
        try:
            inbox.add(body)
        except InboxUnavailable as error:
            log.warning("Webhook not stored: %s", error, extra={"event": "webhook_not_stored"})
            return _UNAVAILABLE
        notifier.notify()
        return _STORED

    return receive


def refuse_large() -> Answer:
    refusals.add("too large")
    counts.add("revoada_webhook_requests_total", _OUTCOMES[_TOO_LARGE.status])
    return _TOO_LARGE


def refuse_incomplete() -> Answer:
    """Count and refuse a body that did not arrive whole, because the client or the server ended the connection."""
    refusals.add("with an incomplete body")
    counts.add("revoada_webhook_requests_total", _OUTCOMES[_INCOMPLETE.status])
    return _INCOMPLETE


def _answer_handshake(verify_token: str) -> Answer:
    """Return Meta's challenge if the request has our verify token. If no token is configured, refuse every request."""
    token = request.args.get("hub.verify_token", "")
    is_known = hmac.compare_digest(token.encode("utf-8", "surrogatepass"), verify_token.encode())
    if not verify_token or not is_known or request.args.get("hub.mode") != "subscribe":
        refusals.add("for a verification")
        return Answer(HTTPStatus.FORBIDDEN)
    challenge = request.args.get("hub.challenge")
    if not challenge:
        return Answer(HTTPStatus.BAD_REQUEST)
    log.info("Webhook verified", extra={"event": "webhook_verified"})
    return Answer(HTTPStatus.OK, challenge)


def _receive_request(receive: Receive) -> Answer:
    # A chunked body declares no length, and Werkzeug cuts such a body at the limit. The extra byte shows that the body
    # is too large.
    request.max_content_length = MAX_BODY_BYTES + 1
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        return refuse_large()
    except Exception:  # noqa: BLE001  WSGI servers raise different exceptions for a broken body
        return refuse_incomplete()
    return receive(body, request.headers.get(SIGNATURE_HEADER))


def _respond(answer: Answer) -> Response:
    return Response(answer.text, answer.status, answer.headers)
