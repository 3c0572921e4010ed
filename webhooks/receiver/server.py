"""A gevent worker of gunicorn for the public port of the webhooks."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any

from gevent import get_hub  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from campaigns.config import SettingsError
from campaigns.connections import BoundedWorker
from campaigns.logs import report_start_error
from webhooks.receiver.refusals import refusals

_READ = 1  # libev's number for "readable"
_PART_BYTES = 65_536
# If a client does not take the bytes of an answer for so long, the kernel ends the connection.
_WRITE_SECONDS = 10


class Worker(BoundedWorker):
    """Ends slow connections, reports wrong settings, and serves posts of webhooks in a shorter way.

    A peer's share of the connections is enough for Meta, which posts from many addresses. While at least half of the
    connections are free, idle ones stay open: if the server closed a connection just when Meta sends a request on it,
    that webhook would be lost until Meta posts it again.

    The shorter way calls `receive` of the application without gunicorn's and Flask's objects, which take more CPU time
    than all other work on a webhook. gunicorn's access log, hooks and `--max-requests` do not notice these posts.
    """

    role = "webhooks"

    def load_wsgi(self) -> None:
        """Load the application. If a setting is wrong, end the server with one sentence instead of a traceback."""
        # gevent has patched this process now. When psycopg is imported, it chooses how it waits: earlier, it would
        # choose a function that stops all greenlets of the process during each statement.
        from campaigns.store.database import PoolerError  # noqa: PLC0415

        try:
            super().load_wsgi()
        except (SettingsError, PoolerError) as error:
            report_start_error(error)
            raise SystemExit(Arbiter.APP_LOAD_ERROR) from None

    def note_refusal(self, reason: str, count: int = 1) -> None:
        refusals.add(reason, count)

    def serve(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve posts until another request comes. gunicorn serves that request and the rest of the connection."""
        with suppress(OSError):  # a Unix socket
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * _WRITE_SECONDS)
        try:
            is_over = not self.cfg.is_ssl and self._serve_posts(client)
        except OSError:  # the peer has reset the connection
            is_over = True
        except Exception as error:  # noqa: BLE001  gunicorn answers 500 and logs the error
            self.handle_error(None, client, addr, error)
            is_over = True
        if is_over:
            client.close()
        else:
            super().serve(listener, client, addr)

    def _serve_posts(self, client: Any) -> bool:
        """Serve posts; return whether the connection is over. If it is not, its next request is still unread."""
        from webhooks.receiver.app import RECEIVE, refuse_incomplete  # noqa: PLC0415  as for psycopg in load_wsgi
        from webhooks.receiver.posts import read_head, write_answer  # noqa: PLC0415

        receive, record, hub = self.wsgi.extensions[RECEIVE], self._clients[client], get_hub()
        # One watcher serves the whole connection. gevent's `recv` alone would first read in vain, and then make a
        # watcher for each request.
        readable = hub.loop.io(client.fileno(), _READ)
        try:
            while True:
                data = b""
                with self.timeout_ctx():
                    hub.wait(readable)
                    data = client.recv(_PART_BYTES, socket.MSG_PEEK)
                if not data:
                    return True
                head = read_head(data)
                if head is None:
                    return False
                client.recv(head.size)
                record.begin(head.body_length or None, 0.0)
                body = _read_body(client, head.body_length)
                is_whole = len(body) == head.body_length
                answer = receive(body, head.signature) if is_whole else refuse_incomplete()
                is_last = not (is_whole and self.alive)
                client.sendall(write_answer(answer, int(time.time()), is_last=is_last))
                if is_last:
                    return True
                record.end()
        finally:
            readable.close()


def _read_body(client: Any, length: int) -> bytes:
    """Return the body; less than `length` bytes if the connection ends before."""
    parts, missing = [], length
    while missing and (part := client.recv(min(missing, _PART_BYTES))):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
