"""Finds a TCP port on loopback that a server can use now, and again after a restart."""

import errno
import random
import socket
from contextlib import suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"
# Below the ports that Linux (from 32768) and the BSDs (from 49152) use for outgoing connections. While a server is
# down, a client that retries from one of those ports may connect to itself on loopback, and then keeps the port.
CANDIDATES = range(20_000, 32_000)
TRIES = 200


def free_port(preferred: int | None = None) -> int:
    """Return the preferred port if it is free on 127.0.0.1, else another free port. The port is not reserved."""
    if preferred is not None and is_free(preferred):
        return preferred
    for candidate in random.sample(CANDIDATES, TRIES):
        if is_free(candidate):
            return candidate
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def keep_port(path: Path, first: int | None = None) -> int:
    """Return the port that is kept in a file if the port is free, else another free port, which the file keeps.

    `first`: the port that is preferred while the file keeps none.
    """
    try:
        kept = int(path.read_text("ascii"))
    except (FileNotFoundError, ValueError):
        kept = None
    port = free_port(kept if kept in CANDIDATES or kept == first else first)
    if port != kept:
        path.write_text(f"{port}\n", "ascii")
    return port


def is_free(port: int) -> bool:
    """Tell whether no server listens on the port: neither on 127.0.0.1 nor on ::1, to which a browser may connect."""
    return _is_free_on(socket.AF_INET, LOOPBACK, port) and _is_free_on(socket.AF_INET6, "::1", port)


def _is_free_on(family: socket.AddressFamily, address: str, port: int) -> bool:
    with suppress(OSError), socket.socket(family) as probe:
        # A machine without IPv6 has no such address, and so no server on it.
        # The servers set this option too. Without it, connections in TIME_WAIT would make the port appear occupied.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno not in {errno.EADDRINUSE, errno.EACCES}
    return True
