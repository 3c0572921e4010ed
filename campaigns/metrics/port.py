"""The port on which Prometheus reads the metrics of a process. It is never the port of webhooks or of pages.

If the port cannot be opened, for example because another process has it, the process works on without metrics.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from campaigns.config import Settings, SettingsError, read_settings
from campaigns.logs import event
from campaigns.metrics.counts import counts
from campaigns.metrics.exposition import write_text
from campaigns.metrics.table import Key, list_names

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)
_WAITING_CONNECTIONS = 16
# A process serves at most this many connections, and a further connection ends the oldest one. So clients that send
# nothing neither block Prometheus nor use up the file descriptors of the process.
MAX_CONNECTIONS = 8
PATH = "/metrics"


def make_metrics_app(read: Callable[[], Mapping[Key, float]]) -> WSGIApplication:
    """Return an application that answers `/metrics` with the numbers that `read` returns, and nothing else."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != PATH or environ["REQUEST_METHOD"] != "GET":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"The metrics are at /metrics.\n"]
        text = write_text(read())
        start_response("200 OK", [("Content-Type", CONTENT_TYPE_PLAIN_0_0_4), ("Content-Length", str(len(text)))])
        return [text]

    return answer


def open_port(settings: Settings) -> socket.socket | None:
    """Return a socket that listens on the port of the metrics; None if no port is set, or if it cannot be opened."""
    if not settings.metrics_port:
        return None
    family = socket.AF_INET6 if ":" in settings.metrics_host else socket.AF_INET
    try:
        return socket.create_server(
            (settings.metrics_host, settings.metrics_port), family=family, backlog=_WAITING_CONNECTIONS
        )
    except OSError as error:
        bound = event("metrics_unserved", port=settings.metrics_port)
        _log.warning("Nobody can read the metrics of this process: %s", error.strerror, extra=bound)
        return None


def serve_in_thread(
    settings: Settings, roles: Iterable[str], read_gauges: Callable[[], Mapping[Key, float]] = dict
) -> None:
    """Serve the counts of this process in a thread of its own. `roles`: the roles that the process has.

    `read_gauges`: returns further numbers of the process at each request.
    """
    listener = open_port(settings)
    if listener is None:
        return
    counts.declare({name for role in roles for name in list_names(role)})
    server = _Server(("", 0), _QuietHandler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = settings.metrics_host, settings.metrics_port
    server.setup_environ()
    server.set_app(make_metrics_app(lambda: {**counts.read(), **read_gauges()}))
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


class _Server(ThreadingMixIn, WSGIServer):
    """Serves each connection in a thread, at most MAX_CONNECTIONS at a time."""

    daemon_threads = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open: dict[Any, None] = {}  # the oldest first

    def process_request(self, request: Any, client_address: Any) -> None:
        for oldest in list(self._open)[: 1 - MAX_CONNECTIONS]:
            with suppress(OSError):  # it has ended meanwhile
                oldest.shutdown(socket.SHUT_RDWR)  # its thread then reads the end of the connection, and closes it
        self._open[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: a client that has left is no error."""


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name of the method's parameter
        """Log no requests."""


@cache
def open_shared_port(role: str) -> socket.socket | None:
    """Return the listening socket of a server that will fork its processes, and let them count in shared memory.

    Returns None if the settings are wrong. The processes report that.
    """
    try:
        settings = read_settings()
    except SettingsError:
        return None
    listener = open_port(settings)
    if listener is not None:
        counts.share(list_names(role))
    return listener
