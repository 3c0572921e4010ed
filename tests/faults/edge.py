"""What may stand between a worker and Meta: an HTTP server that does to each recipient's request what a test says."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import requests

BOGUS = "wamid.bogus"
LOOPBACK = "127.0.0.1"


class Edge(socketserver.ThreadingTCPServer):
    """`script` says what the requests of a phone meet, in turn; after that, and without, they are passed on."""

    daemon_threads, block_on_close, request_queue_size = True, False, 128

    def __init__(self, upstream_url: str) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.upstream_url = upstream_url
        self.url = f"http://{LOOPBACK}:{self.server_address[1]}"
        self.script: dict[str, list[str]] = {}
        self.redirected: Counter[str] = Counter()  # requests that followed a redirect, by method
        self.arrived: Counter[str] = Counter()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


class _Handler(socketserver.StreamRequestHandler):
    server: Edge

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self._serve()

    def _serve(self) -> None:
        while line := self.rfile.readline():
            method, path, _ = line.decode().split(" ")
            headers = {}
            while (line := self.rfile.readline().strip()) and b":" in line:
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers.get("content-length", 0)))
            if path.startswith("/elsewhere"):
                self.server.redirected[method] += 1
                self._write(b"200 OK", json.dumps({"messages": [{"id": BOGUS}]}).encode())
                continue
            self._request = method, path, headers, body
            phone = f"+{json.loads(body)['to'].lstrip('+')}" if method == "POST" else ""
            self.server.arrived[phone] += 1
            waiting = self.server.script.get(phone)
            meet = WAYS[waiting.pop(0)] if waiting else _pass
            if not meet(self):
                return

    def forward(self) -> tuple[bytes, bytes]:
        """Pass the request on; return status line and body of the answer."""
        method, path, headers, body = self._request
        wanted = {"Authorization": headers.get("authorization", ""), "Content-Type": "application/json"}
        answer = requests.request(method, self.server.upstream_url + path, data=body, headers=wanted, timeout=120)
        return f"{answer.status_code} OK".encode(), answer.content

    def _write(self, status: bytes, body: bytes, *more: bytes) -> None:
        head = [b"HTTP/1.1 " + status, b"Content-Type: application/json", b"Content-Length: %d" % len(body), *more]
        self.wfile.write(b"\r\n".join(head) + b"\r\n\r\n" + body)


# Each returns whether the connection goes on.
Way = Callable[[_Handler], bool]


def _pass(handler: _Handler) -> bool:
    handler._write(*handler.forward())
    return True


def _interim(handler: _Handler) -> bool:
    handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    return _pass(handler)


def _only_continue(handler: _Handler) -> bool:
    handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    handler.rfile.read(1)  # until the client gives up
    return False


def _redirect(status: bytes) -> Way:
    def meet(handler: _Handler) -> bool:
        handler._write(status, b"", f"Location: {handler.server.url}/elsewhere".encode())
        return True

    return meet


def _html(status: bytes, *, is_passed_on: bool = False) -> Way:
    def meet(handler: _Handler) -> bool:
        if is_passed_on:
            handler.forward()
        body = b"<html><body>Bad luck</body></html>"
        head = [b"HTTP/1.1 " + status, b"Content-Type: text/html", b"Content-Length: %d" % len(body)]
        handler.wfile.write(b"\r\n".join(head) + b"\r\n\r\n" + body)
        return True

    return meet


def _drip(seconds: float) -> Way:
    """Answer byte by byte, in so many seconds at least, or until the client gives up."""

    def meet(handler: _Handler) -> bool:
        status, body = handler.forward()
        reply = b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        for at in range(len(reply)):
            handler.wfile.write(reply[at : at + 1])
            time.sleep(seconds / len(reply))
        return True

    return meet


def _without_length(part: float) -> Way:
    """Answer with a body that ends where the connection does, or is cut there."""

    def meet(handler: _Handler) -> bool:
        status, body = handler.forward()
        handler.wfile.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n" + body[: int(len(body) * part)])
        return False

    return meet


def _broken_chunk(handler: _Handler) -> bool:
    status, body = handler.forward()
    handler.wfile.write(b"HTTP/1.1 " + status + b"\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body)
    return False


def _twice(handler: _Handler) -> bool:
    """Answer, and again with somebody else's answer, which belongs to no request."""
    status, body = handler.forward()
    bogus = json.dumps({"messages": [{"id": BOGUS}]}).encode()
    heads = [b"HTTP/1.1 " + line + b"\r\nContent-Length: %d\r\n\r\n" for line in (status, b"200 OK")]
    handler.wfile.write(heads[0] % len(body) + body + heads[1] % len(bogus) + bogus)
    return True


WAYS: dict[str, Way] = {
    "pass": _pass,
    "interim": _interim,
    "only continue": _only_continue,
    "301": _redirect(b"301 Moved Permanently"),
    "302": _redirect(b"302 Found"),
    "303": _redirect(b"303 See Other"),
    "307": _redirect(b"307 Temporary Redirect"),
    "308": _redirect(b"308 Permanent Redirect"),
    "html 200": _html(b"200 OK"),
    "html 403": _html(b"403 Forbidden"),
    "html 408": _html(b"408 Request Timeout"),
    "html 502": _html(b"502 Bad Gateway"),
    "html 504 passed on": _html(b"504 Gateway Timeout", is_passed_on=True),
    "drip in time": _drip(0.6),
    "drip too slow": _drip(60),
    "no length": _without_length(1.0),
    "no length, cut": _without_length(0.6),
    "broken chunk": _broken_chunk,
    "answered twice": _twice,
}


def deal(phones: Sequence[str], ways: Sequence[str], *, times: int) -> dict[str, str]:
    """Give each phone a way, in turn, so that each way has `times` of them."""
    return dict(zip(phones, list(ways) * times, strict=False))
