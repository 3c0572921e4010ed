"""Posts webhooks as fast, or as evenly, as asked: keep-alive sockets in one thread, so that it costs little."""

from __future__ import annotations

import hashlib
import hmac
import json
import selectors
import socket
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Posted:
    """How posts were taken. `took`: seconds from when each was due to its answer, so a queue at our end counts."""

    seconds: float
    took: list[float] = field(repr=False)
    answers: Counter[int]

    @property
    def per_second(self) -> float:
        return len(self.took) / self.seconds

    @property
    def refused(self) -> int:
        return self.answers.total() - self.answers[200]

    def percentile_ms(self, share: float) -> float:
        return round(1000 * sorted(self.took)[min(int(len(self.took) * share), len(self.took) - 1)], 1)


def make_request(body: bytes, secret: str) -> bytes:
    signature = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    # The headers that Meta sends.
    lines = ("POST /webhooks/whatsapp HTTP/1.1", "Host: bench", "Accept: */*", "User-Agent: facebookexternalua",
             "Accept-Encoding: deflate, gzip", f"X-Hub-Signature-256: sha256={signature}",
             "Content-Type: application/json", f"Content-Length: {len(body)}", "", "")  # fmt: skip
    return "\r\n".join(lines).encode() + body


def make_single(number: int) -> bytes:
    """Return a body of one status, as long as Meta's are."""
    wamid = f"wamid.HBgNNTUxMTk5OTk5MDAwMBUCABEYEjQ0{number:020}AA=="
    status = {
        "id": wamid, "status": "delivered", "timestamp": "1790000000", "recipient_id": "5511900000000",
        "conversation": {"id": "a" * 32, "origin": {"type": "marketing"}},
        "biz_opaque_callback_data": f"r1.0123456789abcdef.{number}.1",
        "pricing": {"billable": True, "pricing_model": "PMP", "category": "marketing", "type": "regular"},
    }  # fmt: skip
    metadata = {"display_phone_number": "5511900000000", "phone_number_id": "10000"}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": [status]}
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


class _Line:
    """One connection: at most one request is out."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self.connection = self._connect()
        self.is_out = False
        self.due = 0.0
        self.request = b""
        self._answer = b""

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._address, timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def send(self, request: bytes, due: float) -> None:
        self.is_out, self.due, self.request, self._answer = True, due, request, b""
        with suppress(OSError):  # closed by the other side: its end is read next, and this is sent again
            self.connection.sendall(request)

    def read(self) -> int:
        """Return the status of the answer once all of it is there, else 0. Raises ConnectionError."""
        try:
            received = self.connection.recv(65536)
        except ConnectionResetError:
            received = b""
        if not received:
            raise ConnectionError
        self._answer += received
        head, found, rest = self._answer.partition(_HEAD_END)
        if not found:
            return 0
        _, _, length = head.lower().partition(b"content-length:")
        self.is_out = len(rest) < int(length.partition(b"\r\n")[0] or 0)
        return 0 if self.is_out else int(head[9:12])

    def reopen(self) -> None:
        """Open the connection again, and repeat the request that was out, as Meta does."""
        self.connection.close()
        self.connection = self._connect()
        if self.is_out:
            self.send(self.request, self.due)


def post_all(url: str, requests: Sequence[bytes], *, connections: int = 48, per_second: float | None = None) -> Posted:
    """Post each request once, at this rate, or each as soon as a connection is free; 503 and the like count as answers.

    A connection that the other side closes is opened again, and its request repeated, as Meta does.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    lines = [_Line((host, int(port))) for _ in range(connections)]
    selector = selectors.DefaultSelector()
    for line in lines:
        selector.register(line.connection, selectors.EVENT_READ, line)
    free, took, answers, next_index = lines, [], Counter[int](), 0
    began = time.monotonic()
    while len(took) < len(requests):
        now = time.monotonic()
        while free and next_index < len(requests):
            due = now if per_second is None else began + next_index / per_second
            if due > now:
                break
            free.pop().send(requests[next_index], due)
            next_index += 1
        wait = None
        if per_second is not None and free and next_index < len(requests):
            wait = max(0.0, began + next_index / per_second - time.monotonic())
        for key, _ in selector.select(wait):
            line: _Line = key.data
            try:
                status = line.read()
            except ConnectionError:
                selector.unregister(line.connection)
                line.reopen()
                selector.register(line.connection, selectors.EVENT_READ, line)
                continue
            if status:
                answers[status] += 1
                took.append(time.monotonic() - line.due)
                free.append(line)
    seconds = time.monotonic() - began
    for line in lines:
        line.connection.close()
    return Posted(seconds, took, answers)
