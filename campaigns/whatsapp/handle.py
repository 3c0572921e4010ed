"""One libcurl easy handle: carries one request after the other, and sends each request at most once.

Four habits of libcurl would cost messages. This module and the transport correct them:

- It sends a POST again by itself when a kept-alive connection dies before the first byte of the reply. libcurl calls
  `_before_departure` before each departure, and this callback lets a request leave once only.
- It does not check a connection that was idle for less than a second before it reuses this connection. The server may
  have closed the connection. So the callback checks the connection, and a request that would use a closed connection
  gets a new connection.
- It takes the first bytes on a connection for the reply, including bytes that arrived before the request left. So a
  request does not use a connection with unread bytes, and the transport checks that each reply belongs to its request.
- It checks its timeout before it reads a reply. After a freeze of the process it would discard replies that have
  arrived, so the transport applies the total timeout itself.
"""

from __future__ import annotations

import certifi
import pycurl

from campaigns.clock import clock
from campaigns.whatsapp.mailbox import Mailbox, Reply, Request
from campaigns.whatsapp.sockets import ConnectionState, Sockets

# This is shorter than the idle time after which Meta's servers and common proxies close a connection.
_IDLE_SECONDS = 20
# Meta's replies are below 2 KB, so a reply above this limit is not from Meta.
_MAX_REPLY_BYTES = 256 * 1024
_USER_AGENT = "revoada/0.1"
_PROTOCOLS = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS


class Handle:
    """A reusable libcurl handle. Between `prepare` and `take_reply` it carries one request."""

    def __init__(
        self,
        multi: pycurl.CurlMulti,
        connect_timeout: float,
        sockets: Sockets,
        ca_file: str | None,
        shared: pycurl.CurlShare,
    ) -> None:
        self.multi = multi
        self.curl = curl = pycurl.Curl()
        self.started_at = 0.0
        self.needs_new_connection = False
        self.connection_state: ConnectionState | None = None
        self._sockets = sockets
        self._opened: list[int] = []
        self._has_left = self._was_held_back = self._forces_new_connection = False
        self._headers: list[str] = []
        self._head_lines: list[bytes] = []
        self._body_chunks: list[bytes] = []
        self._body_bytes = 0
        self._request: Request | None = None
        self._mailbox: Mailbox | None = None
        # libcurl also speaks file, scp, smtp and other protocols. A redirect could name such a protocol, or another
        # server.
        curl.setopt(pycurl.PROTOCOLS, _PROTOCOLS)
        curl.setopt(pycurl.REDIR_PROTOCOLS, _PROTOCOLS)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.USERAGENT, _USER_AGENT)
        # HTTP/1.1 carries one request at a time on a connection, so a broken connection makes one message uncertain.
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(connect_timeout * 1000))
        curl.setopt(pycurl.CAINFO, ca_file or certifi.where())
        curl.setopt(pycurl.SSL_VERIFYPEER, 1)
        curl.setopt(pycurl.SSL_VERIFYHOST, 2)
        curl.setopt(pycurl.SHARE, shared)
        curl.setopt(pycurl.MAXAGE_CONN, _IDLE_SECONDS)
        curl.setopt(pycurl.SOCKOPTFUNCTION, self._on_open)
        curl.setopt(pycurl.PREREQFUNCTION, self._before_departure)
        curl.setopt(pycurl.HEADERFUNCTION, self._head_lines.append)
        curl.setopt(pycurl.WRITEFUNCTION, self._on_data)

    def prepare(self, request: Request, mailbox: Mailbox) -> None:
        self._request, self._mailbox, self.started_at = request, mailbox, clock()
        self._has_left = self._was_held_back = self.needs_new_connection = False
        self._body_chunks, self._body_bytes, self._opened, self.connection_state = [], 0, [], None
        self._head_lines.clear()
        if self._forces_new_connection:
            self._forces_new_connection = False
            self.curl.setopt(pycurl.FRESH_CONNECT, 0)
        self.curl.setopt(pycurl.URL, request.url)
        if request.headers != self._headers:
            self.curl.setopt(pycurl.HTTPHEADER, request.headers)
            self._headers = request.headers
        self.curl.setopt(pycurl.POSTFIELDS, request.body)

    def retry_on_new_connection(self) -> None:
        """Make libcurl open a new connection for the request, which has not left yet.

        Otherwise libcurl may choose the unusable connection again.
        """
        self.started_at, self.needs_new_connection, self._forces_new_connection = clock(), False, True
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
            body=b"".join(self._body_chunks),
            seconds=clock() - self.started_at,
            was_held_back=self._was_held_back,
        )
        self._body_chunks = []
        return mailbox, reply

    def count_reply_bytes(self) -> int:
        """Return the length of the last reply in bytes, without TLS overhead."""
        return sum(map(len, self._head_lines)) + self._body_bytes

    def announces_close(self) -> bool:
        """Whether the server closes the connection after its reply.

        The signs are `Connection: close`, HTTP/1.0, and a reply that gives no length.
        """
        lines = [line.lower() for line in self._head_lines]
        return (
            any(line.startswith(b"connection:") and b"close" in line for line in lines)
            or any(line.startswith(b"http/1.0") for line in lines)
            or not any(line.startswith((b"content-length:", b"transfer-encoding:")) for line in lines)
        )

    def _on_open(self, descriptor: int, _purpose: int) -> int:
        self._opened.append(descriptor)
        return pycurl.SOCKOPT_OK

    def _before_departure(self, remote_ip: str, _local_ip: str, remote_port: int, local_port: int) -> int:
        """Decide whether the request may leave. libcurl calls this method before each try."""
        request = self._request
        if request is None or self._has_left:
            return pycurl.PREREQFUNC_ABORT
        self.connection_state = state = self._sockets.find(
            local_port, (remote_ip, remote_port), opened=self._opened, head=self._head_lines
        )
        if not (self._forces_new_connection or (state is not None and state.is_idle)):
            self.needs_new_connection = True
            return pycurl.PREREQFUNC_ABORT
        if clock() >= request.permit.deadline:
            self._was_held_back = True
            return pycurl.PREREQFUNC_ABORT
        self._has_left = True
        return pycurl.PREREQFUNC_OK

    def _on_data(self, chunk: bytes) -> int:
        self._body_bytes += len(chunk)
        if self._body_bytes > _MAX_REPLY_BYTES:
            return -1
        self._body_chunks.append(chunk)
        return len(chunk)


_HELD_BACK = "not sent: the right to send had ended"
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


def describe_error(code: int, message: str = "") -> str:
    known = _ERRORS.get(code)
    return known if known is not None else f"libcurl error {code}: {message[:100]}"
