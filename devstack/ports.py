"""Finds a TCP port on loopback that a server can use now, and again after a restart."""

import random
import socket
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
    with socket.socket() as probe:
        # The servers set this option too. Without it, connections in TIME_WAIT would make the port appear occupied.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
