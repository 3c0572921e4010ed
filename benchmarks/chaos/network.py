"""Hosts on one machine: each is a network namespace, and a veth pair links it to the host of the servers.

This process moves into a namespace of its own, which is the host of the servers. A namespace lives as long as a process
is in it, and its links and packet filters vanish with it. So nothing is left when the processes have ended, even if
this process was killed.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from devstack.server import DevstackError, wait_until
from devstack.stack import Stack

SERVERS = "10.77.0.4"
# The public address of the receivers. Each new connection to it goes to the next host.
PUBLIC = "10.77.0.100"
NETWORK = "10.77.0.0/24"
RECEIVER_PORT = 8000
_CLONE_NEWNET = 0x40000000
_PROGRAMS = {"ip": "iproute2", "ss": "iproute2", "iptables": "iptables", "unshare": "util-linux"}
_START_SECONDS = 30.0


def enter_own_network() -> None:
    """Move this process into a new network namespace. Raises DevstackError, which names what is missing.

    Call this before any thread starts: only the calling thread moves, and the threads that it starts later.
    """
    if os.geteuid() != 0:
        raise DevstackError("Network namespaces need root: run this as root, in a container or on a machine of yours.")
    if missing := sorted({package for name, package in _PROGRAMS.items() if shutil.which(name) is None}):
        raise DevstackError(f"A program is missing: install Debian's packages {' '.join(missing)}.")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise DevstackError(f"This system allows no network namespace: {os.strerror(ctypes.get_errno())}.")
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "address", "add", f"{SERVERS}/32", "dev", "lo")


class Host:
    """A network namespace with one link, to the host of the servers. Its processes see a hostname of their own."""

    def __init__(self, stack: Stack, number: int) -> None:
        self.name, self.address, self._link = f"host{number}", f"10.77.0.{number}", f"to-host{number}"
        keep = f"hostname {self.name} && exec sleep infinity"
        self._keeper = stack.start_process(self.name, ["unshare", "--net", "--uts", "sh", "-c", keep])
        pid = self._keeper.pid
        ours = Path("/proc/self/ns/net").readlink()
        # The program `sleep` runs only after the namespace was made and the hostname was set.
        if not wait_until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", _START_SECONDS):
            raise DevstackError(f"{self.name} did not start\n{self._keeper.last_lines()}")
        if Path(f"/proc/{pid}/ns/net").readlink() == ours:
            raise AssertionError("the host has no network namespace of its own")
        _run("ip", "link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        self._set_up()
        for command in (
            ("ip", "link", "set", "lo", "up"),
            ("ip", "address", "add", f"{self.address}/32", "dev", "eth0"),
            ("ip", "link", "set", "eth0", "up"),
            ("ip", "route", "add", f"{SERVERS}/32", "dev", "eth0"),
        ):
            _run(*self.prefix, *command)

    @property
    def prefix(self) -> list[str]:
        """The words before a command that let it run on this host."""
        return ["nsenter", f"--target={self._keeper.pid}", "--net", "--uts", "--"]

    def _set_up(self) -> None:
        _run("ip", "link", "set", self._link, "up")
        # The kernel removes the route of a link that goes down.
        _run("ip", "route", "replace", f"{self.address}/32", "dev", self._link, "src", SERVERS)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Take the link down: both sides lose the carrier."""
        _run("ip", "link", "set", self._link, "down")
        try:
            yield
        finally:
            self._set_up()

    @contextmanager
    def losing(self, *, requests: float = 0.0, replies: float = 0.0) -> Iterator[None]:
        """Drop a share (0 to 1) of the packets to the servers, or from them. Both sides see a link that is up."""
        with ExitStack() as rules:
            for share, chain, option in ((requests, "INPUT", "-i"), (replies, "OUTPUT", "-o")):
                if share:
                    chance = ["-m", "statistic", "--mode", "random", "--probability", str(share)] if share < 1 else []
                    rule = [chain, option, self._link, *chance, "-j", "DROP"]
                    _run("iptables", "--wait", "--append", *rule)
                    rules.callback(_run, "iptables", "--wait", "--delete", *rule)
            yield

    def forget_connections(self) -> None:
        """Close the connections of this host at the servers only, as if the servers' machine had lost its memory."""
        with self.losing(requests=1, replies=1):  # the resets do not arrive
            _run("ss", "--kill", "dst", self.address)

    def close_connections(self, port: int) -> None:
        """Close this host's side of its connections to a port of the servers."""
        _run(*self.prefix, "ss", "--kill", "dst", SERVERS, "dport", "=", f":{port}")


def balance(hosts: list[Host]) -> None:
    """Send each new connection to PUBLIC to the next host, whether that host is up or not."""
    _run("ip", "route", "add", f"{PUBLIC}/32", "dev", "lo", "src", SERVERS)
    for index, host in enumerate(hosts):
        every = ["-m", "statistic", "--mode", "nth", "--every", str(len(hosts) - index), "--packet", "0"]
        target = ["-j", "DNAT", "--to-destination", f"{host.address}:{RECEIVER_PORT}"]
        port = ["-p", "tcp", "--dport", str(RECEIVER_PORT)]
        _run("iptables", "--wait", "-t", "nat", "-A", "OUTPUT", "-d", PUBLIC, *port, *every, *target)


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise DevstackError(f"{' '.join(command)}: {done.stderr.strip()}")
