"""Helpers for tests with the simulator: its process, a client, and a receiver of its webhooks."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
NUMBER = "106540352242922"
WABA = "102290129340398"
PHONE = "+4915112345678"
SECRET = "s3cret"
# A time limit for events that take milliseconds on an idle machine.
PATIENCE_SECONDS = 120.0


def wait_for(condition: Callable[[], Any]) -> Any:
    """Call `condition` until its result is true; return the result."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := condition()):
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.005)
    return answer


@contextmanager
def start_simulator(*options: str, env: dict[str, str] | None = None) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a simulator process; yield the process and its URL."""
    command = [sys.executable, "-m", "simulator", *options]
    clean = {name: value for name, value in os.environ.items() if name != "META_APP_SECRET"}
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=clean | (env or {}))
    with process:
        try:
            line = process.stdout.readline()
            assert line.startswith("simulator listening on http://127.0.0.1:")
            yield process, line.split()[-1]
        finally:
            process.terminate()


class SimulatorClient:
    """A client that sends messages to the simulator and reads its counts."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers["Authorization"] = "Bearer token-1"

    def post(self, message: Any, *, number: str = NUMBER, **options: Any) -> requests.Response:
        options = {"timeout": PATIENCE_SECONDS, **options}
        return self.session.post(f"{self.url}/v24.0/{number}/messages", json=message, **options)

    def send(self, to: str = PHONE, *, number: str = NUMBER, **options: Any) -> requests.Response:
        return self.post(template_message(to), number=number, **options)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.session.get(f"{self.url}{path}", params=query, timeout=PATIENCE_SECONDS)

    def script(self, **patch: Any) -> None:
        answer = self.control("script", patch)
        assert answer == {"ok": True}, answer

    def control(self, name: str, body: Any = None) -> dict[str, Any]:
        return requests.post(f"{self.url}/_simulator/{name}", json=body or {}, timeout=PATIENCE_SECONDS).json()

    def ask(self, name: str) -> dict[str, Any]:
        return requests.get(f"{self.url}/_simulator/{name}", timeout=PATIENCE_SECONDS).json()

    def stats(self) -> dict[str, Any]:
        return self.ask("stats")

    def all_told(self) -> dict[str, Any]:
        """Wait until all webhooks are posted; return the stats."""
        return wait_for(lambda: (stats := self.stats())["webhooks"]["pending"] == 0 and stats)

    def connect(self) -> socket.socket:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)


def template_message(to: str = PHONE, data: str | None = "m1:1", **template: Any) -> dict[str, Any]:
    message = {
        "messaging_product": "whatsapp",
        "to": to,
        "type": "template",
        "template": {"name": "spring_sale", "language": {"code": "de"}, **template},
    }
    return message if data is None else {**message, "biz_opaque_callback_data": data}


def raw_message(to: str = PHONE) -> bytes:
    """Return the bytes of a request, for a connection that the test writes to itself."""
    body = json.dumps(template_message(to)).encode()
    head = "POST /v24.0/1/messages HTTP/1.1\r\nAuthorization: Bearer x\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Receiver(ThreadingHTTPServer):
    """Stores each post; answers with the statuses of `answers` in turn, then with 200, and with this `location`.

    `connection_count`: how many connections clients have opened.
    """

    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _ReceiverHandler)
        self.posts: list[tuple[dict[str, str], bytes, float]] = []
        self.answers: list[int] = []
        self.location = ""
        self.connection_count = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook?x=1"

    def get_request(self) -> tuple[socket.socket, Any]:
        connection = super().get_request()
        self.connection_count += 1
        return connection

    def values(self) -> list[dict[str, Any]]:
        bodies = [json.loads(body) for _, body, _ in self.posts]
        return [change["value"] for body in bodies for entry in body["entry"] for change in entry["changes"]]

    def statuses(self) -> list[dict[str, Any]]:
        return [status for value in self.values() for status in value["statuses"]]

    def names(self) -> list[str]:
        return [status["status"] for status in self.statuses()]


class _ReceiverHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((dict(self.headers) | {"path": self.path}, body, time.monotonic()))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.send_header("Content-Length", "0")
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass
