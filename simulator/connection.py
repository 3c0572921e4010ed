"""One client connection: parses requests with httptools and writes the replies in order.

A reply may be delayed, cut off, or never written.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, cast

import httptools

from simulator.replies import Ending, Reply, encode
from simulator.wheel import Wheel

_log = logging.getLogger(__name__)
_BAD_REQUEST = encode(400, b"", b"text/plain")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Request(NamedTuple):
    """A request. `answered_count` is the number of requests on the same connection before it."""

    method: bytes
    url: bytes
    authorization: bytes
    host: bytes
    body: bytes
    answered_count: int
    scheme: str


class _PendingReply:
    """A place in the order of replies on a connection. `reply` is None until it is due."""

    __slots__ = ("reply",)

    def __init__(self) -> None:
        self.reply: Reply | None = None


class Connection(asyncio.Protocol):
    def __init__(
        self,
        answer: Callable[[Request], Reply],
        count_head: Callable[[bytes], None],
        wheel: Wheel,
        connections: set["Connection"],
    ) -> None:
        self._answer = answer
        self._count_head = count_head
        self._wheel = wheel
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._scheme = "http"
        self._waiting: deque[_PendingReply] = deque()
        self._out: list[bytes] = []
        self._request_count = 0
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._scheme = "http" if transport.get_extra_info("sslcontext") is None else "https"
        self._connections.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._waiting.clear()
        self._connections.discard(self)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            _log.exception("the simulator failed to answer")
            self.abort()
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._end_with(Reply(_BAD_REQUEST, 0.0, Ending.CLOSE))
        self._write_out()

    def on_message_begin(self) -> None:
        self._authorization = b""
        self._host = b""
        self._body = b""
        self._url = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # Compares the length first, because that is fast and this runs for every header of every send.
        match len(name):
            case 13 if name.lower() == b"authorization":
                self._authorization = value
            case 4 if name.lower() == b"host":
                self._host = value
            case 6 if name.lower() == b"expect" and self._transport is not None:
                self._transport.write(_CONTINUE)

    def on_headers_complete(self) -> None:
        self._count_head(self._url)

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        if self._ended:
            return
        parser = self._parser
        request = Request(
            parser.get_method(),
            self._url,
            self._authorization,
            self._host,
            self._body,
            self._request_count,
            self._scheme,
        )
        self._request_count += 1
        reply = self._answer(request)
        if not parser.should_keep_alive() and reply.ending is Ending.KEEP:
            # The header tells the client not to send its next request on this connection.
            payload = reply.payload.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            reply = reply._replace(payload=payload, ending=Ending.CLOSE)
        self._end_with(reply)

    def _end_with(self, reply: Reply) -> None:
        """Queue a reply in order. After one that closes or hangs, no further request on this connection is answered."""
        self._ended = reply.ending is not Ending.KEEP
        if reply.ending is Ending.HANG:
            self._waiting.append(_PendingReply())
        elif reply.delay_seconds or self._waiting:
            pending = _PendingReply()
            self._waiting.append(pending)
            self._wheel.schedule(reply.delay_seconds, self._fill, pending, reply)
        else:
            self._out.append(reply.payload)

    def _fill(self, pending: _PendingReply, reply: Reply) -> None:
        pending.reply = reply
        while self._waiting and (ready := self._waiting[0].reply) is not None:
            self._waiting.popleft()
            self._out.append(ready.payload)
        self._write_out()

    def _write_out(self) -> None:
        if self._transport is None:
            return
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()
        if self._ended and not self._waiting:
            self._transport.close()
