"""A TCP proxy on loopback that injects faults into its connections, for tests and chaos runs.

It can reset, freeze, silence and delay connections, cut them at a given byte, and repeat replies.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, TypeVar

from devstack.ports import LOOPBACK, free_port

Direction = Literal["request", "reply"]
T = TypeVar("T")

# With this value of SO_LINGER, closing a socket sends RST instead of FIN.
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass
class _Cut:
    direction: Direction
    bytes_left: int
    is_reset: bool


class Proxy:
    """Forwards connections from its own port to 127.0.0.1:`upstream_port`.

    All methods may be called from any thread, and have taken effect when they return.
    """

    def __init__(self, upstream_port: int, *, port: int | None = None) -> None:
        self.upstream_port = upstream_port
        self.port = free_port(port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self.accepted_count = 0
        self.round_trip_count = 0  # a reply after a request counts once, whatever its length
        self.is_frozen = False
        self.delay_seconds = 0.0
        self.repeat_seconds: float | None = None  # repeats each reply after this time
        self.cuts: deque[_Cut] = deque()

    def connection_count(self) -> int:
        """Return the number of open connections, without those that `lose` has silenced."""
        return self._call(lambda: len([each for each in self._connections if not each.is_lost]))

    def reset(self) -> int:
        """Send RST to both sides of all connections; return the number of connections."""
        return self._call(self._reset)

    def lose(self) -> int:
        """Forward nothing more on the present connections, without closing them; return their number.

        New connections work. A router that has dropped its state, or a machine without power, has the same effect.
        """
        return self._call(self._lose)

    def freeze(self) -> None:
        """Hold back all bytes, also of new connections, until `thaw`. No byte is lost."""
        self._call(lambda: self._set_frozen(is_frozen=True))

    def thaw(self) -> None:
        """Forward the bytes that were held back, and all further bytes."""
        self._call(lambda: self._set_frozen(is_frozen=False))

    def refuse(self) -> None:
        """Reset all connections and refuse new ones until `accept`."""
        self._call(self._stop_listening)
        self.reset()

    def accept(self) -> None:
        """Accept connections on the same port as before."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def cut(self, direction: Direction, at_byte: int, *, times: int = 1, is_reset: bool = True) -> None:
        """End connections after they have carried `at_byte` more bytes in `direction`.

        This applies to the next `times` connections that carry a byte in this direction. The bytes of several
        requests or replies are added up. With `is_reset` both sides get RST, else FIN.
        """
        self._call(lambda: self.cuts.extend(_Cut(direction, at_byte, is_reset) for _ in range(times)))

    def uncut(self) -> None:
        """Cancel all cuts that have not happened yet."""
        self._call(self._uncut)

    def close(self) -> None:
        self._call(self._stop_listening)
        self.reset()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        self._thread.start()
        self.accept()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, function: Callable[[], T]) -> T:
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(function())
            except BaseException as error:  # noqa: BLE001  the caller gets it from `done`
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result()

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(lambda: _Side(_Connection(self), "request"), LOOPBACK, self.port)

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _reset(self) -> int:
        present = list(self._connections)
        for each in present:
            each.end(is_reset=True)
        return len(present)

    def _lose(self) -> int:
        present = [each for each in self._connections if not each.is_lost]
        for each in present:
            each.is_lost = True
            each.hold()
        return len(present)

    def _uncut(self) -> None:
        self.cuts.clear()
        for each in self._connections:
            each.uncut()

    def _set_frozen(self, *, is_frozen: bool) -> None:
        self.is_frozen = is_frozen
        for each in self._connections:
            each.hold()


class _Connection:
    """A connection with two sides: requests arrive from the client's side, replies from the server's side."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.loop = asyncio.get_running_loop()
        self.sides: dict[Direction, _Side] = {}
        self.is_lost = False
        self.is_over = False
        self._has_request = False
        self._closed: set[Direction] = set()
        self._cut: _Cut | None = None
        self._dialling: asyncio.Task[None] | None = None

    def open(self, client: _Side) -> None:
        self.sides["request"] = client
        self.proxy._connections.add(self)  # noqa: SLF001  both classes are one implementation
        self.proxy.accepted_count += 1
        self.hold()
        self._dialling = self.loop.create_task(self._dial())

    async def _dial(self) -> None:
        try:
            await self.loop.create_connection(lambda: _Side(self, "reply"), LOOPBACK, self.proxy.upstream_port)
        except OSError:
            self.end(is_reset=True)

    def connected(self, server: _Side) -> None:
        self.sides["reply"] = server
        if self.is_over:
            server.close(is_reset=True)
            return
        self.hold()

    def hold(self) -> None:
        """Pause or resume reading from both sides. Reading starts only when both sides are connected."""
        is_held = self.is_lost or self.proxy.is_frozen or len(self.sides) < 2  # noqa: PLR2004
        for side in self.sides.values():
            if is_held:
                side.transport.pause_reading()
            else:
                side.transport.resume_reading()

    def carry(self, direction: Direction, data: bytes) -> None:
        self.proxy.round_trip_count += self._has_request and direction == "reply"
        self._has_request = direction == "request"
        if self._cut is None:
            next_cut = next((cut for cut in self.proxy.cuts if cut.direction == direction), None)
            if next_cut is not None:
                self.proxy.cuts.remove(next_cut)
                self._cut = next_cut
        if self._cut is None or self._cut.direction != direction:
            self._pass_on(direction, data)
            return
        part = data[: self._cut.bytes_left]
        self._cut.bytes_left -= len(part)
        self._pass_on(direction, part)
        if not self._cut.bytes_left:
            self._call_delayed(self.end, self._cut.is_reset)

    def uncut(self) -> None:
        self._cut = None

    def _pass_on(self, direction: Direction, data: bytes) -> None:
        if not data:
            return
        write = self._other(direction).transport.write
        self._call_delayed(write, data)
        if direction == "reply" and self.proxy.repeat_seconds is not None:
            self.loop.call_later(self.proxy.delay_seconds + self.proxy.repeat_seconds, write, data)

    def half_close(self, direction: Direction) -> None:
        self._closed.add(direction)
        if len(self._closed) == len(self.sides):
            self._call_delayed(self.end, False)  # noqa: FBT003
        else:
            self._call_delayed(self._other(direction).transport.write_eof)

    def _other(self, direction: Direction) -> _Side:
        return self.sides["reply" if direction == "request" else "request"]

    def _call_delayed(self, function: Callable[..., object], *arguments: object) -> None:
        if self.proxy.delay_seconds:
            self.loop.call_later(self.proxy.delay_seconds, function, *arguments)
        else:
            function(*arguments)

    def end(self, is_reset: bool) -> None:  # noqa: FBT001  called by the loop
        self.is_over = True
        self.proxy._connections.discard(self)  # noqa: SLF001
        for side in self.sides.values():
            side.close(is_reset=is_reset)


class _Side(asyncio.Protocol):
    """One side of a connection; `direction` is the direction of the bytes that it receives."""

    transport: asyncio.Transport

    def __init__(self, connection: _Connection, direction: Direction) -> None:
        self._connection = connection
        self._direction: Direction = direction

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._direction == "request":
            self._connection.open(self)
        else:
            self._connection.connected(self)

    def data_received(self, data: bytes) -> None:
        self._connection.carry(self._direction, data)

    def eof_received(self) -> bool:
        self._connection.half_close(self._direction)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._connection.end(is_reset=error is not None)

    def close(self, *, is_reset: bool) -> None:
        if self.transport.is_closing():
            return
        if is_reset:
            # Buffered bytes are discarded, as when a machine loses power.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self.transport.abort()
        else:
            self.transport.close()
