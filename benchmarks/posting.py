"""Posts webhooks at a given rate or as fast as possible. It uses one thread and keep-alive sockets to save CPU."""

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
class PostResult:
    """The answers to the posts. `latencies`: seconds from the due time of a post to its answer.

    The time that a post waited for a free connection is included.
    """

    seconds: float
    latencies: list[float] = field(repr=False)
    answers: Counter[int]

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def refused(self) -> int:
        return self.answers.total() - self.answers[200]

    def percentile_ms(self, share: float) -> float:
        return round(1000 * sorted(self.latencies)[min(int(len(self.latencies) * share), len(self.latencies) - 1)], 1)


def make_request(body: bytes, secret: str) -> bytes:
    signature = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    # The headers that Meta sends.
    connections_ = ("POST /webhooks/whatsapp HTTP/1.1", "Host: bench", "Accept: */*", "User-Agent: facebookexternalua",
             "Accept-Encoding: deflate, gzip", f"X-Hub-Signature-256: sha256={signature}",
             "Content-Type: application/json", f"Content-Length: {len(body)}", "", "")  # fmt: skip
    return "\r\n".join(connections_).encode() + body


def make_single(number: int) -> bytes:
    """Return a body with one status, of the length of Meta's bodies."""
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


class _Connection:
    """A connection with at most one request in flight."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self.socket = self._connect()
        self.is_in_flight = False
        self.due = 0.0
        self.request = b""
        self._answer = b""

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._address, timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def send(self, request: bytes, due: float) -> None:
        self.is_in_flight, self.due, self.request, self._answer = True, due, request, b""
        with suppress(OSError):  # the server has closed it: `read` raises next, and `reopen` repeats the request
            self.socket.sendall(request)

    def read(self) -> int:
        """Return the status of a complete answer, else 0. Raises ConnectionError if the connection has ended."""
        try:
            received = self.socket.recv(65536)
        except ConnectionResetError:
            received = b""
        if not received:
            raise ConnectionError
        self._answer += received
        head, found, rest = self._answer.partition(_HEAD_END)
        if not found:
            return 0
        _, _, length = head.lower().partition(b"content-length:")
        self.is_in_flight = len(rest) < int(length.partition(b"\r\n")[0] or 0)
        return 0 if self.is_in_flight else int(head[9:12])

    def reopen(self) -> None:
        """Open the connection again and, like Meta, repeat the request that was in flight."""
        self.socket.close()
        self.socket = self._connect()
        if self.is_in_flight:
            self.send(self.request, self.due)


def post_all(
    url: str, requests: Sequence[bytes], *, connections: int = 48, per_second: float | None = None
) -> PostResult:
    """Post each request, at the given rate or as soon as a connection is free. Any status counts as an answer.

    If the server closes a connection, a new connection is opened, and the request is repeated, as Meta does.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    idle = [_Connection((host, int(port))) for _ in range(connections)]
    selector = selectors.DefaultSelector()
    for connection in idle:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    latencies, answers, next_index = [], Counter[int](), 0
    began = time.monotonic()
    while len(latencies) < len(requests):
        now = time.monotonic()
        while idle and next_index < len(requests):
            due = now if per_second is None else began + next_index / per_second
            if due > now:
                break
            idle.pop().send(requests[next_index], due)
            next_index += 1
        wait = None
        if per_second is not None and idle and next_index < len(requests):
            wait = max(0.0, began + next_index / per_second - time.monotonic())
        for key, _ in selector.select(wait):
            connection: _Connection = key.data
            try:
                status = connection.read()
            except ConnectionError:
                selector.unregister(connection.socket)
                connection.reopen()
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                continue
            if status:
                answers[status] += 1
                latencies.append(time.monotonic() - connection.due)
                idle.append(connection)
    seconds = time.monotonic() - began
    for connection in idle:
        connection.socket.close()
    return PostResult(seconds, latencies, answers)
