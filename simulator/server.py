"""The HTTP server: listens, and routes each request to the function that answers it."""

import asyncio
import gc
import signal
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import uvloop

from simulator.catalogue import RefusalError
from simulator.config import Config
from simulator.connection import Connection, Request
from simulator.control import answer_control
from simulator.messages import answer_message
from simulator.reads import read_app_webhooks, read_health, read_subscribed_apps, read_templates, read_token
from simulator.replies import Reply, encode_refusal
from simulator.state import State
from simulator.tls import make_context

_BACKLOG = 4096
_ALLOCATIONS_PER_COLLECTION = 100_000
_ROUTES_KEPT = 10_000
_SEND = b"/messages"


def run(
    config: Config, *, host: str = "127.0.0.1", port: int = 0, tls_port: int = 0, ca_file: Path | None = None
) -> None:
    """Serve until SIGTERM or SIGINT. Print each address once the server listens; port 0 means a free port.

    `ca_file`: serve https on `tls_port`, too, and write the certificate that clients must trust to this file.
    """
    # The log of sends grows by objects that never become garbage. Frequent collections, which scan all of them, would
    # cost a fifth of the rate.
    gc.set_threshold(_ALLOCATIONS_PER_COLLECTION)
    uvloop.run(_serve(config, host, port, tls_port, ca_file))


async def _serve(config: Config, host: str, port: int, tls_port: int, ca_file: Path | None) -> None:
    loop = asyncio.get_running_loop()
    state = State(config, loop)
    router = Router(state)
    connections: set[Connection] = set()

    def connect() -> Connection:
        return Connection(router.answer, router.count_head, state.wheel, connections)

    servers = [await loop.create_server(connect, host, port, backlog=_BACKLOG)]
    if ca_file is not None:
        context = make_context(host, ca_file)
        servers.append(await loop.create_server(connect, host, tls_port, backlog=_BACKLOG, ssl=context))
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    for scheme, server in zip(("http", "https"), servers, strict=False):
        address = server.sockets[0].getsockname()
        print(f"simulator listening on {scheme}://{host}:{address[1]}", flush=True)  # noqa: T201 (callers read this)
    await stopped.wait()
    for server in servers:
        server.close()
    state.reporter.close()
    for connection in tuple(connections):
        connection.abort()


class Router:
    """Routes requests. It caches the URLs of sends, because parsing a URL takes as long as building the answer."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._numbers_by_url: dict[bytes, str] = {}

    def count_head(self, url: bytes) -> None:
        """Count a send whose head arrived, whether its body follows or not."""
        if url.endswith(_SEND):
            self._state.ledger.request_heads += 1

    def answer(self, request: Request) -> Reply:
        number = self._numbers_by_url.get(request.url)
        if number is not None and request.method == b"POST":
            return answer_message(self._state, request, number)
        parts = urlsplit(request.url.decode("latin-1"))
        path = [part for part in parts.path.split("/") if part]
        if path and path[0][:1] == "v" and path[0][1:2].isdecimal():
            path.pop(0)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        match request.method, path:
            case method, ["_simulator", name]:
                return answer_control(self._state, method.decode(), name, query, request.body)
            case b"POST", [number, "messages"]:
                if len(self._numbers_by_url) < _ROUTES_KEPT:
                    self._numbers_by_url[request.url] = number
                return answer_message(self._state, request, number)
        try:
            return self._read(request, path, parts.path, query)
        except RefusalError as refusal:
            return Reply(encode_refusal(refusal), self._state.latency_of(path[0] if path else ""))

    def _read(self, request: Request, path: list[str], url_path: str, query: dict[str, str]) -> Reply:
        token = query.pop("access_token", None)
        authorization = request.authorization if token is None else b"Bearer " + token.encode()
        if (request.method, path[1:]) == (b"GET", ["subscriptions"]):
            return read_app_webhooks(self._state, path[0], authorization)
        self._state.check_token(authorization)
        match request.method, path:
            case b"GET", ["debug_token"]:
                return read_token(self._state, query)
            case b"GET", [number]:
                return read_health(self._state, number, query)
            case b"GET", [waba, "subscribed_apps"]:
                return read_subscribed_apps(self._state, waba)
            case b"GET", [waba, "message_templates"]:
                base = f"{request.scheme}://{request.host.decode('latin-1')}"
                return read_templates(self._state, waba, query, f"{base}{url_path}")
            case _:
                raise RefusalError(
                    100, message=f"Unknown path components: /{'/'.join(path[1:])}", kind="OAuthException"
                )
