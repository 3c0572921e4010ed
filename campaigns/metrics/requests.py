"""Counts the requests of browsers and programs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from campaigns.metrics.counts import counts
from campaigns.metrics.table import OTHER, ROUTES

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def count_requests(application: WSGIApplication) -> WSGIApplication:
    """Return the application, which then counts each answer when it begins. A stream may end much later."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = time.perf_counter()
        surface, route = find_route(environ["PATH_INFO"])

        def start(status: str, *arguments: Any) -> Any:
            counts.add("revoada_http_requests_total", surface, route, f"{status[0]}xx")
            counts.observe("revoada_http_request_seconds", [time.perf_counter() - began], surface, route)
            return start_response(status, *arguments)

        return application(environ, start)

    return answer


def find_route(path: str) -> tuple[str, str]:
    """Return the part of the console to which a path leads, and the first word of the path.

    The word is `campaigns` for `/campaigns/7`, `/api/v1/campaigns/7` and `/campaigns.csv`.
    """
    first, *others = re.split("[/.:]", path.removeprefix("/"))
    word = (others[1] if len(others) > 1 else "") if first == "api" else first or "now"
    surface = first if first in {"api", "static"} else "page"
    return surface, word if word in ROUTES else OTHER
