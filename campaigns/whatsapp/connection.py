"""One connection to the API by HTTP/1.1: opens, carries one request at a time, and reads the replies.

Usual libraries of HTTP, such as libcurl, send a request again when a kept connection breaks, take unexpected bytes for
the reply to the next request, and end a request at its timeout without first reading a reply that has arrived. Each of
these habits would cost messages. So the bytes are sent and received here, and httptools reads the HTTP. See
docs/decisions/0134-the-transport-sends-by-sockets-of-its-own.md.
"""

from __future__ import annotations

import base64
import errno
import select
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import httptools

from campaigns.whatsapp.mailbox import Mailbox, Request
from campaigns.whatsapp.resolver import Address

# Meta's replies are below 2 KB, so a reply above this limit is not from Meta.
_MAX_REPLY_BYTES = 256 * 1024
_READ_BYTES = 16 * 1024  # a record of TLS holds at most as many
_RECORD_HEAD_BYTES = 5
_FIRST_FINAL_STATUS = 200  # a reply with a lower status (1xx) announces another reply
# Unread bytes, the end of a connection, or an error.
_READABLE = select.POLLIN | getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
_IN_PROGRESS = (errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK, errno.EINTR)
# A socket that wants to write before it can be read (OpenSSL, with a full buffer) counts as broken, so that a loop that
# reads until nothing is unread always ends.
_NothingToRead = (BlockingIOError, ssl.SSLWantReadError)
_CannotSendNow = (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError)
_NotHttp = (httptools.HttpParserError, httptools.HttpParserUpgrade)


class ConnectionBrokenError(Exception):
    """The connection cannot be used any more. `str()` of the error says why, for a reply."""


@dataclass(frozen=True, slots=True)
class Target:
    """The server of a URL. `proxy`: the URL of the proxy through which https goes; None: no proxy."""

    host: str
    port: int
    is_tls: bool
    proxy: str | None = None

    @property
    def peer(self) -> tuple[str, int]:
        """The host and the port to which a socket connects: those of the proxy, if there is a proxy.

        Raises ValueError if the URL of the proxy does not begin with `http://`.
        """
        if self.proxy is None:
            return self.host, self.port
        parts = urlsplit(self.proxy)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(self.proxy)
        return parts.hostname, parts.port or 80

    def write_tunnel_request(self) -> bytes:
        """Return the request that asks the proxy for a tunnel to the server (RFC 9110, 9.3.6)."""
        assert self.proxy is not None
        host = f"[{self.host}]" if ":" in self.host else self.host
        lines = [f"CONNECT {host}:{self.port} HTTP/1.1", f"Host: {host}:{self.port}"]
        parts = urlsplit(self.proxy)
        if parts.username is not None:
            secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(secret).decode()}")
        return "\r\n".join([*lines, "", ""]).encode()


def find_proxy(host: str) -> str | None:
    """Return the URL of the proxy for https to a host: that of the variable `https_proxy`, else of `all_proxy`.

    None: there is none, or the variable `no_proxy` names the host.
    """
    if proxy_bypass_environment(host):
        return None
    proxies = getproxies_environment()
    proxy = proxies.get("https") or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


@dataclass(slots=True, eq=False)
class Exchange:
    """A request on its way to a reply. `data`: the bytes of the request. `started_at`: a time of `clock()`.

    `connection`: the connection that carries or will carry the request. `has_left`: a byte of the request may have left
    this machine. `was_held_back`: the right to send had ended, so the request did not leave.
    """

    request: Request
    mailbox: Mailbox
    target: Target
    data: bytes
    started_at: float
    connection: Connection | None = None
    has_left: bool = False
    was_held_back: bool = False


class Connection:
    """A connection, from the first attempt to open it to its end.

    `exchange`: the request that the connection carries or will carry; None: the connection is idle, or an error is
    held. `is_ready`: TCP, the tunnel of a proxy and the handshake of TLS are complete, as far as they are needed.
    `events`: the events to wait for. `request_count`: the number of requests that have left. `idle_since`: a time of
    `clock()`. `http_status`: of the reply, 0 until its head has come. `keeps_alive`: the server keeps the connection
    open after the reply. `has_more`: bytes came that are no part of the reply to the request.
    """

    def __init__(
        self,
        target: Target,
        address: Address,
        exchange: Exchange,
        *,
        untried: Sequence[Address],
        attempt_ends_at: float,
        wrap: Callable[[socket.socket], ssl.SSLSocket] | None,
    ) -> None:
        """Begin to open a connection to `address`. Raises OSError if the attempt fails at once.

        `untried`: the addresses to try if the attempt fails. `attempt_ends_at`: a time of `clock()`. `wrap`: makes a
        socket one of TLS; None: the connection is without TLS.
        """
        self.target, self.address, self.untried, self.attempt_ends_at = target, address, untried, attempt_ends_at
        self.exchange: Exchange | None = exchange
        self.is_ready = False
        self.events = select.POLLOUT
        self.request_count = 0
        self.idle_since = 0.0
        self._wrap = wrap
        self._tunnel: bytearray | None = None
        self._unsent = b""
        self._parser = httptools.HttpResponseParser(self)
        self._reset()
        self._socket = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(0)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.descriptor = self._socket.fileno()
            self._connect()
        except OSError:
            self._socket.close()
            raise

    def _reset(self) -> None:
        self._received: list[bytes] = []
        self._received_bytes = 0
        self._body: list[bytes] = []
        self.http_status = 0
        self.is_complete = self.keeps_alive = self.has_more = False

    # opening

    def open(self) -> bool:
        """Go on opening the connection; return whether it is ready. Raises ConnectionBrokenError."""
        if not isinstance(self._socket, ssl.SSLSocket):
            try:
                if not self._connect() or (self.target.proxy is not None and not self._open_tunnel()):
                    return False
            except OSError as error:
                raise ConnectionBrokenError("no connection") from error
        if self._wrap is not None and not self._shake_hands(self._wrap):
            return False
        self.is_ready, self.events = True, select.POLLIN
        self._poll = select.poll()
        self._poll.register(self.descriptor, _READABLE)
        return True

    def _connect(self) -> bool:
        """Begin to connect, or ask for the result; return whether the socket is connected. Raises OSError."""
        code = self._socket.connect_ex(self.address.sockaddr)
        if code in _IN_PROGRESS:
            return False
        if code not in (0, errno.EISCONN):
            raise OSError(code, "connect")
        return True

    def _open_tunnel(self) -> bool:
        """Ask the proxy for a tunnel; return whether it is open. Raises OSError or ConnectionBrokenError."""
        if self._tunnel is None:
            self._tunnel, self.events = bytearray(), select.POLLIN
            self._socket.send(self.target.write_tunnel_request())
        while b"\r\n\r\n" not in self._tunnel:
            try:
                data = self._socket.recv(_READ_BYTES)
            except _NothingToRead:
                return False
            self._tunnel += data
            if not data or len(self._tunnel) > _READ_BYTES:
                break
        # The server says nothing before the handshake of TLS begins, so no byte may follow the head.
        if not self._tunnel.startswith((b"HTTP/1.1 2", b"HTTP/1.0 2")) or not self._tunnel.endswith(b"\r\n\r\n"):
            raise ConnectionBrokenError("the proxy opened no tunnel")
        return True

    def _shake_hands(self, wrap: Callable[[socket.socket], ssl.SSLSocket]) -> bool:
        """Go on with the handshake of TLS; return whether it is complete. Raises ConnectionBrokenError."""
        try:
            if not isinstance(self._socket, ssl.SSLSocket):
                self._socket = wrap(self._socket)
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            self.events = select.POLLIN
            return False
        except ssl.SSLWantWriteError:
            self.events = select.POLLOUT
            return False
        except ssl.SSLCertVerificationError as error:
            raise ConnectionBrokenError("the certificate is not valid") from error
        except (OSError, ValueError) as error:
            raise ConnectionBrokenError("TLS failed") from error
        return True

    @property
    def session(self) -> ssl.SSLSession | None:
        """The session of TLS, which a later connection can resume. The server sends it with its first reply."""
        return self._socket.session if isinstance(self._socket, ssl.SSLSocket) else None

    def close(self) -> None:
        self._socket.close()

    # sending

    def is_quiet(self) -> bool:
        """Whether the connection is open and has no unread bytes, so that a request may leave on it."""
        return not self.has_unread() or self.stays_quiet()

    def has_unread(self) -> bool:
        """Whether the socket has unread bytes, or the connection has ended."""
        return bool(self._poll.poll(0))

    def send(self, data: bytes) -> None:
        """Send a request, or as much of it as the socket takes now. Raises ConnectionBrokenError."""
        self.request_count += 1
        self._reset()
        self._unsent = data
        self.send_rest()

    def send_rest(self) -> None:
        """Send the rest of a request, or as much of it as the socket takes now. Raises ConnectionBrokenError."""
        if not self._unsent:
            return
        try:
            sent = self._socket.send(self._unsent)
        except _CannotSendNow:
            sent = 0
        except OSError as error:
            raise ConnectionBrokenError("the connection broke while the request left") from error
        self._unsent = self._unsent[sent:]
        self.events = select.POLLIN | select.POLLOUT if self._unsent else select.POLLIN

    # reading

    def stays_quiet(self) -> bool:
        """Read what has come without a request; return whether the connection is open and only TLS itself has spoken.

        `has_more` becomes true if other bytes came.
        """
        try:
            data = self._peek_half_record() or self._socket.recv(_READ_BYTES)
        except _NothingToRead:
            return True
        except OSError:
            return False
        self.has_more = self.has_more or bool(data)
        return False

    def _peek_half_record(self) -> bytes:
        """Return the unread bytes of TLS if they end inside a record, else b"".

        OpenSSL would keep them, and no event would tell of them any more, although they may begin a reply. A record has
        a head of five bytes, the last two of which are its length (RFC 8446, 5.1).
        """
        if not isinstance(self._socket, ssl.SSLSocket):
            return b""
        data, at = socket.socket.recv(self._socket, _READ_BYTES, socket.MSG_PEEK), 0
        while at + _RECORD_HEAD_BYTES <= len(data):
            at += _RECORD_HEAD_BYTES + int.from_bytes(data[at + 3 : at + _RECORD_HEAD_BYTES], "big")
        return b"" if at == len(data) else data

    def read(self) -> bool:
        """Read what has come; return whether the reply is complete. Raises ConnectionBrokenError."""
        try:
            data = self._socket.recv(_READ_BYTES)
        except _NothingToRead:
            return False
        except OSError as error:
            raise ConnectionBrokenError("the connection broke while the reply came") from error
        if not data:
            self._end_reply()
            return True
        self._received.append(data)
        self._received_bytes += len(data)
        if self._received_bytes > _MAX_REPLY_BYTES:
            raise ConnectionBrokenError("the reply is too long")
        try:
            self._parser.feed_data(data)
        except _NotHttp as error:
            if not self.is_complete:
                raise ConnectionBrokenError("the reply is not HTTP") from error
            self.has_more = True
        return self.is_complete

    @property
    def body(self) -> bytes:
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)

    @property
    def can_be_kept(self) -> bool:
        """Whether the connection can carry another request after this reply."""
        return self.keeps_alive and not self.has_more and not self._unsent

    def read_content_type(self) -> str:
        """Return the Content-Type of the reply, "" if it has none."""
        return self._read_headers().get(b"content-type", b"").decode("latin-1")

    def _end_reply(self) -> None:
        """End a reply at the end of the connection. Only a reply that gives no length ends there.

        Raises ConnectionBrokenError for any other reply.
        """
        if not self._received:
            raise ConnectionBrokenError("the connection was closed without a reply")
        headers = self._read_headers()
        if not self.http_status or b"content-length" in headers or b"transfer-encoding" in headers:
            raise ConnectionBrokenError("the reply was cut off")
        self.is_complete = True

    def _read_headers(self) -> dict[bytes, bytes]:
        """Read the header lines again. Hardly any reply needs it, and httptools makes two objects of each line."""
        reader = _HeaderReader()
        for chunk in self._received:
            try:
                reader.feed(chunk)
            except _NotHttp:
                break
        return reader.headers

    # httptools calls these methods

    def on_message_begin(self) -> None:
        self.has_more = self.has_more or self.is_complete

    def on_headers_complete(self) -> None:
        if not self.is_complete:
            status: int = self._parser.get_status_code()
            self.http_status = status if status >= _FIRST_FINAL_STATUS else 0

    def on_body(self, chunk: bytes) -> None:
        if not self.is_complete:
            self._body.append(chunk)

    def on_message_complete(self) -> None:
        if self.http_status and not self.is_complete:
            self.is_complete, self.keeps_alive = True, self._parser.should_keep_alive()
            self.events = select.POLLIN  # the rest of a request that is answered already does not leave


class _HeaderReader:
    """Reads the header lines of the first reply that is not a 1xx."""

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self._is_final = False
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        if not self._is_final:
            self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_final:
            self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._is_final = self._is_final or self._parser.get_status_code() >= _FIRST_FINAL_STATUS
