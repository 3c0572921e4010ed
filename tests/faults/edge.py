"""An HTTP proxy between a worker and the simulator. A test scripts its behaviour for the requests of each recipient."""

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
    """`script`: by phone, a behaviour for each of the next requests. All further requests are forwarded."""

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
            behave = BEHAVIOURS[waiting.pop(0)] if waiting else _pass
            if not behave(self):
                return

    def forward(self) -> tuple[bytes, bytes]:
        """Forward the request; return the status line and the body of the answer."""
        method, path, headers, body = self._request
        wanted = {"Authorization": headers.get("authorization", ""), "Content-Type": "application/json"}
        answer = requests.request(method, self.server.upstream_url + path, data=body, headers=wanted, timeout=120)
        return f"{answer.status_code} OK".encode(), answer.content

    def _write(self, status: bytes, body: bytes, *more: bytes) -> None:
        head = [b"HTTP/1.1 " + status, b"Content-Type: application/json", b"Content-Length: %d" % len(body), *more]
        self.wfile.write(b"\r\n".join(head) + b"\r\n\r\n" + body)


# A behaviour returns whether the connection stays open.
Behaviour = Callable[[_Handler], bool]


def _pass(handler: _Handler) -> bool:
    handler._write(*handler.forward())
    return True


def _interim(handler: _Handler) -> bool:
    handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    return _pass(handler)


def _only_continue(handler: _Handler) -> bool:
    handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    handler.rfile.read(1)  # until the client closes the connection
    return False


def _redirect(status: bytes) -> Behaviour:
    def behave(handler: _Handler) -> bool:
        handler._write(status, b"", f"Location: {handler.server.url}/elsewhere".encode())
        return True

    return behave


def _html(status: bytes, *, is_passed_on: bool = False) -> Behaviour:
    def behave(handler: _Handler) -> bool:
        if is_passed_on:
            handler.forward()
        body = b"<html><body>Bad luck</body></html>"
        head = [b"HTTP/1.1 " + status, b"Content-Type: text/html", b"Content-Length: %d" % len(body)]
        handler.wfile.write(b"\r\n".join(head) + b"\r\n\r\n" + body)
        return True

    return behave


def _drip(seconds: float) -> Behaviour:
    """Answer byte by byte, in at least `seconds`, or until the client closes the connection."""

    def behave(handler: _Handler) -> bool:
        status, body = handler.forward()
        reply = b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        for at in range(len(reply)):
            handler.wfile.write(reply[at : at + 1])
            time.sleep(seconds / len(reply))
        return True

    return behave


def _without_length(part: float) -> Behaviour:
    """Answer without a Content-Length and close the connection at the end of the body, or before (`part` < 1)."""

    def behave(handler: _Handler) -> bool:
        status, body = handler.forward()
        handler.wfile.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n" + body[: int(len(body) * part)])
        return False

    return behave


def _broken_chunk(handler: _Handler) -> bool:
    status, body = handler.forward()
    handler.wfile.write(b"HTTP/1.1 " + status + b"\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body)
    return False


def _twice(handler: _Handler) -> bool:
    """Answer, and then write a second answer, which belongs to no request."""
    status, body = handler.forward()
    bogus = json.dumps({"messages": [{"id": BOGUS}]}).encode()
    heads = [b"HTTP/1.1 " + line + b"\r\nContent-Length: %d\r\n\r\n" for line in (status, b"200 OK")]
    handler.wfile.write(heads[0] % len(body) + body + heads[1] % len(bogus) + bogus)
    return True


BEHAVIOURS: dict[str, Behaviour] = {
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


def assign_behaviours(phones: Sequence[str], behaviours: Sequence[str], *, times: int) -> dict[str, str]:
    """Assign the behaviours to phones in turn, so that each behaviour has `times` phones."""
    return dict(zip(phones, list(behaviours) * times, strict=False))
