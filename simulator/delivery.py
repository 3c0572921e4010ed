"""Posts signed webhooks over a few kept connections; what is not answered 200 is posted again after growing gaps."""

import asyncio
import hmac
import ssl
from collections import deque
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from simulator.config import Webhooks
from simulator.wheel import Wheel

_OK = 200
# Past this many growths the longest gap holds anyway, and a float would overflow.
_GROWTHS = 50


@dataclass(slots=True, eq=False)
class Post:
    body: bytes
    tries_count: int = 0


class Courier:
    """The queue of webhook posts, its connections and its counts."""

    def __init__(self, loop: asyncio.AbstractEventLoop, webhooks: Webhooks) -> None:
        self._loop = loop
        self.webhooks = webhooks
        self._queue: deque[Post] = deque()
        self._idle: list[_Channel] = []
        self._channels: set[_Channel] = set()
        self._connects: set[asyncio.Task[None]] = set()
        self._retries = Wheel(loop)
        self.counts = {"sent": 0, "acked": 0, "retried": 0, "given_up": 0}

    def configure(self, webhooks: Webhooks) -> None:
        """Queued posts go to the new callback URL; open connections to an old one are dropped."""
        moved = webhooks.callback_url != self.webhooks.callback_url
        self.webhooks = webhooks
        if moved:
            self._drop_channels()
        self._pump()

    def clear(self) -> None:
        self._queue.clear()
        self._retries.clear()
        self._drop_channels(lose_posts=True)
        self.counts = dict.fromkeys(self.counts, 0)

    def close(self) -> None:
        self.clear()
        for connect in self._connects:
            connect.cancel()

    def post(self, body: bytes) -> None:
        self._queue.append(Post(body))
        self._pump()

    def flush(self) -> int:
        """Retry now what waits for its gap."""
        return self._retries.flush()

    @property
    def pending_count(self) -> int:
        return len(self._queue) + len(self._retries) + sum(channel.post is not None for channel in self._channels)

    def _pump(self) -> None:
        while self._queue and self._idle:
            self._idle.pop().send(self._queue.popleft())
        allowed = max(self.webhooks.concurrency, 1) - len(self._channels)
        for _ in range(min(len(self._queue), allowed) - len(self._connects)):
            connect = self._loop.create_task(self._connect())
            self._connects.add(connect)
            connect.add_done_callback(self._connected)

    def _connected(self, connect: asyncio.Task[None]) -> None:
        self._connects.discard(connect)
        if not connect.cancelled():
            connect.result()
            self._pump()

    async def _connect(self) -> None:
        url = self.webhooks.callback_url
        parts = urlsplit(url)
        context = ssl.create_default_context() if parts.scheme == "https" else None
        target = (parts.hostname or "", parts.port or (443 if context else 80))
        try:
            async with asyncio.timeout(self.webhooks.timeout_ms[1]):
                _, channel = await self._loop.create_connection(
                    lambda: _Channel(self, self._loop, url), *target, ssl=context
                )
        except (OSError, TimeoutError):
            if self._queue:
                self.fail(self._queue.popleft())
            return
        if url != self.webhooks.callback_url:
            channel.abort()
        else:
            self._channels.add(channel)
            self.rest(channel)

    def _drop_channels(self, *, lose_posts: bool = False) -> None:
        for channel in tuple(self._channels):
            if lose_posts:
                channel.forget()
            channel.abort()
        self._channels.clear()
        self._idle.clear()

    # The channels' reports.

    def rest(self, channel: "_Channel") -> None:
        if channel in self._channels:
            self._idle.append(channel)
            self._pump()

    def leave(self, channel: "_Channel") -> None:
        self._channels.discard(channel)
        if channel in self._idle:
            self._idle.remove(channel)
        self._pump()

    def take_back(self, post: Post) -> None:
        """Nothing of it has left: it goes on the next connection."""
        self._queue.appendleft(post)

    def settle(self, post: Post, status: int) -> None:
        if status == _OK:
            self.counts["acked"] += 1
        else:
            self.fail(post)

    def fail(self, post: Post) -> None:
        webhooks = self.webhooks
        if post.tries_count >= webhooks.retry_limit:
            self.counts["given_up"] += 1
            return
        growth = webhooks.retry_factor ** min(post.tries_count, _GROWTHS)
        gap = min(webhooks.retry_ms[0] * growth, webhooks.retry_longest_ms[0])
        post.tries_count += 1
        self._retries.schedule(gap, self._retry, post)

    def _retry(self, post: Post) -> None:
        self.counts["retried"] += 1
        self._queue.append(post)
        self._pump()


class _Channel(asyncio.Protocol):
    """One connection to the callback URL with at most one post on it."""

    def __init__(self, courier: Courier, loop: asyncio.AbstractEventLoop, url: str) -> None:
        parts = urlsplit(url)
        self._courier = courier
        self._loop = loop
        self._head = (
            f"POST {parts.path or '/'}{'?' + parts.query if parts.query else ''} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "User-Agent: facebookexternalua\r\nAccept: */*\r\nContent-Type: application/json\r\n"
        ).encode()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.post: Post | None = None

    def send(self, post: Post) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            self._courier.take_back(post)
            return
        self.post = post
        webhooks = self._courier.webhooks
        signature = b""
        if webhooks.app_secret:
            digest = hmac.digest(webhooks.app_secret.encode(), post.body, "sha256")
            signature = b"X-Hub-Signature-256: sha256=%b\r\n" % digest.hex().encode()
        transport.write(b"%b%bContent-Length: %d\r\n\r\n%b" % (self._head, signature, len(post.body), post.body))
        self._courier.counts["sent"] += 1
        self._timer = self._loop.call_later(webhooks.timeout_ms[0], self.abort)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def forget(self) -> None:
        self.post = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._settle(0)
        self._courier.leave(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.abort()

    def on_headers_complete(self) -> None:
        # Settled here and not at the body's end, so that an answer without a length counts too.
        self._settle(self._parser.get_status_code())

    def on_message_complete(self) -> None:
        if self._parser.should_keep_alive():
            self._courier.rest(self)
        else:
            self.abort()

    def _settle(self, status: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        post, self.post = self.post, None
        if post is not None:
            self._courier.settle(post, status)
