"""Finds a TCP port on loopback that a server can have now and get back after a restart."""

import random
import socket

LOOPBACK = "127.0.0.1"
# Below the range that Linux (32768) and the BSDs (49152) take for outgoing connections: while a server is down, a
# client that retries from such a port may connect to itself on loopback, and the server never gets its port back.
CANDIDATES = range(20_000, 32_000)
TRIES = 200


def free_port(preferred: int | None = None) -> int:
    """Return the preferred port where it is free on 127.0.0.1, else a free one; it is not reserved."""
    if preferred is not None and is_free(preferred):
        return preferred
    for candidate in random.sample(CANDIDATES, TRIES):
        if is_free(candidate):
            return candidate
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do it, else connections in TIME_WAIT would make their own port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
