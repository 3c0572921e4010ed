"""Finds the user and the client of a request that a proxy has passed on."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from campaigns.domain.statement import Kind, Refusal
from campaigns.domain.users.credentials import read_user_name

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# The key of the environment of WSGI under which the console and the API find the address of the client.
CLIENT = "revoada.client"


def read_networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks that are separated by commas or spaces.

    Raises ValueError, also for a network that has every address: then each person could claim to be any user.
    """
    networks = tuple(ipaddress.ip_network(word) for word in text.replace(",", " ").split())
    if any(network.prefixlen == 0 for network in networks):
        raise ValueError("a network has every address")
    return networks


def find_header_user(
    headers: Iterable[tuple[str, str]], peer: str, *, header: str | None, trusted: Sequence[Network]
) -> str | None:
    """Return the name of the user that a trusted proxy names in a header of the request; None if it names nobody.

    `peer`: the address at the other end of the connection, never an address from a header. `header` None: no proxy
    signs users in. The header of a peer that is not trusted is ignored, because everybody can send one. Raises Refusal
    if a trusted proxy passes on several such headers, because a client may have sent one of them, or no valid name.
    """
    if header is None or not _is_trusted(peer, trusted):
        return None
    # A server turns the names X-User and X_User into the same variable, so both are the header.
    wanted = _normalise(header)
    found = [value for name, value in headers if _normalise(name) == wanted]
    if len(found) > 1:
        raise Refusal(
            "user_header_repeated",
            "The proxy passes the header {header} on more than once. It must remove this header from the request of the"
            " browser.",
            kind=Kind.FORBIDDEN,
            header=header,
        )
    return read_user_name(found[0]) if found and found[0].strip() else None


def find_client(forwarded: str, peer: str, *, trusted: Sequence[Network]) -> str:
    """Return the IP address of the client of a request. `forwarded`: the header `X-Forwarded-For`.

    Each proxy appends the address from which it got the request. So the addresses are read from the end, as long as the
    one behind them is that of a trusted proxy. All addresses before that may have been typed by the client. A request
    of a peer that is not trusted comes from the peer itself.
    """
    client = _read_address(peer)
    hops = [word for word in forwarded.split(",") if word.strip()]
    while hops and client is not None and _is_in(client, trusted):
        hop = _read_address(_drop_port(hops.pop().strip()))
        if hop is None:
            break
        client = hop
    return peer if client is None else str(client)


def _is_trusted(peer: str, trusted: Sequence[Network]) -> bool:
    address = _read_address(peer)
    return address is not None and _is_in(address, trusted)


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _read_address(text: str) -> Address | None:
    """Return an address without the scope of its network interface; None for a Unix socket, which has no address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _drop_port(hop: str) -> str:
    """Return the address of a hop. Some proxies append the port of the client: `192.0.2.1:47`, `[2001:db8::1]:47`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _normalise(name: str) -> str:
    return name.replace("_", "-").casefold()
