"""Posts signed webhooks on a few kept-alive connections. A post without a 200 is repeated after growing gaps."""

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
# The gap has reached its maximum long before it has grown this often. More growth would overflow a float.
_MAX_GROWTHS = 50


@dataclass(slots=True, eq=False)
class Post:
    body: bytes
    tries_count: int = 0


class WebhookPoster:
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
        """Use new settings. Queued posts go to the new callback URL; connections to the old one are closed."""
        is_new_url = webhooks.callback_url != self.webhooks.callback_url
        self.webhooks = webhooks
        if is_new_url:
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
        """Repeat all posts now that wait for their gap; return how many."""
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
            self.on_idle(channel)

    def _drop_channels(self, *, lose_posts: bool = False) -> None:
        for channel in tuple(self._channels):
            if lose_posts:
                channel.drop_post()
            channel.abort()
        self._channels.clear()
        self._idle.clear()

    # Called by the channels.

    def on_idle(self, channel: "_Channel") -> None:
        if channel in self._channels:
            self._idle.append(channel)
            self._pump()

    def on_closed(self, channel: "_Channel") -> None:
        self._channels.discard(channel)
        if channel in self._idle:
            self._idle.remove(channel)
        self._pump()

    def requeue(self, post: Post) -> None:
        """Put a post of which no byte was sent back to the front of the queue."""
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
        growth = webhooks.retry_factor ** min(post.tries_count, _MAX_GROWTHS)
        gap = min(webhooks.retry_ms[0] * growth, webhooks.retry_longest_ms[0])
        post.tries_count += 1
        self._retries.schedule(gap, self._retry, post)

    def _retry(self, post: Post) -> None:
        self.counts["retried"] += 1
        self._queue.append(post)
        self._pump()


class _Channel(asyncio.Protocol):
    """One connection to the callback URL, with at most one post in flight."""

    def __init__(self, poster: WebhookPoster, loop: asyncio.AbstractEventLoop, url: str) -> None:
        parts = urlsplit(url)
        self._poster = poster
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
            self._poster.requeue(post)
            return
        self.post = post
        webhooks = self._poster.webhooks
        signature = b""
        if webhooks.app_secret:
            digest = hmac.digest(webhooks.app_secret.encode(), post.body, "sha256")
            signature = b"X-Hub-Signature-256: sha256=%b\r\n" % digest.hex().encode()
        transport.write(b"%b%bContent-Length: %d\r\n\r\n%b" % (self._head, signature, len(post.body), post.body))
        self._poster.counts["sent"] += 1
        self._timer = self._loop.call_later(webhooks.timeout_ms[0], self.abort)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def drop_post(self) -> None:
        self.post = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._settle(0)
        self._poster.on_closed(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.abort()

    def on_headers_complete(self) -> None:
        # Settled at the end of the headers and not of the body, so that an answer without a length counts, too.
        self._settle(self._parser.get_status_code())

    def on_message_complete(self) -> None:
        if self._parser.should_keep_alive():
            self._poster.on_idle(self)
        else:
            self.abort()

    def _settle(self, status: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        post, self.post = self.post, None
        if post is not None:
            self._poster.settle(post, status)
