"""A server that writes stray replies: repeated, late, cut in half, or on the wrong connection; plain or over TLS.

It processes each request once, as Meta does, and records the result. Only the bytes on its connections are wrong.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import itertools
import json
import socket
import socketserver
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.serving import serving
from tests.webhooks.webhook_bodies import make_body, make_status, make_value

LATENCY_SECONDS = 0.01
# The longest time that a request waits for another one to swap replies with.
SWAP_SECONDS = 1.5
# An accepted message would be sent again if one of these errors were believed. The last one makes an account wait too.
RETRYABLE = (
    (400, {"error": {"code": 134103, "message": "(#134103) Unnamed error", "fbtrace_id": "A"}}),
    (403, "<html>Forbidden</html>"),
    (503, {"error": {"code": 131016, "message": "(#131016) Service unavailable", "fbtrace_id": "B"}}),
)
REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 503: "Service Unavailable"}


@dataclass(frozen=True)
class ReplyFault:
    """The fault to inject into every `every`-th request; `delay_seconds`: from the right reply to the stray one."""

    kind: str = "none"
    delay_seconds: float = 0.0
    every: int = 4
    names_contacts: bool = True
    is_chunked: bool = False

    def __str__(self) -> str:
        kind = ("" if self.names_contacts else ", no contacts") + (", chunked" if self.is_chunked else "")
        return f"{self.kind} after {self.delay_seconds} s{kind}"


@dataclass
class Memory:
    """The true results: the wamid of each accepted message, and the number of acceptances per message."""

    wamids: dict[str, str] = field(default_factory=dict)  # by callback data without its `send_no`
    accepted: Counter[str] = field(default_factory=Counter)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    stray_count: int = 0
    late_count: int = 0  # late stray replies that are written already


class StrayReplyServer(socketserver.ThreadingTCPServer):
    daemon_threads, block_on_close, request_queue_size = True, False, 128

    def __init__(self, fault: ReplyFault, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.fault, self.context, self.memory = fault, context, Memory()
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.server_address[1]}"
        self.lock = threading.Lock()
        self.connection_count = self.open_count = 0
        self._numbers = itertools.count(1)
        self._waiting: list[_Swap] = []

    def take_webhooks(self) -> list[bytes]:
        """Return Meta's webhooks for the messages that were accepted since the last call."""
        with self.lock:
            statuses, self.memory.statuses = self.memory.statuses, []
        return [make_body(make_value(*statuses))] if statuses else []

    def answer(self, document: dict[str, Any]) -> tuple[bytes, int]:
        """Process a request; return the right reply and the number of the request."""
        with self.lock:
            number = next(self._numbers)
            ours = document["biz_opaque_callback_data"]
            key = ours.rpartition(".")[0]
            if self.fault.kind.startswith("error") and number % 3 == 0 and self.memory.accepted[key] == 0:
                return self.write(*RETRYABLE[number % 2]), number
            wamid = f"wamid.{number}"
            self.memory.wamids[key] = wamid
            self.memory.accepted[key] += 1
            recipient = document["to"].lstrip("+")
            self.memory.statuses.append(
                make_status(id=wamid, status="sent", recipient_id=recipient, biz_opaque_callback_data=ours)
            )
        contacts = {"contacts": [{"input": document["to"], "wa_id": recipient}]} if self.fault.names_contacts else {}
        return self.write(200, {"messaging_product": "whatsapp", **contacts, "messages": [{"id": wamid}]}), number

    def write(self, status: int, content: dict[str, Any] | str) -> bytes:
        body = (content if isinstance(content, str) else json.dumps(content)).encode()
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\n".encode()
        if self.fault.is_chunked:
            return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)

    def swap(self, reply: bytes, to: str) -> bytes:
        """Swap a reply with that of another connection; return the other reply, or this one if none came in time.

        Two replies for the same person are not swapped, because they cannot be told apart.
        """
        with self.lock:
            for other in self._waiting:
                if other.to != to:
                    self._waiting.remove(other)
                    other.got = reply
                    other.is_done.set()
                    return other.reply
            own = _Swap(reply, to)
            self._waiting.append(own)
        if not own.is_done.wait(SWAP_SECONDS):
            with self.lock:
                if own in self._waiting:
                    self._waiting.remove(own)
        return own.got or reply


@dataclass(eq=False)
class _Swap:
    reply: bytes
    to: str
    got: bytes = b""
    is_done: threading.Event = field(default_factory=threading.Event)


class _Connection(socketserver.BaseRequestHandler):
    server: StrayReplyServer

    def handle(self) -> None:
        with self.server.lock:
            self.server.connection_count += 1
            self.server.open_count += 1
        self._serve()
        with self.server.lock:
            self.server.open_count -= 1

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._writing = threading.Lock()
            if self.server.context is not None:
                self.request = self.server.context.wrap_socket(self.request, server_side=True)
            with self.request.makefile("rb") as self._file:
                while document := self._read():
                    self._reply(document)

    def _read(self) -> dict[str, Any] | None:
        length = 0
        while (line := self._file.readline()).strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return json.loads(self._file.read(length)) if length else None

    def _reply(self, document: dict[str, Any]) -> None:
        server, fault = self.server, self.server.fault
        time.sleep(LATENCY_SECONDS)
        reply, number = server.answer(document)
        if number % fault.every or fault.kind in ("none", "error"):
            return self._write(reply)
        with server.lock:
            server.memory.stray_count += 1
        if fault.kind == "swapped":
            return self._write(server.swap(reply, document["to"]))
        stray = {
            "repeat": reply,
            "error repeat": reply,
            "late error": server.write(*RETRYABLE[number // fault.every % len(RETRYABLE)]),
            "half": reply[: len(reply) - 40],
            "half head": reply[:30],
            "half error": server.write(*RETRYABLE[0])[:-40],
        }[fault.kind]
        if not fault.delay_seconds:
            return self._write(reply, stray)
        self._write(reply)
        timer = threading.Timer(fault.delay_seconds, self._write_late, (stray,))
        timer.daemon = True
        timer.start()
        return None

    def _write(self, *parts: bytes) -> None:
        """Write all parts into one segment, each as a TLS record of its own."""
        with self._writing:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            for part in parts:
                self.request.sendall(part)
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)

    def _write_late(self, stray: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._write(stray)
        with self.server.lock:
            self.server.memory.late_count += 1


@contextmanager
def serve_stray_replies(fault: ReplyFault, context: ssl.SSLContext | None = None) -> Iterator[StrayReplyServer]:
    with serving(StrayReplyServer(fault, context)) as server:
        yield server


def make_authority(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a TLS context for a server on 127.0.0.1, and the file with the certificate that its clients trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False).sign(
        key, hashes.SHA256()
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    no_password = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password)
    (folder / "authority.pem").write_bytes(pem)
    (folder / "server.pem").write_bytes(private + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context, folder / "authority.pem"
