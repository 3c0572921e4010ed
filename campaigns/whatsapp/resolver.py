"""Looks up the addresses of servers in threads of their own, because a lookup blocks."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from campaigns.clock import clock

# The time until the next lookup, after a lookup that found addresses and after one that failed.
_FOUND_SECONDS, _FAILED_SECONDS = 60.0, 1.0


@dataclass(frozen=True, slots=True)
class Address:
    """An address to which a socket can connect: the family and the address of one entry of `socket.getaddrinfo`."""

    family: int
    sockaddr: tuple[Any, ...]


class Resolver:
    """Knows the addresses of servers. During a later lookup, and if it fails, the known addresses are still used.

    Not thread-safe: only the transport's thread calls the public methods. `_look_up` runs in threads of its own.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake` is called, in another thread, when a lookup has ended."""
        self._wake = wake
        # By host and port: the addresses, and the time on `clock` from which they are looked up again.
        self._known: dict[tuple[str, int], tuple[list[Address], float]] = {}
        # The lookups that run. Each of them appends its result, in a thread of its own.
        self._running: dict[tuple[str, int], list[list[Address]]] = {}

    def find(self, host: str, port: int) -> list[Address] | None:
        """Return the known addresses, the best first.

        None: the first lookup runs. []: the lookup has failed, and no address is known.
        """
        key = (host, port)
        addresses, expires_at = self._known.get(key, ([], -math.inf))
        if ended := self._running.get(key):
            del self._running[key]
            expires_at = clock() + (_FOUND_SECONDS if ended[0] else _FAILED_SECONDS)
            preferred = addresses[:1]  # it stays the first
            addresses = sorted(ended[0], key=lambda address: address not in preferred) or addresses
            self._known[key] = addresses, expires_at
        if clock() < expires_at:
            return addresses
        if key not in self._running:
            found: list[list[Address]] = []
            try:
                threading.Thread(target=self._look_up, args=(key, found), name="lookup", daemon=True).start()
            except RuntimeError:  # the process may start no more threads now
                self._known[key] = addresses, clock() + _FAILED_SECONDS
                return addresses
            self._running[key] = found
        return addresses or None

    def prefer(self, host: str, port: int, address: Address) -> None:
        """Note that a connection to this address was opened, so further connections try this address first."""
        known, _ = self._known.get((host, port), ([], 0.0))
        if address in known and known[0] != address:
            known.remove(address)
            known.insert(0, address)

    def _look_up(self, key: tuple[str, int], found: list[list[Address]]) -> None:
        addresses: list[Address] = []
        try:
            answers = socket.getaddrinfo(*key, type=socket.SOCK_STREAM)
            addresses = [Address(answer[0], answer[4]) for answer in answers]
        except (OSError, UnicodeError):
            pass
        finally:
            found.append(addresses)
            self._wake()
