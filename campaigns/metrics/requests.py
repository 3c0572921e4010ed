"""Counts the requests of browsers and programs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from campaigns.metrics.counts import counts

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def count_requests(application: WSGIApplication) -> WSGIApplication:
    """Return the application, which then counts each answer when it begins. A stream may end much later."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = time.perf_counter()
        surface = _find_surface(environ["PATH_INFO"])

        def start(status: str, *arguments: Any) -> Any:
            counts.add("revoada_http_requests_total", surface, f"{status[0]}xx")
            counts.observe("revoada_http_request_seconds", [time.perf_counter() - began])
            return start_response(status, *arguments)

        return application(environ, start)

    return answer


def _find_surface(path: str) -> str:
    first = path.removeprefix("/").partition("/")[0]
    return first if first in {"api", "static"} else "page"
