"""One libcurl easy handle: carries one request after the other, and lets each leave at most once.

Four habits of libcurl would cost messages. This module and the transport correct them:

- It sends a POST again by itself when a kept-alive connection dies before the first byte of the reply. The callback
  that it asks before each departure lets a request leave once only.
- It does not look whether a connection that it has kept for less than a second is still open. What would leave on one
  that is not takes another.
- It takes the first bytes on a connection for the reply, also bytes that were there before the request left. A request
  that would leave on such a connection takes another one, and the transport checks that the reply belongs to it.
- It looks at its timeout before it reads: after a freeze it would throw away replies that have arrived. So the
  transport keeps the total timeout.
"""

from __future__ import annotations

import certifi
import pycurl

from campaigns.clock import clock
from campaigns.whatsapp.mailbox import Mailbox, Reply, Request
from campaigns.whatsapp.sockets import Line, Sockets

# Below the idle time after which Meta's edge, and any proxy, closes a connection.
_IDLE_SECONDS = 20
# Meta's replies are below 2 KB; what is longer is not from Meta.
_MAX_REPLY_BYTES = 256 * 1024
_USER_AGENT = "revoada/0.1"


class Handle:
    """Used again and again; between `prepare` and `take_reply` it carries one request."""

    def __init__(self, multi: pycurl.CurlMulti, connect_timeout: float, sockets: Sockets) -> None:
        self.multi = multi
        self.curl = curl = pycurl.Curl()
        self.started_at = 0.0
        self.met_spent_connection = False
        self.line: Line | None = None
        self._sockets = sockets
        self._opened: list[int] = []
        self._has_left = self._was_held_back = self._is_fresh = False
        self._head: list[bytes] = []
        self._chunks: list[bytes] = []
        self._size = 0
        self._request: Request | None = None
        self._mailbox: Mailbox | None = None
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.USERAGENT, _USER_AGENT)
        # Never many requests on one connection: what breaks a connection leaves one message in doubt.
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(connect_timeout * 1000))
        curl.setopt(pycurl.CAINFO, certifi.where())
        curl.setopt(pycurl.SSL_VERIFYPEER, 1)
        curl.setopt(pycurl.SSL_VERIFYHOST, 2)
        curl.setopt(pycurl.MAXAGE_CONN, _IDLE_SECONDS)
        curl.setopt(pycurl.SOCKOPTFUNCTION, self._on_open)
        curl.setopt(pycurl.PREREQFUNCTION, self._before_departure)
        curl.setopt(pycurl.HEADERFUNCTION, self._head.append)
        curl.setopt(pycurl.WRITEFUNCTION, self._on_data)

    def prepare(self, request: Request, mailbox: Mailbox) -> None:
        self._request, self._mailbox, self.started_at = request, mailbox, clock()
        self._has_left = self._was_held_back = self.met_spent_connection = False
        self._chunks, self._size, self._opened, self.line = [], 0, [], None
        self._head.clear()
        if self._is_fresh:
            self._is_fresh = False
            self.curl.setopt(pycurl.FRESH_CONNECT, 0)
        self.curl.setopt(pycurl.URL, request.url)
        self.curl.setopt(pycurl.HTTPHEADER, request.headers)
        self.curl.setopt(pycurl.POSTFIELDS, request.body)

    def start_over(self) -> None:
        """Send a request that has not left on a new connection: libcurl may keep the spent one for a while."""
        self.started_at, self.met_spent_connection, self._is_fresh = clock(), False, True
        self.curl.setopt(pycurl.FRESH_CONNECT, 1)

    def take_reply(self, error: str) -> tuple[Mailbox, Reply]:
        request, mailbox = self._request, self._mailbox
        assert request is not None
        assert mailbox is not None
        self._request = self._mailbox = None
        reply = Reply(
            request,
            has_left=self._has_left,
            error=_HELD_BACK if self._was_held_back else error,
            http_status=int(self.curl.getinfo(pycurl.RESPONSE_CODE)),
            content_type=(self.curl.getinfo_raw(pycurl.CONTENT_TYPE) or b"").decode("latin-1"),
            body=b"".join(self._chunks),
            seconds=clock() - self.started_at,
            was_held_back=self._was_held_back,
        )
        self._chunks = []
        return mailbox, reply

    def count_reply_bytes(self) -> int:
        """Return the length of the last reply in bytes, without the bytes that TLS adds."""
        return sum(map(len, self._head)) + self._size

    def has_announced_end(self) -> bool:
        """Whether the last reply announces the end of the connection, or has no length and ends with the connection."""
        head = [line.lower() for line in self._head]
        return (
            any(line.startswith(b"connection:") and b"close" in line for line in head)
            or any(line.startswith(b"http/1.0") for line in head)
            or not any(line.startswith((b"content-length:", b"transfer-encoding:")) for line in head)
        )

    def _on_open(self, descriptor: int, _purpose: int) -> int:
        self._opened.append(descriptor)
        return pycurl.SOCKOPT_OK

    def _before_departure(self, remote_ip: str, _local_ip: str, remote_port: int, local_port: int) -> int:
        """Answer libcurl, which asks on a ready connection, before the first byte: once, and again for each replay."""
        request = self._request
        if request is None or self._has_left:
            return pycurl.PREREQFUNC_ABORT
        self.line = line = self._sockets.find(
            local_port, (remote_ip, remote_port), opened=self._opened, head=self._head
        )
        if not (self._is_fresh or (line is not None and line.is_idle)):
            self.met_spent_connection = True
            return pycurl.PREREQFUNC_ABORT
        if clock() >= request.permit.deadline:
            self._was_held_back = True
            return pycurl.PREREQFUNC_ABORT
        self._has_left = True
        return pycurl.PREREQFUNC_OK

    def _on_data(self, chunk: bytes) -> int:
        self._size += len(chunk)
        if self._size > _MAX_REPLY_BYTES:
            return -1
        self._chunks.append(chunk)
        return len(chunk)


_HELD_BACK = "kept back: the right to send had ended"
_ERRORS = {
    pycurl.E_COULDNT_RESOLVE_HOST: "the name could not be resolved",
    pycurl.E_COULDNT_CONNECT: "no connection",
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
    pycurl.E_GOT_NOTHING: "the connection was closed without a reply",
    pycurl.E_RECV_ERROR: "the connection broke while the reply came",
    pycurl.E_SEND_ERROR: "the connection broke while the request left",
    pycurl.E_PARTIAL_FILE: "the reply was cut off",
    pycurl.E_SSL_CONNECT_ERROR: "TLS failed",
    pycurl.E_PEER_FAILED_VERIFICATION: "the certificate is not valid",
    pycurl.E_ABORTED_BY_CALLBACK: "the connection was closed without a reply",
    pycurl.E_SEND_FAIL_REWIND: "the connection was closed without a reply",
}


def describe(code: int, message: str = "") -> str:
    """Return our sentence for an error of libcurl."""
    known = _ERRORS.get(code)
    return known if known is not None else f"libcurl error {code}: {message[:100]}"
