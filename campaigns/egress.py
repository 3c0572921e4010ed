"""Posts to addresses that people have entered: where a request may go, how long it may take, when it is tried again.

Such an address could lead into the own network, to a database or to the metadata of a cloud. libcurl resolves the name
once and asks `_open_socket` about each address that it is about to connect to. So the address that is checked is the
address that gets the request, in whatever form the URL names it, while TLS and `Host` keep the name of the URL.
"""

from __future__ import annotations

import ipaddress
import random
import select
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

import certifi
import pycurl

from campaigns.clock import clock
from campaigns.domain.statement import Kind, Refusal
from campaigns.domain.users.proxy import Address, Network

POST_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_URL_CHARACTERS = 2000

# The waits before the first, the second … try, as the specification of Standard Webhooks proposes them.
_WAITS_SECONDS = (0.0, 5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
# A wait is longer than its table says by up to this share, so that the tries for many events spread out.
_JITTER = 0.2

# IPv6 addresses that lead to an IPv4 address by a gateway of the network (NAT64; RFC 6052).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# The public IPv6 addresses that IANA has given out so far.
_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
# Addresses that lead inwards, although Python's `is_global` may call them public: the addresses of protocols, among
# them the metadata of Oracle's cloud; Azure's services for each machine; 6to4 and Teredo, tunnels to any IPv4 address.
_INWARD = (
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("168.63.129.16/32"),
    ipaddress.IPv6Network("2002::/16"),
    ipaddress.IPv6Network("2001::/32"),
)

_USER_AGENT = "revoada/0.1"
_MIN_FINAL_STATUS = 200  # a lower status announces another one


class PostError(StrEnum):
    """The reason why a POST got no answer."""

    ADDRESS_REFUSED = "address_refused"  # the URL leads to an address that is not allowed
    NAME_UNKNOWN = "name_unknown"
    NO_CONNECTION = "no_connection"
    TLS_FAILED = "tls_failed"  # also a certificate that is not valid
    TIMEOUT = "timeout"
    BROKEN = "broken"  # the connection broke, or the answer is no HTTP


_ERRORS = {
    pycurl.E_COULDNT_RESOLVE_HOST: PostError.NAME_UNKNOWN,
    pycurl.E_COULDNT_CONNECT: PostError.NO_CONNECTION,
    pycurl.E_SSL_CONNECT_ERROR: PostError.TLS_FAILED,
    pycurl.E_PEER_FAILED_VERIFICATION: PostError.TLS_FAILED,
    pycurl.E_OPERATION_TIMEDOUT: PostError.TIMEOUT,
}


@dataclass(frozen=True, slots=True)
class PostResult:
    """The result of one POST. Either `status` (of HTTP) or `error` is None. `body`: the first 64 KiB of the answer."""

    status: int | None
    error: PostError | None
    body: bytes
    seconds: float

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004  the statuses of success


def check_url(url: str, networks: Sequence[Network]) -> None:
    """Raise Refusal unless a person may enter this URL as a target.

    `networks`: the setting REVOADA_EGRESS_NETWORKS. Without it, only https is allowed. The address is checked when the
    connection is made, because the name may lead elsewhere by then.
    """
    if not _is_well_formed(url):
        raise Refusal(
            "target_url_invalid",
            "The URL must be an https address with a host, without a user name, a password, a #fragment and spaces, and"
            " have at most {most} characters.",
            most=MAX_URL_CHARACTERS,
        )
    if not _is_https(url) and not networks:
        raise Refusal(
            "target_url_not_https",
            "The URL must be an https address. An http address may only lead to a network of the setting {variable}.",
            kind=Kind.FORBIDDEN,
            variable="REVOADA_EGRESS_NETWORKS",
        )


class Poster:
    """POSTs to one URL, and keeps its connections for the next POSTs. Threads may share the object.

    https may go to a public address or into `networks`, http only into `networks`. The address is checked whenever a
    connection is made, and a connection never changes its address. So close the object after some minutes, because the
    name may lead elsewhere by then. Redirects are not followed. Proxies of the environment are not used, because a
    proxy would choose the address. `ca_file`: the file of the certificate authorities that are trusted; None: that of
    certifi.
    """

    def __init__(self, url: str, networks: Sequence[Network], *, ca_file: str | None = None) -> None:
        self._url, self._networks, self._ca_file = url, networks, ca_file
        self._idle: list[_Handle] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._idle:
            handle.close()

    def post(self, body: bytes, headers: Mapping[str, str]) -> PostResult:
        """POST a body; all of it, up to the answer, takes at most 10 s. An error of the target is returned, not raised.

        If the target closes a kept connection before it answers, libcurl sends the body once more on a new connection.
        """
        handle = self._take()
        result = handle.post(body, headers)
        # An answer with an error status may belong to an earlier POST, and the right answer may still come on this
        # connection. So the connection is not used again.
        if result.is_success:
            self._idle.append(handle)
        else:
            handle.close()
        return result

    def _take(self) -> _Handle:
        with suppress(IndexError):  # no handle is idle
            while not (handle := self._idle.pop()).can_post():
                handle.close()
            return handle
        return _Handle(self._url, self._networks, self._ca_file or certifi.where())


class _Handle:
    """One libcurl handle, with at most one open connection."""

    def __init__(self, url: str, networks: Sequence[Network], ca_file: str) -> None:
        self._is_https, self._networks = _is_https(url), networks
        self._is_refused, self._chunks = False, bytearray()
        self._curl = curl = pycurl.Curl()
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        curl.setopt(pycurl.WRITEFUNCTION, self._read)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTPS if self._is_https else pycurl.PROTO_HTTP)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.MAXCONNECTS, 1)
        curl.setopt(pycurl.TIMEOUT_MS, int(POST_SECONDS * 1000))
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.CAINFO, ca_file)
        curl.setopt(pycurl.SSL_VERIFYPEER, 1)
        curl.setopt(pycurl.SSL_VERIFYHOST, 2)
        curl.setopt(pycurl.USERAGENT, _USER_AGENT)
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.POST, 1)

    def post(self, body: bytes, headers: Mapping[str, str]) -> PostResult:
        curl, self._is_refused, self._chunks = self._curl, False, bytearray()
        curl.setopt(pycurl.POSTFIELDS, body)
        # `Expect:` keeps libcurl from waiting for permission before it sends a large body.
        curl.setopt(pycurl.HTTPHEADER, ["Expect:", *(f"{name}: {value}" for name, value in headers.items())])
        started_at, error = clock(), None
        try:
            curl.perform()
        except pycurl.error as problem:
            error = _ERRORS.get(int(problem.args[0]), PostError.BROKEN)
            # A name may have several addresses. If an allowed address was reached, the error is about that address.
            if self._is_refused and error is PostError.NO_CONNECTION:
                error = PostError.ADDRESS_REFUSED
        status = int(curl.getinfo(pycurl.RESPONSE_CODE))
        seconds = clock() - started_at
        # The status counts as soon as it has come, also if the rest of the answer is too long, too slow or cut off.
        if status >= _MIN_FINAL_STATUS:
            return PostResult(status, None, bytes(self._chunks), seconds)
        return PostResult(None, error or PostError.BROKEN, b"", seconds)

    def can_post(self) -> bool:
        """Whether the next POST gets an open connection without unread bytes, or a new connection.

        libcurl would take unread bytes for the answer to the next POST. The socket is also readable if the target has
        closed the connection.
        """
        descriptor = self._curl.getinfo(pycurl.ACTIVESOCKET)
        if descriptor == -1:  # libcurl has closed the connection
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self._curl.close()

    def _open_socket(self, _purpose: int, target: pycurl.CurlSockAddr) -> socket.socket | int:
        if not is_allowed(str(target.addr[0]), networks=self._networks, is_https=self._is_https):
            self._is_refused = True
            return pycurl.SOCKET_BAD
        return socket.socket(target.family, target.socktype, target.protocol)

    def _read(self, chunk: bytes) -> int:
        chunks = self._chunks
        chunks.extend(chunk[: MAX_ANSWER_BYTES - len(chunks)])
        return len(chunk) if len(chunks) < MAX_ANSWER_BYTES else -1


def is_allowed(host: str, *, networks: Sequence[Network], is_https: bool) -> bool:
    """Whether a request may go to this IP address, which is written as the system writes it."""
    address = _read_address(host)
    return any(address in network for network in networks) or (is_https and _is_public(address))


def wait_seconds(try_count: int) -> float | None:
    """Return the wait before the next try after so many tries, with jitter; None if no further try is due."""
    if try_count >= len(_WAITS_SECONDS):
        return None
    return _WAITS_SECONDS[try_count] * random.uniform(1, 1 + _JITTER)  # noqa: S311  spreads tries, hides nothing


def _read_address(host: str) -> Address:
    """Return the address that a connection really reaches: an IPv4 address within an IPv6 address is an IPv4 one."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in _PUBLIC_IPV6:
        return False
    return not any(address in network for network in _INWARD)


def _is_https(url: str) -> bool:
    return url[:8].lower() == "https://"


def _is_well_formed(url: str) -> bool:
    if len(url) > MAX_URL_CHARACTERS or not all("!" <= each <= "~" for each in url) or "#" in url or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in {"https", "http"} and bool(parts.hostname) and port != 0 and "@" not in parts.netloc
