"""One client connection: reads requests with httptools, writes their replies in order, late, cut off or never."""

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
    """`answered_count` is how many requests its connection has had before it."""

    method: bytes
    url: bytes
    authorization: bytes
    host: bytes
    body: bytes
    answered_count: int


class _Slot:
    """The place of a reply in the order of its connection."""

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
        self._waiting: deque[_Slot] = deque()
        self._out: list[bytes] = []
        self._request_count = 0
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
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
        # The length is asked first because this runs for every header of every send.
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
            parser.get_method(), self._url, self._authorization, self._host, self._body, self._request_count
        )
        self._request_count += 1
        reply = self._answer(request)
        if not parser.should_keep_alive() and reply.ending is Ending.KEEP:
            # Said aloud, because a client that is not told takes the connection for its next request.
            told = reply.payload.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            reply = reply._replace(payload=told, ending=Ending.CLOSE)
        self._end_with(reply)

    def _end_with(self, reply: Reply) -> None:
        """Put a reply in its place; after one that closes or hangs nothing of this connection is answered."""
        self._ended = reply.ending is not Ending.KEEP
        if reply.ending is Ending.HANG:
            self._waiting.append(_Slot())
        elif reply.delay_seconds or self._waiting:
            slot = _Slot()
            self._waiting.append(slot)
            self._wheel.schedule(reply.delay_seconds, self._fill, slot, reply)
        else:
            self._out.append(reply.payload)

    def _fill(self, slot: _Slot, reply: Reply) -> None:
        slot.reply = reply
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
