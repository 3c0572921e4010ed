"""A lower bound for the receiver: a bare protocol that checks the signature of each post and stores its body.

It uses uvloop, httptools, the same insert and a group commit. It has no other paths, and no limits for clients.
`DATABASE_URL=… META_APP_SECRET=… python -m benchmarks.baselines.bare_receiver HOST PORT` runs until it is killed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import sys
from typing import Any

import httptools
import uvloop

from campaigns.store.database import Database
from campaigns.store.events import insert_events

_MOST_BODIES = 200  # of a group, as in the inbox
_STORED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nEVENT_RECEIVED"
_UNSIGNED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
_UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class Store:
    """Inserts bodies in groups: while a thread inserts one group, new bodies wait for the next."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[bytes, asyncio.Transport]] = []
        self._is_changed = asyncio.Event()

    def add(self, body: bytes, transport: asyncio.Transport) -> None:
        self._waiting.append((body, transport))
        self._is_changed.set()

    async def run(self) -> None:
        while True:
            await self._is_changed.wait()
            group, self._waiting = self._waiting[:_MOST_BODIES], self._waiting[_MOST_BODIES:]
            if not self._waiting:
                self._is_changed.clear()
            try:
                await asyncio.to_thread(self._database.run, insert_events, [body for body, _ in group])
                answer = _STORED
            except Exception:  # noqa: BLE001  a lower bound needs no more
                answer = _UNAVAILABLE
            for _, transport in group:
                transport.write(answer)


class Protocol(asyncio.Protocol):
    """One connection. The callbacks with the prefix `on_` are called by httptools."""

    def __init__(self, store: Store, secret: bytes) -> None:
        self._store, self._secret = store, secret
        self._parser = httptools.HttpRequestParser(self)
        self._signature, self._body = b"", b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-hub-signature-256":
            self._signature = value

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        body, signature, self._body, self._signature = self._body, self._signature, b"", b""
        digest = b"sha256=" + hmac.digest(self._secret, body, hashlib.sha256).hex().encode()
        if hmac.compare_digest(signature, digest):
            self._store.add(body, self._transport)
        else:
            self._transport.write(_UNSIGNED)


async def serve(host: str, port: int) -> None:
    database = Database(os.environ["DATABASE_URL"], max_connections=1)
    database.open()
    store, secret = Store(database), os.environ["META_APP_SECRET"].encode()
    await asyncio.get_running_loop().create_server(lambda: Protocol(store, secret), host, port)
    await store.run()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2])))
